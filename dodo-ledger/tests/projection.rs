//! Projections: tables that follow the bookings, queued events and durable timers.
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

use dodo_core::{BoxError, webhook::Inbox};
use dodo_ledger::{
    ErrorKind, Ledger, LedgerBuilder,
    attribution::{FactKind, void_fact},
    projection::{ChangedGroup, Projection, ProjectionTx, QueuedEvent, Sql, Timer},
    store::sql::{args, sql},
};
use jiff::{SignedDuration, Timestamp};
use support::{SOON, TestStore, delivery, eventually, hooks, payment, payment_of, refund, work};

const TABLES: &[Sql] = &[
    sql!("CREATE TABLE applied (group_id BIGINT NOT NULL, fact TEXT NOT NULL)"),
    sql!(
        "CREATE TABLE seen (group_id BIGINT NOT NULL, facts BIGINT NOT NULL, people BIGINT NOT NULL)"
    ),
    sql!("CREATE TABLE gone (group_id BIGINT NOT NULL)"),
    sql!("CREATE TABLE heard (id TEXT NOT NULL)"),
];
const SEEN: Sql = sql!("INSERT INTO seen (group_id, facts, people) VALUES ($1, $2, $3)");
const FORGET: Sql = sql!("DELETE FROM seen WHERE group_id = $1");
const KNOWN: Sql = sql!("SELECT fact FROM applied WHERE group_id = $1");
const APPLIED: Sql = sql!("INSERT INTO applied (group_id, fact) VALUES ($1, $2)");
const MOVED: Sql = sql!("UPDATE applied SET group_id = $2 WHERE group_id = $1");
const GONE: Sql = sql!("INSERT INTO gone (group_id) VALUES ($1)");
const HEARD: Sql = sql!("INSERT INTO heard (id) VALUES ($1)");

/// Records every call. Its tables have no constraint, so that a second write shows.
#[derive(Clone, Default)]
struct Mirror {
    /// Runs of `event` and `timer` that fail.
    failures: Arc<AtomicU32>,
    runs: Arc<AtomicU32>,
    /// Whether `event` and `timer` panic instead.
    panics: bool,
    /// A timer is set for this long after a booking.
    timer_after: Option<SignedDuration>,
    /// How often the timer sets itself again.
    again: Arc<AtomicU32>,
    newer_tables: bool,
}

const NEWER: &[&[Sql]] = &[TABLES, &[sql!("ALTER TABLE seen ADD COLUMN note TEXT")]];

impl Mirror {
    async fn run(&self, id: &str, tx: &mut ProjectionTx<'_>) -> Result<(), BoxError> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        tx.execute(&HEARD, args![id]).await?;
        let fails = |left: u32| left.checked_sub(1);
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails).is_ok() {
            assert!(!self.panics, "asked for");
            return Err("asked for".into());
        }
        Ok(())
    }
}

impl Projection for Mirror {
    fn name(&self) -> &str {
        "mirror"
    }

