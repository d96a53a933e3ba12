//! How many statements a batch costs on PostgreSQL. The only test here: it counts for the process.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dodo_core::webhook::Inbox;
use dodo_ledger::{
    Store,
    attribution::{Batch, Rules, parse},
    booking::GroupStore,
};
use support::{StoppedClock, TestStore, eventually, hooks, payment, work};
use tracing_subscriber::{Layer, filter::LevelFilter, layer::SubscriberExt as _};

const EVENTS: usize = 128;

/// Counts the statements that the driver logs.
struct Statements(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test]
async fn batch_is_booked_and_done_in_few_statements() {
    let count = Arc::new(AtomicUsize::new(0));
    let counting = Statements(count.clone()).with_filter(LevelFilter::DEBUG);
    let counting = tracing_subscriber::registry().with(counting);
    tracing::subscriber::set_global_default(counting).unwrap();
    let Some(store) = TestStore::postgres("statements").await else { return };
    let many = u32::try_from(EVENTS).unwrap();
    let ledger = store.builder().await.concurrency(many).build().unwrap();
    ledger.migrate().await.unwrap();
    for n in 0..EVENTS {
        ledger.accept(&payment(&format!("msg_{n}"), &format!("pay_{n}"))).await.unwrap();
    }
    let before = count.load(Ordering::Relaxed);
    assert!(before > EVENTS, "{before} statements were seen");
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let hooks = hooks().on_any(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(()))
    });
    let no_polling = StoppedClock::new();
    let workers = work(&ledger, hooks);
    eventually("all callbacks ran", async || runs.load(Ordering::Relaxed) == EVENTS).await;
    assert!(workers.shutdown(Duration::from_secs(5)).await);
    let statements = count.load(Ordering::Relaxed) - before;
    assert_eq!(ledger.stats().await.unwrap().pending, 0);
    assert!(statements <= EVENTS / 2, "{statements} statements for {EVENTS} events");
    store.remove().await;
    drop(no_polling);

    // A batch of many groups takes a constant number of statements.
    let store = TestStore::postgres("statements of the group store").await.unwrap();
    store.ledger().await;
    let groups = GroupStore::new(Store::open(&store.url).await.unwrap(), Rules::default());
    let fact = |n: usize| {
        let event = payment(&format!("msg_{n}"), &format!("pay_{n}"));
        parse(&event, &Rules::default()).unwrap()
    };
    let first: Vec<_> = (0..EVENTS).filter_map(fact).collect();
    let second: Vec<_> = (EVENTS..2 * EVENTS).filter_map(fact).collect();
    for facts in [first, second] {
        let before = count.load(Ordering::Relaxed);
        groups.book(Batch::from_facts(facts)).await.unwrap();
        let statements = count.load(Ordering::Relaxed) - before;
        assert!((8..=24).contains(&statements), "{statements} statements for {EVENTS} events");
    }
    store.remove().await;
}
