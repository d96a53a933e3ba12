//! Values that no column, link or key can hold. On every store the event is booked and its
//! callbacks run.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::time::Duration;

use dodo_core::webhook::Inbox;
use dodo_ledger::{Identity, Ledger};
use serde_json::{Value, json};
use support::{TestStore, delivery, hooks, work};

on_every_store! {
    every_hostile_value_is_booked,
    invalid_visitor_is_absent,
    long_ids_stay_distinct_and_match,
    invalid_owner_of_the_application_is_absent,
}

/// Stands for an unpaired surrogate, which no Rust text can hold.
const SURROGATE: &str = "<surrogate>";

/// Long, and not to be compressed.
fn long(length: usize) -> String {
    let mut state: u32 = 7;
    let letters = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + u8::try_from((state >> 24) % 26).unwrap())
    });
    letters.take(length).collect()
}

fn hostile() -> [(&'static str, String); 7] {
    [
        ("NUL", "v\0x".to_owned()),
        ("6,000 letters", long(6000)),
        ("6,000 emoji", "\u{1f600}".repeat(6000)),
        ("an emoji", "v\u{1f600}".to_owned()),
        ("a line break", "v\nx".to_owned()),
        ("an unpaired surrogate", format!("v{SURROGATE}")),
        ("nothing", String::new()),
    ]
}

fn payment() -> Value {
    json!({ "type": "payment.succeeded", "business_id": "bus_1", "timestamp": "2026-11-20T10:00:00Z",
        "data": {
            "payload_type": "Payment", "payment_id": "pay_1", "created_at": "2026-11-20T10:00:00Z",
            "total_amount": 2000, "tax": 300, "currency": "USD",
            "customer": { "customer_id": "cus_1", "email": "ada@example.com", "name": "Ada" },
            "metadata": {},
        } })
}

/// An event of this type about a payment, a refund, a dispute and a subscription at once.
fn other(kind: &str) -> Value {
    let mut event = payment();
    event["type"] = kind.into();
    let more = json!({
        "refund_id": "ref_1", "dispute_id": "dp_1", "subscription_id": "sub_1", "amount": "20.00",
        "recovered_payment_id": "pay_2", "abandonment_reason": "payment_failed", "status": "active",
    });
    event["data"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    if kind.starts_with("refund") {
        event["data"]["amount"] = 500.into();
    }
    event
}

/// Where a value may stand: an event, and the place in it.
fn places() -> Vec<(Value, &'static str)> {
    let mut places = Vec::new();
    for at in [
        "/type",
        "/business_id",
        "/data/payment_id",
        "/data/subscription_id",
        "/data/subscription_ids/0",
        "/data/checkout_session_id",
        "/data/product_cart/0/product_id",
        "/data/invoice_id",
        "/data/brand_id",
        "/data/payment_method",
        "/data/customer/customer_id",
        "/data/customer/email",
        "/data/customer/name",
        "/data/customer/metadata/visitor",
        "/data/metadata/visitor",
        "/data/metadata/utm_source",
        "/data/metadata/user_id",
        "/data/metadata/datafast_visitor_id",
    ] {
        places.push((payment(), at));
    }
    for (kind, ids) in [
        ("payment.failed", &["/data/payment_id", "/data/metadata/visitor"][..]),
        ("refund.succeeded", &["/data/refund_id", "/data/payment_id"]),
        ("refund.failed", &["/data/refund_id", "/data/payment_id"]),
        ("dispute.lost", &["/data/dispute_id", "/data/payment_id"]),
        ("subscription.active", &["/data/subscription_id", "/data/metadata/visitor"]),
        ("subscription.cancelled", &["/data/subscription_id", "/data/product_id"]),
        ("abandoned_checkout.recovered", &["/data/payment_id", "/data/recovered_payment_id"]),
    ] {
        places.extend(ids.iter().map(|at| (other(kind), *at)));
    }
    places
}

fn put(event: &mut Value, at: &str, value: &str) {
    let mut place = event;
    for step in at.split('/').skip(1) {
        if step.parse::<usize>().is_ok() {
            *place = json!([Value::Null]);
            place = &mut place[0];
        } else {
            place = &mut place[step];
        }
    }
    *place = value.into();
}

fn text_of(event: &Value) -> String {
    event.to_string().replace(SURROGATE, "\\ud800")
}

async fn until_done(ledger: &Ledger) {
    let workers = work(ledger, hooks().on_any(|_| async { Ok(()) }));
    ledger.settled().await.unwrap();
    workers.shutdown(Duration::from_secs(5)).await;
}

async fn every_hostile_value_is_booked(store: &TestStore) {
    let ledger = store.ledger().await;
    let mut cases = Vec::new();
    for (event, at) in places() {
        for (name, value) in hostile() {
            let mut event = event.clone();
            put(&mut event, at, &value);
            let id = format!("msg_{}", cases.len());
            ledger.accept(&delivery(&id, text_of(&event))).await.unwrap();
            cases.push((id, format!("{name} as {at} of {}", event["type"]), name));
        }
    }
    until_done(&ledger).await;
    let mut wrong = Vec::new();
    for (id, what, name) in cases {
        let event = ledger.event(&id).await.unwrap().unwrap();
        // Without an id, or with half a character, the event may be unreadable.
        let may_be_parked = matches!(name, "nothing" | "an unpaired surrogate");
        let as_expected = event.state == "done" || may_be_parked && event.state == "parked";
        if !as_expected || event.failed_attempts > 0 {
            wrong.push(format!("{what}: {} {:?}", event.state, event.last_error));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn invalid_visitor_is_absent(store: &TestStore) {
    let ledger = store.ledger().await;
    let values = [
        ("v\0x".to_owned(), false),
        ("v\u{7f}".to_owned(), false),
        (long(501), false),
        (String::new(), false),
        ("undefined".to_owned(), false),
        (long(500), true),
        ("\u{1f600}".repeat(500), true),
        ("v 1".to_owned(), true),
    ];
    for (n, (value, _)) in values.iter().enumerate() {
        let mut event = payment();
        put(&mut event, "/data/payment_id", &format!("pay_{n}"));
        put(&mut event, "/data/customer/customer_id", &format!("cus_{n}"));
        for key in ["visitor", "utm_source", "user_id", "datafast_visitor_id"] {
            put(&mut event, &format!("/data/metadata/{key}"), value);
        }
        ledger.accept(&delivery(&format!("msg_{n}"), text_of(&event))).await.unwrap();
    }
    until_done(&ledger).await;
    for (n, (value, fits)) in values.iter().enumerate() {
        let record = ledger.record(&format!("charge:pay_{n}")).await.unwrap().unwrap();
        let expected = fits.then_some(value.as_str());
        let campaign = record.campaign.as_ref().map(|found| &found.value);
        let tool = record.tool_ids.get("datafast_visitor_id").map(String::as_str);
        assert_eq!(record.visitor.as_ref().map(|found| found.value.as_str()), expected, "{n}");
        assert_eq!(campaign.and_then(|campaign| campaign.source.as_deref()), expected, "{n}");
        assert_eq!((record.user_id.as_deref(), tool), (expected, expected), "{n}");
    }
}

async fn long_ids_stay_distinct_and_match(store: &TestStore) {
    let ledger = store.ledger().await;
    let (a, b) = (long(6000), format!("{}z", long(6000)));
    for (n, id) in [&a, &b].into_iter().enumerate() {
        let mut event = payment();
        put(&mut event, "/data/payment_id", id);
        put(&mut event, "/data/customer/customer_id", id);
        ledger.accept(&delivery(&format!("msg_{n}"), text_of(&event))).await.unwrap();
    }
    let mut refund = other("refund.succeeded");
    put(&mut refund, "/data/payment_id", &a);
    put(&mut refund, "/data/customer/customer_id", &a);
    ledger.accept(&delivery("msg_2", text_of(&refund))).await.unwrap();
    until_done(&ledger).await;
    assert_eq!(ledger.explain(&a).await.unwrap().unwrap().records.len(), 2);
    assert_eq!(ledger.explain(&b).await.unwrap().unwrap().records.len(), 1);
    assert_eq!(ledger.erase_customer(&a).await.unwrap().records, 2);
    assert_eq!(ledger.erase_customer(&b).await.unwrap().records, 1);
}

async fn invalid_owner_of_the_application_is_absent(store: &TestStore) {
    let ledger = store.ledger().await;
    ledger.accept(&delivery("msg_1", payment().to_string())).await.unwrap();
    until_done(&ledger).await;
    for visitor in ["v\0x".to_owned(), long(6000)] {
        ledger.identify(Identity::new("ada@example.com").visitor(visitor)).await.unwrap();
    }
    let record = ledger.record("charge:pay_1").await.unwrap().unwrap();
    assert!(record.visitor.is_none());
    ledger.identify(Identity::new("ada@example.com").visitor("v1")).await.unwrap();
    until_done(&ledger).await;
    let record = ledger.record("charge:pay_1").await.unwrap().unwrap();
    assert_eq!(record.visitor.unwrap().value, "v1");
}
