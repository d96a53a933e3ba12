//! Several instances on one PostgreSQL wake each other. Workers here would poll once a minute: what
//! happens within 20 s is not found by polling.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::{convert::Infallible, sync::Arc, time::Duration};

use dodo_core::{
    attribution::{AttributionSink, MetadataMapping},
    capture::{CheckoutContext, CheckoutContextStore},
    internals::records_for_event,
    webhook::Inbox,
};
use dodo_ledger::{
    Backoff, Jitter, Ledger, LedgerBuilder,
    sink::Callback,
    sqlx::{self, Connection, PgConnection},
};
use support::{Log, TestStore, eventually, hooks, payment, payment_of, refund, work};
use tokio::sync::Semaphore;

async fn without_polling(store: &TestStore) -> LedgerBuilder {
    store.builder().await.poll_every(Duration::from_secs(60))
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_stored_elsewhere_wakes_the_workers_also_after_a_lost_connection() {
    let Some(store) = TestStore::postgres("instances::wake").await else { return };
    let front = without_polling(&store).await.build().unwrap();
    let back = without_polling(&store).await.build().unwrap();
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
        let now = listeners(&store).await;
        now.len() == 1 && now != lost
    })
    .await;
    front.accept(&payment("msg_2", "pay_2")).await.unwrap();
    all_done(&front).await;
    workers.shutdown(Duration::from_secs(5)).await;
    store.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_of_a_batch_run_in_other_instances_too() {
    let Some(store) = TestStore::postgres("instances::share").await else { return };
    let busy = without_polling(&store).await.concurrency(1).build().unwrap();
    let idle = without_polling(&store).await.concurrency(1).build().unwrap();
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

/// As where webhooks are booked inside of the request, or a record is told again by command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_booked_elsewhere_wakes_the_sinks() {
    let Some(store) = TestStore::postgres("instances::told").await else { return };
    let told = || Callback::new("told", async |_| Ok::<_, Infallible>(())).test_mode();
    let front = without_polling(&store).await.sink(told()).build().unwrap();
    let back = without_polling(&store).await.sink(told()).build().unwrap();
    back.migrate().await.unwrap();
    let workers = work(&back, hooks());
    eventually("it listens", async || listeners(&store).await.len() == 1).await;
    let event = payment("msg_1", "pay_1");
    let records = records_for_event(&event, &MetadataMapping::default()).unwrap();
    front.emit(&records[0]).await.unwrap();
    eventually("the sink is told", async || {
        let stats = back.sink_stats("told").await.unwrap();
        stats.pending == 0
    })
    .await;
    assert!(back.record("charge:pay_1").await.unwrap().is_some());
    workers.shutdown(Duration::from_secs(5)).await;
    store.remove().await;
}

/// Takes the lock of bookings on this connection's tables.
const LOCK: &str = "SELECT pg_advisory_lock(7233961, 'dodo_inbox'::regclass::oid::int4)";
const UNLOCK: &str = "SELECT pg_advisory_unlock(7233961, 'dodo_inbox'::regclass::oid::int4)";

/// How many wait for the lock of bookings on this connection's tables.
async fn waiting_bookings(beside: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT COUNT(*) FROM pg_locks
         WHERE locktype = 'advisory' AND classid = 7233961 AND objid = 'dodo_inbox'::regclass
           AND NOT granted",
    )
    .fetch_one(beside)
    .await
    .unwrap()
}

/// A role or a database may have any default: a booking that waited for another must see it all the
/// same, or a refund and its payment would stay apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bookings_see_each_other_whatever_the_server_isolates_by_default() {
    let Some(store) = TestStore::postgres("instances::isolation").await else { return };
    store.ledger().await;
    let odd = store
        .with_setting("default_transaction_isolation=repeatable read")
        .with_setting("default_transaction_read_only=on");
    let mut beside = PgConnection::connect(&store.url).await.unwrap();
    sqlx::query(LOCK).execute(&mut beside).await.unwrap();

    let (mut instances, mut workers) = (Vec::new(), Vec::new());
    for (n, event) in (1..).zip([payment("msg_1", "pay_1"), refund("msg_2", "ref_1", "pay_1")]) {
        // Nothing else of an instance may wait for the lock: one that waits has taken an event.
        let ledger = without_polling(&odd).await.keep_contexts_for(None).build().unwrap();
        ledger.accept(&event).await.unwrap();
        // The row that the one before has taken is locked, and it takes no other while it waits.
        workers.push(work(&ledger, hooks()));
        instances.push(ledger);
        eventually("it waits", async || waiting_bookings(&mut beside).await == n).await;
    }
    sqlx::query(UNLOCK).execute(&mut beside).await.unwrap();
    all_done(&instances[0]).await;
    for workers in workers {
        workers.shutdown(Duration::from_secs(5)).await;
    }
    let refund = instances[1].record("refund:ref_1").await.unwrap().unwrap();
    assert_eq!(refund.visitor.map(|found| found.value).as_deref(), Some("v1"));
    store.remove().await;
}

