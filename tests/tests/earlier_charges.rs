//! Charges of subscriptions that began before the ledger did: the sandbox is asked about them, by every
//! instance that books.

use std::time::Duration;

use bytes::Bytes;
use dodo_core::{
    Client, Environment, WebhookKey, Webhooks,
    attribution::{ClassificationBasis, RecordKind},
    webhook::{Inbox, VerifiedEvent},
};
use dodo_ledger::{Ledger, Store};
use dodo_sandbox::{Product, Sandbox, cards};
use dodo_tests::{
    postgres::{self, Schema},
    program::Folder,
};
use serde_json::{Value, json};

const MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);
const SUBSCRIPTIONS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandbox_knows_earlier_charges_on_sqlite() {
    let folder = Folder::new("earlier-charges");
    the_sandbox_knows_earlier_charges(&[&folder.sqlite()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandbox_knows_earlier_charges_whichever_instance_asks() {
    let test = "the_sandbox_knows_earlier_charges_whichever_instance_asks";
    let Some(server) = postgres::server(test) else { return };
    let schema = Schema::create(server, "earlier_charges").await;
    the_sandbox_knows_earlier_charges(&[&schema.url(), &schema.url(), &schema.url()]).await;
    schema.drop().await;
}

async fn the_sandbox_knows_earlier_charges(urls: &[&str]) {
    let sandbox = Sandbox::builder()
        .clock_rate(0.0)
        .product(Product::monthly("pdt_pro", "Pro", "USD", 1900))
        .start()
        .await
        .unwrap();
    let dodo = Client::builder(sandbox.api_key(), Environment::Test)
        .base_url(sandbox.url())
        .build()
        .unwrap();
    // Bought before there was a ledger; half of them are charged again when there is one.
    let mut subscriptions = Vec::new();
    for _ in 0..SUBSCRIPTIONS {
        let session = json!({
            "product_cart": [{ "product_id": "pdt_pro", "quantity": 1 }],
            "billing_address": { "country": "US" },
        });
        let session = call(&sandbox, "/checkouts", Some(session)).await;
        let session = session["session_id"].as_str().unwrap();
        let paid = sandbox.pay_session_as(session, cards::OK, "ada@example.com", "Ada").unwrap();
        let paid = call(&sandbox, &format!("/payments/{}", paid.payment_id), None).await;
        subscriptions.push((paid["subscription_id"].as_str().unwrap().to_owned(), paid));
    }
    sandbox.advance(MONTH).unwrap();

    let mut ledgers = Vec::new();
    for url in urls {
        let ledger = Ledger::builder(Store::open(url).await.unwrap())
            .look_up_earlier_charges(dodo.clone())
            .build()
            .unwrap();
        ledger.migrate().await.unwrap();
        ledgers.push(ledger);
    }
    let hooks =
        || Webhooks::builder(WebhookKey::new(sandbox.webhook_secret(), Environment::Live).unwrap());
    let workers: Vec<_> = ledgers.iter().map(|one| one.attach(hooks()).unwrap().1).collect();
    let mut expected = Vec::new();
    for (n, (subscription, first)) in subscriptions.iter().enumerate() {
        let (charge, kind) = match n % 2 {
            0 => (latest(&sandbox, subscription, first).await, RecordKind::SubscriptionRenewal),
            _ => (first.clone(), RecordKind::SubscriptionNew),
        };
        expected.push((format!("charge:{}", charge["payment_id"].as_str().unwrap()), kind));
        ledgers[n % ledgers.len()].accept(&delivered(n, charge)).await.unwrap();
    }
    let ledger = &ledgers[0];
    let all_done = async {
        while ledger.stats().await.unwrap().pending > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all_done).await.expect("everything is booked");
    for (id, kind) in expected {
        let record = ledger.record(&id).await.unwrap().expect("a record");
        assert_eq!((record.kind, record.basis), (kind, ClassificationBasis::ApiLookup), "{id}");
    }
    for workers in workers {
        workers.shutdown(Duration::from_secs(5)).await;
    }
}

/// The charge of a subscription that is not its first.
async fn latest(sandbox: &Sandbox, subscription: &str, first: &Value) -> Value {
    let path = format!("/payments?subscription_id={subscription}&page_size=100");
    let list = call(sandbox, &path, None).await;
    let ids = list["items"].as_array().unwrap().iter().map(|item| item["payment_id"].clone());
    let later: Vec<Value> = ids.filter(|id| *id != first["payment_id"]).collect();
    assert_eq!(later.len(), 1, "{list}");
    call(sandbox, &format!("/payments/{}", later[0].as_str().unwrap()), None).await
}

/// As it was delivered before payments said what kind of charge they are.
fn delivered(n: usize, mut payment: Value) -> VerifiedEvent {
    let at: jiff::Timestamp = payment["created_at"].as_str().unwrap().parse().unwrap();
    payment.as_object_mut().unwrap().remove("charge_type");
    let body = json!({
        "type": "payment.succeeded", "business_id": "bus_1", "timestamp": at.to_string(),
        "data": payment,
    });
    VerifiedEvent::from_trusted_parts(&format!("msg_{n}"), Bytes::from(body.to_string()), at, false)
}

async fn call(sandbox: &Sandbox, path: &str, body: Option<Value>) -> Value {
    let http = reqwest::Client::new();
    let url = format!("{}{path}", sandbox.url());
    let request = match &body {
        Some(body) => http.post(url).json(body),
        None => http.get(url),
    };
    let answer = request.bearer_auth(sandbox.api_key()).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.unwrap()
}
