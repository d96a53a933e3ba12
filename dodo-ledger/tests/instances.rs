//! Several instances on one PostgreSQL: they wake each other, book at the same time, and wait for each
//! other's groups.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dodo_core::{
    capture::{CheckoutContext, CheckoutContextStore},
    webhook::Inbox,
};
use dodo_ledger::{
    Jitter, Ledger, Retention, RetryPolicy,
    sink::FnSink,
    sqlx::{self, Connection, PgConnection},
};
use support::{
    StoppedClock, TestStore, delivery, eventually, hooks, payment, payment_of, refund, work,
};
use tokio::sync::Semaphore;

async fn all_done(ledger: &Ledger) {
    eventually("everything is done", async || ledger.stats().await.unwrap().pending == 0).await;
}

/// The server processes that listen for this store's channel.
async fn listeners(store: &TestStore) -> Vec<i32> {
    let mut connection = PgConnection::connect(&store.url).await.unwrap();
    sqlx::query_scalar(
        "SELECT pid FROM pg_stat_activity
         WHERE query LIKE 'LISTEN \"dodo_' || md5(current_schema()) || '\"%'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap()
}

#[tokio::test]
async fn stored_delivery_wakes_other_instances() {
    let Some(store) = TestStore::postgres("instances::wake").await else { return };
    let _no_polling = StoppedClock::new();
    let front = store.builder().await.build().unwrap();
    let back = store.builder().await.build().unwrap();
    back.migrate().await.unwrap();
    let workers = work(&back, hooks());
    eventually("it listens", async || listeners(&store).await.len() == 1).await;
    front.accept(&payment("msg_1", "pay_1")).await.unwrap();
    all_done(&front).await;

    let lost = listeners(&store).await;
    let mut connection = PgConnection::connect(&store.url).await.unwrap();
    sqlx::query("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS lost (pid)")
        .bind(&lost)
        .execute(&mut connection)
        .await
        .unwrap();
    eventually("it listens again", async || {
        // It waits before it connects again.
        tokio::time::advance(Duration::from_secs(1)).await;
        let now = listeners(&store).await;
        now.len() == 1 && now != lost
    })
    .await;
    front.accept(&payment("msg_2", "pay_2")).await.unwrap();
    all_done(&front).await;
    workers.shutdown(Duration::from_secs(5)).await;
    store.remove().await;
}

#[tokio::test]
async fn callbacks_of_a_batch_run_in_other_instances_too() {
    let Some(store) = TestStore::postgres("instances::share").await else { return };
    let _no_polling = StoppedClock::new();
    let busy = store.builder().await.concurrency(1).build().unwrap();
    let idle = store.builder().await.concurrency(1).build().unwrap();
    busy.migrate().await.unwrap();
    let helped = Arc::new(Semaphore::new(0));
    // This one goes on only when the other instance has run a callback.
    let waits = hooks().on_any({
        let helped = helped.clone();
        move |_| {
            let helped = helped.clone();
            async move {
                let _permit = helped.acquire().await.unwrap();
                Ok(())
            }
        }
    });
    let helps = hooks().on_any(move |_| {
        helped.add_permits(1);
        std::future::ready(Ok(()))
    });
    let idle_workers = work(&idle, helps);
    eventually("it listens", async || listeners(&store).await.len() == 1).await;
    for n in 0..8 {
        busy.accept(&payment(&format!("msg_{n}"), &format!("pay_{n}"))).await.unwrap();
    }
    let busy_workers = work(&busy, waits);
    all_done(&busy).await;
    busy_workers.shutdown(Duration::from_secs(5)).await;
    idle_workers.shutdown(Duration::from_secs(5)).await;
    store.remove().await;
}

/// As when an operator queues records by command.
#[tokio::test]
async fn records_queued_elsewhere_wake_the_sinks() {
    let Some(store) = TestStore::postgres("instances::told").await else { return };
    let _no_polling = StoppedClock::new();
    let told = Arc::new(AtomicUsize::new(0));
    let sink = || {
        let told = told.clone();
        let tell = move |_| {
            told.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok::<_, Infallible>(()))
        };
        FnSink::new("told", tell).include_test_mode()
    };
    let front = store.builder().await.sink(sink()).build().unwrap();
    let back = store.builder().await.sink(sink()).build().unwrap();
    let sent = async |records| {
        let pending = front.sink_stats("told").await.unwrap().pending;
        pending == 0 && told.load(Ordering::Relaxed) == records
    };
    back.migrate().await.unwrap();
    let workers = work(&back, hooks());
    eventually("it listens", async || listeners(&store).await.len() == 1).await;
    front.accept(&payment("msg_1", "pay_1")).await.unwrap();
    eventually("the sink received it", async || sent(1).await).await;
    let always = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
    assert_eq!(front.replay_sink("told", always.0, always.1).await.unwrap(), 1);
    eventually("the sink receives it again", async || sent(2).await).await;
    workers.shutdown(Duration::from_secs(5)).await;
    store.remove().await;
}

