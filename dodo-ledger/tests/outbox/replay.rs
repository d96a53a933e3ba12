//! Replay sends past records again, and records that are older than the sink.

use std::time::Duration;

use dodo_core::webhook::Inbox;
use dodo_ledger::{ErrorKind, Jitter, Ledger, RetryPolicy, SendOutcome, Workers};
use jiff::Timestamp;

use crate::{
    FAST,
    scripted::{Answer, Scripted},
    support::{TestStore, eventually, hooks, payment, refund, work},
    until_settled,
};

crate::on_every_store! {
    sent_records_are_sent_again_with_their_ids,
    new_sink_receives_older_records,
    replay_is_limited_to_its_period,
    pending_records_stay_in_the_queue,
    replay_is_not_a_possible_duplicate,
    replay_needs_a_sink_of_the_ledger,
}

/// When the money of [`payment`] moved, and after it; its refund is an hour later.
fn at(hour: &str) -> Timestamp {
    format!("2026-11-20T{hour}:00Z").parse().unwrap()
}

fn always() -> (Timestamp, Timestamp) {
    (Timestamp::MIN, Timestamp::MAX)
}

async fn replay(ledger: &Ledger, (from, until): (Timestamp, Timestamp)) -> u64 {
    ledger.replay_sink("scripted", from, until).await.unwrap()
}

/// The records sent since then, in the order of their ids.
fn told(sink: &Scripted, before: usize) -> Vec<String> {
    let mut ids = sink.ids().split_off(before);
    ids.sort();
    ids
}

async fn stop(workers: Workers) {
    workers.shutdown(Duration::from_secs(5)).await;
}

async fn sent_records_are_sent_again_with_their_ids(store: &TestStore) {
    let refused = Answer::Each(SendOutcome::Rejected { reason: "400" });
    let sink = Scripted::new([refused]);
    let (ledger, workers) = crate::ledger(store, &sink, 5).await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    until_settled(&ledger).await;
    ledger.accept(&payment("msg_2", "pay_2")).await.unwrap();
    ledger.accept(&refund("msg_3", "ref_1", "pay_1")).await.unwrap();
    ledger.accept(&payment("msg_4", "pay_unwanted")).await.unwrap();
    until_settled(&ledger).await;
    let first = told(&sink, 0);
    assert_eq!(first, ["charge:pay_1", "charge:pay_2", "refund:ref_1"]);

    assert_eq!(replay(&ledger, always()).await, 3, "a dead letter, and two sent records");
    until_settled(&ledger).await;
    assert_eq!(told(&sink, 3), first);
    let stats = ledger.sink_stats("scripted").await.unwrap();
    assert_eq!((stats.pending, stats.dead), (0, 0));
    stop(workers).await;
}

/// More than one page of it.
async fn new_sink_receives_older_records(store: &TestStore) {
    let opened = dodo_ledger::Store::open(&store.url).await.unwrap();
    let before = Ledger::builder(opened.clone()).build().unwrap();
    before.migrate().await.unwrap();
    let mut accepted = tokio::task::JoinSet::new();
    for n in 0..503 {
        let (before, event) = (before.clone(), payment(&format!("msg_{n}"), &format!("pay_{n}")));
        accepted.spawn(async move { before.accept(&event).await.unwrap() });
    }
    accepted.join_all().await;
    let workers = work(&before, hooks());
    before.settled().await.unwrap();
    stop(workers).await;
    let sink = Scripted { batch: 100, ..Scripted::new([]) };
    let ledger = Ledger::builder(opened).sink(sink.clone()).sink_retry(FAST).build().unwrap();
    let workers = work(&ledger, hooks());
    assert_eq!(replay(&ledger, always()).await, 503);
    until_settled(&ledger).await;
    let mut expected: Vec<String> = (0..503).map(|n| format!("charge:pay_{n}")).collect();
    expected.sort();
    assert_eq!(told(&sink, 0), expected);
    stop(workers).await;
}

async fn replay_is_limited_to_its_period(store: &TestStore) {
    let sink = Scripted::new([]);
    let (ledger, workers) = crate::ledger(store, &sink, 5).await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    ledger.accept(&refund("msg_2", "ref_1", "pay_1")).await.unwrap();
    until_settled(&ledger).await;
    for (times, expected) in [
        ((at("10:00"), at("11:00")), &["charge:pay_1"][..]),
        ((at("10:01"), at("11:00")), &[]),
        ((at("10:01"), at("11:01")), &["refund:ref_1"]),
        ((at("11:01"), at("10:00")), &[]),
    ] {
        let before = sink.ids().len();
        assert_eq!(replay(&ledger, times).await, u64::try_from(expected.len()).unwrap());
        until_settled(&ledger).await;
        assert_eq!(told(&sink, before), expected, "{times:?}");
    }
    stop(workers).await;
}

async fn pending_records_stay_in_the_queue(store: &TestStore) {
    let failed = Answer::Each(SendOutcome::Retry { after: None, reason: "500" });
    let sink = Scripted::new([failed]);
    let hour = Duration::from_secs(3600);
    let retry = RetryPolicy::new(hour, hour, 5).jitter(Jitter::None);
    let builder = store.builder().await.sink(sink.clone()).sink_retry(retry);
    let ledger = builder.build().unwrap();
    ledger.migrate().await.unwrap();
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    let workers = work(&ledger, hooks());
    eventually("it waits for its second attempt", async || sink.ids().len() == 1).await;
    stop(workers).await;
    assert_eq!(replay(&ledger, always()).await, 0, "it is queued already");
    assert_eq!(ledger.sink_stats("scripted").await.unwrap().pending, 1);
}

/// The operator who asks for a replay expects a duplicate.
async fn replay_is_not_a_possible_duplicate(store: &TestStore) {
    let sink = Scripted { dedup_window: Some(Duration::ZERO), ..Scripted::new([]) };
    let (ledger, workers) = crate::ledger(store, &sink, 5).await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    until_settled(&ledger).await;
    replay(&ledger, always()).await;
    until_settled(&ledger).await;
    assert_eq!(sink.ids(), ["charge:pay_1", "charge:pay_1"]);
    assert_eq!(ledger.sink_stats("scripted").await.unwrap().dead, 0);
    stop(workers).await;
}

async fn replay_needs_a_sink_of_the_ledger(store: &TestStore) {
    let sink = Scripted::new([]);
    let (ledger, workers) = crate::ledger(store, &sink, 5).await;
    let (from, until) = always();
    let error = ledger.replay_sink("crm", from, until).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(ledger.sinks().collect::<Vec<_>>(), ["scripted"]);
    stop(workers).await;
}
