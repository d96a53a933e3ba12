//! The access of one of 10^5 owners, load included, beside a bare read of the same row by its primary key.
//!
//! ```text
//! DODO_TEST_POSTGRES_URL=postgres://... cargo bench -p dodo-billing --features postgres --bench access
//! ```
//! Both reads use the pool of the store and take turns, so load on the machine hits both. CPU is that of this
//! process: the server of PostgreSQL has its own. PostgreSQL is measured when `DODO_TEST_POSTGRES_URL` names
//! a server; its tables go into a schema `dodo_access` that is dropped before and after. Linux only: the CPU
//! time is read from `/proc/self/task`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use dodo_billing::{Billing, Plan, Plans, SoldProduct};
use dodo_core::{
    Dodo, Environment, EventKind,
    event::{SubscriptionStatus, Timestamp},
};
use dodo_ledger::{
    Ledger, Store,
    attribution::{Charge, Fact, FactKind, Item, Person, Source, Subscription, Touchpoint},
    sqlx::{self, AssertSqlSafe, Connection as _, PgConnection, SqliteConnection},
    store::{PostgresStore, SqliteStore},
};
use jiff::SignedDuration;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OWNERS: u64 = 100_000;
/// Reads of each kind in one round.
const READS: u64 = 500;
const ROUNDS: usize = 41;
const BARE: &str = "SELECT plans, answer FROM dodo_billing_owner WHERE owner = $1 AND live = $2";

fn billing() -> Billing {
    let plans = Plans::builder()
        .free_plan(Plan::new("free").limit("projects", 3))
        .plan(
            Plan::new("pro").product("pdt_pro").features(["export", "api"]).limit("projects", 100),
        )
        .plan(Plan::new("team").product("pdt_team").includes("pro").seats("seats"))
        .product(SoldProduct::once("pdt_templates").feature("templates"))
        .build()
        .unwrap();
    let dodo = Dodo::builder("sk_test", KEY, Environment::Test).build().unwrap();
    Billing::builder(&dodo, plans).secret("a-secret-of-32-random-characters").build().unwrap()
}

/// A paid subscription of a plan that includes another, and a one-time purchase.
fn facts(billing: &Billing) -> Vec<Fact> {
    let now = Timestamp::now();
    let token = billing.owner("user_0").token().unwrap();
    let fact = |event_type: EventKind, kind| Fact {
        id: String::new(),
        source: Source::Webhook,
        occurred_at: now,
        received_at: now,
        attempt_at: None,
        event_type,
        live: false,
        business_id: "bus_1".into(),
        brand_id: None,
        kind,
        person: Some(Person {
            customer_id: Some("cus_1".into()),
            own: Touchpoint { owner: Some(token.clone()), ..Touchpoint::default() },
            ..Person::default()
        }),
    };
    let mut body = Subscription {
        subscription_id: "sub_0NT8pkQ2zU6rjMNUrBIgv".into(),
        status: Some(SubscriptionStatus::Active),
        product_id: Some("pdt_team".into()),
        quantity: Some(5),
        ..Subscription::default()
    };
    body.terms.next_billing_date = Some(now + SignedDuration::from_hours(30 * 24));
    let charge = |payment: &str, subscription: Option<&str>, product: &str| Charge {
        payment_id: payment.into(),
        created_at: now,
        total: 4900,
        subscription_ids: subscription.into_iter().map(str::to_owned).collect(),
        items: vec![Item { id: product.into(), quantity: Some(1) }],
        ..Charge::default()
    };
    let paid = charge("pay_1", Some(&body.subscription_id), "pdt_team");
    let bought = charge("pay_2", None, "pdt_templates");
    vec![
        fact(EventKind::SubscriptionActive, FactKind::Subscription(Box::new(body))),
        fact(EventKind::PaymentSucceeded, FactKind::Charge(Box::new(paid))),
        fact(EventKind::PaymentSucceeded, FactKind::Charge(Box::new(bought))),
    ]
}

/// Books one owner. The others are copies of the row.
async fn opened(store: Store, copy: impl AsyncFnOnce(String)) -> (Ledger, Billing) {
    let billing = billing();
    let ledger = Ledger::builder(store).projection(billing.clone()).open().await.unwrap();
    for (nth, mut fact) in facts(&billing).into_iter().enumerate() {
        fact.id = format!("msg_{nth}");
        ledger.book_facts(vec![fact]).await.unwrap();
    }
    let access = billing.owner("user_0").await.unwrap();
    assert!(access.can("export") && access.can("templates") && access.limit("seats") == Some(5));
    let numbers = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {})
         INSERT INTO dodo_billing_owner (owner, live, no, version, plans, answer)
         SELECT 'user_' || n, live, n, version, plans, answer FROM dodo_billing_owner, numbers
         WHERE owner = 'user_0'",
        OWNERS - 1
    );
    copy(numbers).await;
    (ledger, billing)
}

