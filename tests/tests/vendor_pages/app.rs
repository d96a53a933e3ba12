//! An app as the pages describe it: a checkout, a webhook route, a ledger, and a sandbox behind it.

use std::time::Duration;

use axum::Router;
use dodo_axum::{VisitorLayer, checkout_handler, webhooks};
use dodo_core::{Dodo, Environment, attribution::AttributionRecord, capture::VisitorCapture};
use dodo_ledger::{Ledger, LedgerBuilder, Store, Workers};
use dodo_sandbox::{Product, Sandbox, cards};
use serde_json::{Value, json};

pub(crate) struct App {
    pub(crate) sandbox: Sandbox,
    pub(crate) ledger: Ledger,
    url: String,
    http: reqwest::Client,
    workers: Workers,
}

impl App {
    pub(crate) async fn start(
        capture: VisitorCapture,
        settings: impl FnOnce(LedgerBuilder) -> LedgerBuilder,
    ) -> Self {
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let sandbox = Sandbox::builder()
            .product(Product::one_time("pdt_guide", "Guide", "USD", 1900))
            .product(Product::monthly("pdt_club", "Club", "USD", 1200))
            .start()
            .await
            .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let secret = sandbox.register_webhook(&format!("{url}/api/webhook")).unwrap();
        let dodo = Dodo::builder(sandbox.api_key(), secret, Environment::Test)
            .client(|client| client.base_url(sandbox.url()).checkout_url(sandbox.url()))
            .capture(capture.clone())
            .build()
            .unwrap();
        let store = Store::open("sqlite::memory:").await.unwrap();
        let ledger = settings(Ledger::builder(store)).build().unwrap();
        ledger.migrate().await.unwrap();
        let (hooks, workers) = ledger.attach(dodo.webhooks()).unwrap();
        let checkout = dodo.session_checkout().context_store(ledger.clone()).build().unwrap();
        let router = Router::new()
            .route("/api/checkout", checkout_handler(checkout))
            .route("/api/webhook", webhooks(hooks))
            .layer(VisitorLayer::new(capture));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { sandbox, ledger, url, http: reqwest::Client::new(), workers }
    }

    /// A page of the shop posts its cart or a `productId`, with these fields beside it, and the customer pays.
    pub(crate) async fn buy(
        &self,
        product: &str,
        cookies: &str,
        email: &str,
        beside: Value,
    ) -> String {
        let mut body = beside;
        if body.get("productId").is_none() {
            body["product_cart"] = json!([{ "product_id": product, "quantity": 1 }]);
        }
        let request = self.http.post(format!("{}/api/checkout", self.url));
        let answer = request.header("cookie", cookies).json(&body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status}: {text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        let session = answer["session_id"].as_str().unwrap();
        let paid = self.sandbox.pay_session_as(session, cards::OK, email, "Ann").unwrap();
        assert_eq!(paid.status, "succeeded");
        self.settle().await;
        paid.payment_id
    }

    /// The metadata of the last checkout session that was created at Dodo Payments.
    pub(crate) fn metadata(&self) -> Value {
        let requests = self.sandbox.recorded_requests();
        let created = requests.iter().rev().find(|request| request.path == "/checkouts").unwrap();
        let body: Value = serde_json::from_str(&created.body).unwrap();
        body.get("metadata").cloned().unwrap_or_else(|| json!({}))
    }

    /// Waits until every delivery is sent, booked and handled.
    pub(crate) async fn settle(&self) {
        let settled = async {
            self.sandbox.wait_until_idle().await;
            while self.ledger.stats().await.unwrap().pending > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), settled)
            .await
            .expect("everything is handled");
    }

    pub(crate) async fn record(&self, id: &str) -> AttributionRecord {
        self.ledger.record(id).await.unwrap().unwrap_or_else(|| panic!("no record {id}"))
    }

    /// All records of charges, oldest first.
    pub(crate) async fn charges(&self) -> Vec<AttributionRecord> {
        let records = self.ledger.records().test_mode().fetch().await.unwrap();
        records.into_iter().filter(|record| record.kind.is_charge()).collect()
    }

    pub(crate) async fn stop(self) {
        self.workers.shutdown(Duration::from_secs(5)).await;
        self.sandbox.shutdown().await;
    }
}
