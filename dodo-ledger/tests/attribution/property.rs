//! For any order and any duplication of the same deliveries the ledger is the same.

use std::collections::BTreeSet;

use dodo_ledger::attribution::Rules;
use jiff::Timestamp;
use proptest::{prelude::*, sample::Index};
use serde_json::json;

use crate::{
    memory::MemoryLedger,
    payloads::{self, Delivery, hour, paid},
    stories::{rules, story},
    support::TestStore,
    world::{Act, Records, World},
};

/// Without what is about the way the deliveries took.
pub(crate) fn without_arrival(mut records: Records) -> Records {
    for record in records.0.values_mut() {
        record.flags.reclassified = false;
        if record.webhook_id.starts_with("asked_") {
            record.received_at = payloads::day(365); // when it was asked
        }
    }
    // A reversal that turned out to be none stays, as nothing.
    let reversed = |id: &str| records.0.get(id).is_some_and(|refund| refund.flags.reversed);
    let none: Vec<String> = records
        .0
        .keys()
        .filter(|id| id.starts_with("refund:"))
        .filter(|id| id.strip_suffix(":reversal").is_some_and(|refund| !reversed(refund)))
        .cloned()
        .collect();
    for id in none {
        let record = records.0.remove(&id).unwrap();
        assert!(record.money.is_none_or(|money| money.gross == 0 && money.net == 0), "{id}");
    }
    records
}

/// The deliveries again: some twice, some under another `webhook-id`, in another order.
pub(crate) fn disturbed(story: &[Act], repeats: &[(Index, bool)], order: &[u32]) -> Vec<Act> {
    let mut acts = story.to_vec();
    for (which, other_id) in repeats {
        let act = which.get(story).clone();
        acts.push(match act {
            // A duplicate follows its original, and its id sorts after it.
            Act::Deliver(delivery) if *other_id && is_keyed(&delivery) => {
                Act::Deliver(delivery.again_as(&format!("{}~", delivery.id)))
            }
            act => act,
        });
    }
    let mut keyed: Vec<(u32, Act)> = acts
        .into_iter()
        .enumerate()
        .map(|(at, act)| (order[at % order.len()].wrapping_mul(at as u32 + 1), act))
        .collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, act)| act).collect()
}

/// Whether a repeat under another id is recognized by the object: all that is about money.
fn is_keyed(delivery: &Delivery) -> bool {
    let kind = delivery.body["type"].as_str().unwrap();
    kind.starts_with("payment.") || kind.starts_with("refund.succeeded")
}

fn run(acts: &[Act], rules: &Rules) -> Records {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut world = World::in_memory(rules);
    let records = runtime.block_on(world.play(acts));
    never_more_than_was_paid(&records);
    let World::Memory(ledger) = world else { panic!("only in memory") };
    ledger.assert_resolved();
    without_arrival(records)
}

/// Reversals never exceed their payment, and a fully reversed payment ends at zero.
fn never_more_than_was_paid(records: &Records) {
    for charge in records.0.values().filter(|record| record.id.starts_with("charge:")) {
        let (paid, earned) = charge.money.map_or((0, 0), |money| (money.gross, money.net));
        let currency = charge.money.map(|money| money.currency);
        let (mut back, mut net) = (0, 0);
        for record in records
            .0
            .values()
            .filter(|record| record.payment_id == charge.payment_id && !record.kind.is_charge())
        {
            let money = record.money.filter(|money| Some(money.currency) == currency);
            let Some(money) = money else { continue };
            assert!(money.gross.abs() <= paid, "{} is more than was paid", record.id);
            (back, net) = (back + money.gross, net + money.net);
        }
        let id = &charge.id;
        assert!(-paid <= back && back <= 0, "{id}: {back} of {paid} is reversed");
        assert!(-earned <= net && net <= 0, "{id}: {net} of {earned} is reversed");
        assert!(back != -paid || net == -earned, "{id}: {net} of {earned} is reversed in full");
    }
}

/// The refund or dispute that a delivery is about.
fn object_of(act: &Act) -> Option<&str> {
    let (Act::Deliver(delivery) | Act::Asked(delivery, _)) = act else { return None };
    let data = &delivery.body["data"];
    data["refund_id"].as_str().or(data["dispute_id"].as_str())
}

