//! Booking: stored events become records, outbox rows and a mark, in one transaction. User code never
//! runs here.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use dodo_core::webhook::{Dispatcher, VerifiedEvent};
use tokio::time::Instant;

use super::{POLL, STORE_PAUSE, Shutdown, attempt::STORE_WAIT, sleep_or_wake};
use crate::{
    attribution::{Batch, Fact, Rules, event_owner::EventOwner, parse, sanitize},
    booking::{Booked, Booking, Erasures, GroupStore, Intake},
    counters::{self, Stage},
    error::Error,
    inbox::{EventMeta, NotBooked, Unbooked},
    ledger::Shared,
    notify::WakeSignal,
    projection,
    store::Tx,
};

pub(super) async fn run(ledger: &Arc<Shared>, dispatcher: &Dispatcher, mut shutdown: Shutdown) {
    queue_changed_rules(ledger).await;
    name_missing_projections(ledger).await;
    while shutdown.borrow().is_none() {
        let wait = match round(ledger, dispatcher).await {
            Ok(BatchOutcome { taken: 0, .. }) => match resolve_again(ledger).await {
                Ok(true) => continue,
                Ok(false) => POLL,
                Err(error) => {
                    tracing::error!(
                        target: "dodo::ledger", %error, cause = error.cause(),
                        "groups cannot be resolved again; the next attempt is scheduled"
                    );
                    STORE_PAUSE
                }
            },
            Ok(round) => {
                ledger.offer_booked(round.booked);
                tracing::debug!(target: "dodo::ledger", booked = round.booked, "events booked");
                continue;
            }
            Err(error) => {
                tracing::error!(
                    target: "dodo::ledger", %error, cause = error.cause(),
                    "events not booked; the worker retries"
                );
                STORE_PAUSE
            }
        };
        sleep_or_wake(&ledger.wake_booking, wait, &mut shutdown).await;
    }
}

/// Groups that were resolved with other rules change in the background.
async fn queue_changed_rules(ledger: &Shared) {
    match ledger.groups().queue_changed_rules().await {
        Ok(0) => {}
        Ok(groups) => tracing::info!(
            target: "dodo::ledger", groups, "rules changed; records are computed again"
        ),
        Err(error) => tracing::warn!(
            target: "dodo::ledger", %error, cause = error.cause(),
            "records of earlier rules not queued; the next start queues them"
        ),
    }
}

/// Their groups wait in the queue for a process that has them.
async fn name_missing_projections(ledger: &Shared) {
    let names = async { projection::registered(&mut ledger.store.begin_read().await?).await };
    // Without the database, the first round logs the error.
    for name in names.await.unwrap_or_default() {
        if !ledger.projections.has(&name) {
            tracing::warn!(
                target: "dodo::ledger", projection = name,
                "projection missing in this process; add it, or delete its row in `dodo_projection`"
            );
        }
    }
}

/// Resolves some queued groups again. Returns whether any was queued.
async fn resolve_again(ledger: &Arc<Shared>) -> Result<bool, Error> {
    let groups = ledger.groups();
    if !groups.has_queued().await? {
        return Ok(false);
    }
    let resolving = tokio::spawn(async move { groups.resolve_queued().await });
    let resolved = resolving.await.map_err(|_| panicked())??;
    let Some(changes) = resolved else { return Ok(false) };
    if !changes.is_empty() || !ledger.projections.is_empty() {
        ledger.offer_changes();
    }
    Ok(true)
}

fn panicked() -> Error {
    Error::corrupt("booking panicked: this is a defect")
}

/// The result of one round.
#[derive(Default)]
struct BatchOutcome {
    taken: usize,
    /// Booked or parked. The others failed and are due again later, or another instance was faster.
    booked: usize,
}

