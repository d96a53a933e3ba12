//! A steady load: 300 deliveries per second for 8 minutes, of 2,000 customers with one subscription each.
//! Nothing may be lost, memory must stay flat, and an event must not cost more at the end.
//!
//! ```text
//! cargo bench -p dodo-ledger --all-features --bench soak
//! cargo bench -p dodo-ledger --all-features --bench soak -- sqlite 60 300    # store, seconds, per second
//! ```
//! PostgreSQL is measured when `DODO_TEST_POSTGRES_URL` names a server; its tables go into a schema
//! `dodo_soak` that is dropped before and after. The server must run on this machine.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

#[expect(dead_code, reason = "shared with other benchmarks, which use more of it")]
mod support;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use dodo_core::{
    Environment, Event, WebhookKey, Webhooks,
    event::RawJson,
    webhook::{Inbox, VerifiedEvent},
};
use dodo_ledger::{
    Ledger,
    sqlx::{self, AssertSqlSafe, Connection as _, PgConnection, SqliteConnection},
};
use support::{KEY, cpu_time, memory, run_on, server_cpu};
use tokio::time::MissedTickBehavior;

const CUSTOMERS: usize = 2_000;
/// Rows of the table that the program prints.
const WINDOWS: usize = 8;

/// The n-th delivery: a subscription that starts, then its charges, each a body of half a kilobyte.
fn delivery(n: usize) -> VerifiedEvent {
    let (who, nth) = (n % CUSTOMERS, n / CUSTOMERS);
    let hours = i64::try_from(nth).unwrap() * 720;
    let created = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    let at = created + jiff::SignedDuration::from_hours(hours);
    let customer = serde_json::json!({
        "customer_id": format!("cus_{who:08}"), "email": format!("customer-{who:08}@example.com"),
        "name": "Test Customer",
    });
    let metadata = match nth {
        0 | 1 => {
            serde_json::json!({ "visitor": format!("v_{who:08}"), "utm_source": "newsletter" })
        }
        _ => serde_json::json!({}),
    };
    let subscription = format!("sub_{who:08}");
    let (kind, data) = match nth {
        0 => (
            "subscription.active",
            serde_json::json!({
                "payload_type": "Subscription", "subscription_id": subscription, "status": "active",
                "created_at": created, "product_id": "pdt_1", "quantity": 1, "currency": "USD",
                "recurring_pre_tax_amount": 1700, "payment_frequency_interval": "Month",
                "payment_frequency_count": 1, "customer": customer, "metadata": metadata,
            }),
        ),
        _ => (
            "payment.succeeded",
            serde_json::json!({
                "payload_type": "Payment", "payment_id": format!("pay_{n:012}"), "status": "succeeded",
                "created_at": at, "total_amount": 2000, "tax": 300, "currency": "USD",
                "settlement_amount": 2000, "settlement_currency": "USD", "card_network": "VISA",
                "subscription_id": subscription, "customer": customer, "metadata": metadata,
            }),
        ),
    };
    let body = serde_json::json!({
        "type": kind, "business_id": "bus_1", "timestamp": at, "data": data,
    });
    let body = Bytes::from(body.to_string());
    VerifiedEvent::from_trusted_parts(&format!("msg_{n:020}"), body, jiff::Timestamp::now(), true)
}

struct Soak<'a> {
    url: String,
    /// PostgreSQL.
    server: Option<&'a str>,
    seconds: usize,
    per_second: usize,
}

