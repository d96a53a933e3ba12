//! A database user without a right. Every event has this error, so it does not count as a failed
//! attempt. Errors of callbacks in their own transaction count.
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

use dodo_core::{
    BoxError, Event,
    attribution::AttributionRecord,
    event::RawJson,
    webhook::{Inbox, VerifiedEvent},
};
use dodo_ledger::{
    ErrorKind, Identity, Ledger, PgTx, StoredEvent,
    sink::FnSink,
    sqlx::{self, Connection},
};
use support::{Log, SOON, TestStore, eventually, hooks, payment, work};
use tokio::sync::Semaphore;

/// A store whose ledger is used by a user with the rights that it needs, and no more.
struct Restricted {
    store: TestStore,
    /// The store by the URL of that user.
    theirs: TestStore,
    user: String,
}

impl Restricted {
    async fn on_postgres(test: &str) -> Option<Self> {
        let store = TestStore::postgres(test).await?;
        store.ledger().await;
        let (server, schema) = store.place().unwrap();
        let user = format!("user_of_{schema}");
        let (scheme, rest) = server.split_once("://").unwrap();
        let host = rest.split_once('@').map_or(rest, |(_, host)| host);
        let options = store.url.split_once("options=").unwrap().1;
        let join = if host.contains('?') { '&' } else { '?' };
        let url = format!("{scheme}://{user}:secret@{host}{join}options={options}");
        let theirs = TestStore::at(url);
        let restricted = Self { store, theirs, user };
        restricted
            .say(
                "CREATE ROLE $user LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA $schema TO $user",
            )
            .await;
        restricted.say(&grants()).await;
        Some(restricted)
    }

    /// Runs statements as the server's administrator.
    async fn say(&self, statements: &str) {
        let (_, schema) = self.store.place().unwrap();
        self.store.run(&statements.replace("$user", &self.user).replace("$schema", schema)).await;
    }

    /// A ledger that gives an event up at its first failure.
    async fn ledger(&self) -> Ledger {
        self.theirs
            .builder()
            .await
            .callback_retry(SOON.max_attempts(1))
            .lease(Duration::from_secs(5))
            .build()
            .unwrap()
    }

    async fn remove(self) {
        self.say("DROP OWNED BY $user; DROP ROLE $user").await;
        self.store.remove().await;
    }
}

/// The statements of `docs/ledger.md`, for the user and the schema of a test.
fn grants() -> String {
    let page = include_str!("../../docs/ledger.md");
    let statements = page.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(statements.contains("GRANT") && statements.contains("REVOKE"), "{statements}");
    statements.replace("shop", "$user").replace("ledger", "$schema")
}

async fn settled(ledger: &Ledger) -> StoredEvent {
    eventually("it is settled", async || ledger.stats().await.unwrap().pending == 0).await;
    ledger.event("msg_1").await.unwrap().unwrap()
}

fn msg_1() -> VerifiedEvent {
    payment("msg_1", "pay_1")
}

/// The mark alone is forbidden: a failure could be written down, and is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_right_for_mark_does_not_count_as_failure() {
    for joins in [false, true] {
        let Some(their) = Restricted::on_postgres("permissions::mark").await else { return };
        let ledger = their.ledger().await;
        their
            .say(
                "REVOKE UPDATE ON dodo_inbox FROM $user;
                 GRANT UPDATE (booked_at, available_at, failed_attempts, kind, occurred_at, customer_id,
                               email_sha256, erased, attempts, fencing_token, last_error)
                     ON dodo_inbox TO $user",
            )
            .await;
        // The fourth run waits for the right: half of an attempt without it would be the callback's fault.
        let (runs, may_run) = (Arc::new(AtomicU32::new(0)), Arc::new(Semaphore::new(3)));
        let hooks = hooks().on_any({
            let (runs, may_run) = (runs.clone(), may_run.clone());
            move |event: Event<RawJson>| {
                runs.fetch_add(1, Ordering::SeqCst);
                let may_run = may_run.clone();
                async move {
                    may_run.acquire().await?.forget();
                    if joins {
                        drop(PgTx::join(&event).await?);
                    }
                    Ok::<_, BoxError>(())
                }
            }
        });
        let workers = work(&ledger, hooks);
        ledger.accept(&msg_1()).await.unwrap();
        eventually("it runs again", async || runs.load(Ordering::SeqCst) == 4).await;
        let event = ledger.event("msg_1").await.unwrap().unwrap();
        assert_eq!((event.state.as_str(), event.failed_attempts), ("pending", 0), "joins {joins}");
        let reason = event.last_error.unwrap();
        assert!(reason.contains("grant its user"), "{reason}");
        their.say(&grants()).await;
        may_run.add_permits(3);
        let event = settled(&ledger).await;
        assert_eq!((event.state.as_str(), event.failed_attempts), ("done", 0), "joins {joins}");
        workers.shutdown(Duration::from_secs(5)).await;
        drop(ledger);
        their.remove().await;
    }
}

