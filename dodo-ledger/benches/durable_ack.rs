//! How many deliveries per second are durably answered, and how long the slowest waits: the ledger's
//! group commit beside one committed insert per delivery, over the same table on the same disk.
//!
//! ```text
//! cargo bench -p dodo-ledger --all-features --bench durable_ack
//! ```
//! PostgreSQL is measured when `DODO_TEST_POSTGRES_URL` names a server; its tables go into a schema
//! `dodo_bench` that is dropped before and after.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

#[expect(dead_code, reason = "shared with other benchmarks, which use more of it")]
mod support;

use dodo_ledger::{
    Ledger,
    sqlx::{
        self,
        postgres::PgPoolOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
    },
};
use support::{body, drive, grouped, run_on};

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

fn main() {
    let directory = std::env::temp_dir().join(format!("dodo-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        sqlite(&directory).await;
        match std::env::var("DODO_TEST_POSTGRES_URL") {
            Ok(server) => postgres(&server).await,
            Err(_) => println!("postgres SKIPPED: DODO_TEST_POSTGRES_URL is not set"),
        }
    });
    std::fs::remove_dir_all(&directory).unwrap();
}