/// A reversal that was reversed changes no other record.
fn what_is_undone_takes_no_room(story: &[Act], told: &Records, rules: &Rules) {
    let undone = told.0.values().filter(|record| record.flags.reversed);
    let undone: BTreeSet<&str> = undone
        .filter_map(|record| record.refund_id.as_deref().or(record.dispute_id.as_deref()))
        .collect();
    if undone.is_empty() {
        return;
    }
    let mut rest = story.to_vec();
    rest.retain(|act| object_of(act).is_none_or(|object| !undone.contains(object)));
    let without = run(&rest, rules);
    for (id, record) in &without.0 {
        assert_eq!(told.0.get(id), Some(record), "{id} differs without {undone:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_and_repetition_do_not_matter(
        story in story(24),
        repeats in prop::collection::vec(any::<(Index, bool)>(), 0..8),
        order in prop::collection::vec(any::<u32>(), 40),
        rules in rules(),
    ) {
        let told = run(&story, &rules);
        let again = run(&disturbed(&story, &repeats, &order), &rules);
        are_the_same(&told, &again)?;
        let batched = MemoryLedger::play_in_batches(&rules, &disturbed(&story, &repeats, &order), 7);
        batched.assert_resolved();
        are_the_same(&told, &without_arrival(batched.records()))?;
        what_is_undone_takes_no_room(&story, &told, &rules);
    }
}

/// In two batches. `None`: there is no such store to test on.
fn run_stored(
    open: impl AsyncFnOnce() -> Option<TestStore>,
    acts: &[Act],
    rules: &Rules,
) -> Option<Records> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open().await?;
        let ledger = store.builder().await.rules(rules.clone()).build().unwrap();
        ledger.migrate().await.unwrap();
        let mut world = World::Stored(ledger);
        let (first, second) = acts.split_at(acts.len() / 2);
        world.play(first).await;
        let records = world.play(second).await;
        drop(world);
        store.remove().await;
        Some(without_arrival(records))
    })
}

async fn on_postgres() -> Option<TestStore> {
    TestStore::postgres("property::sqlite_says_the_same_as_memory").await
}

/// A batch gives the same records as a history in memory.
fn says_the_same(
    open: impl AsyncFnOnce() -> Option<TestStore>,
    story: &[Act],
    rules: &Rules,
) -> Result<(), TestCaseError> {
    let Some(stored) = run_stored(open, story, rules) else { return Ok(()) };
    let now = |act: &Act| match act {
        Act::Asked(object, _) => Act::Asked(object.clone(), Timestamp::now()),
        act => act.clone(),
    };
    let story: Vec<Act> = story.iter().map(now).collect();
    are_the_same(&run(&story, rules), &stored)
}

fn are_the_same(told: &Records, again: &Records) -> Result<(), TestCaseError> {
    let ids: BTreeSet<&String> = told.0.keys().chain(again.0.keys()).collect();
    for id in ids {
        let (told, again) = (told.0.get(id), again.0.get(id));
        let text = |record| serde_json::to_string(&record).unwrap();
        prop_assert!(told == again, "{}\nand\n{}", text(told), text(again));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_says_the_same_as_memory(
        story in story(40),
        rules in rules(),
    ) {
        says_the_same(TestStore::memory, &story, &rules)?;
    }

    #[test]
    fn postgres_says_the_same_as_memory(
        story in story(40),
        rules in rules(),
    ) {
        says_the_same(on_postgres, &story, &rules)?;
    }
}

/// More purchases than are held in memory for one customer: they are searched in the tables.
#[test]
fn customer_with_many_purchases_is_found() {
    let mut acts: Vec<Act> = Vec::new();
    for n in 0..300_i64 {
        let extra = if n == 250 { payloads::visitor("v250") } else { json!({}) };
        acts.push(paid(&format!("pay_{n}"), hour(n), 1000, extra).into());
    }
    // Between two existing ones, in its own batch with one that it explains.
    acts.push(paid("pay_x", hour(280), 1000, payloads::visitor("v280")).into());
    acts.push(paid("pay_y", hour(281), 1000, json!({})).into());
    let rules = Rules::default();
    let told = run(&acts, &rules);
    let stored = run_stored(TestStore::memory, &acts, &rules).unwrap();
    assert_eq!(
        told.visitor("charge:pay_y"),
        Some(("v280", dodo_core::attribution::AttributionStep::CustomerRecord))
    );
    assert_eq!(told, stored);
}
