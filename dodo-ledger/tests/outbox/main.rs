//! What sinks are promised, on every store.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod bounds;
mod replay;
mod scripted;
mod sink_pause;
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use dodo_core::{
    capture::{CheckoutContext, CheckoutContextStore, consent::Consent},
    webhook::Inbox,
};
use dodo_ledger::{Ledger, RetryPolicy, SendOutcome, Workers};
use scripted::{Answer, Scripted};
use support::{TestStore, eventually, hooks, payment, payment_of, refund, subscription, work};

on_every_store! {
    accepted_record_is_sent_once,
    failed_record_is_sent_again_with_its_id,
    refused_record_is_a_dead_letter_until_redriven,
    exhausted_attempts_make_a_dead_letter,
    old_unknown_outcome_is_not_retried,
    panic_and_silence_are_unknown_outcomes,
    panicking_sink_delays_no_other_record,
    outage_of_sink_delays_no_other_sink,
    request_in_flight_at_stop_is_an_unknown_outcome,
    definite_answer_ends_unknown_outcome,
    definite_answer_does_not_settle_earlier_attempt,
    sink_has_its_own_lease,
    record_before_its_payment_waits_for_consent,
    waiting_record_is_sent_after_its_payment,
    waiting_record_is_sent_after_the_wait,
}

const FAST: RetryPolicy = RetryPolicy::new(Duration::from_millis(2), Duration::from_millis(10), 5);

async fn ledger(store: &TestStore, sink: &Scripted, max_failures: u32) -> (Ledger, Workers) {
    let ledger = store
        .builder()
        .await
        .sink(sink.clone())
        .sink_retry(FAST.max_attempts(max_failures))
        .build()
        .unwrap();
    ledger.migrate().await.unwrap();
    let workers = work(&ledger, hooks());
    (ledger, workers)
}

async fn until_settled(ledger: &Ledger) {
    eventually("nothing is pending", async || {
        ledger.stats().await.unwrap().pending == 0
            && ledger.sink_stats("scripted").await.unwrap().pending == 0
    })
    .await;
}

async fn accepted_record_is_sent_once(store: &TestStore) {
    let sink = Scripted { batch: 10, ..Scripted::new([]) };
    let (ledger, workers) = ledger(store, &sink, 5).await;
    for n in 0..30 {
        ledger.accept(&payment(&format!("msg_{n}"), &format!("pay_{n}"))).await.unwrap();
        // The same payment by another delivery.
        ledger.accept(&payment(&format!("again_{n}"), &format!("pay_{n}"))).await.unwrap();
    }
    ledger.accept(&payment("msg_unwanted", "pay_unwanted")).await.unwrap();
    until_settled(&ledger).await;
    workers.shutdown(Duration::from_secs(5)).await;
    let mut ids = sink.ids();
    ids.sort();
    let mut expected: Vec<String> = (0..30).map(|n| format!("charge:pay_{n}")).collect();
    expected.sort();
    assert_eq!(ids, expected);
}

async fn failed_record_is_sent_again_with_its_id(store: &TestStore) {
    let failed = SendOutcome::Retry { after: None, reason: "500" };
    let uncertain = SendOutcome::Unknown { after: None, reason: "cut" };
    let sink = Scripted::new([Answer::Each(failed), Answer::Each(uncertain)]);
    let (ledger, workers) = ledger(store, &sink, 5).await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    until_settled(&ledger).await;
    workers.shutdown(Duration::from_secs(5)).await;
    let told: Vec<_> =
        sink.calls.lock().unwrap().iter().flat_map(|(_, batch)| batch.clone()).collect();
    assert_eq!(told, [1, 2, 3].map(|attempt| ("charge:pay_1".to_owned(), attempt)));
}

async fn refused_record_is_a_dead_letter_until_redriven(store: &TestStore) {
    let sink = Scripted::new([Answer::Each(SendOutcome::Rejected { reason: "400: too large" })]);
    let (ledger, workers) = ledger(store, &sink, 5).await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    until_settled(&ledger).await;
    let letters = ledger.dead_letters("scripted", 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].record_id, "charge:pay_1");
    assert_eq!(letters[0].reason.as_deref(), Some("400: too large"));
    assert_eq!(ledger.redrive_sink("scripted").await.unwrap(), 1);
    eventually("it was sent again", async || sink.ids().len() == 2).await;
    until_settled(&ledger).await;
    assert_eq!(ledger.sink_stats("scripted").await.unwrap().dead, 0);
    workers.shutdown(Duration::from_secs(5)).await;
}

