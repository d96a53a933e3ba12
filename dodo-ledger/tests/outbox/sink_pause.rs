//! A paused sink: every process pauses it, also after a restart.

use std::time::Duration;

use dodo_core::webhook::Inbox;
use dodo_ledger::{Ledger, LedgerBuilder, SendOutcome, Store};

use crate::{
    FAST, ledger,
    scripted::{Answer, Scripted},
    support::{TestStore, eventually, hooks, payment, work},
    until_settled,
};

crate::on_every_store! {
    sink_is_paused_until_retry_after,
    every_instance_pauses_the_sink,
    pause_survives_a_restart,
    redrive_ends_the_pause,
}

const WAIT: Duration = Duration::from_millis(700);

fn busy() -> Answer {
    Answer::Each(SendOutcome::Retry { after: Some(WAIT), reason: "429" })
}

/// The sink got no request during the pause, and all records after it.
fn assert_paused(sink: &Scripted, payments: usize) {
    let told = sink.calls.lock().unwrap();
    assert_eq!(told.len(), payments + 1);
    let quiet = told[1].0 - told[0].0;
    assert!(quiet >= WAIT, "the next attempt came after {quiet:?}");
}

async fn pay(ledger: &Ledger, payments: std::ops::Range<usize>) {
    for n in payments {
        ledger.accept(&payment(&format!("msg_{n}"), &format!("pay_{n}"))).await.unwrap();
    }
}

async fn until_paused(ledger: &Ledger) {
    eventually("the sink is paused", async || {
        !ledger.sink_stats("scripted").await.unwrap().paused_for.is_zero()
    })
    .await;
}

async fn sink_is_paused_until_retry_after(store: &TestStore) {
    let gateway = Answer::Each(SendOutcome::Unknown { after: Some(WAIT), reason: "504" });
    for (first, answer) in [(0, busy()), (5, gateway)] {
        let sink = Scripted::new([answer]);
        let fresh = store.fresh().await;
        let (ledger, workers) = ledger(&fresh, &sink, 5).await;
        pay(&ledger, first..first + 5).await;
        until_settled(&ledger).await;
        workers.shutdown(Duration::from_secs(5)).await;
        assert_paused(&sink, 5);
        fresh.remove().await;
    }
}

fn on(store: &Store, sink: &Scripted) -> LedgerBuilder {
    Ledger::builder(store.clone()).sink(sink.clone()).sink_retry(FAST)
}

async fn every_instance_pauses_the_sink(store: &TestStore) {
    let sink = Scripted::new([busy()]);
    let store = Store::open(&store.url).await.unwrap();
    let instances = [on(&store, &sink).build().unwrap(), on(&store, &sink).build().unwrap()];
    instances[0].migrate().await.unwrap();
    let workers = instances.each_ref().map(|ledger| work(ledger, hooks()));
    pay(&instances[0], 0..1).await;
    until_paused(&instances[1]).await;
    pay(&instances[1], 1..5).await;
    until_settled(&instances[0]).await;
    for workers in workers {
        workers.shutdown(Duration::from_secs(5)).await;
    }
    assert_paused(&sink, 5);
}

async fn pause_survives_a_restart(store: &TestStore) {
    let sink = Scripted::new([busy()]);
    let mut opened = Store::open(&store.url).await.unwrap();
    for n in 0..2 {
        // Data in memory ends with its store.
        if !store.url.contains(":memory:") {
            opened = Store::open(&store.url).await.unwrap();
        }
        let ledger = on(&opened, &sink).build().unwrap();
        ledger.migrate().await.unwrap();
        let workers = work(&ledger, hooks());
        pay(&ledger, 2 * n..2 * n + 2).await;
        match n {
            0 => until_paused(&ledger).await,
            _ => until_settled(&ledger).await,
        }
        workers.shutdown(Duration::from_secs(5)).await;
    }
    assert_paused(&sink, 4);
}

async fn redrive_ends_the_pause(store: &TestStore) {
    let hours = Duration::from_secs(5 * 3600);
    let sink =
        Scripted::new([Answer::Each(SendOutcome::Retry { after: Some(hours), reason: "429" })]);
    let ledger = on(&Store::open(&store.url).await.unwrap(), &sink).build().unwrap();
    ledger.migrate().await.unwrap();
    let workers = work(&ledger, hooks());
    pay(&ledger, 0..1).await;
    until_paused(&ledger).await;
    pay(&ledger, 1..2).await;
    assert_eq!(ledger.redrive_sink("scripted").await.unwrap(), 0);
    assert!(ledger.sink_stats("scripted").await.unwrap().paused_for.is_zero());
    eventually("it is sent again", async || sink.calls.lock().unwrap().len() == 2).await;
    workers.shutdown(Duration::from_secs(5)).await;
}