impl Soak<'_> {
    async fn count(&self, sql: &'static str) -> usize {
        let counted: i64 = match self.server {
            None => {
                let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
            Some(_) => {
                let mut connection = PgConnection::connect(&self.url).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
        };
        usize::try_from(counted).unwrap()
    }

    /// The bytes of each table and index, the largest first.
    async fn sizes(&self) -> Vec<(String, i64)> {
        if self.server.is_some() {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            let sql = "SELECT relname::text, pg_relation_size(oid) FROM pg_class
                WHERE relnamespace = 'dodo_soak'::regnamespace AND relkind IN ('r', 'i')
                ORDER BY 2 DESC";
            return sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
        }
        let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
        let empty = AssertSqlSafe("PRAGMA wal_checkpoint(TRUNCATE)");
        sqlx::raw_sql(empty).execute(&mut connection).await.unwrap();
        let sql = "SELECT name, SUM(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC";
        sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap()
    }

    async fn cpu(&self) -> Duration {
        let server = match self.server {
            Some(server) => server_cpu(server).await,
            None => Duration::ZERO,
        };
        cpu_time("self").unwrap() + server
    }

    async fn run(&self) {
        let ledger = Ledger::open(&self.url).await.unwrap();
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = runs.clone();
        let hooks = Webhooks::builder(WebhookKey::new(KEY, Environment::Live).unwrap()).on_any(
            move |_: Event<RawJson>| {
                counted.fetch_add(1, Ordering::Relaxed);
                std::future::ready(Ok(()))
            },
        );
        let (_, workers) = ledger.attach(hooks).unwrap();
        let total = self.seconds * self.per_second;
        let rate = u32::try_from(self.per_second).unwrap();
        let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (acked, slowest) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        println!(
            "| sent | done | memory | processor time per event | slowest answer |\n|---|---|---|---|---|"
        );
        let (mut cpu, mut done, mut costs) = (self.cpu().await, 0, Vec::new());
        let mut bytes = 0;
        for n in 0..total {
            tick.tick().await;
            let event = delivery(n);
            bytes += event.body().len();
            let (ledger, acked, worst) = (ledger.clone(), acked.clone(), slowest.clone());
            tokio::spawn(async move {
                let begun = Instant::now();
                if ledger.accept(&event).await.is_ok() {
                    acked.fetch_add(1, Ordering::Relaxed);
                }
                let took = usize::try_from(begun.elapsed().as_micros()).unwrap();
                worst.fetch_max(took, Ordering::Relaxed);
            });
            if (n + 1) % (total / WINDOWS) == 0 {
                let (now, ran) = (self.cpu().await, runs.load(Ordering::Relaxed));
                let events = u32::try_from((ran - done).max(1)).unwrap();
                costs.push(now.saturating_sub(cpu) / events);
                (cpu, done) = (now, ran);
                println!(
                    "| {} | {ran} | {} MB | {:?} | {:?} |",
                    n + 1,
                    memory().unwrap() / 1_000_000,
                    costs.last().unwrap(),
                    Duration::from_micros(slowest.swap(0, Ordering::Relaxed) as u64),
                );
            }
        }
        let begun = Instant::now();
        ledger.settled().await.unwrap();
        let drained = begun.elapsed();
        assert!(workers.shutdown(Duration::from_secs(5)).await);
        let acked = acked.load(Ordering::Relaxed);
        let stored = self.count("SELECT COUNT(*) FROM dodo_inbox").await;
        let finished = self.count("SELECT COUNT(*) FROM dodo_inbox WHERE state = 'done'").await;
        let booked = self.count("SELECT COUNT(*) FROM dodo_fact").await;
        let sizes = self.sizes().await;
        let all: i64 = sizes.iter().map(|(_, size)| size).sum();
        println!(
            "sent {total}, answered {acked}, stored {stored}, done {finished}, booked {booked}, lost {}; \
             drained in {drained:.1?}",
            acked.abs_diff(stored.min(finished).min(booked)),
        );
        println!(
            "body {} bytes, stored {} bytes per delivery",
            bytes / total,
            all / i64::try_from(total).unwrap()
        );
        for (name, size) in sizes.iter().take(12) {
            println!("    {name:32} {:6} bytes per delivery", size / i64::try_from(total).unwrap());
        }
        let (first, last) = (costs.first().unwrap(), costs.last().unwrap());
        println!(
            "the last window costs {:.2} times the first",
            last.as_secs_f64() / first.as_secs_f64()
        );
    }
}

async fn sqlite(directory: &Path, seconds: usize, per_second: usize) {
    println!("\nsqlite, {per_second} per second for {seconds} s");
    let url = format!("sqlite:{}", directory.join("ledger.db").display());
    Soak { url, server: None, seconds, per_second }.run().await;
}

async fn postgres(seconds: usize, per_second: usize) {
    let Ok(server) = std::env::var("DODO_TEST_POSTGRES_URL") else {
        return println!("postgres SKIPPED: DODO_TEST_POSTGRES_URL is not set");
    };
    println!("\npostgres, {per_second} per second for {seconds} s");
    run_on(&server, "DROP SCHEMA IF EXISTS dodo_soak CASCADE; CREATE SCHEMA dodo_soak").await;
    let url = format!("{server}?options=-csearch_path%3Ddodo_soak");
    Soak { url, server: Some(&server), seconds, per_second }.run().await;
    run_on(&server, "DROP SCHEMA dodo_soak CASCADE").await;
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |at: usize, default| {
        words.iter().filter_map(|word| word.parse().ok()).nth(at).unwrap_or(default)
    };
    let (seconds, per_second) = (number(0, 480), number(1, 300));
    let wanted = |store: &str| {
        let named = ["sqlite", "postgres"].iter().any(|name| words.iter().any(|word| word == name));
        !named || words.iter().any(|word| word == store)
    };
    let directory = std::env::temp_dir().join(format!("dodo-soak-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    if wanted("sqlite") {
        sqlite(&directory, seconds, per_second).await;
    }
    std::fs::remove_dir_all(&directory).unwrap();
    if wanted("postgres") {
        postgres(seconds, per_second).await;
    }
}
