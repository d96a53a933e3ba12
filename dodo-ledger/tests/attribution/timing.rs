//! The cost of one more event in a group, and events per second. Run with
//! `cargo test -p dodo-ledger --all-features --test attribution -- --ignored --nocapture timing`.

use std::time::{Duration, Instant};

use dodo_core::webhook::Inbox;
use dodo_ledger::attribution::{FORMAT, Fact, Rules, resolve};
use serde_json::json;

use crate::{
    memory::{MemoryLedger, fact},
    payloads::{charged, hour, subscription},
    support::{TestStore, eventually, hooks, work},
    world::Act,
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
    let rules = Rules::default();
    println!("| facts in group | resolve | book | read rows | bytes per fact |");
    println!("|---|---|---|---|---|");
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
        let each = bytes / facts.len();
        println!("| {size} | {resolved:?} | {booked:?} | {read:?} | {each} |");
    }
}

/// Charges of 300 customers, in the order of time.
fn crowd(events: i64) -> Vec<Act> {
    let one = |n: i64| {
        let who = crate::payloads::customer(&format!("c{}", n % 300));
        let sub = format!("sub_{}", n % 300);
        let extra =
            json!({ "customer": who, "tax": 300, "checkout_session_id": format!("cks_{n}") });
        charged(&format!("pay_{n}"), &sub, hour(n), 2000, extra).into()
    };
    (0..events).map(one).collect()
}

/// Events per second on PostgreSQL, with several instances.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn bookings_per_second() {
    const EVENTS: i64 = 3000;
    let acts = crowd(EVENTS);
    for instances in [1, 2, 4] {
        let Some(store) = TestStore::postgres("timing::bookings").await else { return };
        let mut ledgers = Vec::new();
        for _ in 0..instances {
            ledgers.push(store.ledger().await);
        }
        for act in &acts {
            let Act::Deliver(delivery) = act else { continue };
            ledgers[0].accept(&delivery.event()).await.unwrap();
        }
        let begin = Instant::now();
        let workers: Vec<_> = ledgers.iter().map(|ledger| work(ledger, hooks())).collect();
        eventually("everything is booked", async || {
            ledgers[0].stats().await.unwrap().unbooked == 0
        })
        .await;
        let each_second = EVENTS as f64 / begin.elapsed().as_secs_f64();
        for workers in workers {
            workers.shutdown(Duration::from_secs(5)).await;
        }
        println!("{instances} instances: {each_second:.0} events/s");
        drop(ledgers);
        store.remove().await;
    }
}
