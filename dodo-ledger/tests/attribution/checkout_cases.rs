//! The edge cases that the checkout (30 to 33) and the webhook endpoint (38 to 40) decide. Numbers
//! are shared with `rows.rs`.

use bytes::Bytes;
use dodo_core::{
    BoxError, Environment, WebhookKey,
    capture::VisitorCapture,
    endpoint::Endpoint,
    internals::ClientMetadata,
    webhook::{Inbox, Receipt, VerifiedEvent},
};
use dodo_ledger::{RetryPolicy, sink::FnSink};
use http::{Request, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    payloads::{day, paid},
    support::{KEY, TestStore, eventually, hooks, work},
};

/// The rows that are here.
pub(crate) const NUMBERS: [u32; 7] = [30, 31, 32, 33, 38, 39, 40];

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// The metadata of a checkout whose request has this cookie.
fn metadata(cookie: Option<&str>, server: Value, client: Value, policy: ClientMetadata) -> Value {
    let mut request = Request::builder().uri("/api/checkout");
    if let Some(cookie) = cookie {
        request = request.header("cookie", format!("visitor={cookie}"));
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let (captured, _) = VisitorCapture::visitors_now().capture(&parts);
    captured.inject(&map(server), map(client), policy).into()
}

#[test]
fn rows_30_to_33_what_a_checkout_takes_along() {
    let strict = ClientMetadata::Strict;
    assert_eq!(metadata(None, json!({}), json!({}), strict), json!({}), "30: no cookie, no key");
    let long = "v".repeat(4096);
    for cookie in [long.as_str(), "a\tb"] {
        assert_eq!(metadata(Some(cookie), json!({}), json!({}), strict), json!({}), "31");
    }
    let (app, body) = (json!({ "visitor": "app" }), json!({ "visitor": "body" }));
    let kept = metadata(Some("v1"), app.clone(), json!({}), strict);
    assert_eq!(kept, app, "32: what the app set stays");
    let lenient = metadata(Some("v1"), json!({}), body.clone(), ClientMetadata::Lenient);
    assert_eq!(lenient, json!({ "visitor": "v1" }), "32: what the body set is replaced");
    assert_eq!(metadata(None, json!({}), body, strict), json!({}), "32: or dropped");
    let full: Map<String, Value> = (0..50).map(|n| (format!("k{n}"), json!("x"))).collect();
    let full = Value::Object(full);
    assert_eq!(metadata(Some("v1"), full.clone(), json!({}), strict), full, "33: no room");
}

/// A signed delivery of this body, with these signatures put in front of the right one.
pub(crate) fn post(id: &str, body: &Value, before: &str) -> Request<Bytes> {
    let body = body.to_string();
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap();
    let signature = WebhookKey::new(KEY, Environment::Live).unwrap().sign(id, now, body.as_bytes());
    Request::post("/webhook")
        .header("webhook-id", id)
        .header("webhook-timestamp", now)
        .header("webhook-signature", format!("{before}{signature}"))
        .body(Bytes::from(body))
        .unwrap()
}

crate::on_every_store! {
    row_36_key_decides_the_mode,
    rows_38_to_40_answers_of_the_endpoint,
}

/// A delivery does not say whether it is a test: the environment of the key that it is signed with does.
async fn row_36_key_decides_the_mode(store: &TestStore) {
    let ledger = store.ledger().await;
    let modes = [(Environment::Test, "pay_test", 7777), (Environment::Live, "pay_live", 2000)];
    for (environment, id, total) in modes {
        let key = WebhookKey::new(KEY, environment).unwrap();
        let hooks = ledger.receive_only(dodo_core::Webhooks::builder(key)).unwrap();
        let body = paid(id, day(0), total, json!({})).body;
        assert_eq!(hooks.handle(post(id, &body, "")).await.status(), StatusCode::OK);
    }
    let workers = work(&ledger, hooks());
    eventually("both are booked", async || ledger.stats().await.unwrap().unbooked == 0).await;
    workers.shutdown(std::time::Duration::from_secs(5)).await;
    for (environment, id, total) in modes {
        let record = ledger.record(&format!("charge:{id}")).await.unwrap().unwrap();
        assert_eq!(record.live, environment == Environment::Live, "{id}");
        let question = ledger.revenue();
        let question = if record.live { question } else { question.test_mode() };
        let sums = question.fetch().await.unwrap();
        assert_eq!(sums.iter().map(|sum| sum.net).collect::<Vec<_>>(), [i128::from(total)], "{id}");
    }
}

async fn rows_38_to_40_answers_of_the_endpoint(store: &TestStore) {
    let down = FnSink::new("down", |_| async { Err::<(), _>("not today") }).include_test_mode();
    let wait = RetryPolicy::new(
        std::time::Duration::from_millis(1),
        std::time::Duration::from_millis(5),
        5,
    );
    let ledger = store.builder().await.sink(down).sink_retry(wait.max_attempts(3)).build().unwrap();
    ledger.migrate().await.unwrap();
    let hooks = ledger.receive_only(hooks()).unwrap();
    let body = paid("pay_1", day(0), 2000, json!({})).body;
    let wrong = format!("v1,{}= ", "A".repeat(43));

    let answer = hooks.handle(post("msg_1", &body, &wrong)).await;
    assert_eq!(answer.status(), StatusCode::OK, "39: one of two signatures matches");
    let odd = json!({ "type": "payment.teleported", "data": { "anything": [1] }, "more": true });
    let answer = hooks.handle(post("msg_2", &odd, "")).await;
    assert_eq!(answer.status(), StatusCode::OK, "40: an unknown type");

    let workers = work(&ledger, crate::support::hooks());
    eventually("the record is a dead letter", async || {
        ledger.sink_stats("down").await.unwrap().dead == 1
    })
    .await;
    eventually("both are done", async || ledger.stats().await.unwrap().pending == 0).await;
    workers.shutdown(std::time::Duration::from_secs(5)).await;
    let record = ledger.record("charge:pay_1").await.unwrap();
    assert!(record.is_some_and(|record| record.kind.is_revenue()), "38: booked all the same");
    assert!(ledger.event("msg_2").await.unwrap().is_some(), "40: stored, without a record");
}

#[tokio::test]
async fn row_38_a_store_that_is_down() {
    struct NoStore;
    impl Inbox for NoStore {
        type Error = BoxError;
        async fn accept(&self, _: &VerifiedEvent) -> Result<Receipt, BoxError> {
            Err("gone".into())
        }
    }
    let hooks = hooks().inbox(NoStore).build().unwrap();
    let answer = hooks.handle(post("msg_1", &json!({ "type": "x", "data": {} }), "")).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
}