/// A transaction that holds the group of the customer of [`payment`].
struct Held {
    connection: PgConnection,
    /// A transaction would see the activity of the server as it was at first.
    beside: PgConnection,
    name: String,
}

impl Held {
    /// Books a payment of the customer first, so that the group exists. `name` is the application name of
    /// the instances that will wait.
    async fn on(store: &TestStore, name: &str) -> Self {
        let ledger = store.ledger().await;
        ledger.accept(&payment("msg_first", "pay_first")).await.unwrap();
        let workers = work(&ledger, hooks());
        ledger.settled().await.unwrap();
        workers.shutdown(Duration::from_secs(5)).await;
        let mut connection = PgConnection::connect(&store.url).await.unwrap();
        sqlx::raw_sql("BEGIN; SELECT id FROM dodo_group FOR UPDATE")
            .execute(&mut connection)
            .await
            .unwrap();
        let beside = PgConnection::connect(&store.url).await.unwrap();
        Self { connection, beside, name: name.to_owned() }
    }

    /// How many bookings and erasures wait for a group, or for one that waits.
    async fn waiting(&mut self) -> i64 {
        sqlx::query_scalar(
            "SELECT COUNT(*) FROM pg_stat_activity
             WHERE application_name = $1 AND wait_event_type = 'Lock' AND query LIKE '%dodo_%'",
        )
        .bind(&self.name)
        .fetch_one(&mut self.beside)
        .await
        .unwrap()
    }

    async fn release(&mut self) {
        sqlx::raw_sql("COMMIT").execute(&mut self.connection).await.unwrap();
    }
}

fn named(store: &TestStore, name: &str) -> TestStore {
    store.with_setting(&format!("application_name={name}"))
}

/// A role or a database can have any default. A booking that waited for another one must see it all the
/// same, or a refund and its payment would stay apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bookings_ignore_the_default_isolation_level() {
    let Some(store) = TestStore::postgres("instances::isolation").await else { return };
    let mut held = Held::on(&store, "isolated").await;
    let odd = named(&store, "isolated")
        .with_setting("default_transaction_isolation=repeatable read")
        .with_setting("default_transaction_read_only=on");

    let (mut instances, mut workers) = (Vec::new(), Vec::new());
    for (n, event) in (1..).zip([payment("msg_1", "pay_1"), refund("msg_2", "ref_1", "pay_1")]) {
        let ledger =
            odd.builder().await.retention(Retention::default().contexts(None)).build().unwrap();
        ledger.accept(&event).await.unwrap();
        // The row that the one before has taken is locked, and it takes no other while it waits.
        workers.push(work(&ledger, hooks()));
        instances.push(ledger);
        eventually("it waits", async || held.waiting().await == n).await;
    }
    held.release().await;
    all_done(&instances[0]).await;
    for workers in workers {
        workers.shutdown(Duration::from_secs(5)).await;
    }
    let refund = instances[1].record("refund:ref_1").await.unwrap().unwrap();
    assert_eq!(refund.visitor.map(|found| found.value).as_deref(), Some("v1"));
    store.remove().await;
}

/// A payment of another customer than that of [`payment`].
fn payment_of_another(id: &str, payment_id: &str) -> dodo_core::webhook::VerifiedEvent {
    let event = payment(id, payment_id);
    let body = String::from_utf8(event.body().to_vec()).unwrap();
    delivery(id, body.replace("cus_1", "cus_2").replace("ada@", "bob@"))
}

