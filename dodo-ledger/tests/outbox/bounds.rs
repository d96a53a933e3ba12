//! No time that is set or named is too long to be counted.

use std::time::Duration;

use dodo_core::webhook::Inbox;
use dodo_ledger::{RetryPolicy, SendOutcome};

use crate::{
    FAST,
    scripted::{Answer, Scripted},
    support::{TestStore, eventually, hooks, payment, work},
};

crate::on_every_store! {
    endless_retry_after_is_limited,
    endless_delays_and_leases_are_limited,
}

async fn endless_retry_after_is_limited(store: &TestStore) {
    for after in [Duration::MAX, Duration::from_millis(i64::MAX.unsigned_abs())] {
        let fresh = store.fresh().await;
        let failed = SendOutcome::Retry { after: Some(after), reason: "429" };
        let answer = Answer::These(vec![failed, SendOutcome::Accepted]);
        let sink = Scripted { batch: 10, ..Scripted::new([answer]) };
        let ledger = fresh.builder().await.sink(sink.clone()).sink_retry(FAST).build().unwrap();
        ledger.migrate().await.unwrap();
        // Before the workers start: one booking queues both.
        for id in ["pay_1", "pay_2"] {
            ledger.accept(&payment(&format!("msg_{id}"), id)).await.unwrap();
        }
        let workers = work(&ledger, hooks());
        eventually("what the sink said is written down", async || {
            ledger.sink_stats("scripted").await.unwrap().pending == 1
        })
        .await;
        workers.shutdown(Duration::from_secs(5)).await;
        fresh.remove().await;
    }
}

async fn endless_delays_and_leases_are_limited(store: &TestStore) {
    let endless = RetryPolicy::new(Duration::MAX, Duration::MAX, 5);
    let failed = SendOutcome::Retry { after: None, reason: "500" };
    let answer = Answer::These(vec![failed, SendOutcome::Accepted]);
    let sink = Scripted { batch: 10, ..Scripted::new([answer]) };
    let builder = store.builder().await.sink(sink).sink_retry(endless).callback_retry(endless);
    let ledger = builder.lease(Duration::MAX).consent_grace_period(Duration::MAX).build().unwrap();
    ledger.migrate().await.unwrap();
    for id in ["pay_1", "pay_2"] {
        ledger.accept(&payment(&format!("msg_{id}"), id)).await.unwrap();
    }
    let workers = work(&ledger, hooks());
    eventually("the event is done, and the sink heard", async || {
        ledger.stats().await.unwrap().pending == 0
            && ledger.sink_stats("scripted").await.unwrap().pending == 1
    })
    .await;
    assert!(workers.shutdown(Duration::MAX).await);
}
