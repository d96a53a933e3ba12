//! The cost of one more event in a group, on both engines in one run. Run with
//! `cargo test -p dodo-ledger --all-features --test attribution -- --ignored --nocapture timing`.

use std::time::{Duration, Instant};

use dodo_ledger::attribution::Rules;
use dodo_ledger::engine::{FORMAT, Fact, resolve};
use serde_json::json;

use crate::{
    memory::{MemoryLedger, fact},
    payloads::{charged, hour, subscription},
    world::{Act, World},
};

fn nth(n: i64) -> Act {
    match n % 2 {
        0 => {
            charged(&format!("pay_{n}"), "sub_1", hour(n * 12), 2000, json!({ "tax": 300 })).into()
        }
        _ => subscription("subscription.renewed", "sub_1", hour(n * 12), json!({})).into(),
    }
}

/// The least of several runs.
fn least<T>(times: usize, mut run: impl FnMut() -> T) -> Duration {
    let time = |_| {
        let begin = Instant::now();
        std::hint::black_box(run());
        begin.elapsed()
    };
    (0..times).map(time).min().unwrap()
}

#[test]
#[ignore = "a measurement"]
fn cost_of_one_more_event() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let rules = Rules::default();
    println!("| facts in group | resolve | book | read rows | bytes per fact | today |");
    println!("|---|---|---|---|---|---|");
    for size in [1_i64, 10, 100, 1_000, 10_000] {
        let acts: Vec<Act> = (0..size).map(nth).collect();
        let facts: Vec<Fact> = acts.iter().filter_map(|act| fact(act, &rules)).collect();
        let mut ledger = MemoryLedger::new(&rules);
        ledger.book(facts.iter().cloned());
        let times = if size > 1_000 { 3 } else { 20 };
        let timeline = ledger.timelines().next().unwrap().clone();
        let resolved = least(times, || resolve(&timeline, &rules));
        let mut next = size;
        let booked = least(times, || {
            let new = fact(&nth(next), &rules);
            next += 1;
            ledger.book(new)
        });
        let rows: Vec<_> = facts.iter().map(|fact| fact.to_row().unwrap()).collect();
        let bytes: usize =
            rows.iter().map(|row| row.body.len() + row.person.as_deref().map_or(0, str::len)).sum();
        let read = least(times, || {
            let read = rows.iter().map(|row| {
                let (id, person) = (row.id.clone(), row.person.as_deref());
                Fact::from_row(id, row.occurred_at, i64::from(FORMAT), &row.body, person).unwrap()
            });
            read.collect::<Vec<Fact>>()
        });
        let mut world = World::in_memory(&rules);
        runtime.block_on(world.play(&acts));
        let mut next = size;
        let today = least(times, || {
            next += 1;
            runtime.block_on(world.act(&nth(next - 1)));
        });
        let each = bytes / facts.len();
        println!("| {size} | {resolved:?} | {booked:?} | {read:?} | {each} | {today:?} |");
    }
}
