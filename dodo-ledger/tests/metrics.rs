//! The counters and gauges that a recorder sees, by the names of `docs/ledger.md`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use dodo_core::{BoxError, attribution::AttributionRecord, webhook::Inbox};
use dodo_ledger::sink::FnSink;
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    atomics::AtomicU64,
};
use support::{SOON, TestStore, delivery, eventually, hooks, payment, work};

/// Keeps every value under `name{label}`.
#[derive(Clone, Default)]
struct Values(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

impl Values {
    fn slot(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<&str> = key.labels().map(metrics::Label::value).collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        self.0.lock().unwrap().entry(name).or_default().clone()
    }

    fn counter(&self, name: &str) -> u64 {
        self.0.lock().unwrap().get(name).map_or(0, |value| value.load(Ordering::Relaxed))
    }

    fn gauge(&self, name: &str) -> Option<f64> {
        let values = self.0.lock().unwrap();
        values.get(name).map(|value| f64::from_bits(value.load(Ordering::Relaxed)))
    }
}

impl Recorder for Values {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.slot(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.slot(key))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn recorder_counts_events_failures_and_dead_letters() {
    let values = Values::default();
    metrics::set_global_recorder(values.clone()).unwrap();
    let store = TestStore::memory().await.unwrap();
    let down = FnSink::new("down", |_: AttributionRecord| async { Err::<(), _>("not today") });
    let ledger = store
        .builder()
        .await
        .callback_retry(SOON.max_attempts(3))
        .sink_retry(SOON.max_attempts(2))
        .sink(down.include_test_mode())
        .build()
        .unwrap();
    ledger.migrate().await.unwrap();
    // Due before the workers start, and so seen by the first reading of the gauges.
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    ledger.accept(&delivery("msg_2", "no JSON")).await.unwrap();
    let hooks = hooks().on_payment_succeeded(|_| async { Err::<(), BoxError>("no stock".into()) });
    let workers = work(&ledger, hooks);
    eventually("both queues have dead letters", async || {
        ledger.stats().await.unwrap().dead == 1
            && ledger.sink_stats("down").await.unwrap().dead == 1
    })
    .await;
    workers.shutdown(Duration::from_secs(5)).await;
    for (name, expected) in [
        ("dodo_ledger_events_accepted_total{}", 2),
        ("dodo_ledger_events_booked_total{}", 2),
        ("dodo_ledger_failed_attempts_total{callback}", 3),
        ("dodo_ledger_failed_attempts_total{sink}", 2),
        ("dodo_ledger_failed_attempts_total{booking}", 0),
        ("dodo_ledger_dead_letters_total{callback}", 1),
        ("dodo_ledger_dead_letters_total{sink}", 1),
    ] {
        assert_eq!(values.counter(name), expected, "{name}: {:?}", values.0);
    }
    assert!(values.gauge("dodo_ledger_oldest_due_seconds{}").is_some_and(|age| age >= 0.0));
    for state in ["pending", "dead", "parked"] {
        let name = format!("dodo_ledger_inbox_events{{{state}}}");
        assert!(values.gauge(&name).is_some(), "{name}");
    }
    let page = include_str!("../../docs/ledger.md");
    for name in values.0.lock().unwrap().keys() {
        let name = name.split('{').next().unwrap();
        assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/ledger.md");
    }
}