    fn schema(&self) -> &'static [&'static [Sql]] {
        if self.newer_tables { NEWER } else { &[TABLES] }
    }

    async fn apply(
        &self,
        groups: &[ChangedGroup<'_>],
        tx: &mut ProjectionTx<'_>,
    ) -> Result<(), BoxError> {
        for group in groups {
            let id = group.id();
            tx.execute(&FORGET, args![id]).await?;
            for merged in group.merged() {
                tx.execute(&FORGET, args![*merged]).await?;
                tx.execute(&MOVED, args![*merged, id]).await?;
            }
            if group.is_gone() {
                tx.execute(&GONE, args![id]).await?;
                continue;
            }
            let facts = group.timeline().facts();
            let people = facts.iter().filter(|fact| fact.person.is_some()).count();
            let known = tx.fetch(&KNOWN, args![id]).await?;
            let known: Vec<String> =
                known.into_iter().map(|mut row| row.text(0)).collect::<Result<_, _>>()?;
            for fact in facts.iter().filter(|fact| !known.contains(&fact.id)) {
                tx.execute(&APPLIED, args![id, &fact.id]).await?;
                tx.queue_event(&fact.id, "{}").await?;
            }
            tx.execute(&SEEN, args![id, i64::try_from(facts.len())?, i64::try_from(people)?])
                .await?;
            for fact in facts {
                let payment_id = match &fact.kind {
                    FactKind::Charge(charge) => &charge.payment_id,
                    FactKind::Void(void) => &void.payment_id,
                    _ => continue,
                };
                match payment_id.as_str() {
                    "pay_fails" => return Err("asked for".into()),
                    "pay_panics" => panic!("asked for"),
                    "pay_hangs" => std::future::pending::<()>().await,
                    // The transaction is over, and the projection ignores it.
                    "pay_breaks" => {
                        let _ignored = tx.execute(&sql!("SELECT no_such_column"), args![]).await;
                    }
                    _ => {}
                }
            }
            if let Some(after) = self.timer_after {
                tx.set_timer("the only", Timestamp::now() + after).await?;
            }
        }
        Ok(())
    }

    async fn timer(&self, timer: &Timer, tx: &mut ProjectionTx<'_>) -> Result<(), BoxError> {
        self.run(&format!("timer {}", timer.key), tx).await?;
        let left = |left: u32| left.checked_sub(1);
        if self.again.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
            tx.set_timer(&timer.key, timer.at).await?;
        }
        Ok(())
    }

    async fn event(&self, event: &QueuedEvent, tx: &mut ProjectionTx<'_>) -> Result<(), BoxError> {
        assert_eq!(event.body, "{}");
        self.run(&event.id, tx).await
    }
}

async fn with(store: &TestStore, mirror: &Mirror) -> Ledger {
    builder(store, mirror).await.open().await.unwrap()
}

async fn builder(store: &TestStore, mirror: &Mirror) -> LedgerBuilder {
    let builder = match store.url.as_str() {
        "sqlite::memory:" => panic!("a database in memory has one ledger"),
        _ => store.builder().await,
    };
    builder.projection(mirror.clone()).callback_retry(SOON.max_attempts(3))
}

/// The texts of a query with one column.
async fn texts(ledger: &Ledger, query: Sql) -> Vec<String> {
    let rows = ledger.database().fetch(&query, args![]).await.unwrap();
    rows.into_iter().map(|mut row| row.text(0).unwrap()).collect()
}

async fn numbers(ledger: &Ledger, query: Sql) -> Vec<i64> {
    let rows = ledger.database().fetch(&query, args![]).await.unwrap();
    rows.into_iter().map(|mut row| row.int(0).unwrap()).collect()
}

const ALL_APPLIED: Sql = sql!("SELECT fact FROM applied ORDER BY fact");
const ALL_HEARD: Sql = sql!("SELECT id FROM heard ORDER BY id");
const ALL_SEEN: Sql = sql!("SELECT facts FROM seen ORDER BY facts");

/// A payment of a customer of its own.
fn payment_by(id: &str, payment_id: &str, customer: &str) -> dodo_core::webhook::VerifiedEvent {
    let event = payment(id, payment_id);
    let body = String::from_utf8(event.body().to_vec()).unwrap();
    delivery(id, body.replace("cus_1", customer).replace("ada@", &format!("{customer}@")))
}