async fn exhausted_attempts_make_a_dead_letter(store: &TestStore) {
    let failed = Answer::Each(SendOutcome::Retry { after: None, reason: "500" });
    let sink = Scripted::new(vec![failed; 10]);
    let (ledger, workers) = ledger(store, &sink, 3).await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    until_settled(&ledger).await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(sink.ids().len(), 3);
    assert_eq!(ledger.dead_letters("scripted", 10).await.unwrap()[0].failed_attempts, 3);
}

async fn old_unknown_outcome_is_not_retried(store: &TestStore) {
    let uncertain = Answer::Each(SendOutcome::Unknown { after: None, reason: "timeout" });
    let sink = Scripted { dedup_window: Some(Duration::ZERO), ..Scripted::new([uncertain]) };
    let (ledger, workers) = ledger(store, &sink, 5).await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    until_settled(&ledger).await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(sink.ids().len(), 1);
    let letters = ledger.dead_letters("scripted", 10).await.unwrap();
    assert!(letters[0].reason.as_deref().unwrap().starts_with("possibly a duplicate"));
}

async fn panic_and_silence_are_unknown_outcomes(store: &TestStore) {
    let sink = Scripted::new([Answer::Panic, Answer::Nothing]);
    let (ledger, workers) = ledger(store, &sink, 5).await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    until_settled(&ledger).await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(sink.ids().len(), 3);
    assert_eq!(ledger.sink_stats("scripted").await.unwrap().dead, 0);
}

/// For each method that panics: the record becomes a dead letter, the event is booked and done, and
/// the other records are sent.
async fn panicking_sink_delays_no_other_record(store: &TestStore) {
    let sink = Scripted { batch: 5, panics: Arc::new(AtomicU32::new(2)), ..Scripted::new([]) };
    let (ledger, workers) = ledger(store, &sink, 3).await;
    ledger.accept(&payment("msg_1", "pay_unclear")).await.unwrap();
    ledger.accept(&payment("msg_2", "pay_2")).await.unwrap();
    until_settled(&ledger).await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(sink.ids(), ["charge:pay_2"]);
    let letters = ledger.dead_letters("scripted", 10).await.unwrap();
    assert_eq!((letters.len(), letters[0].failed_attempts), (1, 3));
    assert_eq!(letters[0].record_id, "charge:pay_unclear");
    assert_eq!(ledger.stats().await.unwrap().dead, 0);
}

/// Every answer of the first half second is a failure of some kind.
async fn outage_of_sink_delays_no_other_sink(store: &TestStore) {
    let kinds = [
        Answer::Each(SendOutcome::Retry { after: None, reason: "500" }),
        Answer::Each(SendOutcome::Retry { after: Some(Duration::from_millis(30)), reason: "429" }),
        Answer::Each(SendOutcome::Unknown { after: None, reason: "cut after the request" }),
        Answer::Nothing,
    ];
    let sink = Scripted { batch: 5, ..Scripted::new(kinds.into_iter().cycle().take(40)) };
    let (ledger, workers) = ledger(store, &sink, 1000).await;
    for n in 0..50 {
        ledger.accept(&payment(&format!("msg_{n}"), &format!("pay_{n}"))).await.unwrap();
    }
    eventually("the events are done while the sink is out", async || {
        ledger.stats().await.unwrap().pending == 0
    })
    .await;
    until_settled(&ledger).await;
    workers.shutdown(Duration::from_secs(5)).await;
    let mut attempts: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (_, batch) in sink.calls.lock().unwrap().iter() {
        for (id, attempt) in batch {
            attempts.entry(id.clone()).or_default().push(*attempt);
        }
    }
    assert_eq!(attempts.len(), 50, "every payment was sent");
    for (id, attempts) in attempts {
        let expected: Vec<u32> = (1..).take(attempts.len()).collect();
        assert_eq!(attempts, expected, "{id} is sent until it is delivered, then never again");
    }
    assert_eq!(ledger.sink_stats("scripted").await.unwrap().dead, 0);
}

/// As after a kill: the outcome of the attempt is unknown.
async fn request_in_flight_at_stop_is_an_unknown_outcome(store: &TestStore) {
    let sink = Scripted { dedup_window: Some(Duration::ZERO), ..Scripted::new([Answer::Hang]) };
    let (ledger, workers) = ledger(store, &sink, 5).await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    eventually("the request is in flight", async || sink.ids().len() == 1).await;
    workers.shutdown(Duration::ZERO).await;

    let workers = work(&ledger, hooks());
    until_settled(&ledger).await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(sink.ids().len(), 1);
    let letters = ledger.dead_letters("scripted", 10).await.unwrap();
    assert!(letters[0].reason.as_deref().unwrap().starts_with("possibly a duplicate"));
}

