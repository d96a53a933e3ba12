//! The cost of one more charge in a group of 1 to 10,000 facts: in memory, and as a booking on both stores
//! with the group in memory (warm) and without (cold). The processor time is that of this process.
//!
//! ```text
//! cargo bench -p dodo-ledger --all-features --bench booking
//! ```
//! PostgreSQL is measured when `DODO_TEST_POSTGRES_URL` names a server; its tables go into a schema
//! `dodo_booking` that is dropped before and after.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

#[expect(dead_code, reason = "shared with other benchmarks, which use more of it")]
mod support;

use std::time::{Duration, Instant};

use dodo_core::webhook::VerifiedEvent;
use dodo_ledger::{
    Ledger, Store,
    attribution::{Batch, FORMAT, Fact, Rules, Timeline, parse, resolve},
    booking::GroupStore,
};
use jiff::Timestamp;
use support::{SAMPLE, cpu_time, run_on};

const SIZES: [i64; 5] = [1, 10, 100, 1_000, 10_000];
/// Facts of one transaction while a group is filled.
const BATCH: usize = 1_000;

/// The n-th charge of a customer with one subscription, twelve hours after the one before.
fn charge(group: i64, n: i64) -> Fact {
    let at = Timestamp::from_second(1_680_000_000 + n * 43_200).unwrap().to_string();
    let mut body: serde_json::Value = serde_json::from_str(SAMPLE).unwrap();
    body["timestamp"] = at.clone().into();
    let data = &mut body["data"];
    data["created_at"] = at.into();
    data["payment_id"] = format!("pay_{group}_{n}").into();
    data["subscription_id"] = format!("sub_{group}").into();
    data["checkout_session_id"] = format!("cks_{group}_{n}").into();
    data["customer"]["customer_id"] = format!("cus_{group}").into();
    data["customer"]["email"] = format!("{group}@example.com").into();
    let id = format!("msg_{group}_{n}");
    let event =
        VerifiedEvent::from_trusted_parts(&id, body.to_string().into(), Timestamp::now(), true);
    parse(&event, &Rules::default()).unwrap().unwrap()
}

fn runs(size: i64) -> i64 {
    if size > 1_000 { 9 } else { 25 }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn timed<T>(times: i64, mut run: impl FnMut() -> T) -> Duration {
    let time = |_| {
        let begin = Instant::now();
        std::hint::black_box(run());
        begin.elapsed()
    };
    median((0..times).map(time).collect())
}

fn in_memory() {
    println!("| facts in group | resolve | read rows | bytes per fact |\n|---|---|---|---|");
    for size in SIZES {
        let facts: Vec<Fact> = (0..size).map(|n| charge(0, n)).collect();
        let rows: Vec<_> = facts.iter().map(|fact| fact.to_row().unwrap()).collect();
        let mut timeline = Timeline::default();
        for fact in facts {
            timeline.push(fact);
        }
        let rules = Rules::default();
        let resolved = timed(runs(size), || resolve(&timeline, &rules));
        let read = timed(runs(size), || {
            let read = rows.iter().map(|row| {
                let (id, person) = (row.id.clone(), row.person.as_deref());
                Fact::from_row(id, row.occurred_at, i64::from(FORMAT), &row.body, person).unwrap()
            });
            read.collect::<Vec<Fact>>()
        });
        let bytes: usize =
            rows.iter().map(|row| row.body.len() + row.person.as_deref().map_or(0, str::len)).sum();
        println!("| {size} | {resolved:.1?} | {read:.1?} | {} |", bytes / rows.len());
    }
}

/// The time on the clock, and the processor time of this process.
struct Cost(Duration, Duration);

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(clock, processor) = self;
        write!(f, "{clock:.2?} ({processor:.2?})")
    }
}

/// One more charge at a time, each a booking by itself.
async fn one_more(store: &Store, group: i64, size: i64, is_warm: bool) -> Cost {
    let kept = GroupStore::new(store.clone(), Rules::default());
    let filled: Vec<Fact> = (0..size).map(|n| charge(group, n)).collect();
    for facts in filled.chunks(BATCH) {
        kept.book(Batch::from_facts(facts.iter().cloned())).await.unwrap();
    }
    let (mut clock, mut processor) = (Vec::new(), Vec::new());
    for n in size..size + runs(size) {
        let fact = charge(group, n);
        let fresh = GroupStore::new(store.clone(), Rules::default());
        let groups = if is_warm { &kept } else { &fresh };
        let (begin, spent) = (Instant::now(), cpu_time("self").unwrap_or_default());
        groups.book(Batch::from_facts([fact])).await.unwrap();
        clock.push(begin.elapsed());
        processor.push(cpu_time("self").unwrap_or_default().saturating_sub(spent));
    }
    Cost(median(clock), median(processor))
}

async fn on_store(name: &str, url: &str) {
    let store = Store::open(url).await.unwrap();
    Ledger::builder(store.clone()).open().await.unwrap();
    println!("\n| facts in group, {name} | warm (processor) | cold (processor) |\n|---|---|---|");
    for (group, size) in (1..).zip(SIZES) {
        let warm = one_more(&store, 2 * group, size, true).await;
        let cold = one_more(&store, 2 * group + 1, size, false).await;
        println!("| {size} | {warm} | {cold} |");
    }
}

#[tokio::main]
async fn main() {
    in_memory();
    let directory = std::env::temp_dir().join(format!("dodo-booking-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    on_store("SQLite", &format!("sqlite:{}/ledger.db", directory.display())).await;
    std::fs::remove_dir_all(&directory).unwrap();
    let Ok(server) = std::env::var("DODO_TEST_POSTGRES_URL") else { return };
    run_on(&server, "DROP SCHEMA IF EXISTS dodo_booking CASCADE; CREATE SCHEMA dodo_booking").await;
    let join = if server.contains('?') { '&' } else { '?' };
    on_store("PostgreSQL", &format!("{server}{join}options=-csearch_path%3Ddodo_booking")).await;
    run_on(&server, "DROP SCHEMA dodo_booking CASCADE").await;
}
