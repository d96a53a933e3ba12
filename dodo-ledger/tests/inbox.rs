//! What the inbox promises, on every store.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use dodo_core::{
    BoxError, Event, EventKind,
    event::RawJson,
    webhook::{Inbox, Receipt},
};
use dodo_ledger::{ErrorKind, Ledger, Retention};
use support::{Log, SOON, TestStore, delivery, eventually, hooks, payment, work};

on_every_store! {
    id_is_one_event_with_any_body,
    thousand_concurrent_repeats_have_one_effect,
    each_concurrent_delivery_gets_its_receipt,
    done_event_without_body_remains_known,
    bodies_of_failed_events_have_their_retention,
    dead_letter_can_be_redriven,
    panic_counts_as_failure_and_worker_continues,
    panic_outside_of_callback_counts_as_failed_attempt,
    shutdown_does_not_count_as_failed_attempt,
    unreadable_event_is_parked_after_its_callbacks_ran_once,
    failed_callback_of_an_unreadable_event_is_retried,
    replay_runs_callbacks_again,
    booking_does_not_wait_for_callbacks,
    event_without_callback_is_done_with_its_booking,
    dropping_the_handle_stops_the_workers,
    migrating_twice_changes_nothing,
}

async fn state_of(ledger: &Ledger, id: &str) -> String {
    ledger.event(id).await.unwrap().map_or_else(|| "absent".into(), |event| event.state)
}

async fn until_state(ledger: &Ledger, id: &str, state: &str) {
    eventually(&format!("{id} is {state}"), async || state_of(ledger, id).await == state).await;
}

type Calls = Arc<Mutex<Vec<(String, u32, String)>>>;

/// A callback that notes id, attempt and body.
fn noting(
    calls: &Calls,
) -> impl Fn(Event<RawJson>) -> std::future::Ready<Result<(), BoxError>> + use<> {
    let calls = calls.clone();
    move |event| {
        let body = String::from_utf8_lossy(event.data.as_bytes()).into_owned();
        calls.lock().unwrap().push((event.id.clone(), event.attempt(), body));
        std::future::ready(Ok(()))
    }
}

