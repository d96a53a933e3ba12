//! The worker of one sink.

use std::{pin::pin, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{
    queue::{OutboxUpdate, Queued, claim, mark, mark_in_flight, pause_sink, release_leases},
    sink::{CALLBACK_FAILED, ErasedSink, OutboxRecord, SendOutcome},
};
use crate::{
    counters::{self, Stage},
    error::Error,
    ledger::Shared,
    worker::{POLL, STORE_PAUSE, Shutdown, sleep_until_or_wake},
};

pub(crate) async fn run(ledger: &Shared, sink: &ErasedSink, mut shutdown: Shutdown) {
    while shutdown.borrow().is_none() {
        // Before the query: rows that are queued during the query also wake the worker.
        let mut woken = pin!(ledger.wake_outbox.notified());
        woken.as_mut().enable();
        let wait = match round(ledger, sink, &mut shutdown).await {
            // The queue is empty, or the sink is paused.
            Ok(Round::Idle) => POLL,
            Ok(Round::Worked) => continue,
            Err(error) => {
                tracing::error!(
                    target: "dodo::sink", sink = sink.name(), %error, cause = error.cause(),
                    "outbox rows not read or marked; the worker retries"
                );
                STORE_PAUSE
            }
        };
        sleep_until_or_wake(woken, wait, &mut shutdown).await;
    }
}

enum Round {
    Idle,
    Worked,
}

/// The lease of claimed records. Sinks over HTTP begin no request in its second half, and a request
/// takes at most 15 s.
const LEASE: Duration = Duration::from_secs(60);
/// The time that the worker reserves to store the results of the sink.
const MARK_RESERVE: Duration = Duration::from_secs(2);
/// The longest pause of a sink.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

async fn round(
    ledger: &Shared,
    sink: &ErasedSink,
    shutdown: &mut Shutdown,
) -> Result<Round, Error> {
    // Measured before the claim, so the worker never assumes a later end than the database.
    let until = Instant::now() + LEASE.saturating_sub(MARK_RESERVE);
    let rows = claim(&ledger.store, sink.name(), sink.max_batch(), LEASE).await?;
    if rows.is_empty() {
        return Ok(Round::Idle);
    }
    let mut updates = Vec::new();
    let (mut outgoing, mut records) = (Vec::new(), Vec::new());
    for row in &rows {
        match prepare(ledger, sink, row).await? {
            Prepared::Send(record) => {
                outgoing.push(row);
                records.push(*record);
            }
            Prepared::Failed(reason) => {
                let outcome = SendOutcome::Retry { after: None, reason };
                updates.push((row, plan_retry(ledger, sink, row, outcome)));
            }
            Prepared::Settled(mark) => updates.push((row, mark)),
        }
    }
    if sink.dedup_window().is_some() {
        mark_in_flight(&ledger.store, sink.name(), &outgoing).await?;
    }
    // The call runs in its own task, so that a panic gives an unknown outcome. If the caller is
    // dropped, the task is aborted.
    let mut sending = JoinSet::new();
    if !records.is_empty() {
        let sink = sink.clone();
        sending.spawn(async move { sink.send(&records).await });
    }
    let sending = async {
        let outcome = timeout_at(until, sending.join_next()).await;
        outcome.ok().flatten().and_then(Result::ok).unwrap_or_default()
    };
    let outcome = tokio::select! {
        outcome = sending => outcome,
        () = grace_over(shutdown) => {
            release_leases(&ledger.store, sink.name(), &rows).await?;
            return Ok(Round::Worked);
        }
    };
    // If the sink returned too few results, the outcome of the other records is unknown.
    let silent = SendOutcome::Unknown { after: None, reason: "no answer within the lease" };
    let answers = outcome.into_iter().chain(std::iter::repeat(silent));
    let mut pause = None;
    for (row, outcome) in outgoing.into_iter().zip(answers) {
        if let SendOutcome::Retry { after, .. } | SendOutcome::Unknown { after, .. } = &outcome {
            pause = pause.max(*after);
        }
        updates.push((row, plan_retry(ledger, sink, row, outcome)));
    }
    // Stop at once, before failed rows can be claimed again. The worker marks sent rows in any
    // case.
    let pause = match pause {
        Some(time) => pause_sink(&ledger.store, sink.name(), time.min(LONGEST_PAUSE)).await,
        None => Ok(()),
    };
    mark(&ledger.store, sink.name(), &updates).await?;
    pause.map(|()| Round::Worked)
}

/// Resolves when the workers are stopped and their grace period is over.
async fn grace_over(shutdown: &mut Shutdown) {
    let deadline = match shutdown.wait_for(Option::is_some).await {
        Ok(deadline) => deadline.unwrap_or_else(Instant::now),
        Err(_) => Instant::now(),
    };
    let _over = timeout_at(deadline, std::future::pending::<()>()).await;
}

/// The next action for a row.
enum Prepared {
    Send(Box<OutboxRecord>),
    /// It cannot be sent now. This counts like a failure of the sink, because no record may delay
    /// the others.
    Failed(&'static str),
    /// The row ends without a request.
    Settled(OutboxUpdate),
}

async fn prepare(ledger: &Shared, sink: &ErasedSink, row: &Queued) -> Result<Prepared, Error> {
    let record = match &row.record {
        Ok(Some(record)) => record.clone(),
        Ok(None) => return Ok(Prepared::Settled(OutboxUpdate::Skipped)),
        Err(_) => return Ok(Prepared::Failed("the record cannot be read")),
    };
    match sink.accepts(&record) {
        Some(true) => {}
        Some(false) => return Ok(Prepared::Settled(OutboxUpdate::Skipped)),
        None => return Ok(Prepared::Failed("the sink panicked when it was asked")),
    }
    if let (Some(memory), Some(uncertain)) = (sink.dedup_window(), row.uncertain_for)
        && uncertain >= memory
    {
        let reason = "possibly a duplicate: an attempt had an uncertain end too long ago";
        return Ok(Prepared::Settled(OutboxUpdate::Dead { reason }));
    }
    let mut outgoing = OutboxRecord { record, attempt: row.attempts, customer: None };
    if sink.needs_customer_history() {
        match super::customer_history::history(&ledger.store, &outgoing.record).await {
            Ok(history) => outgoing.customer = history,
            Err(error) if error.is_the_databases() => return Err(error),
            Err(_) => return Ok(Prepared::Failed("the customer's history cannot be read")),
        }
    }
    Ok(Prepared::Send(Box::new(outgoing)))
}

fn plan_retry(
    ledger: &Shared,
    sink: &ErasedSink,
    row: &Queued,
    outcome: SendOutcome,
) -> OutboxUpdate {
    let failed_attempts = row.failed_attempts.saturating_add(1);
    let retry = |after: Option<Duration>, reason, uncertain| {
        if ledger.settings.sink_retry.is_exhausted(failed_attempts) {
            return OutboxUpdate::Dead { reason };
        }
        let jitter = ledger.settings.sink_retry.delay(failed_attempts);
        let uncertain = uncertain || row.uncertain_for.is_some();
        let after = after.unwrap_or_default().min(LONGEST_PAUSE);
        OutboxUpdate::Retry { after: after.saturating_add(jitter), reason, uncertain }
    };
    let mark = match outcome {
        SendOutcome::Accepted => return OutboxUpdate::Sent,
        SendOutcome::Retry { after, reason } => retry(after, reason, false),
        SendOutcome::Unknown { after, reason } => retry(after, reason, true),
        SendOutcome::Rejected { reason } => OutboxUpdate::Dead { reason },
    };
    counters::failed(Stage::Sink, matches!(mark, OutboxUpdate::Dead { .. }));
    match &mark {
        OutboxUpdate::Dead { reason } => tracing::error!(
            target: "dodo::sink", sink = sink.name(), record = %row.record_id, failed_attempts, reason,
            "record moved to dead letters; after the fix, run `ledger redrive-sink <name>`"
        ),
        OutboxUpdate::Retry { reason, .. } if *reason == CALLBACK_FAILED => {}
        OutboxUpdate::Retry { reason, .. } => tracing::warn!(
            target: "dodo::sink", sink = sink.name(), record = %row.record_id, failed_attempts, reason,
            "sink request failed; retry scheduled"
        ),
        OutboxUpdate::Sent | OutboxUpdate::Skipped => {}
    }
    mark
}