/// An event that cannot be booked spoils the batch that it is in. Whichever instance has taken it, the others
/// of the batch are booked at once and it fails once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spoilt_batch_is_booked_at_once_by_whoever_has_taken_it() {
    let Some(store) = TestStore::postgres("instances::spoilt").await else { return };
    store.ledger().await;
    store
        .run("ALTER TABLE dodo_entry ADD CONSTRAINT spoilt CHECK (id <> 'charge:pay_spoilt')")
        .await;
    let hour = Duration::from_secs(3600);
    let backoff = Backoff { base: hour, cap: hour };
    let instance = async || {
        let builder = without_polling(&store).await.keep_contexts_for(None);
        builder.backoff(backoff).jitter(Jitter::None).build().unwrap()
    };
    let mut beside = PgConnection::connect(&store.url).await.unwrap();
    sqlx::query(LOCK).execute(&mut beside).await.unwrap();

    let (one, other) = (instance().await, instance().await);
    for n in 0..40 {
        one.accept(&payment(&format!("msg_{n}"), &format!("pay_{n}"))).await.unwrap();
        if n == 20 {
            one.accept(&payment("msg_spoilt", "pay_spoilt")).await.unwrap();
        }
    }
    // One has taken all of these, the other an event that came later and what the first lets go of.
    let mut workers = vec![work(&one, hooks())];
    eventually("one waits", async || waiting_bookings(&mut beside).await == 1).await;
    other.accept(&payment("msg_late", "pay_late")).await.unwrap();
    workers.push(work(&other, hooks()));
    eventually("both wait", async || waiting_bookings(&mut beside).await == 2).await;
    sqlx::query(UNLOCK).execute(&mut beside).await.unwrap();

    let pending = async || one.stats().await.unwrap().pending;
    eventually("all others are done", async || pending().await == 1).await;
    let spoilt = async || one.event("msg_spoilt").await.unwrap().unwrap();
    eventually("its failure is written down", async || spoilt().await.failures > 0).await;
    for workers in workers {
        workers.shutdown(Duration::from_secs(5)).await;
    }
    let spoilt = spoilt().await;
    assert_eq!((spoilt.state.as_str(), spoilt.failures), ("pending", 1));
    store.remove().await;
}

/// A checkout gives up after two seconds, and bookings may be held up for longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkout_context_is_kept_while_bookings_are_held_up() {
    let Some(store) = TestStore::postgres("instances::bind").await else { return };
    let ledger = without_polling(&store).await.build().unwrap();
    ledger.migrate().await.unwrap();
    let mut holder = PgConnection::connect(&store.url).await.unwrap();
    sqlx::query(LOCK).execute(&mut holder).await.unwrap();
    let context = serde_json::json!({
        "captured_at": "2026-11-20T10:00:00Z", "consent": "denied", "visitor": "v1",
    });
    let context: CheckoutContext = serde_json::from_value(context).unwrap();
    let bound =
        tokio::time::timeout(Duration::from_secs(20), ledger.store("cks_1", &context)).await;
    sqlx::query(UNLOCK).execute(&mut holder).await.unwrap();
    bound.unwrap().unwrap();
    store.remove().await;
}

/// Waits until the instance of this name waits for what another one has taken.
async fn waits_for_others(name: &str, beside: &mut PgConnection) {
    let asks = "SELECT COUNT(*) FROM pg_stat_activity
                WHERE application_name = $1 AND query LIKE '%LIMIT 1%AS due%'";
    eventually("it waits for others", async || {
        let asks = sqlx::query_scalar::<_, i64>(asks).bind(name);
        asks.fetch_one(&mut *beside).await.unwrap() > 0
    })
    .await;
}

/// Nothing tells any more who paid.
async fn is_forgotten(ledger: &Ledger, beside: &mut PgConnection) {
    let record = ledger.record("charge:pay_1").await.unwrap().unwrap();
    assert_eq!((record.visitor, record.customer_id, record.email_sha256), (None, None, None));
    let left = "SELECT COUNT(*) FROM dodo_inbox WHERE customer_id IS NOT NULL
                OR body IS NOT NULL AND (state = 'done' OR forgotten = 0)";
    assert_eq!(sqlx::query_scalar::<_, i64>(left).fetch_one(beside).await.unwrap(), 0);
}

