//! What callbacks write through the event's own transaction, on both databases.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use dodo_core::{BoxError, Event, event::RawJson, webhook::Inbox};
use dodo_ledger::{Error, ErrorKind, Ledger, PgTx, RetryPolicy, SqliteTx, sqlx};
use support::{Log, SOON, TestStore, eventually, hooks, payment, work};
use tokio::sync::Mutex;

/// The same tests for each kind of handle.
macro_rules! transactions {
    ($module:ident, $handle:ident, $store:expr, $connection:ty) => {
        mod $module {
            use super::*;

            async fn effect(event: &Event<RawJson>) -> Result<$handle, Error> {
                let mut tx = $handle::join(event).await?;
                sqlx::query("INSERT INTO effect (event) VALUES ($1)")
                    .bind(&event.id)
                    .execute(&mut *tx)
                    .await
                    .unwrap();
                Ok(tx)
            }

            async fn ledger(store: &TestStore) -> Ledger {
                let ledger = store.builder().await.lease(Duration::from_secs(3)).build().unwrap();
                ledger.migrate().await.unwrap();
                let mut connection =
                    <$connection as sqlx::Connection>::connect(&store.url).await.unwrap();
                sqlx::query("CREATE TABLE effect (event TEXT NOT NULL)")
                    .execute(&mut connection)
                    .await
                    .unwrap();
                ledger
            }

            async fn effects(store: &TestStore) -> i64 {
                let mut connection =
                    <$connection as sqlx::Connection>::connect(&store.url).await.unwrap();
                sqlx::query_scalar("SELECT COUNT(*) FROM effect")
                    .fetch_one(&mut connection)
                    .await
                    .unwrap()
            }

            async fn until_done(ledger: &Ledger) {
                eventually("the event is done", async || {
                    ledger.event("msg_1").await.unwrap().is_some_and(|event| event.state == "done")
                })
                .await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn effects_of_failed_runs_are_rolled_back() {
                let Some(store) = $store.await else { return };
                let ledger = ledger(&store).await;
                let runs = Arc::new(AtomicU32::new(0));
                let hooks = hooks().on_any({
                    let runs = runs.clone();
                    move |event| {
                        let run = runs.fetch_add(1, Ordering::SeqCst);
                        async move {
                            drop(effect(&event).await?);
                            // A second callback of the event joins the same transaction.
                            drop(effect(&event).await?);
                            match run {
                                0 => Err(sqlx::Error::RowNotFound.into()),
                                1 => panic!("after the effect"),
                                _ => Ok(()),
                            }
                        }
                    }
                });
                let workers = work(&ledger, hooks);
                ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
                until_done(&ledger).await;
                workers.shutdown(Duration::from_secs(5)).await;
                assert_eq!(runs.load(Ordering::SeqCst), 3);
                assert_eq!(effects(&store).await, 2);
                store.remove().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn handle_kept_after_callback_commits_nothing() {
                let Some(store) = $store.await else { return };
                let ledger = ledger(&store).await;
                let (kept, runs) = (Arc::new(Mutex::new(None)), Arc::new(AtomicU32::new(0)));
                let hooks = hooks().on_any({
                    let (kept, runs) = (kept.clone(), runs.clone());
                    move |event| {
                        let (kept, run) = (kept.clone(), runs.fetch_add(1, Ordering::SeqCst));
                        async move {
                            let tx = effect(&event).await?;
                            if run == 0 {
                                *kept.lock().await = Some((tx, event));
                            }
                            Ok::<(), BoxError>(())
                        }
                    }
                });
                let workers = work(&ledger, hooks);
                ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
                eventually("the attempt with the kept handle ended", async || {
                    kept.lock().await.is_some()
                })
                .await;
                tokio::time::sleep(Duration::from_millis(3500)).await; // the lease
                let (tx, event) = kept.lock().await.take().unwrap();
                drop(tx);
                until_done(&ledger).await;
                assert_eq!(
                    $handle::join(&event).await.unwrap_err().kind(),
                    ErrorKind::TransactionClosed
                );
                workers.shutdown(Duration::from_secs(5)).await;
                assert!(runs.load(Ordering::SeqCst) >= 2);
                assert_eq!(effects(&store).await, 1);
                store.remove().await;
            }

            /// It cannot be ended from outside, and on SQLite no delivery is stored until then.
            #[tokio::test]
            async fn kept_handle_is_logged() {
                let Some(store) = $store.await else { return };
                let ledger = ledger(&store).await;
                let (log, _keeping) = Log::of_this_thread(tracing::Level::ERROR);
                let kept = Arc::new(Mutex::new(None));
                let hooks = hooks().on_any({
                    let kept = kept.clone();
                    move |event| {
                        let kept = kept.clone();
                        async move {
                            *kept.lock().await = Some(effect(&event).await?);
                            Ok::<(), BoxError>(())
                        }
                    }
                });
                let workers = work(&ledger, hooks);
                ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
                eventually("it is said", async || {
                    log.text().lines().any(|line| {
                        line.contains("event transaction kept") && line.contains("msg_1")
                    })
                })
                .await;
                workers.shutdown(Duration::ZERO).await;
                drop(kept.lock().await.take());
                ledger.accept(&payment("msg_2", "pay_2")).await.unwrap();
                store.remove().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn event_from_elsewhere_has_no_transaction() {
                let Some(store) = $store.await else { return };
                let event = payment("msg_1", "pay_1").untyped().unwrap();
                assert_eq!($handle::join(&event).await.unwrap_err().kind(), ErrorKind::Config);
                store.remove().await;
            }
        }
    };
}

transactions!(on_sqlite, SqliteTx, TestStore::sqlite(), sqlx::SqliteConnection);
transactions!(
    on_postgres,
    PgTx,
    TestStore::postgres("transactions::on_postgres"),
    sqlx::PgConnection
);

#[tokio::test]
async fn handle_of_the_other_database_is_an_error() {
    let store = TestStore::memory().await.unwrap();
    let ledger = store.ledger().await;
    let (sender, mut kinds) = tokio::sync::mpsc::unbounded_channel();
    let hooks = hooks().on_any(move |event: Event<RawJson>| {
        let sender = sender.clone();
        async move {
            sender.send(PgTx::join(&event).await.unwrap_err().kind()).unwrap();
            Ok(())
        }
    });
    let workers = work(&ledger, hooks);
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    assert_eq!(kinds.recv().await, Some(ErrorKind::Config));
    workers.shutdown(Duration::from_secs(5)).await;
}

/// The connection breaks after the callback's work and before the mark. This database error must
/// not count for a paid event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_outage_does_not_count_as_failure() {
    let name = "database_outage_does_not_count_as_failure";
    let Some(store) = TestStore::postgres(name).await else { return };
    let ledger = store.builder().await.callback_retry(SOON.max_attempts(1)).build().unwrap();
    ledger.migrate().await.unwrap();
    let runs = Arc::new(AtomicU32::new(0));
    let hooks = hooks().on_any({
        let runs = runs.clone();
        move |event: Event<RawJson>| {
            let run = runs.fetch_add(1, Ordering::SeqCst);
            async move {
                let mut tx = PgTx::join(&event).await?;
                if run < 3 {
                    let cut = sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())");
                    cut.execute(&mut *tx).await.unwrap_err();
                }
                Ok::<(), BoxError>(())
            }
        }
    });
    let workers = work(&ledger, hooks);
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    eventually("it is settled", async || ledger.stats().await.unwrap().pending == 0).await;
    workers.shutdown(Duration::from_secs(5)).await;
    let event = ledger.event("msg_1").await.unwrap().unwrap();
    assert_eq!((event.state.as_str(), event.failed_attempts, event.attempts), ("done", 0, 4));
    store.remove().await;
}

/// A lock that another transaction holds for too long does not count either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lock_timeout_does_not_count_as_failure() {
    let name = "lock_timeout_does_not_count_as_failure";
    let Some(store) = TestStore::postgres(name).await else { return };
    store.ledger().await;
    let mut holder = <sqlx::PgConnection as sqlx::Connection>::connect(&store.url).await.unwrap();
    let mut lock = sqlx::Connection::begin(&mut holder).await.unwrap();
    // A transaction would see the server's activity as it was at first.
    let mut beside = <sqlx::PgConnection as sqlx::Connection>::connect(&store.url).await.unwrap();
    sqlx::query("LOCK TABLE dodo_record IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .unwrap();

    let impatient = store.with_setting("lock_timeout=200");
    let ledger = impatient.builder().await.callback_retry(SOON.max_attempts(1)).build().unwrap();
    let workers = work(&ledger, hooks());
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    let waiting = "SELECT a.query_start::text FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                   WHERE NOT l.granted AND l.relation = 'dodo_record'::regclass";
    let mut waits = std::collections::BTreeSet::new();
    eventually("it was tried three times", async || {
        let seen: Vec<String> = sqlx::query_scalar(waiting).fetch_all(&mut beside).await.unwrap();
        waits.extend(seen);
        waits.len() >= 3
    })
    .await;
    lock.rollback().await.unwrap();
    eventually("it is settled", async || ledger.stats().await.unwrap().pending == 0).await;
    workers.shutdown(Duration::from_secs(5)).await;
    let event = ledger.event("msg_1").await.unwrap().unwrap();
    assert_eq!((event.state.as_str(), event.failed_attempts), ("done", 0));
    store.remove().await;
}

/// PostgreSQL aborts a transaction at the first failed statement. If a callback ignores that error,
/// its event can never be marked, and must become a dead letter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_callback_transaction_ends_in_dead_letter() {
    let name = "broken_callback_transaction_ends_in_dead_letter";
    let Some(store) = TestStore::postgres(name).await else { return };
    let ledger = store.builder().await.callback_retry(SOON.max_attempts(3)).build().unwrap();
    ledger.migrate().await.unwrap();
    let hooks = hooks().on_any(|event: Event<RawJson>| async move {
        let mut tx = PgTx::join(&event).await?;
        sqlx::query("SELECT 1 / 0").execute(&mut *tx).await.unwrap_err();
        Ok::<(), BoxError>(())
    });
    let workers = work(&ledger, hooks);
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    eventually("it is dead", async || ledger.stats().await.unwrap().dead == 1).await;
    workers.shutdown(Duration::from_secs(5)).await;
    store.remove().await;
}