/// The user may not log in any more, as after a password was changed, so that a callback does not get
/// its transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_begin_does_not_count_as_failure() {
    let Some(their) = Restricted::on_postgres("permissions::login").await else { return };
    let ledger = their.ledger().await;
    let their = Arc::new(their);
    let runs = Arc::new(AtomicU32::new(0));
    let hooks = hooks().on_any({
        let (their, runs) = (their.clone(), runs.clone());
        move |event: Event<RawJson>| {
            let (their, run) = (their.clone(), runs.fetch_add(1, Ordering::SeqCst));
            async move {
                if run == 0 {
                    their
                        .say(
                            "ALTER ROLE $user NOLOGIN;
                             SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                             WHERE usename = '$user'",
                        )
                        .await;
                }
                let tx = PgTx::join(&event).await;
                if run == 0 {
                    their.say("ALTER ROLE $user LOGIN").await;
                    assert_eq!(tx.as_ref().unwrap_err().kind(), ErrorKind::PermissionDenied);
                }
                drop(tx?);
                Ok::<_, BoxError>(())
            }
        }
    });
    let workers = work(&ledger, hooks);
    ledger.accept(&msg_1()).await.unwrap();
    eventually("it ran again", async || runs.load(Ordering::SeqCst) >= 2).await;
    let event = settled(&ledger).await;
    assert_eq!((event.state.as_str(), event.failed_attempts), ("done", 0));
    workers.shutdown(Duration::from_secs(5)).await;
    drop(ledger);
    Arc::try_unwrap(their).ok().unwrap().remove().await;
}

/// Until the right is granted, no event is booked or dead, and the log names the action. On one
/// thread, because the log of one thread is collected.
#[tokio::test]
async fn missing_right_for_booking_does_not_count() {
    let Some(their) = Restricted::on_postgres("permissions::booking").await else { return };
    let (log, _for_this_thread) = Log::of_this_thread(tracing::Level::ERROR);
    let ledger = their.ledger().await;
    their.say("REVOKE INSERT ON dodo_record FROM $user").await;
    let workers = work(&ledger, hooks());
    ledger.accept(&msg_1()).await.unwrap();
    eventually("it was tried", async || log.text().contains("events not booked")).await;
    assert!(log.text().contains("grant its user"), "{}", log.text());
    let event = ledger.event("msg_1").await.unwrap().unwrap();
    assert_eq!(
        (event.state.as_str(), event.failed_attempts, event.is_booked),
        ("pending", 0, false)
    );
    their.say(&grants()).await;
    let event = settled(&ledger).await;
    assert_eq!((event.state.as_str(), event.failed_attempts), ("done", 0));
    workers.shutdown(Duration::from_secs(5)).await;
    drop(ledger);
    their.remove().await;
}