/// One round: a batch of due events that no other instance has taken. It is booked in a task of its own,
/// so that a panic is a failure like any other.
async fn round(ledger: &Arc<Shared>, dispatcher: &Dispatcher) -> Result<BatchOutcome, Error> {
    let mut tx = ledger.store.begin_booking().await?;
    let events = tx.unbooked(ledger.store.booking_batch()).await?;
    let taken = events.len();
    if events.is_empty() {
        tx.commit().await?;
        if ledger.store.is_shared() {
            // An event that another instance booked during the read was locked until now, and claims
            // skipped it.
            ledger.wake_for(WakeSignal::Booked);
        }
        return Ok(BatchOutcome::default());
    }
    let events: Arc<[Unbooked]> = events.into();
    match booked(ledger, dispatcher, tx, events.clone()).await {
        Ok(()) => Ok(BatchOutcome { taken, booked: taken }),
        Err(error) if error.needs_an_operator() => Err(error),
        Err(error) => {
            // One event, or the database, fails the batch: book each event by itself.
            tracing::warn!(
                target: "dodo::ledger", %error, cause = error.cause(),
                "batch failed; its events are booked one by one"
            );
            book_individually(ledger, dispatcher, &events).await
        }
    }
}

/// Books the events of a failed batch, each in a transaction that takes it again. It waits for a
/// transaction that holds the event: the server can still be ending the transaction of the batch, or
/// another instance was faster.
async fn book_individually(
    ledger: &Arc<Shared>,
    dispatcher: &Dispatcher,
    events: &[Unbooked],
) -> Result<BatchOutcome, Error> {
    let mut round = BatchOutcome { taken: events.len(), booked: 0 };
    for event in events {
        let mut tx = ledger.store.begin_booking().await?;
        let Some(event) = tx.unbooked_by_id(event.event.id()).await? else {
            // Until now its row was locked, and claims skipped it.
            tx.commit().await?;
            ledger.wake_for(WakeSignal::Booked);
            continue;
        };
        let begun = Instant::now();
        match booked(ledger, dispatcher, tx, [event.clone()].into()).await {
            Ok(()) => {
                round.booked += 1;
                // Its callbacks need not wait for the others.
                ledger.offer_booked(1);
            }
            Err(error) if error.needs_an_operator() => return Err(error),
            // If the database is unreachable, this also fails.
            Err(error) if error.is_transient() => {
                defer(ledger, &event, &error, begun.elapsed()).await?;
            }
            Err(error) => failed(ledger, &event, &error).await?,
        }
    }
    Ok(round)
}

/// Books events that this transaction has taken, and commits.
async fn booked(
    ledger: &Arc<Shared>,
    dispatcher: &Dispatcher,
    tx: Tx,
    events: Arc<[Unbooked]>,
) -> Result<(), Error> {
    let (groups, dispatcher) = (ledger.groups(), dispatcher.clone());
    let work = async move {
        let (tx, booked) = book(tx, &groups, &dispatcher, &events).await?;
        tx.commit().await?;
        groups.keep(booked);
        Ok(())
    };
    tokio::spawn(work).await.map_err(|_| panicked())?
}

/// Books events that this transaction has taken. The payloads are read before the first lock of a group.
async fn book(
    mut tx: Tx,
    groups: &GroupStore,
    dispatcher: &Dispatcher,
    events: &[Unbooked],
) -> Result<(Tx, Booking), Error> {
    let mut intake = Intake::default();
    let (mut facts, mut read) = (Vec::new(), Vec::new());
    for event in events {
        let id = event.event.id();
        let outcome = self::read(groups.rules(), dispatcher, &event.event);
        let owner = match &outcome {
            Ok((seen, _)) => seen.owner.clone(),
            Err(_) => owner(&event.event),
        };
        intake.subjects.extend(owner.subjects());
        if event.erased {
            intake.erased.insert(id.to_owned());
        }
        let outcome = outcome.map(|(seen, fact)| {
            facts.extend(fact);
            seen
        });
        read.push((event, owner, outcome));
    }
    intake.batch = Batch::from_facts(facts);
    let Booked { erasures, groups: booking, .. } = groups.book_in(&mut tx, intake).await?;
    let mut seen = Vec::new();
    for (event, owner, outcome) in read {
        let (id, received_at) = (event.event.id(), event.event.received_at());
        let erased = event.erased || erasures.cover(owner.subjects(), received_at);
        match outcome {
            Ok(noted) => seen.push((id, EventMeta { erased, ..noted })),
            Err(error) => {
                tracing::error!(
                    target: "dodo::ledger", event = %id, code = error.code(), error = %error,
                    "event unreadable: valid signature, unreadable body; its callbacks run once, then it is parked"
                );
                let reason = format!("{}: {error}", error.code());
                tx.mark_unreadable(id, &sanitize::column(&reason), owner, erased).await?;
            }
        }
    }
    tx.mark_booked(&seen).await?;
    Ok((tx, booking))
}

