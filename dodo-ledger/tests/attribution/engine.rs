//! The next engine beside today's: the same stories, compared record by record and step by step.

use std::collections::BTreeSet;

use dodo_ledger::attribution::Rules;
use proptest::{prelude::*, sample::Index};

use crate::{
    memory::MemoryLedger,
    property::{disturbed, without_arrival},
    rows,
    stories::{rules, story},
    world::{Act, Records, World},
};

fn today(acts: &[Act], rules: &Rules) -> Records {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(World::in_memory(rules).play(acts))
}

fn differences(a: &Records, b: &Records) -> String {
    let ids: BTreeSet<&String> = a.0.keys().chain(b.0.keys()).collect();
    let text = |record: Option<&dodo_core::attribution::AttributionRecord>| {
        serde_json::to_string(&record).unwrap()
    };
    let differ = ids.into_iter().filter(|id| a.0.get(*id) != b.0.get(*id));
    let pairs = differ.map(|id| format!("{}\nand\n{}", text(a.0.get(id)), text(b.0.get(id))));
    pairs.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn rows_give_equal_records_on_both_engines() {
    let mut failed = Vec::new();
    for row in rows::all() {
        for reversed in [false, true] {
            let mut acts = row.story.clone();
            if reversed {
                acts.reverse();
            }
            let ledger = MemoryLedger::play(&row.rules, &acts);
            ledger.assert_resolved();
            let old = without_arrival(today(&acts, &row.rules));
            let differ = differences(&old, &without_arrival(ledger.records()));
            if !differ.is_empty() {
                failed.push(format!("{} {} ({reversed})\n{differ}", row.number, row.title));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

fn same(a: &Records, b: &Records) -> Result<(), TestCaseError> {
    let differ = differences(a, b);
    prop_assert!(differ.is_empty(), "{}", differ);
    Ok(())
}

/// Both engines report the same result and the same reason for every step.
fn same_explanations(
    story: &[Act],
    rules: &Rules,
    ledger: &MemoryLedger,
) -> Result<(), TestCaseError> {
    let explained = ledger.explained();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut world = World::in_memory(rules);
        let records = world.play(story).await;
        let World::Memory { history, .. } = &mut world else { unreachable!() };
        for record in records.0.values().filter(|record| record.id.starts_with("charge:")) {
            let payment = &record.payment_id;
            let old = dodo_ledger::attribution::explain(rules, &mut **history, payment).await;
            for (entry, steps) in old.unwrap() {
                let Some((_, mine)) = explained.get(&entry.id) else {
                    // A withdrawn record: today's engine keeps deriving it, with an amount of 0.
                    prop_assert!(entry.record.money.is_none_or(|money| money.gross == 0));
                    continue;
                };
                prop_assert_eq!(&steps, mine, "{}", entry.id);
            }
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_stories_give_equal_records_on_both_engines(
        story in story(24),
        repeats in prop::collection::vec(any::<(Index, bool)>(), 0..8),
        order in prop::collection::vec(any::<u32>(), 40),
        rules in rules(),
    ) {
        let old = without_arrival(today(&story, &rules));
        let ledger = MemoryLedger::play(&rules, &story);
        ledger.assert_resolved();
        let new = without_arrival(ledger.records());
        same(&old, &new)?;
        same_explanations(&story, &rules, &ledger)?;
        let other = disturbed(&story, &repeats, &order);
        same(&new, &without_arrival(MemoryLedger::play(&rules, &other).records()))?;
        let batched = MemoryLedger::play_in_batches(&rules, &other, 7);
        batched.assert_resolved();
        same(&new, &without_arrival(batched.records()))?;
    }
}