/// SQLite ends a transaction by itself at some errors, as on a full disk. If a callback ignores the
/// error, its earlier writes are lost, and the event must not be done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callback_fails_if_sqlite_ended_its_transaction() {
    let store = TestStore::sqlite().await.unwrap();
    let hour = Duration::from_secs(3600);
    let builder = store.builder().await.callback_retry(RetryPolicy::new(hour, hour, 5));
    let ledger = builder.build().unwrap();
    ledger.migrate().await.unwrap();
    store.run("CREATE TABLE effect (event TEXT PRIMARY KEY)").await;
    store.run("INSERT INTO effect VALUES ('taken')").await;
    let hooks = hooks().on_any(|event: Event<RawJson>| async move {
        let mut tx = SqliteTx::join(&event).await?;
        let own = sqlx::query("INSERT INTO effect VALUES ($1)").bind(&event.id);
        own.execute(&mut *tx).await.unwrap();
        if event.id == "msg_1" {
            let ends = sqlx::query("INSERT OR ROLLBACK INTO effect VALUES ('taken')");
            ends.execute(&mut *tx).await.unwrap_err();
        }
        Ok::<(), BoxError>(())
    });
    let workers = work(&ledger, hooks);
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    let event = async |id: &str| ledger.event(id).await.unwrap().unwrap();
    eventually("the run is over", async || {
        let event = event("msg_1").await;
        event.state == "done" || event.failed_attempts > 0
    })
    .await;
    let failed = event("msg_1").await;
    assert_eq!((failed.state.as_str(), failed.failed_attempts), ("pending", 1));
    // The writer is none the worse for it.
    ledger.accept(&payment("msg_2", "pay_2")).await.unwrap();
    eventually("the next is done", async || event("msg_2").await.state == "done").await;
    workers.shutdown(Duration::from_secs(5)).await;
    let mut beside = <sqlx::SqliteConnection as sqlx::Connection>::connect(&store.url).await;
    let effects = sqlx::query_scalar::<_, String>("SELECT event FROM effect ORDER BY event");
    let effects = effects.fetch_all(beside.as_mut().unwrap()).await.unwrap();
    assert_eq!(effects, ["msg_2", "taken"]);
    store.remove().await;
}