/// Two bookings are open at once: one instance waits for the group of its customer, and another books
/// another customer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_book_disjoint_customers_at_the_same_time() {
    let Some(store) = TestStore::postgres("instances::disjoint").await else { return };
    let mut held = Held::on(&store, "disjoint").await;
    let named = named(&store, "disjoint");
    let instance = async || {
        named.builder().await.retention(Retention::default().contexts(None)).build().unwrap()
    };
    let (one, other) = (instance().await, instance().await);
    one.accept(&payment("msg_1", "pay_1")).await.unwrap();
    let mut workers = vec![work(&one, hooks())];
    eventually("one waits", async || held.waiting().await == 1).await;
    other.accept(&payment_of_another("msg_2", "pay_2")).await.unwrap();
    workers.push(work(&other, hooks()));
    eventually("the other customer is booked", async || {
        other.record("charge:pay_2").await.unwrap().is_some()
    })
    .await;
    assert_eq!(held.waiting().await, 1, "the first booking is still open");
    assert!(other.record("charge:pay_1").await.unwrap().is_none());
    held.release().await;
    all_done(&one).await;
    for workers in workers {
        workers.shutdown(Duration::from_secs(5)).await;
    }
    assert!(other.record("charge:pay_1").await.unwrap().is_some());
    store.remove().await;
}

/// An event that cannot be booked fails its batch. The instance that took the batch books the others of it
/// at once, and the event fails once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batch_with_an_unbookable_event_is_booked_one_by_one() {
    let Some(store) = TestStore::postgres("instances::unbookable").await else { return };
    let mut held = Held::on(&store, "unbookable").await;
    let hour = Duration::from_secs(3600);
    let retry = RetryPolicy::new(hour, hour, 5).jitter(Jitter::None);
    let named = named(&store, "unbookable");
    let instance = async || {
        let builder = named.builder().await.retention(Retention::default().contexts(None));
        builder.callback_retry(retry).build().unwrap()
    };
    store
        .run("ALTER TABLE dodo_record ADD CONSTRAINT unbookable CHECK (id <> 'charge:pay_unbookable')")
        .await;

    let (one, other) = (instance().await, instance().await);
    for n in 0..40 {
        one.accept(&payment(&format!("msg_{n}"), &format!("pay_{n}"))).await.unwrap();
        if n == 20 {
            one.accept(&payment("msg_unbookable", "pay_unbookable")).await.unwrap();
        }
    }
    // One has taken all of these, the other an event that came later.
    let mut workers = vec![work(&one, hooks())];
    eventually("one waits", async || held.waiting().await == 1).await;
    other.accept(&payment("msg_late", "pay_late")).await.unwrap();
    workers.push(work(&other, hooks()));
    eventually("both wait", async || held.waiting().await == 2).await;
    held.release().await;

    let pending = async || one.stats().await.unwrap().pending;
    eventually("all others are done", async || pending().await == 1).await;
    let unbookable = async || one.event("msg_unbookable").await.unwrap().unwrap();
    eventually("its failure is written down", async || unbookable().await.failed_attempts > 0)
        .await;
    for workers in workers {
        workers.shutdown(Duration::from_secs(5)).await;
    }
    let unbookable = unbookable().await;
    assert_eq!((unbookable.state.as_str(), unbookable.failed_attempts), ("pending", 1));
    store.remove().await;
}

fn context() -> CheckoutContext {
    let context = serde_json::json!({
        "captured_at": "2026-11-20T10:00:00Z", "consent": "denied", "visitor": "v1",
    });
    serde_json::from_value(context).unwrap()
}

/// A checkout waits two seconds at most, and bookings of other groups can take longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkout_context_is_stored_while_bookings_wait() {
    let Some(store) = TestStore::postgres("instances::bind").await else { return };
    let mut held = Held::on(&store, "bind").await;
    let ledger = named(&store, "bind").builder().await.build().unwrap();
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    let workers = work(&ledger, hooks());
    eventually("a booking waits", async || held.waiting().await == 1).await;
    let bound =
        tokio::time::timeout(Duration::from_secs(20), ledger.store("cks_1", &context())).await;
    assert_eq!(held.waiting().await, 1, "the booking still waits");
    held.release().await;
    bound.unwrap().unwrap();
    all_done(&ledger).await;
    workers.shutdown(Duration::from_secs(5)).await;
    store.remove().await;
}