/// The values that the inbox stores of an event, and its fact.
fn read(
    rules: &Rules,
    dispatcher: &Dispatcher,
    event: &VerifiedEvent,
) -> Result<(EventMeta, Option<Fact>), dodo_core::Error> {
    let envelope = event.readable()?;
    let fact = parse(event, rules)?;
    let owner = EventOwner::from_envelope(&envelope);
    let person = fact.as_ref().and_then(|fact| fact.person.as_ref());
    let seen = EventMeta {
        kind: sanitize::id(envelope.kind.as_str()).into_owned(),
        occurred_at: envelope.timestamp.as_millisecond(),
        is_address_in_fact: person.is_some_and(|person| owner.is(person)),
        owner,
        erased: false,
        has_callbacks: dispatcher.handles(&envelope.kind),
    };
    Ok((seen, fact))
}

fn owner(event: &VerifiedEvent) -> EventOwner {
    event.envelope().map(|envelope| EventOwner::from_envelope(&envelope)).unwrap_or_default()
}

/// After a transient error, which does not count as a failed attempt. If the error affects only this event,
/// for example a canceled statement, the event must not delay the others: they get ten times as long.
async fn defer(
    ledger: &Shared,
    event: &Unbooked,
    error: &Error,
    spent: Duration,
) -> Result<(), Error> {
    let failed_attempts = event.failed_attempts.saturating_add(1);
    let wait =
        ledger.settings.callback_retry.delay(failed_attempts).max(spent * 10).min(STORE_WAIT);
    tracing::error!(
        target: "dodo::ledger", event = %event.event.id(), %error, cause = error.cause(),
        wait_ms = wait.as_millis(),
        "event not booked; retry scheduled without a failed attempt"
    );
    not_booked(ledger, event, NotBooked::Defer(wait), error).await
}

async fn failed(ledger: &Shared, event: &Unbooked, error: &Error) -> Result<(), Error> {
    let failed_attempts = event.failed_attempts.saturating_add(1);
    let dead = ledger.settings.callback_retry.is_exhausted(failed_attempts);
    tracing::error!(
        target: "dodo::ledger", event = %event.event.id(), failed_attempts, dead, %error,
        cause = error.cause(),
        "event not booked; retry scheduled, or dead letter if `dead` is true"
    );
    counters::failed(Stage::Booking, dead);
    let outcome = match dead {
        true => NotBooked::Dead,
        false => NotBooked::Retry(ledger.settings.callback_retry.delay(failed_attempts)),
    };
    not_booked(ledger, event, outcome, error).await
}

async fn not_booked(
    ledger: &Shared,
    event: &Unbooked,
    outcome: NotBooked,
    error: &Error,
) -> Result<(), Error> {
    let owner = owner(&event.event);
    let subjects: BTreeSet<String> = owner.subjects().collect();
    let mut tx = ledger.store.begin().await?;
    let erasures = Erasures::read(&mut tx, subjects).await?;
    let erased = event.erased || erasures.cover(owner.subjects(), event.event.received_at());
    let reason = format!("booking: {error}");
    tx.mark_not_booked(event, outcome, &reason, owner, erased).await?;
    tx.commit().await
}