/// Callbacks that hold their transactions, however many, keep no delivery waiting, and each may ask
/// the ledger besides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_never_hold_all_connections() {
    const CONNECTIONS: u32 = 8;
    let name = "callbacks_never_hold_all_connections";
    let Some(store) = TestStore::postgres(name).await else { return };
    let pool = sqlx::postgres::PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(4))
        .connect(&store.url)
        .await
        .unwrap();
    let ledger =
        Ledger::builder(dodo_ledger::store::PostgresStore::with_pool(pool)).build().unwrap();
    ledger.migrate().await.unwrap();
    let (holding, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let hooks = hooks().on_any({
        let (holding, gate, ledger) = (holding.clone(), gate.clone(), ledger.clone());
        move |event: Event<RawJson>| {
            let (holding, gate, ledger) = (holding.clone(), gate.clone(), ledger.clone());
            async move {
                let tx = PgTx::join(&event).await?;
                holding.fetch_add(1, Ordering::SeqCst);
                let _open = gate.acquire().await.unwrap();
                ledger.record("charge:pay_0").await?;
                drop(tx);
                Ok::<(), BoxError>(())
            }
        }
    });
    for n in 0..16 {
        ledger.accept(&payment(&format!("msg_{n}"), &format!("pay_{n}"))).await.unwrap();
    }
    let workers = work(&ledger, hooks);
    eventually("they hold what they get", async || {
        holding.load(Ordering::SeqCst) >= CONNECTIONS - 4
            && ledger.event("msg_15").await.is_ok_and(|event| event.unwrap().attempts == 1)
    })
    .await;
    for n in 0..3 {
        ledger.accept(&payment(&format!("late_{n}"), &format!("pay_late_{n}"))).await.unwrap();
    }
    gate.add_permits(100);
    eventually("all are done", async || ledger.stats().await.is_ok_and(|stats| stats.pending == 0))
        .await;
    workers.shutdown(Duration::from_secs(5)).await;
    for n in 0..16 {
        let event = ledger.event(&format!("msg_{n}")).await.unwrap().unwrap();
        assert_eq!((event.state.as_str(), event.failed_attempts), ("done", 0));
    }
    store.remove().await;
}

