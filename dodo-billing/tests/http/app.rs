//! An app with billing, its sandbox, and its ledger in memory.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::Router;
use bytes::Bytes;
use dodo_billing::{Access, Billing, BillingBuilder, BillingEndpoints, Plan, Plans, SoldProduct};
use dodo_core::{
    BoxError, Client, Dodo, Environment, EventKind, SignedIn,
    client::{ClientBuilder, PaymentId, ReqwestTransport, SessionId, Transport},
    endpoint::Endpoint as _,
    event::SubscriptionStatus,
};
use dodo_ledger::{
    Ledger, Store, Workers,
    attribution::{Fact, FactKind, Person, Source, Subscription, Touchpoint},
};
use dodo_sandbox::{Product, Sandbox};
use http::{Method, Request, Response, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// The address of the app's pages. Nothing listens there.
const RETURN_TO: &str = "https://app.example/billing/return";

pub(crate) struct App {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) billing: Billing,
    pub(crate) endpoints: BillingEndpoints,
    pub(crate) next_change: NextChange,
    pub(crate) ledger: Ledger,
    workers: Workers,
}

/// The answer of Dodo Payments to the next plan change. `None`: that of the sandbox.
pub(crate) type NextChange = Arc<Mutex<Option<Value>>>;

/// The transport of production, but for one answer.
struct Overridden {
    transport: ReqwestTransport,
    next_change: NextChange,
}

impl Transport for Overridden {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        if request.uri().path().ends_with("/change-plan") {
            let answer = self.next_change.lock().unwrap().take();
            if let Some(answer) = answer {
                return Ok(Response::new(Bytes::from(answer.to_string())));
            }
        }
        self.transport.send(request).await
    }
}

pub(crate) fn plans() -> Plans {
    Plans::builder()
        .free_plan(Plan::new("free").limit("projects", 3))
        .plan(Plan::new("pro").product("pdt_pro").feature("export").limit("projects", 100))
        .plan(Plan::new("team").product("pdt_team").includes("pro").seats("seats"))
        .plan(Plan::new("trial").product("pdt_trial").feature("beta").trial_once())
        .product(SoldProduct::once("pdt_templates").feature("templates"))
        .product(SoldProduct::once("pdt_desktop").feature("desktop"))
        .build()
        .unwrap()
}

