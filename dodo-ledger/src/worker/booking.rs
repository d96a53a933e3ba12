//! Booking: what is stored becomes records, outbox rows and a mark, in one transaction. User code is
//! never called here.

use std::sync::Arc;

use dodo_core::SignedEvent;

use super::{STORE_PAUSE, Stop, rest};
use crate::{
    attribution::{self, Evidence, Wanted, fit, whose::Whose},
    error::{Error, ErrorKind},
    fault::reach,
    inbox::{Seen, Unbooked, operate},
    ledger::Shared,
    schema::Past,
    store::Tx,
};

pub(super) async fn run(ledger: &Arc<Shared>, mut stop: Stop) {
    while stop.borrow().is_none() {
        let wait = match guarded(ledger).await {
            Ok(0) => ledger.settings.poll,
            Ok(booked) => {
                ledger.offer_booked(booked);
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

/// Books what waits by now, so that it is known whose it is.
pub(crate) async fn drain(ledger: &Arc<Shared>) -> Result<(), Error> {
    let waiting = operate::stats(&ledger.store).await?.unbooked;
    let batches = waiting.div_ceil(u64::from(ledger.store.booking_batch()));
    for _ in 0..batches {
        match guarded(ledger).await? {
            0 => break,
            booked => ledger.offer_booked(booked),
        }
    }
    Ok(())
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
    let mut tx = ledger.store.begin_booking().await?;
    let events = tx.unbooked(ledger.store.booking_batch()).await?;
    if !events.is_empty() {
        commit(book(tx, ledger, &events).await?).await?;
    }
    Ok(events.len())
}

async fn one_by_one(ledger: &Arc<Shared>) -> Result<usize, Error> {
    let mut tx = ledger.store.read().await?;
    let events = tx.unbooked(ledger.store.booking_batch()).await?;
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
    let mut tx = ledger.store.begin_booking().await?;
    match tx.unbooked_by_id(id).await? {
        Some(event) => commit(book(tx, ledger, &[event]).await?).await,
        None => Ok(()),
    }
}

async fn commit(tx: Tx) -> Result<(), Error> {
    reach("before_booking_commit").await;
    tx.commit().await?;
    reach("after_booking_commit").await;
    Ok(())
}

/// Books events that this transaction has taken, one after the other. What does not need the past is
/// done before waiting for the booking of another instance.
async fn book(mut tx: Tx, ledger: &Shared, events: &[Unbooked]) -> Result<Tx, Error> {
    let (mut seen, mut proven, mut wanted) = (Vec::new(), Vec::new(), Wanted::default());
    for event in events {
        let id = event.event.id();
        match read(ledger, &event.event) {
            Ok((noted, evidence)) => {
                seen.push((id, noted));
                evidence.iter().for_each(|evidence| wanted.add(evidence));
                proven.extend(evidence);
            }
            Err(error) => {
                tracing::error!(
                    target: "dodo::ledger", event = %id, code = error.code(), error = %error,
                    "a signed delivery is no readable event and was parked"
                );
                let reason = format!("{}: {error}", error.code());
                tx.mark_parked(id, &fit::column(&reason), whose(&event.event)).await?;
            }
        }
    }
    tx.lock_booking().await?;
    let mut past = Past::of(tx);
    past.read_ahead(wanted).await?;
    let mut bookings = Vec::new();
    for evidence in proven {
        bookings.push(attribution::book(&ledger.rules, &mut past, evidence).await?);
    }
    let mut tx = past.write().await?;
    ledger.enqueue(&mut tx, &bookings).await?;
    tx.mark_booked(&seen).await?;
    Ok(tx)
}

/// What the inbox notes of an event, and what it proves.
fn read(
    ledger: &Shared,
    event: &SignedEvent,
) -> Result<(Seen, Option<Evidence>), dodo_core::Error> {
    let envelope = event.envelope()?;
    let evidence = Evidence::of_event(event, &ledger.rules)?;
    let seen = Seen {
        kind: fit::id(envelope.kind.as_str()).into_owned(),
        occurred_at: envelope.timestamp.as_millisecond(),
        whose: Whose::of(&envelope),
    };
    Ok((seen, evidence))
}

fn whose(event: &SignedEvent) -> Whose {
    event.envelope().map(|envelope| Whose::of(&envelope)).unwrap_or_default()
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
    let reason = format!("booking: {error}");
    tx.booking_failed(event.event.id(), again, &reason, whose(&event.event)).await?;
    tx.commit().await
}