async fn writes_of_a_projection_are_those_of_the_booking(store: &TestStore) {
    let mirror = Mirror::default();
    let ledger = with(store, &mirror).await;
    for (id, payment_id) in [("msg_1", "pay_1"), ("msg_2", "pay_2"), ("msg_1", "pay_1")] {
        ledger.accept(&payment(id, payment_id)).await.unwrap();
    }
    ledger.accept(&payment_by("msg_3", "pay_3", "cus_3")).await.unwrap();
    let workers = work(&ledger, hooks());
    ledger.settled().await.unwrap();
    assert!(ledger.replay("msg_1").await.unwrap());
    ledger.settled().await.unwrap();
    assert_eq!(texts(&ledger, ALL_APPLIED).await, ["msg_1", "msg_2", "msg_3"]);
    assert_eq!(texts(&ledger, ALL_HEARD).await, ["msg_1", "msg_2", "msg_3"]);
    assert_eq!(numbers(&ledger, ALL_SEEN).await, [1, 2]);

    // A fact of a crate of this project is a booking, too.
    let void = void_fact("charge:pay_1", "pay_1", false, "a test", Timestamp::now());
    ledger.book_facts(vec![void]).await.unwrap();
    ledger.settled().await.unwrap();
    assert_eq!(numbers(&ledger, ALL_SEEN).await, [1, 3]);

    // An erasure and a merge reach the projection.
    assert!(ledger.erase_customer("cus_3").await.unwrap().found);
    let erased = sql!("SELECT people FROM seen ORDER BY people");
    assert_eq!(numbers(&ledger, erased).await, [0, 2]);
    ledger.accept(&refund("msg_4", "ref_1", "pay_3")).await.unwrap();
    ledger.settled().await.unwrap();
    assert_eq!(numbers(&ledger, ALL_SEEN).await, [5 + 1], "with the fact of the erasure");
    assert!(workers.shutdown(Duration::from_secs(5)).await);
}

async fn failing_projection_fails_one_event(store: &TestStore) {
    let ledger = builder(store, &Mirror::default()).await.lease(Duration::from_secs(1));
    let ledger = ledger.open().await.unwrap();
    let bad = ["pay_fails", "pay_panics", "pay_hangs", "pay_breaks"];
    for n in 0..3 {
        let (id, customer) = (format!("msg_{n}"), format!("cus_{n}"));
        ledger.accept(&payment_by(&id, &format!("pay_{n}"), &customer)).await.unwrap();
    }
    for bad in bad {
        ledger
            .accept(&payment_by(&format!("msg_{bad}"), bad, &format!("cus_{bad}")))
            .await
            .unwrap();
    }
    let workers = work(&ledger, hooks());
    ledger.settled().await.unwrap();
    for bad in bad {
        let event = ledger.event(&format!("msg_{bad}")).await.unwrap().unwrap();
        // SQLite does not end the transaction after such an error.
        let breaks = bad != "pay_breaks" || store.place().is_some();
        let expected = if breaks { ("dead", false, 3) } else { ("done", true, 0) };
        assert_eq!(
            (event.state.as_str(), event.is_booked, event.failed_attempts),
            expected,
            "{bad}"
        );
        let booked = ledger.record(&format!("charge:{bad}")).await.unwrap();
        assert_eq!(booked.is_some(), !breaks, "{bad}");
        // Without the mark of an event, too.
        let void = void_fact(&format!("charge:{bad}"), bad, false, "a test", Timestamp::now());
        let voided = ledger.book_facts(vec![void]).await;
        assert_eq!(voided.is_err(), breaks, "{bad}");
    }
    ledger.settled().await.unwrap();
    let applied = texts(&ledger, ALL_APPLIED).await;
    let is_good = |fact: &&String| fact.starts_with("msg_") && !fact.starts_with("msg_pay");
    let good = applied.iter().filter(is_good).count();
    assert_eq!(good, 3, "{applied:?}");
    assert_eq!(ledger.stats().await.unwrap().pending, 0);
    assert!(workers.shutdown(Duration::from_secs(5)).await);
}

