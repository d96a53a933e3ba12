//! Database errors that affect one event.
#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::time::Duration;

use dodo_core::webhook::Inbox;
use support::{TestStore, eventually, hooks, payment, work};

/// Writing what belongs to one payment takes longer than the server allows.
const SLOW: &str = "
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN
        IF NEW.id = 'charge:pay_slow' THEN PERFORM pg_sleep(60); END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER slow BEFORE INSERT ON dodo_record FOR EACH ROW EXECUTE FUNCTION slow()";

/// What passes by itself is tried again. An event that always meets it must not hold up the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_error_of_one_event_delays_no_other() {
    let Some(store) = TestStore::postgres("transient_errors::slow").await else { return };
    store.ledger().await;
    store.run(SLOW).await;
    let ledger = store.with_setting("statement_timeout=400").builder().await.build().unwrap();
    ledger.accept(&payment("msg_slow", "pay_slow")).await.unwrap();
    for n in 0..5 {
        ledger.accept(&payment(&format!("msg_{n}"), &format!("pay_{n}"))).await.unwrap();
    }
    let workers = work(&ledger, hooks());
    eventually("the others are done", async || {
        ledger.stats().await.is_ok_and(|stats| stats.pending == 1)
    })
    .await;
    let slow = ledger.event("msg_slow").await.unwrap().unwrap();
    assert_eq!((slow.state.as_str(), slow.is_booked, slow.failed_attempts), ("pending", false, 0));
    // Its customer is known.
    assert!(ledger.erase_customer("cus_1").await.unwrap().found);

    store.run("DROP TRIGGER slow ON dodo_record").await;
    eventually("it is done, too", async || {
        ledger.stats().await.is_ok_and(|stats| stats.pending == 0)
    })
    .await;
    let record = ledger.record("charge:pay_slow").await.unwrap().unwrap();
    assert!(record.money.is_some(), "the amount stays");
    assert_eq!((record.customer_id, record.email_sha256), (None, None));
    workers.shutdown(Duration::from_secs(5)).await;
    store.remove().await;
}