/// The CPU time of all threads of this process.
fn cpu() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let nanos = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Time and CPU of one round of reads, of other owners each time.
async fn round(read: &impl AsyncFn(u64)) -> [f64; 2] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let (began, cpu_before) = (Instant::now(), cpu());
    for _ in 0..READS {
        // Steps of a prime number: neighbors in the table are not read one after the other.
        let n = NEXT.fetch_add(7_919, Ordering::Relaxed) % OWNERS;
        read(n).await;
    }
    let took = began.elapsed();
    [took, cpu().saturating_sub(cpu_before)].map(|time| time.as_secs_f64() * 1e6 / READS as f64)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn measure(name: &str, bare: impl AsyncFn(u64), billing: &Billing) {
    let access = async |n: u64| {
        let access = billing.owner(format!("user_{n}")).await.unwrap();
        assert!(access.can("export"));
    };
    for warm_up in [round(&bare).await, round(&access).await] {
        assert!(warm_up[0] > 0.0);
    }
    let mut rounds = Vec::new();
    for nth in 0..ROUNDS {
        let (of_bare, of_access);
        if nth % 2 == 0 {
            of_bare = round(&bare).await;
            of_access = round(&access).await;
        } else {
            of_access = round(&access).await;
            of_bare = round(&bare).await;
        }
        rounds.push((of_bare, of_access));
    }
    for (at, what) in ["time", "CPU"].into_iter().enumerate() {
        println!(
            "{name:10} {what:4}  bare read {:6.1} us  access {:6.1} us  ratio {:.2}",
            median(rounds.iter().map(|(bare, _)| bare[at])),
            median(rounds.iter().map(|(_, access)| access[at])),
            median(rounds.iter().map(|(bare, access)| access[at] / bare[at])),
        );
    }
}

async fn on_sqlite() {
    let directory = std::env::temp_dir().join(format!("dodo-access-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let url = format!("sqlite:{}/app.db", directory.display());
    let store = SqliteStore::open(&url).await.unwrap();
    let pool = store.read_pool().clone();
    let (ledger, billing) = opened(store.into(), async |statement| {
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    })
    .await;
    let bare = async |n: u64| {
        let row = sqlx::query_as::<_, (String, String)>(BARE)
            .bind(format!("user_{n}"))
            .bind(0)
            .fetch_one(&pool)
            .await;
        assert!(!row.unwrap().1.is_empty());
    };
    measure("SQLite", bare, &billing).await;
    drop((ledger, billing));
    pool.close().await;
    std::fs::remove_dir_all(directory).unwrap();
}

async fn on_postgres(server: &str) {
    const DROP: &str = "DROP SCHEMA IF EXISTS dodo_access CASCADE";
    let mut connection = PgConnection::connect(server).await.unwrap();
    sqlx::raw_sql(DROP).execute(&mut connection).await.unwrap();
    sqlx::raw_sql("CREATE SCHEMA dodo_access").execute(&mut connection).await.unwrap();
    sqlx::raw_sql("SET search_path = dodo_access").execute(&mut connection).await.unwrap();
    let join = if server.contains('?') { '&' } else { '?' };
    let url = format!("{server}{join}options=-csearch_path%3Ddodo_access");
    let store = PostgresStore::open(&url).await.unwrap();
    let pool = store.pool().clone();
    let (ledger, billing) = opened(store.into(), async |statement| {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        sqlx::raw_sql("VACUUM ANALYZE dodo_billing_owner").execute(&mut connection).await.unwrap();
    })
    .await;
    let bare = async |n: u64| {
        let row = sqlx::query_as::<_, (String, String)>(BARE)
            .bind(format!("user_{n}"))
            .bind(0_i64)
            .fetch_one(&pool)
            .await;
        assert!(!row.unwrap().1.is_empty());
    };
    measure("PostgreSQL", bare, &billing).await;
    drop((ledger, billing));
    pool.close().await;
    let mut connection = PgConnection::connect(server).await.unwrap();
    sqlx::raw_sql(DROP).execute(&mut connection).await.unwrap();
}

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    on_sqlite().await;
    match std::env::var("DODO_TEST_POSTGRES_URL") {
        Ok(server) => on_postgres(&server).await,
        Err(_) => println!("SKIPPED PostgreSQL: DODO_TEST_POSTGRES_URL is not set"),
    }
}