/// As the callbacks of deliveries: retried, a dead letter, and redriven.
async fn events_are_retried_until_they_are_dead_letters(store: &TestStore) {
    for panics in [false, true] {
        let store = store.fresh().await;
        let mirror = Mirror { panics, ..Mirror::default() };
        mirror.failures.store(2, Ordering::SeqCst);
        let ledger = with(&store, &mirror).await;
        let workers = work(&ledger, hooks());
        ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
        ledger.settled().await.unwrap();
        assert_eq!(mirror.runs.load(Ordering::SeqCst), 3);
        assert_eq!(texts(&ledger, ALL_HEARD).await, ["msg_1"], "only the last run counts");

        mirror.failures.store(3, Ordering::SeqCst);
        ledger.accept(&payment("msg_2", "pay_2")).await.unwrap();
        ledger.settled().await.unwrap();
        let failed = ledger.failed_events(10).await.unwrap();
        let [dead] = failed.as_slice() else { panic!("{failed:?}") };
        let expected = ("mirror:event:msg_2", "dead", Some("mirror.event"), 3);
        let dead =
            (dead.id.as_str(), dead.state.as_str(), dead.kind.as_deref(), dead.failed_attempts);
        assert_eq!(dead, expected);
        assert_eq!(texts(&ledger, ALL_HEARD).await, ["msg_1"]);
        assert!(ledger.redrive("mirror:event:msg_2").await.unwrap());
        ledger.settled().await.unwrap();
        assert_eq!(texts(&ledger, ALL_HEARD).await, ["msg_1", "msg_2"]);
        assert!(workers.shutdown(Duration::from_secs(5)).await);
        store.remove().await;
    }
}

async fn timers_fire_once_when_they_are_due(store: &TestStore) {
    let later = SignedDuration::from_hours(1);
    let mirror = Mirror { timer_after: Some(later), ..Mirror::default() };
    let ledger = with(store, &mirror).await;
    let workers = work(&ledger, hooks());
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    // `settled` does not wait for a timer that is not due.
    ledger.settled().await.unwrap();
    assert_eq!(ledger.stats().await.unwrap().pending, 0);
    let timers = sql!("SELECT id FROM dodo_inbox WHERE timer = 1");
    assert_eq!(texts(&ledger, timers).await, ["mirror:timer:the only"]);
    assert_eq!(texts(&ledger, ALL_HEARD).await, ["msg_1"]);
    assert!(workers.shutdown(Duration::from_secs(5)).await);

    // The next booking replaces it. It fails once, sets itself again twice, and is gone.
    let mirror = Mirror { timer_after: Some(SignedDuration::ZERO), ..Mirror::default() };
    mirror.again.store(2, Ordering::SeqCst);
    let ledger = with(store, &mirror).await;
    let workers = work(&ledger, hooks());
    mirror.failures.store(1, Ordering::SeqCst);
    let void = void_fact("charge:pay_1", "pay_1", false, "a test", Timestamp::now());
    ledger.book_facts(vec![void]).await.unwrap();
    eventually("it is gone", async || texts(&ledger, timers).await.is_empty()).await;
    ledger.settled().await.unwrap();
    let fired = sql!("SELECT id FROM heard WHERE id = 'timer the only'");
    assert_eq!(texts(&ledger, fired).await.len(), 3);
    assert!(workers.shutdown(Duration::from_secs(5)).await);
}

/// A timer that is set again while it runs is not removed by that run.
async fn timer_set_during_its_run_fires_again(store: &TestStore) {
    #[derive(Clone)]
    struct Slow {
        begun: Arc<tokio::sync::Semaphore>,
        go_on: Arc<tokio::sync::Semaphore>,
    }
    impl Projection for Slow {
        fn name(&self) -> &str {
            "slow"
        }
        fn schema(&self) -> &'static [&'static [Sql]] {
            &[TABLES]
        }
        async fn apply(
            &self,
            _: &[ChangedGroup<'_>],
            tx: &mut ProjectionTx<'_>,
        ) -> Result<(), BoxError> {
            Ok(tx.set_timer("t", Timestamp::now()).await?)
        }
        async fn timer(&self, _: &Timer, tx: &mut ProjectionTx<'_>) -> Result<(), BoxError> {
            self.begun.add_permits(1);
            self.go_on.acquire().await?.forget();
            tx.execute(&HEARD, args!["t"]).await?;
            Ok(())
        }
    }
    let slow = Slow {
        begun: Arc::new(tokio::sync::Semaphore::new(0)),
        go_on: Arc::new(tokio::sync::Semaphore::new(0)),
    };
    // One worker, so that no other one takes the timer before the first run ends.
    let builder = store.builder().await.projection(slow.clone()).concurrency(1);
    let ledger = builder.open().await.unwrap();
    let workers = work(&ledger, hooks());
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    slow.begun.acquire().await.unwrap().forget();
    let void = void_fact("charge:pay_1", "pay_1", false, "a test", Timestamp::now());
    ledger.book_facts(vec![void]).await.unwrap();
    slow.go_on.add_permits(2);
    eventually("it runs again", async || slow.begun.available_permits() == 1).await;
    ledger.settled().await.unwrap();
    // The first run lost its lease, so what it wrote does not count.
    assert_eq!(texts(&ledger, ALL_HEARD).await, ["t"]);
    assert!(workers.shutdown(Duration::from_secs(5)).await);
}

