//! Connections to PostgreSQL after a canceled task or a vanished host.
#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/proxy.rs"]
mod proxy;
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::{convert::Infallible, future::poll_fn, task::Poll, time::Duration};

use dodo_core::{
    capture::{CheckoutContext, CheckoutContextStore},
    webhook::Inbox,
};
use dodo_ledger::{
    Ledger,
    sink::FnSink,
    sqlx::{self, Connection, PgConnection, PgPool, postgres::PgPoolOptions},
    store::PostgresStore,
};
use proxy::Proxy;
use support::{TestStore, eventually, hooks, payment, work};

fn context() -> CheckoutContext {
    let context = serde_json::json!({ "captured_at": "2026-11-20T10:00:00Z", "visitor": "v1" });
    serde_json::from_value(context).unwrap()
}

/// Starts work that begins a transaction, and cancels it before the answer to `BEGIN`.
async fn cancel_during_begin(proxy: &Proxy, pool: &PgPool, work: impl Future) {
    eventually("the pool is at rest", async || pool.num_idle() == 1).await;
    let mut work = Box::pin(work);
    proxy.hold(true);
    eventually("it begins", async || {
        let polled = poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_ready())).await;
        assert!(!polled, "the answer is held back");
        proxy.was_sent("BEGIN")
    })
    .await;
    drop(work);
    proxy.hold(false);
}

async fn count(beside: &mut PgConnection, table: &'static str) -> i64 {
    let count = format!("SELECT COUNT(*) FROM {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(beside).await.unwrap()
}

/// A pool with one connection, through the proxy.
async fn one_connection(proxy: &Proxy, store: &TestStore) -> PgPool {
    PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect(&proxy.url(&store.url))
        .await
        .unwrap()
}

/// If a task is canceled during `BEGIN`, the driver returns the connection to the pool inside of
/// the transaction. Later writes on it are not committed, so they must not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn canceled_begin_leaves_no_open_transaction() {
    let Some(store) = TestStore::postgres("connections::begin").await else { return };
    let proxy = Proxy::before(&store.url).await;
    let pool = one_connection(&proxy, &store).await;
    let ledger = Ledger::builder(PostgresStore::with_pool(pool.clone()));
    let ledger = ledger.build().unwrap();
    ledger.migrate().await.unwrap();
    ledger.accept(&payment("msg_0", "pay_0")).await.unwrap();
    let mut beside = PgConnection::connect(&store.url).await.unwrap();

    cancel_during_begin(&proxy, &pool, ledger.revenue().fetch()).await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    ledger.revenue().fetch().await.unwrap();
    assert_eq!(count(&mut beside, "dodo_inbox").await, 2);

    cancel_during_begin(&proxy, &pool, ledger.revenue().fetch()).await;
    ledger.store("cks_1", &context()).await.unwrap();
    ledger.revenue().fetch().await.unwrap();
    assert_eq!(count(&mut beside, "dodo_fact").await, 1);

    // Nor anything of the application's.
    store.run("CREATE TABLE own (id INTEGER)").await;
    cancel_during_begin(&proxy, &pool, ledger.revenue().fetch()).await;
    sqlx::query("INSERT INTO own VALUES (1)").execute(&pool).await.unwrap();
    ledger.revenue().fetch().await.unwrap();
    assert_eq!(count(&mut beside, "own").await, 1);
    store.remove().await;
}

/// The application may also leave transactions open on its pool, with another isolation level.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_transactions_of_the_application_do_not_matter() {
    let Some(store) = TestStore::postgres("connections::left").await else { return };
    let proxy = Proxy::before(&store.url).await;
    let pool = one_connection(&proxy, &store).await;
    let ledger = Ledger::builder(PostgresStore::with_pool(pool.clone()));
    let ledger = ledger.build().unwrap();
    ledger.migrate().await.unwrap();
    ledger.accept(&payment("msg_0", "pay_0")).await.unwrap();
    let mut beside = PgConnection::connect(&store.url).await.unwrap();

    cancel_during_begin(&proxy, &pool, pool.begin()).await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    ledger.revenue().fetch().await.unwrap();
    assert_eq!(count(&mut beside, "dodo_inbox").await, 2);

    sqlx::raw_sql("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1").execute(&pool).await.unwrap();
    ledger.accept(&payment("msg_2", "pay_2")).await.unwrap();
    ledger.revenue().fetch().await.unwrap();
    assert_eq!(count(&mut beside, "dodo_inbox").await, 3);
    store.remove().await;
}

/// The host vanished and sends no packet: without a limit, its connections wait forever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vanished_host_delays_no_worker() {
    let Some(store) = TestStore::postgres("connections::vanish").await else { return };
    let proxy = Proxy::before(&store.url).await;
    let opened = PostgresStore::open(&proxy.url(&store.url)).await.unwrap();
    let opened = opened.with_statement_timeout(Duration::from_secs(2));
    let told = FnSink::new("told", async |_| Ok::<_, Infallible>(())).include_test_mode();
    let ledger = Ledger::builder(opened).sink(told).build().unwrap();
    ledger.migrate().await.unwrap();
    let mut beside = PgConnection::connect(&store.url).await.unwrap();
    let workers = work(&ledger, hooks());
    ledger.accept(&payment("msg_0", "pay_0")).await.unwrap();
    all_sent(&mut beside, 1).await;

    // Each kind of worker, and a delivery, wait for an answer.
    let mut lock = beside.begin().await.unwrap();
    let tables = "LOCK TABLE dodo_inbox, dodo_outbox IN ACCESS EXCLUSIVE MODE";
    sqlx::query(tables).execute(&mut *lock).await.unwrap();
    let own = ledger.clone();
    let waiting = tokio::spawn(async move { own.accept(&payment("msg_1", "pay_1")).await });
    eventually("they wait", async || {
        let waiting = "SELECT COUNT(DISTINCT pid) FROM pg_locks
                       WHERE NOT granted AND relation IN ('dodo_inbox'::regclass, 'dodo_outbox'::regclass)";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut *lock).await.unwrap() >= 4
    })
    .await;
    proxy.vanish();
    lock.commit().await.unwrap();

    waiting.await.unwrap().unwrap_err();
    let after = async {
        for n in 1..=3 {
            let (id, payment_id) = (format!("msg_{n}"), format!("pay_{n}"));
            while ledger.accept(&payment(&id, &payment_id)).await.is_err() {}
        }
        all_sent(&mut beside, 4).await;
    };
    tokio::time::timeout(Duration::from_secs(60), after).await.unwrap();
    assert!(workers.shutdown(Duration::from_secs(5)).await);
    store.remove().await;
}

async fn all_sent(beside: &mut PgConnection, events: i64) {
    let done = "SELECT (SELECT COUNT(*) FROM dodo_inbox WHERE state = 'done')
                     + (SELECT COUNT(*) FROM dodo_outbox WHERE state = 'sent')";
    eventually("all are done and sent", async || {
        sqlx::query_scalar::<_, i64>(done).fetch_one(&mut *beside).await.unwrap() == 2 * events
    })
    .await;
}