/// What a request gets.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) allow: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) raw: Bytes,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn code(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or_default())
    }
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::with(true, |billing| billing).await
    }

    /// An app that gets its webhooks, or none of them.
    pub(crate) async fn with(
        webhooks: bool,
        change: impl FnOnce(BillingBuilder) -> BillingBuilder,
    ) -> Self {
        Self::at(Timestamp::now(), webhooks, change).await
    }

    /// As [`with`](Self::with). The clock of the sandbox and of billing starts at `now`.
    pub(crate) async fn at(
        now: Timestamp,
        webhooks: bool,
        change: impl FnOnce(BillingBuilder) -> BillingBuilder,
    ) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sandbox = Sandbox::builder()
            .now(now)
            .product(Product::monthly("pdt_pro", "Pro", "USD", 1900))
            .product(Product::monthly("pdt_team", "Team", "USD", 4900))
            .product(Product::monthly("pdt_trial", "Trial", "USD", 900).trial_days(14))
            .product(Product::one_time("pdt_templates", "Templates", "USD", 2900))
            .product(Product::one_time("pdt_desktop", "Desktop", "USD", 4900).license_keys(Some(1)))
            .start()
            .await
            .unwrap();
        let sandbox = Arc::new(sandbox);
        let next_change = NextChange::default();
        let transport = Overridden {
            transport: ReqwestTransport::new(Duration::from_secs(5), None).unwrap(),
            next_change: next_change.clone(),
        };
        let at_sandbox = |client: ClientBuilder| {
            let client = client.base_url(sandbox.url()).checkout_url(sandbox.url()).max_retries(0);
            client.with_transport(transport)
        };
        let dodo = Dodo::builder(sandbox.api_key(), sandbox.webhook_secret(), Environment::Test);
        let dodo = dodo.client(at_sandbox).build().unwrap();
        let clock = sandbox.clone();
        let billing = Billing::builder(&dodo, plans())
            .secret("a-secret-of-32-random-characters")
            .return_to(RETURN_TO)
            .clock(move || clock.now());
        let billing = change(billing).build().unwrap();
        let store = Store::open("sqlite::memory:").await.unwrap();
        let ledger = Ledger::builder(store).projection(billing.clone()).open().await.unwrap();
        let (hooks, workers) = ledger.attach(dodo.webhooks::<()>()).unwrap();
        if webhooks {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/hook", listener.local_addr().unwrap());
            sandbox.register_webhook(&url).unwrap();
            let router = Router::new().route("/hook", dodo_axum::webhooks(hooks));
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        let endpoints = billing.endpoints("/account");
        Self { sandbox, endpoints, next_change, billing, ledger, workers }
    }

    pub(crate) async fn stop(self) {
        self.workers.shutdown(Duration::from_secs(5)).await;
        drop(self.ledger);
    }

    /// A request as the app's own middleware passes it on. An empty user is signed out.
    pub(crate) async fn ask(&self, user: &str, request: Request<Bytes>) -> Reply {
        let mut request = request;
        if !user.is_empty() {
            let signed_in = SignedIn::user(user).email(format!("{user}@example.com"));
            request.extensions_mut().insert(signed_in);
        }
        let response = self.endpoints.handle(request).await;
        let text = |name| {
            let value = response.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        Reply {
            status: response.status(),
            location: text(header::LOCATION),
            allow: text(header::ALLOW),
            tag: text(header::ETAG),
            raw: response.body().clone(),
            body: serde_json::from_slice(response.body()).unwrap_or_default(),
        }
    }

    pub(crate) async fn get(&self, user: &str, path: &str) -> Reply {
        self.ask(user, Request::get(path).body(Bytes::new()).unwrap()).await
    }

    pub(crate) async fn post(&self, user: &str, path: &str, body: Value) -> Reply {
        self.ask(user, json_request(Method::POST, path, &body)).await
    }

    /// Buys a plan and pays it. Returns the key of the return URL.
    pub(crate) async fn buys(&self, user: &str, plan: &str, card: &str) -> String {
        let opened = self.post(user, "/checkout", serde_json::json!({ "plan": plan })).await;
        assert_eq!(opened.status, 200, "{opened:?}");
        // The same cart again is the same session.
        let options = dodo_billing::CheckoutOptions::of(plan);
        let session = self.billing.owner(user).checkout(options).await.unwrap();
        assert_eq!(opened.body["checkout_url"], session.checkout_url.as_str());
        let paid = self.sandbox.pay_session(&session.session_id, card).unwrap();
        let redirect = paid.redirect.unwrap_or_default();
        let key = redirect.split("checkout=").nth(1).unwrap_or_default();
        key.split('&').next().unwrap_or_default().to_owned()
    }

    /// Buys a product with a license key. Returns the key, as the mail to the customer shows it.
    pub(crate) async fn buys_a_license(&self, user: &str) -> String {
        self.buys(user, "pdt_desktop", dodo_sandbox::cards::OK).await;
        let has_key = |access: &Access| access.licenses().iter().any(|key| key.is_valid);
        let access = self.until(user, has_key).await;
        let id = &access.licenses().first().unwrap().license_key_id;
        let key = crate::client::client(self).license_key(id).await.unwrap();
        key.key.unwrap()
    }

    /// The requests that Dodo Payments got, each by its method and its path.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.sandbox.recorded_requests().into_iter();
        requests.map(|request| format!("{} {}", request.method, request.path)).collect()
    }

    /// The number of requests that begin so.
    pub(crate) fn count(&self, request: &str) -> usize {
        self.requests().iter().filter(|sent| sent.starts_with(request)).count()
    }

    /// A paid subscription. The app knows its start alone.
    pub(crate) async fn knows_the_start_alone(&self, user: &str, client: &Client) -> String {
        let owner = self.billing.owner(user);
        let options = dodo_billing::CheckoutOptions::of("pro").email("ada@example.com");
        let session = owner.checkout(options).await.unwrap();
        self.sandbox.pay_session(&session.session_id, dodo_sandbox::cards::OK).unwrap();
        let session = SessionId::new(&session.session_id).unwrap();
        let payment = client.checkout_session(&session).await.unwrap().payment_id.unwrap();
        let payment = client.payment(&PaymentId::new(payment).unwrap()).await.unwrap();
        let id = payment.subscription_id.unwrap();
        let at = self.sandbox.now();
        let mut body = Subscription {
            subscription_id: id.clone(),
            status: Some(SubscriptionStatus::Active),
            product_id: Some("pdt_pro".into()),
            ..Subscription::default()
        };
        body.terms.next_billing_date = Some(at + SignedDuration::from_hours(30 * 24));
        let token = Some(owner.token().unwrap());
        let own = Touchpoint { owner: token, ..Touchpoint::default() };
        let start = Fact {
            id: format!("msg_{id}"),
            source: Source::Webhook,
            occurred_at: at,
            received_at: at,
            attempt_at: None,
            event_type: EventKind::SubscriptionActive,
            live: false,
            business_id: "bus_1".into(),
            brand_id: None,
            kind: FactKind::Subscription(Box::new(body)),
            person: Some(Person { own, ..Person::default() }),
        };
        self.ledger.book_facts(vec![start]).await.unwrap();
        id
    }

    /// Waits until everything that happened is booked, and returns the access that fits.
    pub(crate) async fn until(&self, user: &str, fits: impl Fn(&Access) -> bool) -> Access {
        self.sandbox.wait_until_idle().await;
        let reading = async {
            loop {
                let access = self.billing.owner(user).await.unwrap();
                if fits(&access) {
                    return access;
                }
                tokio::task::yield_now().await;
            }
        };
        let read = tokio::time::timeout(Duration::from_secs(120), reading).await;
        match read {
            Ok(access) => access,
            Err(_) => panic!("never: {:?}", self.billing.owner(user).await),
        }
    }

    pub(crate) fn days_pass(&self, days: u64) {
        self.sandbox.advance(Duration::from_secs(days * 86_400)).unwrap();
    }
}

pub(crate) fn json_request(method: Method, path: &str, body: &Value) -> Request<Bytes> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Bytes::from(body.to_string()))
        .unwrap()
}