#[tokio::test]
async fn pool_exceeds_the_concurrency_of_callbacks() {
    let Some(store) = TestStore::postgres("connections").await else { return };
    let opened = dodo_ledger::store::PostgresStore::open(&store.url).await.unwrap();
    assert!(opened.pool().options().get_max_connections() > 16);
    store.remove().await;
}

/// On SQLite nothing else can write until it ends, so that deliveries wait.
#[tokio::test]
async fn callback_that_keeps_the_transaction_is_named_in_the_log() {
    let (log, _guard) = Log::of_this_thread(tracing::Level::WARN);
    let store = TestStore::sqlite().await.unwrap();
    let ledger = store.ledger().await;
    let logged = log.clone();
    let hooks = hooks().on_payment_succeeded(move |event| {
        let log = logged.clone();
        async move {
            let _tx = SqliteTx::join(&event).await?;
            // Bounded by the lease.
            while !log.text().contains("on_payment_succeeded") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        }
    });
    let workers = work(&ledger, hooks);
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    eventually("it is done", async || ledger.stats().await.unwrap().pending == 0).await;
    workers.shutdown(Duration::from_secs(5)).await;
    let text = log.text();
    assert!(text.contains("event transaction open for over 1 s"), "{text}");
    assert!(text.contains("event=\"msg_1\""), "{text}");
    store.remove().await;
}
