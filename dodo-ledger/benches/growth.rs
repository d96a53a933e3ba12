//! What stays as fast as it was while a ledger grows from a thousand payments to a million: answers to
//! deliveries, bookings, questions, and the erasure of a customer.
//!
//! ```text
//! cargo bench -p dodo-ledger --all-features --bench growth
//! ```
//! The payments are booked past the inbox, one every 94 s (three years for a million), twelve to a customer
//! with one subscription. A day is therefore the
//! same number of payments at every size. PostgreSQL is measured when `DODO_TEST_POSTGRES_URL` names a
//! server; its tables go into a schema `dodo_growth` that is dropped before and after. A million payments
//! take some gigabytes on each.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

#[expect(dead_code, reason = "shared with other benchmarks, which use more of it")]
mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use dodo_core::{
    Environment, WebhookKey, Webhooks,
    webhook::{Inbox, VerifiedEvent},
};
use dodo_ledger::{
    Ledger, Store,
    attribution::{Batch, Rules, parse},
    booking::GroupStore,
    query::{Dimension, RevenueRow},
    sqlx::{self, AssertSqlSafe, Connection, PgConnection, SqliteConnection},
};
use jiff::Timestamp;
use support::{KEY, SAMPLE, grouped, run_on};

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Seconds between two payments.
const EVERY: usize = 94;
/// Payments of one customer, and of one subscription.
const EACH: usize = 12;
const BEGAN: i64 = 1_680_000_000;
/// Deliveries that are booked at each size.
const BOOKED: usize = 500;

fn at(n: usize) -> Timestamp {
    Timestamp::from_second(BEGAN + i64::try_from(n * EVERY).unwrap()).unwrap()
}

/// A payment, with the visitor and the number of the source that its metadata names.
fn payment(id: &str, who: &str, at: Timestamp, visitor: Option<(&str, usize)>) -> VerifiedEvent {
    let mut body: serde_json::Value = serde_json::from_str(SAMPLE).unwrap();
    body["timestamp"] = at.to_string().into();
    let data = &mut body["data"];
    data["created_at"] = at.to_string().into();
    data["payment_id"] = format!("pay_{id}").into();
    data["subscription_id"] = format!("sub_{who}").into();
    data["checkout_session_id"] = format!("cks_{id}").into();
    data["customer"]["customer_id"] = format!("cus_{who}").into();
    data["customer"]["email"] = format!("{who}@example.com").into();
    match visitor {
        Some((visitor, source)) => {
            data["metadata"] =
                serde_json::json!({ "visitor": visitor, "source": format!("source_{source}") });
        }
        None => data["metadata"] = serde_json::json!({}),
    }
    let body = Bytes::from(body.to_string());
    VerifiedEvent::from_trusted_parts(&format!("msg_{id}"), body, at, true)
}

async fn book(ledger: &Ledger) {
    let hooks = Webhooks::builder(WebhookKey::new(KEY, Environment::Live).unwrap());
    let (_, workers) = ledger.attach(hooks).unwrap();
    while ledger.stats().await.unwrap().pending > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    workers.shutdown(Duration::from_secs(5)).await;
}

/// A database, by its URL.
struct Database<'a>(&'a str);

impl Database<'_> {
    fn is_sqlite(&self) -> bool {
        self.0.starts_with("sqlite:")
    }

    async fn run(&self, text: &str) {
        let text = AssertSqlSafe(text.to_owned());
        if self.is_sqlite() {
            let mut connection = SqliteConnection::connect(self.0).await.unwrap();
            sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
        } else {
            let mut connection = PgConnection::connect(self.0).await.unwrap();
            sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
        }
    }

    /// Books the payments from `first` to before `end`, past the inbox, with their done deliveries.
    async fn fill(&self, groups: &GroupStore, first: usize, end: usize) {
        let numbers = format!(
            "WITH RECURSIVE n (i) AS (
                SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {end})"
        );
        self.run(&format!(
            "{numbers} INSERT INTO dodo_inbox
                (id, state, live, received_at, available_at, booked_at, finished_at)
             SELECT 'msg_' || i, 'done', 1, i, i, i, i FROM n"
        ))
        .await;
        let rules = Rules::default();
        let numbers: Vec<usize> = (first..end).collect();
        for numbers in numbers.chunks(EACH * 100) {
            let facts = numbers.iter().filter_map(|n| {
                let (who, visitor) = ((n / EACH).to_string(), format!("v_{}", n / 3));
                let event = payment(&n.to_string(), &who, at(*n), Some((&visitor, n % 20)));
                parse(&event, &rules).unwrap()
            });
            groups.book(Batch::from_facts(facts)).await.unwrap();
        }
        self.run("ANALYZE").await;
    }
}

