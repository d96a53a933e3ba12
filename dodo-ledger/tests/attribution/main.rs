//! Attribution from outside: stories of deliveries, and what the ledger makes of them.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

/// What happens, in this order.
macro_rules! story {
    ($($act:expr),* $(,)?) => { Vec::from([$(crate::world::Act::from($act)),*]) };
}

mod booking;
mod books;
mod charges;
mod checkout_cases;
mod concurrency;
mod consent;
mod disputes;
mod erased;
mod erasure;
mod facts;
mod funnel;
mod identity;
mod inheritance;
mod late;
mod memory;
mod money;
mod money_rows;
mod mrr;
mod paging;
mod partial_reversals;
mod payloads;
mod property;
mod queries;
mod reconcile;
mod records;
mod refunds;
mod resolution;
mod resolution_order;
mod rows;
mod sink_records;
mod stories;
mod subscription_status;
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../support/mod.rs"]
mod support;
mod unreadable;
mod voids;
mod world;

use std::panic::AssertUnwindSafe;

use support::TestStore;
use world::World;

/// Every row on a store that `open` makes for its rules.
async fn on_every_row<F: Future<Output = World>>(
    open: impl Fn(dodo_ledger::attribution::Rules) -> F,
) {
    let mut failed = Vec::new();
    for row in rows::all() {
        let records = open(row.rules.clone()).await.play(&row.story).await;
        if std::panic::catch_unwind(AssertUnwindSafe(|| (row.check)(&records))).is_err() {
            failed.push(format!("{}: {}", row.number, row.title));
        }
    }
    assert!(failed.is_empty(), "rows that do not hold:\n{}", failed.join("\n"));
}

#[tokio::test]
async fn edge_cases_in_memory() {
    on_every_row(|rules| async move { World::in_memory(&rules) }).await;
}

async fn edge_cases(store: &TestStore) {
    // Each row has a ledger of its own: the rows reuse ids.
    let mut failed = Vec::new();
    for row in rows::all() {
        let store = store.fresh().await;
        let ledger = store.builder().await.rules(row.rules.clone()).build().unwrap();
        ledger.migrate().await.unwrap();
        let records = World::Stored(ledger).play(&row.story).await;
        if std::panic::catch_unwind(AssertUnwindSafe(|| (row.check)(&records))).is_err() {
            failed.push(format!("{}: {}", row.number, row.title));
        }
        store.remove().await;
    }
    assert!(failed.is_empty(), "rows that do not hold:\n{}", failed.join("\n"));
}

on_every_store! { edge_cases }

#[test]
fn no_row_is_missing() {
    let mut numbers: std::collections::BTreeSet<u32> =
        rows::all().iter().map(|row| row.number).filter(|number| *number > 0).collect();
    numbers.extend(checkout_cases::NUMBERS);
    assert_eq!(numbers, (1..=40).collect());
}

/// Whatever the story, its other order says the same.
#[tokio::test]
async fn edge_cases_backwards() {
    for row in rows::all() {
        let forwards = World::in_memory(&row.rules).play(&row.story).await;
        let mut story = row.story.clone();
        story.reverse();
        let backwards = World::in_memory(&row.rules).play(&story).await;
        assert_eq!(
            property::without_arrival(forwards),
            property::without_arrival(backwards),
            "row {}: {}",
            row.number,
            row.title
        );
    }
}
