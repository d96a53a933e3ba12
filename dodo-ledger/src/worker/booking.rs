//! Booking: what is stored becomes records, outbox rows and a mark, in one transaction. User code is
//! never called here.

use std::sync::Arc;

use dodo_core::SignedEvent;

use super::{STORE_PAUSE, Stop, rest};
use crate::{
    attribution::{self, Evidence},
    error::{Error, ErrorKind},
    fault::reach,
    inbox::{Seen, Unbooked},
    ledger::Shared,
    store::Tx,
};

/// Events booked in one transaction: as long as it lasts, SQLite stores no delivery.
const BATCH: u32 = 32;

pub(super) async fn run(ledger: &Arc<Shared>, mut stop: Stop) {
    while stop.borrow().is_none() {
        let wait = match guarded(ledger).await {
            Ok(0) => ledger.settings.poll,
            Ok(booked) => {
                ledger.wake_callbacks.notify_one();
                ledger.wake_outbox.notify_waiters();
                tracing::debug!(target: "dodo::ledger", booked, "events booked");
                continue;
            }
            Err(error) => {
                tracing::error!(
                    target: "dodo::ledger", %error, cause = error.cause(),
                    "events cannot be booked"
                );
                STORE_PAUSE
            }
        };
        rest(&ledger.wake_booking, wait, &mut stop).await;
    }
}

/// One round in a task of its own, so that a panic is a failure like any other.
async fn guarded(ledger: &Arc<Shared>) -> Result<usize, Error> {
    match spawned(ledger, |ledger| async move { batch(&ledger).await }).await {
        Err(error) if error.kind() != ErrorKind::Unavailable => {
            // One event spoils the batch: take each by itself.
            tracing::warn!(
                target: "dodo::ledger", %error, cause = error.cause(),
                "a batch is booked one by one"
            );
            one_by_one(ledger).await
        }
        result => result,
    }
}

async fn spawned<T: Send + 'static, F: Future<Output = Result<T, Error>> + Send + 'static>(
    ledger: &Arc<Shared>,
    work: impl FnOnce(Arc<Shared>) -> F,
) -> Result<T, Error> {
    let panicked = |_| Error::corrupt("booking panicked: this is a defect");
    tokio::spawn(work(ledger.clone())).await.map_err(panicked)?
}

async fn batch(ledger: &Shared) -> Result<usize, Error> {
    let mut tx = ledger.begin_booking().await?;
    let events = tx.unbooked(BATCH).await?;
    for event in &events {
        book(&mut tx, ledger, event).await?;
    }
    commit(tx).await?;
    Ok(events.len())
}

async fn one_by_one(ledger: &Arc<Shared>) -> Result<usize, Error> {
    let mut tx = ledger.store.read().await?;
    let events = tx.unbooked(BATCH).await?;
    drop(tx);
    for event in &events {
        let id = event.event.id().to_owned();
        let outcome = spawned(ledger, |ledger| async move { book_now(&ledger, &id).await }).await;
        if let Err(error) = outcome {
            if error.kind() == ErrorKind::Unavailable {
                return Err(error);
            }
            failed(ledger, event, &error).await?;
        }
    }
    Ok(events.len())
}

/// Books one event, if nobody did yet.
pub(crate) async fn book_now(ledger: &Shared, id: &str) -> Result<(), Error> {
    let mut tx = ledger.begin_booking().await?;
    if let Some(event) = tx.unbooked_by_id(id).await? {
        book(&mut tx, ledger, &event).await?;
    }
    commit(tx).await
}

async fn commit(tx: Tx) -> Result<(), Error> {
    reach("before_booking_commit").await;
    tx.commit().await?;
    reach("after_booking_commit").await;
    Ok(())
}

async fn book(tx: &mut Tx, ledger: &Shared, event: &Unbooked) -> Result<(), Error> {
    let id = event.event.id();
    let (seen, evidence) = match read(ledger, &event.event) {
        Ok(read) => read,
        Err(error) => {
            tracing::error!(
                target: "dodo::ledger", event = %id, code = error.code(), error = %error,
                "a signed delivery is no readable event and was parked"
            );
            return tx.mark_parked(id, &format!("{}: {error}", error.code())).await;
        }
    };
    if let Some(evidence) = evidence {
        let booking = attribution::book(&ledger.rules, tx, evidence).await?;
        ledger.enqueue(tx, &booking).await?;
    }
    tx.mark_booked(id, &seen).await
}

/// What the inbox notes of an event, and what it proves.
fn read(
    ledger: &Shared,
    event: &SignedEvent,
) -> Result<(Seen, Option<Evidence>), dodo_core::Error> {
    let envelope = event.envelope()?;
    let evidence = Evidence::of_event(event, &ledger.rules)?;
    let seen = Seen {
        kind: envelope.kind.as_str().to_owned(),
        occurred_at: envelope.timestamp.as_millisecond(),
        customer_id: evidence.as_ref().and_then(|evidence| evidence.party.customer_id.clone()),
    };
    Ok((seen, evidence))
}

async fn failed(ledger: &Shared, event: &Unbooked, error: &Error) -> Result<(), Error> {
    let failures = event.failures.saturating_add(1);
    let dead = failures >= ledger.settings.max_failures;
    let wait = ledger.settings.backoff.jitter(failures).as_millis();
    let again = (!dead).then(|| i64::try_from(wait).unwrap_or(i64::MAX / 4));
    tracing::error!(
        target: "dodo::ledger", event = %event.event.id(), failures, dead, %error,
        cause = error.cause(),
        "an event could not be booked"
    );
    let mut tx = ledger.store.begin().await?;
    tx.booking_failed(event.event.id(), again, &format!("booking: {error}")).await?;
    tx.commit().await
}
