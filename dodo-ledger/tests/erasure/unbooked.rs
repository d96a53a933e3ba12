//! Erasure also covers events that cannot be booked yet.

use std::time::Duration;

use dodo_core::{capture::CheckoutContextStore, webhook::Inbox};
use dodo_ledger::{Ledger, RetryPolicy};
use serde_json::Value;

use crate::{
    CUSTOMER, EMAIL, context, run, samples,
    support::{TestStore, delivery, eventually, hooks, work},
    traces, traces_in,
};

on_every_file! {
    late_booking_has_no_personal_data,
    late_dead_letter_keeps_no_body,
    erasure_by_address_covers_unbooked_events,
}

const SESSION: &str = "cks_n4TzR8uVw1QxB6mKe0LpD";

/// Refuses every record until it is repaired.
async fn breaks(store: &TestStore) {
    let sql = match store.place() {
        None => {
            "CREATE TRIGGER wrong BEFORE INSERT ON dodo_record BEGIN SELECT RAISE(ABORT, 'wrong'); END"
        }
        Some(_) => "ALTER TABLE dodo_record ADD CONSTRAINT wrong CHECK (false)",
    };
    store.run(sql).await;
}

async fn repair(store: &TestStore) {
    let sql = match store.place() {
        None => "DROP TRIGGER wrong",
        Some(_) => "ALTER TABLE dodo_record DROP CONSTRAINT wrong",
    };
    store.run(sql).await;
}

/// A ledger that tries again in an hour, with a payment that could not be booked.
async fn ledger(store: &TestStore, max_attempts: u32) -> (Ledger, String) {
    let hour = Duration::from_secs(3600);
    let retry = RetryPolicy::new(hour, hour, max_attempts);
    let ledger = store.builder().await.callback_retry(retry).build().unwrap();
    ledger.migrate().await.unwrap();
    breaks(store).await;
    let paid = samples().into_iter().find(|(name, _)| name == "payment.succeeded").unwrap().1;
    ledger.store(SESSION, &context()).await.unwrap();
    ledger.accept(&delivery("msg_1", paid.clone())).await.unwrap();
    fails(&ledger, 1).await;
    let body: Value = serde_json::from_str(&paid).unwrap();
    (ledger, body["data"]["payment_id"].as_str().unwrap().to_owned())
}

async fn fails(ledger: &Ledger, times: u64) {
    let workers = work(ledger, hooks());
    eventually("it cannot be booked", async || {
        ledger.event("msg_1").await.unwrap().unwrap().failed_attempts == times
    })
    .await;
    workers.shutdown(Duration::from_secs(5)).await;
}

async fn is_due(store: &TestStore) {
    store.run("UPDATE dodo_inbox SET available_at = 0").await;
}

async fn nothing_is_left(store: &TestStore, of: &Ledger) {
    let event = of.event("msg_1").await.unwrap().unwrap();
    assert!(!event.has_body, "{event:?}");
    let left = traces_in(store, &traces()).await;
    assert!(left.is_empty(), "{} traces:\n{}", left.len(), left.join("\n"));
}

/// The amounts stay in the books.
async fn late_booking_has_no_personal_data(store: &TestStore) {
    let (ledger, payment) = ledger(store, 10).await;
    ledger.erase_customer(CUSTOMER).await.unwrap();
    assert!(ledger.event("msg_1").await.unwrap().unwrap().has_body, "it waits to be booked");
    // Another failure stores no personal data.
    is_due(store).await;
    fails(&ledger, 2).await;
    let named = traces_in(store, &[CUSTOMER]).await;
    assert_eq!(named.len(), 1, "only its body names the customer: {named:?}");

    repair(store).await;
    is_due(store).await;
    run(&ledger).await;
    let charge = ledger.record(&format!("charge:{payment}")).await.unwrap().unwrap();
    assert!(charge.money.is_some_and(|money| money.gross > 0), "{charge:?}");
    nothing_is_left(store, &ledger).await;
    assert!(!ledger.erase_customer(CUSTOMER).await.unwrap().found);
    let why = ledger.explain(&payment).await.unwrap().unwrap().to_string();
    assert!(why.contains("the customer was erased"), "{why}");
}

async fn late_dead_letter_keeps_no_body(store: &TestStore) {
    let (ledger, _) = ledger(store, 2).await;
    ledger.erase_customer(CUSTOMER).await.unwrap();
    is_due(store).await;
    fails(&ledger, 2).await;
    let event = ledger.event("msg_1").await.unwrap().unwrap();
    assert_eq!((event.state.as_str(), event.has_body), ("dead", false));
    assert!(!ledger.redrive("msg_1").await.unwrap(), "there is nothing left of it to be booked");
    let left = traces_in(store, &[CUSTOMER, EMAIL]).await;
    assert!(left.is_empty(), "{}", left.join("\n"));
}

async fn erasure_by_address_covers_unbooked_events(store: &TestStore) {
    let (ledger, payment) = ledger(store, 10).await;
    ledger.erase_email(EMAIL).await.unwrap();
    repair(store).await;
    is_due(store).await;
    run(&ledger).await;
    assert!(ledger.record(&format!("charge:{payment}")).await.unwrap().is_some());
    nothing_is_left(store, &ledger).await;
}
