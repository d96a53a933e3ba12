//! The connections that read an SQLite ledger.
#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::time::Duration;

use dodo_core::{
    attribution::AttributionRecord,
    capture::{CheckoutContext, CheckoutContextStore},
    webhook::Inbox,
};
use dodo_ledger::{
    ErrorKind, Ledger, OutboxRecord, SendOutcome, Sink,
    sqlx::{
        self, ConnectOptions as _,
        sqlite::{SqliteConnectOptions, SqlitePoolOptions},
    },
    store::SqliteStore,
};
use support::{TestStore, eventually, hooks, payment, work};

/// SQLite ends a transaction by itself at some errors, as of the disk. A reader must not continue
/// in the transaction that the driver assumes: it would see old data forever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reader_after_ended_transaction_sees_new_rows() {
    let store = TestStore::sqlite().await.unwrap();
    let opened = SqliteStore::open(&store.url).await.unwrap();
    let readers = opened.read_pool().clone();
    let ledger = Ledger::builder(opened).build().unwrap();
    ledger.migrate().await.unwrap();
    let mut ended = Vec::new();
    while ended.len() < usize::try_from(readers.options().get_max_connections()).unwrap() {
        let mut tx = readers.begin().await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut *tx).await.unwrap();
        ended.push(tx);
    }
    drop(ended);
    for n in 1..=12 {
        ledger.accept(&payment(&format!("msg_{n}"), &format!("pay_{n}"))).await.unwrap();
        assert_eq!(ledger.stats().await.unwrap().pending, n);
    }
    store.remove().await;
}

/// A sink that reads the history of the customer.
struct Curious;

impl Sink for Curious {
    fn name(&self) -> &str {
        "curious"
    }

    fn accepts(&self, _: &AttributionRecord) -> bool {
        true
    }

    fn needs_customer_history(&self) -> bool {
        true
    }

    async fn send(&self, records: &[OutboxRecord]) -> Vec<SendOutcome> {
        records.iter().map(|_| SendOutcome::Accepted).collect()
    }
}

/// Pages that take their time, and whatever the application reads, hold up nothing that the ledger does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ledger_works_while_all_readers_are_taken() {
    let store = TestStore::sqlite().await.unwrap();
    let opened = SqliteStore::open(&store.url).await.unwrap();
    let readers = opened.read_pool().clone();
    let builder = Ledger::builder(opened).sink(Curious);
    let ledger = builder.build().unwrap();
    ledger.migrate().await.unwrap();
    let mut taken = Vec::new();
    while taken.len() < usize::try_from(readers.options().get_max_connections()).unwrap() {
        taken.push(readers.acquire().await.unwrap());
    }

    let workers = work(&ledger, hooks());
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    let context = serde_json::json!({ "captured_at": "2026-11-20T10:00:00Z", "visitor": "v1" });
    let context: CheckoutContext = serde_json::from_value(context).unwrap();
    ledger.store("cks_1", &context).await.unwrap();
    let mut beside =
        <sqlx::SqliteConnection as sqlx::Connection>::connect(&store.url).await.unwrap();
    eventually("it is done and told", async || {
        let done = "SELECT (SELECT COUNT(*) FROM dodo_inbox WHERE state = 'done')
                         + (SELECT COUNT(*) FROM dodo_outbox WHERE state = 'sent')";
        sqlx::query_scalar::<_, i64>(done).fetch_one(&mut beside).await.unwrap() == 2
    })
    .await;
    drop(taken);
    workers.shutdown(Duration::from_secs(5)).await;
    store.remove().await;
}

/// What the application has open already serves reads, also if it may not write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pool_of_the_application_serves_reads() {
    let store = TestStore::sqlite().await.unwrap();
    let options: SqliteConnectOptions = store.url.parse().unwrap();
    let mut own = options.clone().create_if_missing(true).connect().await.unwrap();
    sqlx::query("CREATE TABLE own (id INTEGER)").execute(&mut own).await.unwrap();
    let pool = SqlitePoolOptions::new().max_connections(3);
    let pool = pool.connect_with(options.read_only(true)).await.unwrap();
    let opened = SqliteStore::with_read_pool(pool.clone()).await.unwrap();
    assert_eq!(opened.read_pool().options().get_max_connections(), 3);
    let ledger = Ledger::builder(opened).build().unwrap();
    ledger.migrate().await.unwrap();
    let workers = work(&ledger, hooks());
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    eventually("it is done", async || ledger.stats().await.unwrap().pending == 0).await;
    let own = "SELECT (SELECT COUNT(*) FROM own) + (SELECT COUNT(*) FROM dodo_record)";
    assert_eq!(sqlx::query_scalar::<_, i64>(own).fetch_one(&pool).await.unwrap(), 1);
    let mode = sqlx::query_scalar::<_, String>("PRAGMA journal_mode").fetch_one(&pool).await;
    assert_eq!(mode.unwrap(), "wal");
    workers.shutdown(Duration::from_secs(5)).await;
    // It is the application's, and stays open.
    drop(ledger);
    assert_eq!(sqlx::query_scalar::<_, i64>(own).fetch_one(&pool).await.unwrap(), 1);
    store.remove().await;
}

#[tokio::test]
async fn pool_of_memory_database_is_refused() {
    for url in ["sqlite::memory:", "sqlite:file:own?mode=memory&cache=shared", "sqlite:"] {
        let pool = sqlx::SqlitePool::connect(url).await.unwrap();
        let refused = SqliteStore::with_read_pool(pool).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Config, "{url}");
    }
}