async fn id_is_one_event_with_any_body(store: &TestStore) {
    let ledger = store.ledger().await;
    let calls = Calls::default();
    let first = delivery("msg_1", r#"{"type":"future.thing","data":{"first":1}}"#);
    let later = delivery("msg_1", r#"{"type":"future.thing","data":{"later":1}}"#);
    assert_eq!(ledger.accept(&first).await.unwrap(), Receipt::Stored);
    assert_eq!(ledger.accept(&later).await.unwrap(), Receipt::Duplicate);

    let workers = work(&ledger, hooks().on_any(noting(&calls)));
    until_state(&ledger, "msg_1", "done").await;
    assert_eq!(ledger.accept(&later).await.unwrap(), Receipt::Duplicate);
    assert!(workers.shutdown(Duration::from_secs(5)).await);
    let calls = calls.lock().unwrap();
    assert_eq!(*calls, [("msg_1".to_owned(), 1, r#"{"first":1}"#.to_owned())]);
}

async fn each_concurrent_delivery_gets_its_receipt(store: &TestStore) {
    let ledger = store.ledger().await;
    let accept = async |numbers: Vec<usize>| {
        let mut posts = tokio::task::JoinSet::new();
        for n in numbers {
            let (ledger, event) =
                (ledger.clone(), payment(&format!("msg_{n}"), &format!("pay_{n}")));
            posts.spawn(async move { (n, ledger.accept(&event).await.unwrap()) });
        }
        let mut new: Vec<usize> = posts.join_all().await.into_iter().filter_map(stored).collect();
        new.sort_unstable();
        new
    };
    fn stored((n, receipt): (usize, Receipt)) -> Option<usize> {
        (receipt == Receipt::Stored).then_some(n)
    }
    let thirds: Vec<usize> = (0..300).step_by(3).collect();
    assert_eq!(accept(thirds.clone()).await, thirds);
    let others: Vec<usize> = (0..300).filter(|n| n % 3 > 0).collect();
    assert_eq!(accept((0..300).chain(0..300).collect()).await, others);
    assert_eq!(accept((0..300).collect()).await, Vec::<usize>::new());
}

async fn event_without_callback_is_done_with_its_booking(store: &TestStore) {
    let ledger = store.ledger().await;
    let calls = Calls::default();
    let workers = work(&ledger, hooks().on_unknown(noting(&calls)));
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    ledger.accept(&delivery("msg_2", r#"{"type":"future.thing","data":{}}"#)).await.unwrap();
    until_state(&ledger, "msg_1", "done").await;
    until_state(&ledger, "msg_2", "done").await;
    let attempts = async |id| ledger.event(id).await.unwrap().unwrap().attempts;
    assert_eq!((attempts("msg_1").await, attempts("msg_2").await), (0, 1));
    assert!(ledger.record("charge:pay_1").await.unwrap().is_some());
    assert_eq!(calls.lock().unwrap().len(), 1);
    workers.shutdown(Duration::from_secs(5)).await;
}

async fn thousand_concurrent_repeats_have_one_effect(store: &TestStore) {
    let ledger = store.ledger().await;
    let calls = Calls::default();
    let workers = work(&ledger, hooks().on_any(noting(&calls)));
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let ledger = ledger.clone();
        posts.spawn(async move { ledger.accept(&payment("msg_1", "pay_1")).await.unwrap() });
    }
    let receipts = posts.join_all().await;
    assert_eq!(receipts.iter().filter(|receipt| **receipt == Receipt::Stored).count(), 1);
    until_state(&ledger, "msg_1", "done").await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(calls.lock().unwrap().len(), 1);
}

async fn done_event_without_body_remains_known(store: &TestStore) {
    let ledger = store.ledger().await;
    let calls = Calls::default();
    let workers = work(&ledger, hooks().on_any(noting(&calls)));
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    until_state(&ledger, "msg_1", "done").await;

    assert_eq!(ledger.prune_bodies(Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(ledger.prune_bodies(Duration::ZERO).await.unwrap(), 1);
    assert!(!ledger.event("msg_1").await.unwrap().unwrap().has_body);
    assert_eq!(ledger.accept(&payment("msg_1", "pay_1")).await.unwrap(), Receipt::Duplicate);
    assert!(!ledger.replay("msg_1").await.unwrap(), "there is nothing left to replay");
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(calls.lock().unwrap().len(), 1);
}

async fn bodies_of_failed_events_have_their_retention(store: &TestStore) {
    let at_once = Duration::from_millis(1);
    for (n, keep) in [None, Some(at_once)].into_iter().enumerate() {
        let [done, dead, parked] = ["done", "dead", "parked"].map(|state| format!("{state}_{n}"));
        let ledger = store
            .builder()
            .await
            .callback_retry(SOON.max_attempts(1))
            .retention(Retention::default().bodies(at_once).failed_bodies(keep))
            .build()
            .unwrap();
        ledger.migrate().await.unwrap();
        let failing = hooks().on_payment_succeeded(|event| async move {
            if event.id.starts_with("dead") { Err("no".into()) } else { Ok(()) }
        });
        let workers = work(&ledger, failing);
        for id in [&dead, &done] {
            ledger.accept(&payment(id, &format!("pay_{id}"))).await.unwrap();
        }
        ledger.accept(&delivery(&parked, "no event")).await.unwrap();
        let has_body = async |id: &str| ledger.event(id).await.unwrap().unwrap().has_body;
        if keep.is_some() {
            eventually("the failed body is erased", async || {
                !has_body(&dead).await && !has_body(&parked).await
            })
            .await;
            assert!(!ledger.redrive(&dead).await.unwrap(), "the erased event cannot be redriven");
            let again = payment(&dead, &format!("pay_{dead}"));
            assert_eq!(ledger.accept(&again).await.unwrap(), Receipt::Duplicate, "it stays known");
        } else {
            until_state(&ledger, &dead, "dead").await;
            until_state(&ledger, &parked, "parked").await;
            // Then there is a round in which they could go, too.
            ledger.accept(&payment("done_after", "pay_after")).await.unwrap();
            for id in [done.as_str(), "done_after"] {
                eventually("the done body is erased", async || !has_body(id).await).await;
            }
            assert!(has_body(&dead).await && has_body(&parked).await);
        }
        assert_eq!(state_of(&ledger, &dead).await, "dead");
        assert_eq!(state_of(&ledger, &parked).await, "parked");
        workers.shutdown(Duration::from_secs(5)).await;
    }
}

async fn dead_letter_can_be_redriven(store: &TestStore) {
    let ledger = store.builder().await.callback_retry(SOON.max_attempts(4)).build().unwrap();
    ledger.migrate().await.unwrap();
    let (mended, runs) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let hooks = {
        let (mended, runs) = (mended.clone(), runs.clone());
        hooks().on_any(move |_| {
            runs.fetch_add(1, Ordering::SeqCst);
            let mended = mended.load(Ordering::SeqCst);
            async move {
                if mended { Ok(()) } else { Err("ada@example.com could not be served".into()) }
            }
        })
    };
    let workers = work(&ledger, hooks);
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    until_state(&ledger, "msg_1", "dead").await;
    assert_eq!(runs.load(Ordering::SeqCst), 4);

    let dead = ledger.failed_events(10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].id.as_str(), dead[0].failed_attempts), ("msg_1", 4));
    assert!(dead[0].is_booked, "what the callbacks do has no part in booking");
    let reason = dead[0].last_error.clone().unwrap();
    assert!(!reason.contains("ada"), "{reason}");
    assert_eq!(ledger.stats().await.unwrap().dead, 1);

    mended.store(true, Ordering::SeqCst);
    assert!(ledger.redrive("msg_1").await.unwrap());
    assert!(!ledger.redrive("msg_1").await.unwrap(), "it is dead no more");
    until_state(&ledger, "msg_1", "done").await;
    assert_eq!(runs.load(Ordering::SeqCst), 5);
    workers.shutdown(Duration::from_secs(5)).await;
}

async fn panic_counts_as_failure_and_worker_continues(store: &TestStore) {
    let ledger = store.ledger().await;
    let runs = Arc::new(AtomicU32::new(0));
    let hooks = {
        let runs = runs.clone();
        hooks().on_any(move |event: Event<RawJson>| {
            let first = event.id == "msg_1" && runs.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                assert!(!first, "the first run of msg_1 panics");
                Ok(())
            }
        })
    };
    let workers = work(&ledger, hooks);
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    ledger.accept(&payment("msg_2", "pay_2")).await.unwrap();
    until_state(&ledger, "msg_1", "done").await;
    until_state(&ledger, "msg_2", "done").await;
    assert_eq!(ledger.event("msg_1").await.unwrap().unwrap().failed_attempts, 1);
    assert_eq!(ledger.event("msg_2").await.unwrap().unwrap().failed_attempts, 0);
    workers.shutdown(Duration::from_secs(5)).await;
}

/// A payload that panics when it is dropped.
#[derive(Clone, serde::Deserialize)]
struct Grenade {
    payment_id: String,
}

impl Drop for Grenade {
    fn drop(&mut self) {
        assert!(self.payment_id != "pay_1" || std::thread::panicking(), "dropped");
    }
}

async fn panic_outside_of_callback_counts_as_failed_attempt(store: &TestStore) {
    let ledger = store.builder().await.callback_retry(SOON.max_attempts(3)).build().unwrap();
    ledger.migrate().await.unwrap();
    // The payload is kept for the second callback, which never runs: nothing of the application's runs
    // when it is dropped.
    let hooks = hooks()
        .on(EventKind::PaymentSucceeded, |event: Event<Grenade>| async move {
            if event.id == "msg_1" { Err("not this one".into()) } else { Ok(()) }
        })
        .on(EventKind::PaymentSucceeded, |_: Event<Grenade>| async { Ok(()) });
    let workers = work(&ledger, hooks);
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    ledger.accept(&payment("msg_2", "pay_2")).await.unwrap();
    until_state(&ledger, "msg_1", "dead").await;
    until_state(&ledger, "msg_2", "done").await;
    let event = ledger.event("msg_1").await.unwrap().unwrap();
    assert_eq!((event.attempts, event.failed_attempts), (3, 3));
    assert!(event.last_error.unwrap().starts_with("panicked: "));
    workers.shutdown(Duration::from_secs(5)).await;
}

async fn shutdown_does_not_count_as_failed_attempt(store: &TestStore) {
    let ledger = store.builder().await.lease(Duration::from_secs(600)).build().unwrap();
    ledger.migrate().await.unwrap();
    let (begun, runs) = (Arc::new(tokio::sync::Notify::new()), Arc::new(AtomicU32::new(0)));
    let hooks = {
        let (begun, runs) = (begun.clone(), runs.clone());
        move || {
            let (begun, runs) = (begun.clone(), runs.clone());
            hooks().on_any(move |_| {
                let (begun, first) = (begun.clone(), runs.fetch_add(1, Ordering::SeqCst) == 0);
                async move {
                    if first {
                        begun.notify_one();
                        std::future::pending::<()>().await;
                    }
                }
            })
        }
    };
    let workers = work(&ledger, hooks());
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    begun.notified().await;
    assert!(workers.shutdown(Duration::from_millis(50)).await);
    assert_eq!(state_of(&ledger, "msg_1").await, "pending");

    // The lease lasts ten minutes, so it was released.
    let workers = work(&ledger, hooks());
    until_state(&ledger, "msg_1", "done").await;
    let event = ledger.event("msg_1").await.unwrap().unwrap();
    assert_eq!((event.attempts, event.failed_attempts), (2, 0));
    workers.shutdown(Duration::from_secs(5)).await;
}

const UNREADABLE: [(&str, &str); 7] = [
    ("msg_1", "not json"),
    ("msg_2", "[]"),
    ("msg_3", r#"{"data":{}}"#),
    ("msg_4", include_str!("../../tests/data/faults/02-dunning-unreadable.json")),
    ("msg_5", include_str!("../../tests/data/faults/02-payment-unreadable.json")),
    (
        "msg_6",
        r#"{"type":"payment.succeeded","data":{"payment_id":"p","total_amount":-5,"currency":"EUR"}}"#,
    ),
    ("msg_7", r#"{"type":"refund.succeeded","data":{"refund_id":"r","amount":9007199254740992}}"#),
];

async fn unreadable_event_is_parked_after_its_callbacks_ran_once(store: &TestStore) {
    for handles_unreadable in [false, true] {
        let store = store.fresh().await;
        let ledger = store.ledger().await;
        let (calls, handled) = (Calls::default(), Calls::default());
        let mut callbacks = hooks().on_any(noting(&calls)).on_dunning_started(|_| async {
            Err("a payload that cannot be read reaches no typed callback".into())
        });
        if handles_unreadable {
            let handled = handled.clone();
            callbacks = callbacks.on_unreadable(move |event| {
                handled.lock().unwrap().push((event.id, 0, event.data.problem));
                async {}
            });
        }
        let workers = work(&ledger, callbacks);
        for (id, body) in UNREADABLE {
            assert_eq!(ledger.accept(&delivery(id, body)).await.unwrap(), Receipt::Stored);
            until_state(&ledger, id, "parked").await;
            let event = ledger.event(id).await.unwrap().unwrap();
            assert_eq!(
                (event.attempts, event.failed_attempts, event.is_booked),
                (1, 0, false),
                "{id}"
            );
            assert!(event.last_error.unwrap().starts_with("payload_unreadable: "), "{id}");
        }
        let ids = |calls: &Calls| -> Vec<String> {
            calls.lock().unwrap().iter().map(|(id, ..)| id.clone()).collect()
        };
        let all = UNREADABLE.map(|(id, _)| id);
        assert_eq!(ids(&calls), all);
        assert_eq!(ids(&handled), if handles_unreadable { all.to_vec() } else { Vec::new() });
        assert!(ledger.records().fetch().await.unwrap().is_empty());

        // An operator may try again, after an update that can read more.
        assert_eq!(ledger.redrive_parked().await.unwrap(), 7);
        eventually("they are parked again", async || ledger.stats().await.unwrap().parked == 7)
            .await;
        workers.shutdown(Duration::from_secs(5)).await;
        assert_eq!(ids(&calls).len(), 14);
        store.remove().await;
    }
}

async fn failed_callback_of_an_unreadable_event_is_retried(store: &TestStore) {
    let ledger = store.ledger().await;
    let runs = Arc::new(AtomicU32::new(0));
    let failing = runs.clone();
    let callbacks = hooks().on_any(move |_| {
        let run = failing.fetch_add(1, Ordering::SeqCst);
        async move { if run < 2 { Err("not now".into()) } else { Ok(()) } }
    });
    let workers = work(&ledger, callbacks);
    ledger.accept(&delivery("msg_1", "not json")).await.unwrap();
    until_state(&ledger, "msg_1", "parked").await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(runs.load(Ordering::SeqCst), 3);
}

async fn replay_runs_callbacks_again(store: &TestStore) {
    let ledger = store.ledger().await;
    let calls = Calls::default();
    let workers = work(&ledger, hooks().on_any(noting(&calls)));
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    until_state(&ledger, "msg_1", "done").await;
    assert!(!ledger.replay("msg_none").await.unwrap());
    assert!(ledger.replay("msg_1").await.unwrap());
    until_state(&ledger, "msg_1", "done").await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(calls.lock().unwrap().len(), 2);
}

async fn booking_does_not_wait_for_callbacks(store: &TestStore) {
    let ledger = store.builder().await.concurrency(1).build().unwrap();
    ledger.migrate().await.unwrap();
    let hooks = hooks().on_any(|_| std::future::pending::<()>());
    let workers = work(&ledger, hooks);
    for n in 0..20 {
        ledger.accept(&payment(&format!("msg_{n}"), &format!("pay_{n}"))).await.unwrap();
    }
    eventually("all are booked", async || {
        let stats = ledger.stats().await.unwrap();
        stats.unbooked == 0 && stats.pending == 20
    })
    .await;
    workers.shutdown(Duration::ZERO).await;
}

async fn dropping_the_handle_stops_the_workers(store: &TestStore) {
    let ledger = store.ledger().await;
    let calls = Calls::default();
    drop(work(&ledger, hooks().on_any(noting(&calls))));
    let workers = work(&ledger, hooks().on_any(noting(&calls)));
    workers.shutdown(Duration::from_secs(5)).await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(state_of(&ledger, "msg_1").await, "pending");
    assert!(calls.lock().unwrap().is_empty());
}

async fn migrating_twice_changes_nothing(store: &TestStore) {
    let ledger = store.ledger().await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    ledger.migrate().await.unwrap();
    assert_eq!(state_of(&ledger, "msg_1").await, "pending");
    if !store.url.contains(":memory:") {
        let again = store.ledger().await;
        assert_eq!(state_of(&again, "msg_1").await, "pending");
    }
}

#[tokio::test]
async fn without_tables_a_delivery_is_refused_and_not_lost() {
    let store = TestStore::sqlite().await.unwrap();
    let ledger = store.builder().await.build().unwrap();
    let error = ledger.accept(&payment("msg_1", "pay_1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaOutdated);
    let answer = dodo_core::Error::from(error);
    assert_eq!(answer.status(), 503);
    ledger.migrate().await.unwrap();
    assert_eq!(ledger.accept(&payment("msg_1", "pay_1")).await.unwrap(), Receipt::Stored);
    store.remove().await;
}

#[tokio::test]
async fn refused_delivery_does_not_refuse_the_others() {
    let Some(store) = TestStore::postgres("one_delivery_that_the_database_refuses").await else {
        return;
    };
    let ledger = store.ledger().await;
    let mut posts = tokio::task::JoinSet::new();
    for n in 0..50 {
        // PostgreSQL stores no NUL in a text.
        let id = if n == 25 { "msg\0".to_owned() } else { format!("msg_{n}") };
        let ledger = ledger.clone();
        posts.spawn(async move { (n, ledger.accept(&payment(&id, "pay_1")).await) });
    }
    for (n, receipt) in posts.join_all().await {
        match receipt {
            Ok(receipt) => assert_eq!((n != 25, receipt), (true, Receipt::Stored)),
            Err(error) => assert_eq!((n, error.kind()), (25, ErrorKind::StatementRejected)),
        }
    }
    store.remove().await;
}

/// On one thread, because the log of this thread is kept.
#[tokio::test]
async fn failed_callback_is_logged_with_its_cause() {
    let (log, _for_this_thread) = Log::of_this_thread(tracing::Level::WARN);
    let store = TestStore::memory().await.unwrap();
    let ledger = store.builder().await.callback_retry(SOON.max_attempts(2)).build().unwrap();
    ledger.migrate().await.unwrap();
    let hooks = hooks().on_any(|_| async { Err("the mail server is down".into()) });
    let workers = work(&ledger, hooks);
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    until_state(&ledger, "msg_1", "dead").await;
    workers.shutdown(Duration::from_secs(5)).await;
    let stored = ledger.event("msg_1").await.unwrap().unwrap().last_error.unwrap();
    assert!(!stored.contains("mail server"), "{stored}");
    let log = log.text();
    for line in ["callback failed; fix its cause", "event moved to dead letters"] {
        let line = log.lines().find(|text| text.contains(line)).unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains("callback_failed"), "{line}");
        assert!(line.contains("payment.succeeded"), "{line}");
        assert!(line.contains("cause=\"the mail server is down\""), "{line}");
    }
}

/// Failed bookings, for example because of a wrong constraint, do not count as failed attempts of
/// callbacks.
async fn failed_bookings_do_not_count_for_callbacks(store: &TestStore, [breaks, mends]: [&str; 2]) {
    let ledger = store.builder().await.callback_retry(SOON.max_attempts(100_000)).build().unwrap();
    ledger.migrate().await.unwrap();
    let calls = Calls::default();
    let once = AtomicBool::new(false);
    let note = noting(&calls);
    let hooks = hooks().on_any(move |event: Event<RawJson>| {
        let noted = note(event);
        let first = !once.swap(true, Ordering::SeqCst);
        async move {
            noted.await.ok();
            if first { Err("not now".into()) } else { std::future::pending().await }
        }
    });
    store.run(breaks).await;
    let workers = work(&ledger, hooks);
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    let failures = async || ledger.event("msg_1").await.unwrap().unwrap().failed_attempts;
    eventually("booking failed", async || failures().await >= 2).await;
    store.run(mends).await;
    eventually("its callbacks run again", async || calls.lock().unwrap().len() == 2).await;
    assert_eq!(failures().await, 1);
    workers.shutdown(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_of_booking_on_sqlite() {
    let store = TestStore::sqlite().await.unwrap();
    let breaks =
        "CREATE TRIGGER wrong BEFORE INSERT ON dodo_record BEGIN SELECT RAISE(ABORT, 'wrong'); END";
    failed_bookings_do_not_count_for_callbacks(&store, [breaks, "DROP TRIGGER wrong"]).await;
    store.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_of_booking_on_postgres() {
    let Some(store) = TestStore::postgres("failures_of_booking_on_postgres").await else { return };
    let breaks = "ALTER TABLE dodo_record ADD CONSTRAINT wrong CHECK (false)";
    let mends = "ALTER TABLE dodo_record DROP CONSTRAINT wrong";
    failed_bookings_do_not_count_for_callbacks(&store, [breaks, mends]).await;
    store.remove().await;
}