/// Old versions and the command of an operator book, too. The application's workers apply what they booked.
async fn bookings_of_other_processes_are_applied(store: &TestStore) {
    // Before the projection exists.
    let plain = store.ledger().await;
    let workers = work(&plain, hooks());
    plain.accept(&payment("msg_1", "pay_1")).await.unwrap();
    plain.settled().await.unwrap();
    assert!(workers.shutdown(Duration::from_secs(5)).await);

    let mirror = Mirror::default();
    let ledger = with(store, &mirror).await;
    let workers = work(&ledger, hooks());
    ledger.settled().await.unwrap();
    assert_eq!(texts(&ledger, ALL_APPLIED).await, ["msg_1"]);

    // By a process without it, which also merges two groups. SQLite has one process.
    let session = |id: &str| payment_of(id, &format!("pay_{id}"), "cks_1", "sub_1");
    if store.place().is_some() {
        assert!(workers.shutdown(Duration::from_secs(5)).await);
        let other = store.ledger().await;
        let workers = work(&other, hooks());
        other.accept(&payment_by("msg_2", "pay_2", "cus_2")).await.unwrap();
        eventually("it is booked", async || other.record("charge:pay_2").await.unwrap().is_some())
            .await;
        other.accept(&session("msg_3")).await.unwrap();
        other.accept(&refund("msg_4", "ref_1", "pay_2")).await.unwrap();
        eventually("they are done", async || other.stats().await.unwrap().pending == 0).await;
        assert!(workers.shutdown(Duration::from_secs(5)).await);
        assert_eq!(texts(&ledger, ALL_APPLIED).await, ["msg_1"]);
        let workers = work(&ledger, hooks());
        ledger.settled().await.unwrap();
        assert_eq!(texts(&ledger, ALL_APPLIED).await, ["msg_1", "msg_2", "msg_3", "msg_4"]);
        assert_eq!(numbers(&ledger, ALL_SEEN).await, [4]);
        assert!(workers.shutdown(Duration::from_secs(5)).await);
    } else {
        assert!(workers.shutdown(Duration::from_secs(5)).await);
    }

    // A new version of the tables, and a rebuild: every group comes again.
    let newer = Mirror { newer_tables: true, ..mirror.clone() };
    let ledger = with(store, &newer).await;
    store.run("DELETE FROM seen").await;
    let workers = work(&ledger, hooks());
    ledger.settled().await.unwrap();
    assert_eq!(numbers(&ledger, ALL_SEEN).await.len(), 1);
    store.run("DELETE FROM seen").await;
    assert_eq!(ledger.project_again().await.unwrap(), 1);
    ledger.settled().await.unwrap();
    assert_eq!(numbers(&ledger, ALL_SEEN).await.len(), 1);
    assert!(workers.shutdown(Duration::from_secs(5)).await);
    // The version before does not start.
    let error = builder(store, &mirror).await.open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

async fn retention_of_a_group_reaches_the_projection(store: &TestStore) {
    let ledger = with(store, &Mirror::default()).await;
    let context = serde_json::json!({
        "captured_at": "2026-11-20T10:00:00Z", "consent": "granted", "visitor": "v1",
    });
    let context = serde_json::from_value(context).unwrap();
    dodo_core::capture::CheckoutContextStore::store(&ledger, "cks_1", &context).await.unwrap();
    assert_eq!(numbers(&ledger, ALL_SEEN).await, [1]);
    let groups = numbers(&ledger, sql!("SELECT group_id FROM seen")).await;
    assert_eq!(ledger.prune_contexts(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(numbers(&ledger, ALL_SEEN).await, [0; 0]);
    assert_eq!(numbers(&ledger, sql!("SELECT group_id FROM gone")).await, groups);
}

async fn names_are_checked(store: &TestStore) {
    struct Named(&'static str);
    impl Projection for Named {
        fn name(&self) -> &str {
            self.0
        }
        async fn apply(
            &self,
            _: &[ChangedGroup<'_>],
            _: &mut ProjectionTx<'_>,
        ) -> Result<(), BoxError> {
            Ok(())
        }
    }
    for (names, is_valid) in [
        (&["a"] as &[_], true),
        (&["a", "b_c"], true),
        (&["a", "a"], false),
        (&[""], false),
        (&["A"], false),
        (&["a:b"], false),
        (&["abcdefghijklmnopqrstuvwxyz_abcdef"], false),
    ] {
        let mut builder = store.builder().await;
        for name in names {
            builder = builder.projection(Named(name));
        }
        let built = builder.build();
        assert_eq!(built.is_ok(), is_valid, "{names:?}");
        if let Err(error) = built {
            assert_eq!(error.kind(), ErrorKind::Config);
        }
    }
}

/// Two instances fight for one timer and one event: each runs once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_run_a_timer_once() {
    let Some(store) = TestStore::postgres("projection::two_instances").await else { return };
    let mirror = Mirror { timer_after: Some(SignedDuration::ZERO), ..Mirror::default() };
    let one = with(&store, &mirror).await;
    let other = with(&store, &mirror).await;
    for n in 0..40 {
        one.accept(&payment_by(&format!("msg_{n}"), &format!("pay_{n}"), "cus_1")).await.unwrap();
    }
    let workers = [work(&one, hooks()), work(&other, hooks())];
    one.settled().await.unwrap();
    let timers = sql!("SELECT id FROM dodo_inbox WHERE timer = 1");
    eventually("the timer has run", async || texts(&one, timers).await.is_empty()).await;
    let mut heard = texts(&one, sql!("SELECT id FROM heard WHERE id LIKE 'msg%'")).await;
    heard.sort();
    let count = heard.len();
    heard.dedup();
    assert_eq!((count, heard.len()), (40, 40));
    let fired = texts(&one, sql!("SELECT id FROM heard WHERE id LIKE 'timer%'")).await.len();
    let bookings = usize::try_from(mirror.runs.load(Ordering::SeqCst)).unwrap() - 40;
    assert!((1..=bookings).contains(&fired), "{fired} of {bookings}");
    for workers in workers {
        assert!(workers.shutdown(Duration::from_secs(5)).await);
    }
    store.remove().await;
}

macro_rules! on_both_stores { ($($name:ident),* $(,)?) => {
    mod on_sqlite { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let store = crate::support::TestStore::sqlite().await.unwrap();
            super::$name(&store).await;
            store.remove().await;
        }
    )* }
    mod on_postgres { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let name = concat!("projection::", stringify!($name));
            let Some(store) = crate::support::TestStore::postgres(name).await else { return };
            super::$name(&store).await;
            store.remove().await;
        }
    )* }
} }

on_both_stores! {
    writes_of_a_projection_are_those_of_the_booking,
    failing_projection_fails_one_event,
    events_are_retried_until_they_are_dead_letters,
    timers_fire_once_when_they_are_due,
    timer_set_during_its_run_fires_again,
    bookings_of_other_processes_are_applied,
    retention_of_a_group_reaches_the_projection,
    names_are_checked,
}