/// The mean time of so many questions.
async fn mean<F: Future<Output = ()>>(label: &str, times: usize, ask: impl Fn(usize) -> F) {
    ask(0).await;
    let begun = Instant::now();
    for n in 0..times {
        ask(n).await;
    }
    let times = u32::try_from(times).unwrap();
    println!("    {label:44} {:9.1?}", begun.elapsed() / times);
}

/// The known sources: erased customers have none.
fn sources(rows: &[RevenueRow]) -> usize {
    rows.iter().filter(|row| row.key().is_some()).count()
}

async fn questions(ledger: &Ledger, stored: usize) {
    let some = |n: usize| n * 7_919 % stored;
    mean("a delivery by its id", 200, async |n| {
        ledger.event(&format!("msg_{}", some(n))).await.unwrap().unwrap();
    })
    .await;
    mean("counters of the inbox", 100, async |_| {
        ledger.stats().await.unwrap();
    })
    .await;
    mean("a record by its id", 200, async |n| {
        ledger.record(&format!("charge:pay_{}", some(n))).await.unwrap().unwrap();
    })
    .await;
    mean("explain a payment", 100, async |n| {
        ledger.explain(&format!("pay_{}", some(n))).await.unwrap().unwrap();
    })
    .await;
    mean("the newest 50 records", 100, async |_| {
        let page = ledger.records().revenue_only().newest_first().limit(50).fetch().await.unwrap();
        assert_eq!(page.len(), 50);
    })
    .await;
    mean("revenue of a day by source", 100, async |n| {
        let from = some(n).min(stored - 1_000);
        let asked = ledger.revenue().group_by(Dimension::Source).between(at(from), at(from + 919));
        assert_eq!(sources(&asked.fetch().await.unwrap()), 20);
    })
    .await;
    mean("revenue of a visitor", 100, async |n| {
        let visitor = format!("v_{}", some(n) / 3);
        let asked = ledger.revenue().filter(Dimension::Visitor, visitor.as_str());
        assert_eq!(asked.fetch().await.unwrap().len(), 1);
    })
    .await;
    mean("all revenue by source", 2, async |_| {
        let rows = ledger.revenue().group_by(Dimension::Source).fetch().await.unwrap();
        assert_eq!(sources(&rows), 20);
    })
    .await;
    // A customer that no query of a larger size selects.
    let begun = Instant::now();
    assert!(ledger.erase_customer(&format!("cus_{}", (stored - 1) / EACH)).await.unwrap().found);
    println!(
        "    {:44} {:9.1?}",
        "forget a customer (SQLite writes its file anew)",
        begun.elapsed()
    );
}

async fn growth(label: &str, url: &str) {
    let database = Database(url);
    let ledger = Ledger::open(url).await.unwrap();
    let groups = GroupStore::new(Store::open(url).await.unwrap(), Rules::default());
    let mut filled = 0;
    for stored in SIZES {
        database.fill(&groups, filled, stored).await;
        filled = stored;
        println!("{label}, {stored} payments");
        grouped("    durable answers", &ledger, stored * 10).await;
        database.run("DELETE FROM dodo_inbox WHERE state = 'pending'").await;
        // Renewals of subscriptions from the whole period, without a visitor.
        for n in 0..BOOKED {
            let who = (n * 7_919 % (stored / EACH)).to_string();
            let renewal = payment(&format!("{stored}_{n}"), &who, at(stored + n), None);
            ledger.accept(&renewal).await.unwrap();
        }
        let begun = Instant::now();
        book(&ledger).await;
        let each = begun.elapsed() / u32::try_from(BOOKED).unwrap();
        println!("    {:44} {each:9.1?}", "book a renewal, and mark it done");
        let last = ledger.record(&format!("charge:pay_{stored}_{}", BOOKED - 1)).await.unwrap();
        assert!(last.unwrap().visitor.is_some(), "a renewal is the visitor's who came first");
        questions(&ledger, stored).await;
    }
}

#[tokio::main]
async fn main() {
    let directory = std::env::temp_dir().join(format!("dodo-growth-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    growth("sqlite", &format!("sqlite:{}", directory.join("ledger.db").display())).await;
    std::fs::remove_dir_all(&directory).unwrap();
    let Ok(server) = std::env::var("DODO_TEST_POSTGRES_URL") else {
        return println!("postgres SKIPPED: DODO_TEST_POSTGRES_URL is not set");
    };
    run_on(&server, "DROP SCHEMA IF EXISTS dodo_growth CASCADE; CREATE SCHEMA dodo_growth").await;
    growth("postgres", &format!("{server}?options=-csearch_path%3Ddodo_growth")).await;
    run_on(&server, "DROP SCHEMA dodo_growth CASCADE").await;
}
