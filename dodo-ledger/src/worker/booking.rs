//! Booking: what is stored becomes records, outbox rows and a mark, in one transaction. User code is
//! never called here.

use std::{sync::Arc, time::Duration};

use dodo_core::webhook::VerifiedEvent;
use tokio::time::Instant;

use super::{STORE_PAUSE, Stop, ahead::Ahead, attempt::STORE_WAIT, rest};
use crate::{
    attribution::{self, Evidence, Wanted, fit, whose::Whose},
    error::{Error, ErrorKind},
    fault::reach,
    inbox::{Seen, Unbooked, operate, postpone},
    ledger::Shared,
    lookup::Answers,
    news::News,
    schema::Past,
    store::Tx,
};

pub(super) async fn run(ledger: &Arc<Shared>, mut stop: Stop) {
    while stop.borrow().is_none() {
        let wait = match round(ledger).await {
            Ok(Round { taken: 0, .. }) => ledger.settings.poll,
            Ok(round) => {
                ledger.offer_booked(round.booked);
                tracing::debug!(target: "dodo::ledger", booked = round.booked, "events booked");
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

/// Others that look at what waits, or book it, are waited for as long as this.
const OTHERS: Duration = Duration::from_secs(5);

/// Books what waits by now, so that it is known whose it is. What fails, and is due again later, stays.
pub(crate) async fn drain(ledger: &Arc<Shared>) -> Result<(), Error> {
    let mut waiting = operate::stats(&ledger.store).await?.unbooked;
    let mut patience = Instant::now() + OTHERS;
    while waiting > 0 {
        let Round { booked, .. } = round(ledger).await?;
        ledger.offer_booked(booked);
        if booked > 0 {
            waiting = waiting.saturating_sub(u64::try_from(booked).unwrap_or(u64::MAX));
            patience = Instant::now() + OTHERS;
        } else if !operate::is_booking_due(&ledger.store).await? {
            break;
        } else if Instant::now() > patience {
            tracing::warn!(
                target: "dodo::ledger",
                "deliveries that another instance has taken are not booked yet, and it is not known whose \
                 they are: when they are, forget again"
            );
            break;
        } else {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// What became of the events that one round took.
#[derive(Default)]
struct Round {
    taken: usize,
    /// Booked or parked. The others failed and are due again later, or another instance was faster.
    booked: usize,
}

/// One round: a batch of what is due and not taken by another instance. It is booked in a task of its
/// own, so that a panic is a failure like any other.
async fn round(ledger: &Arc<Shared>) -> Result<Round, Error> {
    let ahead = Arc::new(Ahead::ask(ledger).await?);
    let mut tx = ledger.store.begin_booking().await?;
    let mut events = tx.unbooked(ledger.store.booking_batch()).await?;
    let taken = events.len();
    ahead.retain(&mut events);
    if events.is_empty() {
        tx.commit().await?;
        if ledger.store.is_shared() {
            // What another instance booked during the read was locked by it until now, and claims may
            // have passed over it.
            ledger.wake_for(News::Booked);
        }
        return Ok(Round { taken, booked: 0 });
    }
    let events: Arc<[Unbooked]> = events.into();
    match booked(ledger, tx, events.clone(), &ahead).await {
        Ok(()) => Ok(Round { taken, booked: events.len() }),
        Err(error) if error.kind() == ErrorKind::Unprepared => Err(error),
        Err(error) => {
            // One event spoils the batch, or the database does: take each by itself.
            tracing::warn!(
                target: "dodo::ledger", %error, cause = error.cause(),
                "a batch is booked one by one"
            );
            one_by_one(ledger, &events, &ahead).await
        }
    }
}

/// Books the events of a batch that came to nothing, each in a transaction that takes it again. It waits
/// for whoever has it: the server may still be ending the transaction of the batch, or another instance
/// was faster.
async fn one_by_one(
    ledger: &Arc<Shared>,
    events: &[Unbooked],
    ahead: &Arc<Ahead>,
) -> Result<Round, Error> {
    let mut round = Round { taken: events.len(), booked: 0 };
    for event in events {
        let mut tx = ledger.store.begin_booking().await?;
        let Some(event) = tx.unbooked_by_id(event.event.id()).await? else {
            // Until now its row was locked, and claims may have passed over it.
            tx.commit().await?;
            ledger.wake_for(News::Booked);
            continue;
        };
        // Who has it for too long is no trouble of this event's.
        tx.lock_booking().await?;
        let begun = Instant::now();
        match booked(ledger, tx, [event.clone()].into(), ahead).await {
            Ok(()) => {
                round.booked += 1;
                // Its callbacks need not wait for the others.
                ledger.offer_booked(1);
            }
            Err(error) if error.kind() == ErrorKind::Unprepared => return Err(error),
            // If the database is away, so it is for this.
            Err(error) if error.is_transient() => {
                put_off(ledger, &event, &error, begun.elapsed()).await?;
            }
            Err(error) => failed(ledger, &event, &error).await?,
        }
    }
    Ok(round)
}

/// Books events that this transaction has taken, and commits.
async fn booked(
    ledger: &Arc<Shared>,
    tx: Tx,
    events: Arc<[Unbooked]>,
    ahead: &Arc<Ahead>,
) -> Result<(), Error> {
    let (shared, ahead) = (ledger.clone(), ahead.clone());
    let work = async move { commit(book(tx, &shared, &events, &ahead.answers).await?).await };
    let booking = tokio::spawn(work);
    booking.await.map_err(|_| Error::corrupt("booking panicked: this is a defect"))?
}

async fn commit(tx: Tx) -> Result<(), Error> {
    reach("before_booking_commit").await;
    tx.commit().await?;
    reach("after_booking_commit").await;
    Ok(())
}

/// Books events that this transaction has taken, one after the other. What does not need the past is
/// done before waiting for the booking of another instance.
async fn book(
    mut tx: Tx,
    ledger: &Shared,
    events: &[Unbooked],
    answers: &Answers,
) -> Result<Tx, Error> {
    let (mut seen, mut proven, mut wanted) = (Vec::new(), Vec::new(), Wanted::default());
    for event in events {
        let id = event.event.id();
        match read(ledger, &event.event) {
            Ok((noted, mut evidence)) => {
                seen.push((id, noted));
                evidence.iter_mut().for_each(|evidence| answers.note(evidence));
                evidence.iter().for_each(|evidence| wanted.add(evidence));
                proven.extend(evidence.map(|evidence| (evidence, event.forgotten)));
            }
            Err(error) => {
                tracing::error!(
                    target: "dodo::ledger", event = %id, code = error.code(), error = %error,
                    "event unreadable: valid signature, unreadable body; its callbacks run once, then it is parked"
                );
                let reason = format!("{}: {error}", error.code());
                tx.mark_unreadable(id, &fit::column(&reason), whose(&event.event)).await?;
            }
        }
    }
    tx.lock_booking().await?;
    let mut past = Past::of(tx);
    past.read_ahead(wanted).await?;
    let mut bookings = Vec::new();
    for (evidence, forgotten) in proven {
        let rules = ledger.rules();
        bookings.push(match forgotten {
            false => attribution::book(rules, &mut past, evidence).await?,
            true => attribution::book_forgotten(rules, &mut past, evidence).await?,
        });
    }
    let mut tx = past.write().await?;
    ledger.enqueue(&mut tx, &bookings).await?;
    tx.mark_booked(&seen).await?;
    Ok(tx)
}

/// What the inbox notes of an event, and what it proves.
fn read(
    ledger: &Shared,
    event: &VerifiedEvent,
) -> Result<(Seen, Option<Evidence>), dodo_core::Error> {
    let envelope = event.readable()?;
    let evidence = Evidence::of_event(event, ledger.rules())?;
    let seen = Seen {
        kind: fit::id(envelope.kind.as_str()).into_owned(),
        occurred_at: envelope.timestamp.as_millisecond(),
        whose: Whose::of(&envelope),
    };
    Ok((seen, evidence))
}

fn whose(event: &VerifiedEvent) -> Whose {
    event.envelope().map(|envelope| Whose::of(&envelope)).unwrap_or_default()
}

/// For trouble that passes by itself, and is no failure of the event's. If it meets this one alone, as when
/// the server cancels a statement each time, it must not hold up the others: they have ten times as long.
async fn put_off(
    ledger: &Shared,
    event: &Unbooked,
    error: &Error,
    spent: Duration,
) -> Result<(), Error> {
    let failures = event.failures.saturating_add(1);
    let wait = ledger.settings.backoff.jitter(failures).max(spent * 10).min(STORE_WAIT);
    tracing::error!(
        target: "dodo::ledger", event = %event.event.id(), %error, cause = error.cause(),
        wait_ms = wait.as_millis(),
        "an event could not be booked now, and no failure is counted"
    );
    let reason = format!("booking: {error}");
    postpone(&ledger.store, event, wait, &reason, whose(&event.event)).await
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
    tx.booking_failed(event, again, &reason, whose(&event.event)).await?;
    tx.commit().await
}
