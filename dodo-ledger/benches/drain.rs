//! How long workers take for 20,000 events that were stored while no worker ran, with and without a callback:
//! one SQLite file, and 1, 2 and 4 instances on one PostgreSQL.
//!
//! ```text
//! cargo bench -p dodo-ledger --all-features --bench drain             # all
//! cargo bench -p dodo-ledger --all-features --bench drain -- waits    # and the waits of the connections
//! ```
//! It prints events per second, processor time per event in this process and in the server, and
//! statements per event. PostgreSQL is measured when `DODO_TEST_POSTGRES_URL` names a server; its tables
//! go into a schema `dodo_drain` that is dropped before and after. The server must run on this machine.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

#[expect(dead_code, reason = "shared with other benchmarks, which use more of it")]
mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use dodo_core::{
    Environment, WebhookKey, Webhooks,
    webhook::{Inbox, VerifiedEvent},
};
use dodo_ledger::{
    Ledger, Store,
    sqlx::{self, Connection as _, PgConnection},
};
use support::{KEY, SAMPLE, cpu_time, run_on, server_cpu};
use tracing_subscriber::{Layer, filter::LevelFilter, layer::SubscriberExt as _};

/// The stored events before the workers start.
const DRAINED: usize = 20_000;
/// Measured in turns, so that a change of the machine meets all of them.
const ROUNDS: usize = 3;

/// Counts the statements that the driver logs.
struct Statements(Arc<AtomicU64>);

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

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

/// A drain: the events per second, and a text with their cost.
struct Drained {
    rate: f64,
    text: String,
}

/// What the connections of a PostgreSQL wait for, sampled while the workers run.
type Waits = BTreeMap<(String, String), usize>;

async fn sample_waits(server: &str, waits: &mut Waits) {
    const SQL: &str = r"SELECT concat_ws(':', wait_event_type, wait_event), left(regexp_replace(query, '\s+', ' ', 'g'), 60)
        FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'";
    let mut connection = PgConnection::connect(server).await.unwrap();
    let rows: Vec<(String, String)> = sqlx::query_as(SQL).fetch_all(&mut connection).await.unwrap();
    rows.into_iter().for_each(|row| *waits.entry(row).or_default() += 1);
}

/// Stores the events without workers, then measures the workers.
async fn drained(
    url: &str,
    server: Option<&str>,
    (instances, has_callback): (usize, bool),
    statements: &AtomicU64,
    waits: Option<&mut Waits>,
) -> Drained {
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
    let mut of_server = Duration::ZERO;
    if let Some(server) = server {
        run_on(server, "CHECKPOINT").await;
        of_server = server_cpu(server).await;
    }
    let (own, counted) = (cpu_time("self").unwrap(), statements.load(Ordering::Relaxed));
    let begun = Instant::now();
    let hooks = || {
        let hooks = Webhooks::builder(WebhookKey::new(KEY, Environment::Live).unwrap());
        match has_callback {
            true => hooks.on_payment_succeeded(|_| async {}),
            false => hooks,
        }
    };
    let workers: Vec<_> = ledgers.iter().map(|one| one.attach(hooks()).unwrap().1).collect();
    let (mut booked, mut done) = (None, None);
    let mut waits = waits;
    while done.is_none() {
        assert!(begun.elapsed() < Duration::from_secs(600), "the drain hangs");
        // Each look counts the rows of the inbox.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let stats = ledger.stats().await.unwrap();
        booked = booked.or((stats.unbooked == 0).then(|| begun.elapsed()));
        done = (stats.pending == 0).then(|| begun.elapsed());
        if let (Some(server), Some(waits)) = (server, waits.as_deref_mut()) {
            sample_waits(server, waits).await;
        }
    }
    let own = cpu_time("self").unwrap() - own;
    let counted = statements.load(Ordering::Relaxed) - counted;
    if let Some(server) = server {
        of_server = server_cpu(server).await.saturating_sub(of_server);
    }
    for workers in workers {
        workers.shutdown(Duration::from_secs(5)).await;
    }
    assert!(ledger.record(&format!("charge:pay_{}", DRAINED - 1)).await.unwrap().is_some());
    let per_event = |time: Duration| time.as_secs_f64() * 1e6 / DRAINED as f64;
    let (booked, done) = (booked.unwrap(), done.unwrap());
    let rate = DRAINED as f64 / done.as_secs_f64();
    let text = format!(
        "booked {booked:6.2?}  done {done:6.2?} {rate:6.0}/s  cpu/event: own {:4.0} us, server {:4.0} us  statements/event {:.2}",
        per_event(own),
        per_event(of_server),
        counted as f64 / DRAINED as f64,
    );
    Drained { rate, text }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn name(has_callback: bool) -> &'static str {
    if has_callback { "with a callback" } else { "without a callback" }
}

async fn postgres(server: &str, statements: &AtomicU64, with_waits: bool) {
    let mut rates: BTreeMap<(usize, bool), Vec<f64>> = BTreeMap::new();
    let variants =
        [1, 2, 4].into_iter().flat_map(|instances| [(instances, false), (instances, true)]);
    for round in 1..=ROUNDS {
        for (instances, has_callback) in variants.clone() {
            run_on(server, "DROP SCHEMA IF EXISTS dodo_drain CASCADE; CREATE SCHEMA dodo_drain")
                .await;
            let url = format!("{server}?options=-csearch_path%3Ddodo_drain");
            let mut waits = Waits::new();
            let sampled = with_waits.then_some(&mut waits);
            let variant = (instances, has_callback);
            let drained = drained(&url, Some(server), variant, statements, sampled).await;
            let name = name(has_callback);
            println!("postgres, {instances} instances, {name}, round {round}: {}", drained.text);
            rates.entry(variant).or_default().push(drained.rate);
            let mut waits: Vec<_> = waits.into_iter().collect();
            waits.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            for ((wait, query), count) in waits.into_iter().take(12) {
                println!("    {count:5} {wait:24} {query}");
            }
        }
    }
    for ((instances, has_callback), rates) in rates {
        let name = name(has_callback);
        println!("postgres, {instances} instances, {name}: median {:.0}/s", median(rates));
    }
    run_on(server, "DROP SCHEMA dodo_drain CASCADE").await;
}

fn main() {
    let statements = Arc::new(AtomicU64::new(0));
    let counting = Statements(statements.clone()).with_filter(LevelFilter::DEBUG);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(counting)).unwrap();
    let asked = |word: &str| std::env::args().any(|argument| argument == word);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let directory = std::env::temp_dir().join(format!("dodo-drain-{}", std::process::id()));
        for (round, has_callback) in (1..=ROUNDS).flat_map(|round| [(round, false), (round, true)])
        {
            std::fs::create_dir_all(&directory).unwrap();
            let url = format!("sqlite:{}", directory.join("ledger.db").display());
            let drained = drained(&url, None, (1, has_callback), &statements, None).await;
            println!("sqlite, {}, round {round}: {}", name(has_callback), drained.text);
            std::fs::remove_dir_all(&directory).unwrap();
        }
        match std::env::var("DODO_TEST_POSTGRES_URL") {
            Ok(server) => postgres(&server, &statements, asked("waits")).await,
            Err(_) => println!("postgres SKIPPED: DODO_TEST_POSTGRES_URL is not set"),
        }
    });
}