/// The same errors, brought about by the callback itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_callback_does_to_its_transaction_is_its_failure() {
    // The statement, and whether the callback ignores its error.
    const CASES: [(&str, bool); 5] = [
        ("SELECT * FROM forbidden", false),
        ("SELECT * FROM forbidden", true),
        ("SELECT * FROM not_there", false),
        // The mark finds no table ...
        ("SET LOCAL search_path = nowhere", true),
        // ... and the commit a row that must not be.
        ("INSERT INTO late (parent) VALUES ('unknown')", true),
    ];
    let Some(their) = Restricted::on_postgres("permissions::own").await else { return };
    their
        .say(
            "CREATE TABLE forbidden (id TEXT);
             CREATE TABLE parent (id TEXT PRIMARY KEY);
             CREATE TABLE late (parent TEXT REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
             GRANT INSERT ON late TO $user; GRANT SELECT ON parent TO $user",
        )
        .await;
    let ledger = their.ledger().await;
    let hooks = hooks().on_any(|event: Event<RawJson>| async move {
        let (said, passed_over) = CASES[event.id.parse::<usize>().unwrap()];
        let mut tx = PgTx::join(&event).await?;
        let done = sqlx::query(said).execute(&mut *tx).await;
        if passed_over { Ok::<_, BoxError>(()) } else { done.map(drop).map_err(Into::into) }
    });
    let workers = work(&ledger, hooks);
    for case in 0..CASES.len() {
        ledger.accept(&payment(&case.to_string(), "pay_1")).await.unwrap();
    }
    eventually("they are settled", async || ledger.stats().await.unwrap().pending == 0).await;
    workers.shutdown(Duration::from_secs(5)).await;
    for (case, (said, _)) in CASES.iter().enumerate() {
        let event = ledger.event(&case.to_string()).await.unwrap().unwrap();
        assert_eq!((event.state.as_str(), event.failed_attempts), ("dead", 1), "{said}");
    }
    drop(ledger);
    their.remove().await;
}

/// The rights of `docs/ledger.md` suffice for everything but the tables, and the role has no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documented_rights_suffice_and_are_all() {
    let Some(their) = Restricted::on_postgres("permissions::documented").await else { return };
    let broken = FnSink::new("down", |_: AttributionRecord| async { Err::<(), _>("not today") });
    let ledger = their.theirs.builder().await.sink_retry(SOON.max_attempts(1));
    let ledger = ledger.sink(broken.include_test_mode()).build().unwrap();
    let workers = work(&ledger, hooks());
    ledger.accept(&msg_1()).await.unwrap();
    settled(&ledger).await;
    eventually("the record is a dead letter", async || {
        ledger.sink_stats("down").await.unwrap().dead == 1
    })
    .await;
    let day = Duration::from_secs(24 * 3600);
    let (from, until) = (jiff::Timestamp::UNIX_EPOCH, jiff::Timestamp::now());
    assert_eq!(ledger.redrive_sink("down").await.unwrap(), 1);
    ledger.replay_sink("down", from, until).await.unwrap();
    assert!(ledger.replay("msg_1").await.unwrap());
    assert_eq!(settled(&ledger).await.state, "done");
    assert!(!ledger.redrive("msg_1").await.unwrap());
    ledger.void("charge:pay_1", "ann", "a test").await.unwrap();
    assert_eq!(ledger.audit(10).await.unwrap().len(), 1);
    ledger.identify(Identity::new("ada@example.com").visitor("v1")).await.unwrap();
    ledger.prune_bodies(day).await.unwrap();
    ledger.prune_contexts(day).await.unwrap();
    ledger.erase_customer("cus_1").await.unwrap();
    ledger.erase_email("ada@example.com").await.unwrap();
    ledger.revenue().fetch().await.unwrap();
    assert!(ledger.explain("pay_1").await.unwrap().is_some());
    workers.shutdown(Duration::from_secs(5)).await;

    let mut theirs = sqlx::PgConnection::connect(&their.theirs.url).await.unwrap();
    for statement in [
        "DELETE FROM dodo_inbox",
        "DELETE FROM dodo_record",
        "DELETE FROM dodo_erasure",
        "UPDATE dodo_audit SET reason = ''",
        "DELETE FROM dodo_audit",
        "UPDATE dodo_schema SET version = 0",
        "DROP TABLE dodo_fact",
        "TRUNCATE dodo_record",
        "CREATE TABLE mine (id TEXT)",
    ] {
        let error = sqlx::query(statement).execute(&mut theirs).await.unwrap_err();
        let code = error.as_database_error().and_then(|error| error.code());
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
    }
    drop((ledger, theirs));
    their.remove().await;
}