async fn definite_answer_ends_unknown_outcome(store: &TestStore) {
    let failed = Answer::Each(SendOutcome::Retry { after: None, reason: "500" });
    let sink = Scripted { dedup_window: Some(Duration::ZERO), ..Scripted::new(vec![failed; 2]) };
    let (ledger, workers) = ledger(store, &sink, 5).await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    until_settled(&ledger).await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!((sink.ids().len(), ledger.sink_stats("scripted").await.unwrap().dead), (3, 0));
}

async fn definite_answer_does_not_settle_earlier_attempt(store: &TestStore) {
    let answers = [
        SendOutcome::Unknown { after: None, reason: "cut" },
        SendOutcome::Retry { after: None, reason: "500" },
    ];
    let sink = Scripted {
        dedup_window: Some(Duration::from_secs(3600)),
        dedups_until: Some(2),
        ..Scripted::new(answers.map(Answer::Each))
    };
    let (ledger, workers) = ledger(store, &sink, 5).await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    until_settled(&ledger).await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!((sink.ids().len(), ledger.sink_stats("scripted").await.unwrap().dead), (2, 1));
}

async fn sink_has_its_own_lease(store: &TestStore) {
    let sink = Scripted::new([Answer::Slowly(Duration::from_millis(1500))]);
    let ledger =
        store.builder().await.lease(Duration::from_secs(1)).sink(sink.clone()).build().unwrap();
    ledger.migrate().await.unwrap();
    let workers = work(&ledger, hooks());
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    until_settled(&ledger).await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(sink.ids().len(), 1);
}

/// A refund and a subscription arrive before their payment. Returns after both are booked and a
/// later payment is sent.
async fn before_the_payment(ledger: &Ledger, sink: &Scripted, consent: Consent) {
    let context = serde_json::json!({ "captured_at": "2026-11-20T09:00:00Z", "consent": consent });
    let context: CheckoutContext = serde_json::from_value(context).unwrap();
    ledger.store("cks_1", &context).await.unwrap();
    ledger.accept(&refund("msg_1", "ref_1", "pay_1")).await.unwrap();
    ledger.accept(&subscription("msg_2", "sub_1")).await.unwrap();
    eventually("both are booked", async || ledger.stats().await.unwrap().pending == 0).await;
    ledger.accept(&payment("msg_3", "pay_3")).await.unwrap();
    eventually("it was sent", async || sink.ids().contains(&"charge:pay_3".to_owned())).await;
}

async fn record_before_its_payment_waits_for_consent(store: &TestStore) {
    let sink = Scripted::new([]);
    let (ledger, workers) = ledger(store, &sink, 5).await;
    before_the_payment(&ledger, &sink, Consent::Denied).await;
    ledger.accept(&payment_of("msg_4", "pay_1", "cks_1", "sub_1")).await.unwrap();
    until_settled(&ledger).await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(sink.ids(), ["charge:pay_3"]);
    // Nothing failed, so the queue has no dead letter.
    assert_eq!(ledger.sink_stats("scripted").await.unwrap().dead, 0);
    assert_eq!(ledger.dead_letters("scripted", 10).await.unwrap(), []);
    assert_eq!(ledger.redrive_sink("scripted").await.unwrap(), 0);
}

async fn waiting_record_is_sent_after_its_payment(store: &TestStore) {
    let sink = Scripted::new([]);
    let (ledger, workers) = ledger(store, &sink, 5).await;
    before_the_payment(&ledger, &sink, Consent::NotAsked).await;
    assert_eq!(sink.ids().len(), 1);
    ledger.accept(&payment_of("msg_4", "pay_1", "cks_1", "sub_1")).await.unwrap();
    until_settled(&ledger).await;
    workers.shutdown(Duration::from_secs(5)).await;
    let mut told = sink.ids();
    told.sort();
    assert_eq!(
        told,
        ["charge:pay_1", "charge:pay_3", "refund:ref_1", "subscription:sub_1:started"]
    );
}

async fn waiting_record_is_sent_after_the_wait(store: &TestStore) {
    let sink = Scripted::new([]);
    let soon = Duration::from_millis(50);
    let ledger =
        store.builder().await.consent_grace_period(soon).sink(sink.clone()).build().unwrap();
    ledger.migrate().await.unwrap();
    let workers = work(&ledger, hooks());
    ledger.accept(&refund("msg_1", "ref_1", "pay_1")).await.unwrap();
    until_settled(&ledger).await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(sink.ids(), ["refund:ref_1"]);
}
