//! How many deliveries per second are durably answered, and how long the slowest waits: the ledger's
//! group commit beside one committed insert per delivery, over the same table on the same disk.
//!
//! ```text
//! cargo bench -p dodo-ledger --all-features --bench durable_ack             # throughput
//! cargo bench -p dodo-ledger --all-features --bench durable_ack -- drain    # 20,000 stored to booked and done
//! ```
//! PostgreSQL is measured when `DODO_TEST_POSTGRES_URL` names a server; its tables go into a schema
//! `dodo_bench` that is dropped before and after.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use dodo_core::{
    Environment, WebhookKey, Webhooks,
    webhook::{Inbox, VerifiedEvent},
};
use dodo_ledger::{
    Ledger, Store,
    sqlx::{
        self,
        postgres::PgPoolOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
    },
};
use support::{KEY, SAMPLE, body, drive, grouped, run_on};

const RUNS: usize = 3;

async fn sqlite(directory: &std::path::Path) {
    let body = body();
    for run in 1..=RUNS {
        let file = directory.join(format!("single-{run}.db"));
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let url = format!("sqlite:{}", file.display());
        Ledger::open(&url).await.unwrap();
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let body = body.clone();
        let single = drive("sqlite, one commit per delivery", 0, move |n| {
            let (pool, body) = (pool.clone(), body.clone());
            async move {
                sqlx::query(
                    "INSERT INTO dodo_inbox (id, body, live, received_at, available_at)
                     VALUES ($1, $2, 1, 1, 1) ON CONFLICT (id) DO NOTHING",
                )
                .bind(format!("msg_{n:012}"))
                .bind(&body[..])
                .execute(&pool)
                .await
                .unwrap();
            }
        })
        .await;
        let url = format!("sqlite:{}", directory.join(format!("group-{run}.db")).display());
        let ledger = Ledger::open(&url).await.unwrap();
        let group = grouped("sqlite, ledger", &ledger, 0).await;
        println!("  ratio {:.1}", group / single);
    }
}

async fn postgres(server: &str) {
    let url = format!("{server}?options=-csearch_path%3Ddodo_bench");
    let body = body();
    for _ in 0..RUNS {
        run_on(server, "DROP SCHEMA IF EXISTS dodo_bench CASCADE; CREATE SCHEMA dodo_bench").await;
        let ledger = Ledger::open(&url).await.unwrap();
        let pool = PgPoolOptions::new().max_connections(8).connect(&url).await.unwrap();
        let body = body.clone();
        let single = drive("postgres, pool of 8, one per commit", 0, move |n| {
            let (pool, body) = (pool.clone(), body.clone());
            async move {
                sqlx::query(
                    "INSERT INTO dodo_inbox (id, body, live, received_at, available_at)
                     VALUES ($1, $2, 1, 1, 1) ON CONFLICT (id) DO NOTHING",
                )
                .bind(format!("single_{n:012}"))
                .bind(&body[..])
                .execute(&pool)
                .await
                .unwrap();
            }
        })
        .await;
        let group = grouped("postgres, ledger", &ledger, 0).await;
        println!("  ratio {:.1}", group / single);
    }
    run_on(server, "DROP SCHEMA dodo_bench CASCADE").await;
}

/// The stored events before the workers start.
const DRAINED: usize = 20_000;

/// A charge of one of 5,000 subscriptions, each charged four times; only the first names a visitor.
fn charge(n: usize, sample: &serde_json::Value) -> VerifiedEvent {
    let who = n % (DRAINED / 4);
    let at = jiff::Timestamp::from_second(1_780_000_000 + i64::try_from(n).unwrap() * 60).unwrap();
    let mut body = sample.clone();
    body["timestamp"] = at.to_string().into();
    let data = &mut body["data"];
    data["created_at"] = at.to_string().into();
    data["payment_id"] = format!("pay_{n}").into();
    data["subscription_id"] = format!("sub_{who}").into();
    data["customer"]["customer_id"] = format!("cus_{who}").into();
    data["customer"]["email"] = format!("c{who}@example.com").into();
    data["checkout_session_id"] = format!("cks_{who}").into();
    if n >= DRAINED / 4 {
        data["metadata"] = serde_json::json!({});
    }
    let body = Bytes::from(body.to_string());
    VerifiedEvent::from_trusted_parts(&format!("msg_{n:012}"), body, at, true)
}

/// Measures how long workers take for events that were stored without workers.
async fn drained(label: &str, url: &str, instances: usize) {
    let sample: serde_json::Value = serde_json::from_str(SAMPLE).unwrap();
    let mut ledgers = Vec::new();
    for _ in 0..instances {
        let store = Store::open(url).await.unwrap();
        ledgers.push(Ledger::builder(store).build().unwrap());
    }
    let ledger = ledgers[0].clone();
    ledger.migrate().await.unwrap();
    for first in (0..DRAINED).step_by(500) {
        let mut stored = tokio::task::JoinSet::new();
        for n in first..first + 500 {
            let (ledger, event) = (ledger.clone(), charge(n, &sample));
            stored.spawn(async move { ledger.accept(&event).await.unwrap() });
        }
        stored.join_all().await;
    }
    let begun = Instant::now();
    let hooks = || Webhooks::builder(WebhookKey::new(KEY, Environment::Live).unwrap());
    let workers: Vec<_> = ledgers.iter().map(|one| one.attach(hooks()).unwrap().1).collect();
    let (mut booked, mut done) = (None, None);
    while done.is_none() {
        assert!(begun.elapsed() < Duration::from_secs(600), "{label} hangs");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let stats = ledger.stats().await.unwrap();
        booked = booked.or((stats.unbooked == 0).then(|| begun.elapsed()));
        done = (stats.pending == 0).then(|| begun.elapsed());
    }
    for workers in workers {
        workers.shutdown(Duration::from_secs(5)).await;
    }
    assert!(ledger.record(&format!("charge:pay_{}", DRAINED - 1)).await.unwrap().is_some());
    let rate = |time: Duration| DRAINED as f64 / time.as_secs_f64();
    let (booked, done) = (booked.unwrap(), done.unwrap());
    println!(
        "{label:34} booked {booked:8.2?} ({:.0}/s)  done {done:8.2?} ({:.0}/s)",
        rate(booked),
        rate(done)
    );
}

async fn drain(directory: &std::path::Path) {
    let url = format!("sqlite:{}", directory.join("drain.db").display());
    drained("sqlite, drain", &url, 1).await;
    let Ok(server) = std::env::var("DODO_TEST_POSTGRES_URL") else { return };
    for instances in [1, 4] {
        run_on(&server, "DROP SCHEMA IF EXISTS dodo_bench CASCADE; CREATE SCHEMA dodo_bench").await;
        let url = format!("{server}?options=-csearch_path%3Ddodo_bench");
        drained(&format!("postgres, drain, {instances} instances"), &url, instances).await;
    }
    run_on(&server, "DROP SCHEMA dodo_bench CASCADE").await;
}

fn main() {
    let directory = std::env::temp_dir().join(format!("dodo-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        if std::env::args().any(|word| word == "drain") {
            return drain(&directory).await;
        }
        sqlite(&directory).await;
        match std::env::var("DODO_TEST_POSTGRES_URL") {
            Ok(server) => postgres(&server).await,
            Err(_) => println!("postgres SKIPPED: DODO_TEST_POSTGRES_URL is not set"),
        }
    });
    std::fs::remove_dir_all(&directory).unwrap();
}
