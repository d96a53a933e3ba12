//! Attribution from outside: stories of deliveries, and what the ledger makes of them.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

/// What happens, in this order.
macro_rules! story {
    ($($act:expr),* $(,)?) => { Vec::from([$(crate::world::Act::from($act)),*]) };
}

mod booking;
mod charges;
mod concurrency;
mod consent;
mod contested;
mod engine;
mod engine_erasure;
mod engine_records;
mod erased;
mod facts;
mod ladder;
mod late;
mod lent;
mod lookup;
mod memory;
mod payloads;
mod people;
mod property;
mod queries;
mod reconcile;
mod records;
mod returned;
mod rows;
mod seams;
mod settled;
mod standing;
mod stories;
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../support/mod.rs"]
mod support;
mod timing;
mod told;
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
    on_every_row(|rules| async move { World::next(&rules) }).await;
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

/// Without an inbox the ledger gets records instead of deliveries, and books the same by them.
#[tokio::test]
async fn a_record_books_what_its_delivery_books() {
    use dodo_ledger::attribution::{Evidence, MemoryHistory, Rules, book};
    let rules = Rules::default();
    let mut compared = 0;
    for folder in ["../tests/data/samples", "../tests/data/samples/extra"] {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let body = std::fs::read(&path).unwrap();
            let at = "2026-11-20T00:00:00Z".parse().unwrap();
            let event = dodo_core::webhook::VerifiedEvent::from_trusted_parts(
                "msg_1",
                body.into(),
                at,
                true,
            );
            let records =
                dodo_core::internals::records_for_event(&event, &Default::default()).unwrap();
            let told: Vec<Evidence> = records.iter().filter_map(Evidence::of_record).collect();
            let delivered = Evidence::of_event(&event, &rules).unwrap();
            if told.is_empty() {
                continue; // only deliveries show that
            }
            assert_eq!(told.len(), 1, "{}", path.display());
            let mut booked = Vec::new();
            for evidence in told.into_iter().chain(delivered) {
                let booking = book(&rules, &mut MemoryHistory::default(), evidence).await.unwrap();
                booked.push(booking.changes.into_iter().map(|c| c.entry.record).collect());
            }
            let [told, delivered]: [Vec<dodo_core::attribution::AttributionRecord>; 2] =
                booked.try_into().unwrap();
            assert_eq!(told, delivered, "{}", path.display());
            compared += delivered.len();
        }
    }
    assert!(compared >= 15, "only {compared} samples were compared");
}

/// Also of a refund that says only half of what it is.
#[test]
fn a_record_proves_what_its_delivery_proves() {
    use dodo_ledger::attribution::{Evidence, Rules};
    use serde_json::json;
    for (amount, currency, partial) in [
        (json!(500), json!("USD"), true),
        (json!(500), json!(null), true),
        (json!(500), json!(null), false),
        (json!(null), json!(null), false),
        (json!(null), json!(null), true),
    ] {
        let extra = json!({ "currency": currency, "is_partial": partial });
        let refund = payloads::refunded("ref_1", "pay_1", payloads::day(1), amount, extra);
        let event = refund.event();
        let records = dodo_core::internals::records_for_event(&event, &Default::default()).unwrap();
        let told = Evidence::of_record(&records[0]);
        assert_eq!(told, Evidence::of_event(&event, &Rules::default()).unwrap(), "{refund:?}");
    }
}

#[test]
fn no_row_is_missing() {
    let mut numbers: std::collections::BTreeSet<u32> =
        rows::all().iter().map(|row| row.number).filter(|number| *number > 0).collect();
    numbers.extend(seams::NUMBERS);
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
