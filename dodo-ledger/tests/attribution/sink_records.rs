//! What sinks hear of money that was clamped, or is so for a while.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dodo_core::{
    attribution::{AttributionRecord, DisputePolicy},
    webhook::Inbox,
};
use dodo_ledger::{Ledger, RetryPolicy, Store, Workers, attribution::Rules, sink::FnSink};
use serde_json::json;

use crate::{
    payloads::{Delivery, day, dispute, paid, refunded},
    support::{TestStore, eventually, hooks, work},
};

/// A ledger with a sink that can be down.
struct SendOutcome {
    ledger: Ledger,
    workers: Workers,
    down: Arc<AtomicBool>,
    grosses: Arc<Mutex<BTreeMap<String, Vec<i64>>>>,
}

impl SendOutcome {
    async fn on(store: &TestStore) -> Self {
        let down = Arc::new(AtomicBool::new(false));
        let grosses: Arc<Mutex<BTreeMap<String, Vec<i64>>>> = Arc::default();
        let (gate, heard) = (down.clone(), grosses.clone());
        let sink = FnSink::new("crm", move |record: AttributionRecord| {
            let down = gate.load(Ordering::SeqCst);
            if !down {
                let gross = record.money.unwrap().gross;
                heard.lock().unwrap().entry(record.id).or_default().push(gross);
            }
            async move { if down { Err("down") } else { Ok(()) } }
        });
        let fast = RetryPolicy::new(Duration::from_millis(2), Duration::from_millis(10), 5);
        let builder = store.builder().await.sink(sink).sink_retry(fast.max_attempts(100_000));
        let ledger = builder.build().unwrap();
        ledger.migrate().await.unwrap();
        let workers = work(&ledger, hooks());
        Self { ledger, workers, down, grosses }
    }

    /// Delivers and waits until it is booked, by itself.
    async fn deliver(&self, delivery: &Delivery) {
        self.ledger.accept(&delivery.event()).await.unwrap();
        eventually("it is done", async || self.ledger.stats().await.unwrap().pending == 0).await;
    }

    async fn until_settled(&self) {
        eventually("the sink's queue is empty", async || {
            self.ledger.sink_stats("crm").await.unwrap().pending == 0
        })
        .await;
    }

    /// The grosses that the sink heard, by record.
    async fn heard(self) -> BTreeMap<String, Vec<i64>> {
        self.until_settled().await;
        self.workers.shutdown(Duration::from_secs(5)).await;
        std::mem::take(&mut *self.grosses.lock().unwrap())
    }
}

fn charge() -> Delivery {
    paid("pay_1", day(0), 2000, json!({ "tax": 300 }))
}

fn contested(step: &str, at: i64) -> Delivery {
    dispute(step, "dp_1", "pay_1", day(at), json!("2000"), json!({}))
}

fn refund(at: i64) -> Delivery {
    refunded("ref_1", "pay_1", day(at), json!(2000), json!({}))
}

fn expected() -> BTreeMap<String, Vec<i64>> {
    let told = [
        ("charge:pay_1", 2000),
        ("dispute:dp_1:loss", -2000),
        ("dispute:dp_1:reversal", 2000),
        ("refund:ref_1", -2000),
    ];
    told.map(|(id, gross)| (id.to_owned(), vec![gross])).into()
}

crate::on_every_store! {
    record_of_zero_is_sent_when_it_is_more,
    record_of_zero_for_a_while_is_sent,
    withdrawn_record_is_not_sent,
}

async fn record_of_zero_is_sent_when_it_is_more(store: &TestStore) {
    let told = SendOutcome::on(store).await;
    told.deliver(&charge()).await;
    told.deliver(&contested("lost", 1)).await;
    told.deliver(&refund(2)).await;
    told.until_settled().await;
    let before = told.grosses.lock().unwrap().clone();
    assert!(!before.contains_key("refund:ref_1"), "it was clamped: {before:?}");
    told.deliver(&contested("won", 3)).await;
    assert_eq!(told.heard().await, expected());
}

/// It was queued while it was something, and nothing when its turn came.
async fn record_of_zero_for_a_while_is_sent(store: &TestStore) {
    let told = SendOutcome::on(store).await;
    told.deliver(&charge()).await;
    told.until_settled().await;
    told.down.store(true, Ordering::SeqCst);
    told.deliver(&refund(2)).await;
    told.deliver(&contested("lost", 1)).await;
    eventually("the sink does not receive the refund", async || {
        told.ledger.sink_stats("crm").await.unwrap().pending == 1
    })
    .await;
    told.deliver(&contested("won", 3)).await;
    told.down.store(false, Ordering::SeqCst);
    assert_eq!(told.heard().await, expected());
}

/// A dispute counted when it was opened. The sink was down, and by the rules of today it does not count.
async fn withdrawn_record_is_not_sent(store: &TestStore) {
    let opened = Store::open(&store.url).await.unwrap();
    let (sent, ids) = (Arc::new(Mutex::new(Vec::new())), ["charge:pay_1", "dispute:dp_1:loss"]);
    let sink = |up: bool| {
        let sent = sent.clone();
        FnSink::new("crm", move |record: AttributionRecord| {
            if up {
                sent.lock().unwrap().push(record.id);
            }
            async move { if up { Ok(()) } else { Err("down") } }
        })
    };
    let fast = RetryPolicy::new(Duration::from_millis(2), Duration::from_millis(10), 5);
    let ledger = |rules: Rules| Ledger::builder(opened.clone()).rules(rules);
    let before = ledger(Rules::default().disputes(DisputePolicy::OnOpen)).sink(sink(false));
    let before = before.sink_retry(fast.max_attempts(100_000)).build().unwrap();
    before.migrate().await.unwrap();
    let workers = work(&before, hooks());
    before.accept(&charge().event()).await.unwrap();
    before.accept(&contested("opened", 1).event()).await.unwrap();
    eventually("both wait for the sink", async || {
        before.sink_stats("crm").await.unwrap().pending == 2
    })
    .await;
    workers.shutdown(Duration::from_secs(5)).await;

    let without_sink = ledger(Rules::default()).build().unwrap();
    let workers = work(&without_sink, hooks());
    eventually("the loss is withdrawn", async || {
        let loss = without_sink.record(ids[1]).await.unwrap().unwrap();
        loss.money.unwrap().gross == 0
    })
    .await;
    workers.shutdown(Duration::from_secs(5)).await;

    let after = ledger(Rules::default()).sink(sink(true)).sink_retry(fast).build().unwrap();
    let workers = work(&after, hooks());
    after.settled().await.unwrap();
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(*sent.lock().unwrap(), ids[..1]);
}