/// Another instance has taken a delivery of the customer's, and books it late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_instance_is_booking_is_forgotten_too() {
    let Some(store) = TestStore::postgres("instances::forget").await else { return };
    let other = without_polling(&store).await.keep_contexts_for(None).build().unwrap();
    other.migrate().await.unwrap();
    let named = store.with_setting("application_name=forgets_late");
    let ledger = without_polling(&named).await.build().unwrap();
    let mut beside = PgConnection::connect(&store.url).await.unwrap();
    sqlx::query(LOCK).execute(&mut beside).await.unwrap();
    other.accept(&payment("msg_1", "pay_1")).await.unwrap();
    let workers = work(&other, hooks());
    eventually("it has taken the delivery", async || waiting_bookings(&mut beside).await == 1)
        .await;

    let forgetting = tokio::spawn(async move { ledger.forget("cus_1").await });
    waits_for_others("forgets_late", &mut beside).await;
    sqlx::query(UNLOCK).execute(&mut beside).await.unwrap();
    assert_eq!(forgetting.await.unwrap().unwrap().records, 1);
    is_forgotten(&other, &mut beside).await;
    all_done(&other).await;
    workers.shutdown(Duration::from_secs(5)).await;
    store.remove().await;
}

/// Another instance has taken a delivery of the customer's, and dies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_instance_lets_go_of_is_forgotten_too() {
    let Some(store) = TestStore::postgres("instances::forget_dead").await else { return };
    let named = store.with_setting("application_name=forgets_dead");
    let ledger = without_polling(&named).await.build().unwrap();
    ledger.migrate().await.unwrap();
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    let mut other = PgConnection::connect(&store.url).await.unwrap();
    let mut taken = other.begin().await.unwrap();
    sqlx::query("SELECT id FROM dodo_inbox FOR UPDATE").execute(&mut *taken).await.unwrap();

    let own = ledger.clone();
    let forgetting = tokio::spawn(async move { own.forget("cus_1").await });
    let mut beside = PgConnection::connect(&store.url).await.unwrap();
    waits_for_others("forgets_dead", &mut beside).await;
    taken.rollback().await.unwrap();
    assert_eq!(forgetting.await.unwrap().unwrap().records, 1);
    is_forgotten(&ledger, &mut beside).await;
    store.remove().await;
}

/// What somebody else has taken, and keeps, is nobody's yet: the log says that it was not looked at.
#[tokio::test]
async fn what_another_instance_keeps_is_not_forgotten_in_silence() {
    let Some(store) = TestStore::postgres("instances::forget_kept").await else { return };
    let ledger = without_polling(&store).await.build().unwrap();
    ledger.migrate().await.unwrap();
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    let mut other = PgConnection::connect(&store.url).await.unwrap();
    let mut taken = other.begin().await.unwrap();
    sqlx::query("SELECT id FROM dodo_inbox FOR UPDATE").execute(&mut *taken).await.unwrap();
    let (log, _keeping) = Log::of_this_thread(tracing::Level::WARN);
    assert_eq!(ledger.forget("cus_1").await.unwrap().records, 0);
    assert!(log.text().contains("forget again"), "{}", log.text());
    taken.rollback().await.unwrap();
    assert_eq!(ledger.forget("cus_1").await.unwrap().records, 1);
    store.remove().await;
}

/// A booking that has read that nothing was captured, and commits after it was kept: what the visitor said
/// counts all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkout_context_counts_for_what_is_booked_meanwhile() {
    let Some(store) = TestStore::postgres("instances::meanwhile").await else { return };
    let ledger = without_polling(&store).await.build().unwrap();
    ledger.migrate().await.unwrap();
    for n in 0..3 {
        let (id, session) = (format!("pay_{n}"), format!("cks_{n}"));
        let event = payment_of(&format!("msg_{n}"), &id, &session, &format!("sub_{n}"));
        ledger.accept(&event).await.unwrap();
    }
    // It may read entries and facts, and write none.
    let mut holder = PgConnection::connect(&store.url).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("LOCK TABLE dodo_entry IN EXCLUSIVE MODE").execute(&mut *held).await.unwrap();
    let workers = work(&ledger, hooks());
    let mut beside = PgConnection::connect(&store.url).await.unwrap();
    eventually("the booking has read, and waits", async || {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM pg_locks WHERE relation = 'dodo_entry'::regclass AND NOT granted",
        )
        .fetch_one(&mut beside)
        .await
        .unwrap();
        waiting == 1
    })
    .await;
    let context = serde_json::json!({ "captured_at": "2026-11-20T10:00:00Z", "consent": "denied" });
    let context: CheckoutContext = serde_json::from_value(context).unwrap();
    for n in 0..3 {
        ledger.store(&format!("cks_{n}"), &context).await.unwrap();
    }
    held.commit().await.unwrap();
    for n in 0..3 {
        eventually("it is put right", async || {
            let charge = ledger.record(&format!("charge:pay_{n}")).await.unwrap();
            charge.is_some_and(|charge| !charge.consent.allows() && charge.visitor.is_none())
        })
        .await;
    }
    workers.shutdown(Duration::from_secs(5)).await;
    store.remove().await;
}
