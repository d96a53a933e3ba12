//! Retention erases old failed payments, except those that another payment recovered.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::time::Duration;

use dodo_core::{
    capture::{CheckoutContext, CheckoutContextStore},
    webhook::{Inbox, VerifiedEvent},
};
use dodo_ledger::{
    Ledger, Retention,
    attribution::{FORMAT, Fact},
    sqlx::{self, Connection as _},
};
use serde_json::{Value, json};
use support::{TestStore, delivery, eventually, hooks, work};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let store = TestStore::sqlite().await.unwrap();
    failed_payments_go_with_time(&store).await;
    store.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres() {
    let Some(store) = TestStore::postgres("retention").await else { return };
    failed_payments_go_with_time(&store).await;
    store.remove().await;
}

fn event(kind: &str, data: &Value) -> VerifiedEvent {
    let body = json!({
        "type": kind, "business_id": "bus_1", "timestamp": "2026-11-20T10:00:00Z", "data": data,
    });
    delivery(&format!("{kind}{data}"), body.to_string())
}

fn payment(kind: &str, id: &str, session: Option<&str>) -> VerifiedEvent {
    let metadata = session.map_or(json!({}), |_| json!({ "visitor": "v_failed" }));
    let data = json!({
        "payload_type": "Payment", "payment_id": id, "created_at": "2026-11-20T10:00:00Z",
        "total_amount": 2000, "tax": 300, "currency": "USD", "metadata": metadata,
        "checkout_session_id": session,
        "customer": { "customer_id": format!("cus_{id}"), "email": format!("{id}@example.com"), "name": "A" },
    });
    event(kind, &data)
}

fn recovered(abandoned: &str, recovered: &str) -> VerifiedEvent {
    let data = json!({
        "payload_type": "AbandonedCheckout", "payment_id": abandoned, "status": "recovered",
        "recovered_payment_id": recovered, "customer_id": "cus_1",
        "abandoned_at": "2026-11-20T10:00:00Z", "abandonment_reason": "checkout_incomplete",
    });
    event("abandoned_checkout.recovered", &data)
}

async fn texts(store: &TestStore, sql: &'static str) -> Vec<String> {
    if store.url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(&store.url).await.unwrap();
        sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
    } else {
        let mut connection = sqlx::PgConnection::connect(&store.url).await.unwrap();
        sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
    }
}

async fn facts(store: &TestStore) -> Vec<String> {
    let read = |body: String| {
        let fact = Fact::from_row(String::new(), 0, i64::from(FORMAT), &body, None).unwrap();
        fact.object().as_str().to_owned()
    };
    let bodies = texts(store, "SELECT body FROM dodo_fact").await;
    let mut objects: Vec<String> = bodies.into_iter().map(read).collect();
    objects.sort_unstable();
    objects
}

/// Makes everything that was learned so many days older.
async fn age(store: &TestStore, days: i64) {
    let micros = days * 24 * 3600 * 1_000_000;
    store.run(&format!("UPDATE dodo_group SET unpaid_since = unpaid_since - {micros}")).await;
}

async fn erase(ledger: &Ledger, days: u64) -> u64 {
    ledger.prune_contexts(Duration::from_secs(days * 24 * 3600)).await.unwrap()
}

async fn failed_payments_go_with_time(store: &TestStore) {
    let ledger =
        store.builder().await.retention(Retention::default().contexts(None)).build().unwrap();
    ledger.migrate().await.unwrap();
    let context = json!({
        "captured_at": "2026-11-20T10:00:00Z", "consent": "granted", "visitor": "v_failed",
    });
    let context: CheckoutContext = serde_json::from_value(context).unwrap();
    for session in ["cks_idle", "cks_lost", "cks_won", "cks_late"] {
        ledger.store(session, &context).await.unwrap();
    }
    age(store, 10).await;
    let events = [
        payment("payment.failed", "pay_lost", Some("cks_lost")),
        payment("payment.failed", "pay_won", Some("cks_won")),
        recovered("pay_won", "pay_2"),
        payment("payment.succeeded", "pay_2", None),
        // Of the two that recovered it, one never arrives: neither the first nor the last of them.
        recovered("pay_won", "pay_0"),
        recovered("pay_won", "pay_3"),
        // What recovered it never arrives.
        payment("payment.failed", "pay_late", Some("cks_late")),
        recovered("pay_late", "pay_never"),
    ];
    for event in &events {
        ledger.accept(event).await.unwrap();
    }
    let hooks = || hooks().on_any(|_| async { Ok(()) });
    let workers = work(&ledger, hooks());
    eventually("all are booked", async || ledger.stats().await.unwrap().pending == 0).await;
    workers.shutdown(Duration::from_secs(5)).await;

    age(store, 85).await;
    assert_eq!(erase(&ledger, 96).await, 0, "it is not time yet");
    // The checkouts have this age, but their payments are younger.
    assert_eq!(erase(&ledger, 90).await, 1);
    assert!(!facts(store).await.contains(&"context:cks_idle".to_owned()));
    age(store, 10).await;
    assert_eq!(erase(&ledger, 90).await, 2);
    let won = [
        "charge:pay_2",
        "context:cks_won",
        "failed_payment:pay_won",
        "recovery:pay_0",
        "recovery:pay_2",
        "recovery:pay_3",
    ];
    assert_eq!(facts(store).await, won);
    let explained = ledger.explain("pay_2").await.unwrap().unwrap().to_string();
    assert!(explained.contains("known from the abandoned payment pay_won"), "{explained}");

    // The workers erase by themselves, and paid contexts stay.
    ledger.accept(&payment("payment.failed", "pay_again", Some("cks_again"))).await.unwrap();
    let ledger = store
        .builder()
        .await
        .retention(Retention::default().contexts(Duration::from_millis(1)))
        .build()
        .unwrap();
    let workers = work(&ledger, hooks());
    eventually("it came and went", async || {
        ledger.stats().await.unwrap().pending == 0 && facts(store).await == won
    })
    .await;
    workers.shutdown(Duration::from_secs(5)).await;
}