/// Nothing names the customer.
async fn is_forgotten(ledger: &Ledger, store: &TestStore) {
    let record = ledger.record("charge:pay_1").await.unwrap().unwrap();
    assert_eq!((record.visitor, record.customer_id, record.email_sha256), (None, None, None));
    let mut beside = PgConnection::connect(&store.url).await.unwrap();
    let left = "SELECT (SELECT COUNT(*) FROM dodo_inbox WHERE customer_id IS NOT NULL
                            OR body IS NOT NULL AND (state = 'done' OR erased = 0))
                     + (SELECT COUNT(*) FROM dodo_fact WHERE person IS NOT NULL)";
    assert_eq!(sqlx::query_scalar::<_, i64>(left).fetch_one(&mut beside).await.unwrap(), 0);
}

/// Another instance has taken an event of the customer, and waits for the group.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_instance_is_booking_is_forgotten_too() {
    let Some(store) = TestStore::postgres("instances::forget").await else { return };
    let mut held = Held::on(&store, "forget").await;
    let named = named(&store, "forget");
    let other =
        named.builder().await.retention(Retention::default().contexts(None)).build().unwrap();
    let ledger = named.builder().await.build().unwrap();
    other.accept(&payment("msg_1", "pay_1")).await.unwrap();
    let workers = work(&other, hooks());
    eventually("it has taken the event", async || held.waiting().await == 1).await;

    let forgetting = tokio::spawn(async move { ledger.erase_customer("cus_1").await });
    eventually("the erasure waits, too", async || held.waiting().await == 2).await;
    held.release().await;
    assert!(forgetting.await.unwrap().unwrap().found);
    all_done(&other).await;
    is_forgotten(&other, &store).await;
    workers.shutdown(Duration::from_secs(5)).await;
    store.remove().await;
}

/// Another instance has taken an event of the customer, and dies. The event is booked after the erasure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_instance_lets_go_of_is_forgotten_too() {
    let Some(store) = TestStore::postgres("instances::forget_dead").await else { return };
    let ledger = store.builder().await.build().unwrap();
    ledger.migrate().await.unwrap();
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    let mut other = PgConnection::connect(&store.url).await.unwrap();
    let mut taken = other.begin().await.unwrap();
    sqlx::query("SELECT id FROM dodo_inbox FOR UPDATE").execute(&mut *taken).await.unwrap();
    assert!(!ledger.erase_customer("cus_1").await.unwrap().found, "nothing is booked yet");
    taken.rollback().await.unwrap();
    let workers = work(&ledger, hooks());
    all_done(&ledger).await;
    is_forgotten(&ledger, &store).await;
    workers.shutdown(Duration::from_secs(5)).await;
    store.remove().await;
}

/// A booking that has read no context, and commits after the checkout bound one: the context counts all
/// the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn context_applies_to_concurrent_bookings() {
    let Some(store) = TestStore::postgres("instances::meanwhile").await else { return };
    let ledger = store.builder().await.build().unwrap();
    ledger.migrate().await.unwrap();
    for n in 0..3 {
        let (id, session) = (format!("pay_{n}"), format!("cks_{n}"));
        let event = payment_of(&format!("msg_{n}"), &id, &session, &format!("sub_{n}"));
        ledger.accept(&event).await.unwrap();
    }
    // A booking may read records and facts, and write none.
    let mut holder = PgConnection::connect(&store.url).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("LOCK TABLE dodo_record IN EXCLUSIVE MODE").execute(&mut *held).await.unwrap();
    let workers = work(&ledger, hooks());
    let mut beside = PgConnection::connect(&store.url).await.unwrap();
    eventually("the booking has read, and waits", async || {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM pg_locks WHERE relation = 'dodo_record'::regclass AND NOT granted",
        )
        .fetch_one(&mut beside)
        .await
        .unwrap();
        waiting == 1
    })
    .await;
    // The sessions are in the group that the booking makes, so these wait for its commit.
    let binding = tokio::spawn({
        let ledger = ledger.clone();
        async move {
            for n in 0..3 {
                ledger.store(&format!("cks_{n}"), &context()).await.unwrap();
            }
        }
    });
    held.commit().await.unwrap();
    binding.await.unwrap();
    all_done(&ledger).await;
    for n in 0..3 {
        let charge = ledger.record(&format!("charge:pay_{n}")).await.unwrap().unwrap();
        assert!(!charge.consent.allows() && charge.visitor.is_none(), "pay_{n}");
    }
    workers.shutdown(Duration::from_secs(5)).await;
    store.remove().await;
}
