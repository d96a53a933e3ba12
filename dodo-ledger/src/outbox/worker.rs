//! The worker of one sink.

use std::{pin::pin, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{
    queue::{Mark, Queued, claim, hand_back, mark, mark_in_flight, pause_sink},
    sink::{CALLBACK_FAILED, ErasedSink, OutboxRecord, SendOutcome},
};
use crate::{
    counters::{self, Stage},
    error::Error,
    fault::mutant,
    ledger::Shared,
    worker::{STORE_PAUSE, Stop, sleep_until_or_wake},
};

pub(crate) async fn run(ledger: &Shared, sink: &ErasedSink, mut stop: Stop) {
    while stop.borrow().is_none() {
        // Before the query: rows that are queued during the query also wake the worker.
        let mut woken = pin!(ledger.wake_outbox.notified());
        woken.as_mut().enable();
        let wait = match round(ledger, sink, &mut stop).await {
            // Or paused: then the worker claims nothing either.
            Ok(Round::Idle) => ledger.settings.poll,
            Ok(Round::Worked) => continue,
            Err(error) => {
                tracing::error!(
                    target: "dodo::sink", sink = sink.name(), %error, cause = error.cause(),
                    "outbox rows not read or marked; the worker retries"
                );
                STORE_PAUSE
            }
        };
        sleep_until_or_wake(woken, wait, &mut stop).await;
    }
}

enum Round {
    Idle,
    Worked,
}

/// How long a worker owns the records that it tells. The sinks over HTTP begin no request in its
/// second half, and a request takes 15 s at most.
const LEASE: Duration = Duration::from_secs(60);
/// Time that is kept for writing down what the sink said.
const MARK_RESERVE: Duration = Duration::from_secs(2);
/// The longest pause of a sink.
const LONGEST_QUIET: Duration = Duration::from_secs(24 * 3600);

async fn round(ledger: &Shared, sink: &ErasedSink, stop: &mut Stop) -> Result<Round, Error> {
    // From before the claim: a lease may only be believed to end too early.
    let until = Instant::now() + LEASE.saturating_sub(MARK_RESERVE);
    let rows = claim(&ledger.store, sink.name(), sink.max_batch(), LEASE).await?;
    if rows.is_empty() {
        return Ok(Round::Idle);
    }
    let mut marks = Vec::new();
    let (mut outgoing, mut records) = (Vec::new(), Vec::new());
    for row in &rows {
        match prepare(ledger, sink, row).await? {
            Ready::Tell(record) => {
                outgoing.push(row);
                records.push(*record);
            }
            Ready::Failed(reason) => {
                let told = SendOutcome::Retry { after: None, reason };
                marks.push((row, judge(ledger, sink, row, told)));
            }
            Ready::Settled(mark) => marks.push((row, mark)),
        }
    }
    if sink.dedup_window().is_some() {
        mark_in_flight(&ledger.store, sink.name(), &outgoing).await?;
    }
    // In a task of its own, so that a panic is an uncertain end like any other; dropped, it is aborted.
    let mut telling = JoinSet::new();
    if !records.is_empty() {
        let sink = sink.clone();
        telling.spawn(async move { sink.send(&records).await });
    }
    let telling = async {
        let told = timeout_at(until, telling.join_next()).await;
        told.ok().flatten().and_then(Result::ok).unwrap_or_default()
    };
    let told = tokio::select! {
        told = telling => told,
        () = grace_over(stop) => {
            hand_back(&ledger.store, sink.name(), &rows).await?;
            return Ok(Round::Worked);
        }
    };
    // A sink that answered for too few does not know what became of the others.
    let silent = SendOutcome::Unknown { after: None, reason: "no answer within the lease" };
    let answers = told.into_iter().map(heard).chain(std::iter::repeat(silent));
    let mut quiet = None;
    for (row, told) in outgoing.into_iter().zip(answers) {
        if let SendOutcome::Retry { after, .. } | SendOutcome::Unknown { after, .. } = &told {
            quiet = quiet.max(*after);
        }
        marks.push((row, judge(ledger, sink, row, told)));
    }
    // At once, before failed rows can be claimed again. Sent rows are marked in any case.
    let quiet = match quiet {
        Some(time) => pause_sink(&ledger.store, sink.name(), time.min(LONGEST_QUIET)).await,
        None => Ok(()),
    };
    mark(&ledger.store, sink.name(), &marks).await?;
    quiet.map(|()| Round::Worked)
}

/// Resolves when the workers were stopped and their grace is over.
async fn grace_over(stop: &mut Stop) {
    let deadline = match stop.wait_for(Option::is_some).await {
        Ok(deadline) => deadline.unwrap_or_else(Instant::now),
        Err(_) => Instant::now(),
    };
    let _over = timeout_at(deadline, std::future::pending::<()>()).await;
}

/// The next action for a row.
enum Ready {
    Tell(Box<OutboxRecord>),
    /// It cannot be sent now. This counts like a failure of the sink, because no record may delay
    /// the others.
    Failed(&'static str),
    /// It is settled without telling.
    Settled(Mark),
}

async fn prepare(ledger: &Shared, sink: &ErasedSink, row: &Queued) -> Result<Ready, Error> {
    let record = match &row.record {
        Ok(Some(record)) => record.clone(),
        Ok(None) => return Ok(Ready::Settled(Mark::Unwanted)),
        Err(_) => return Ok(Ready::Failed("the record cannot be read")),
    };
    match sink.accepts(&record) {
        Some(true) => {}
        Some(false) => return Ok(Ready::Settled(Mark::Unwanted)),
        None => return Ok(Ready::Failed("the sink panicked when it was asked")),
    }
    if let (Some(memory), Some(uncertain)) = (sink.dedup_window(), row.uncertain_for)
        && uncertain >= memory
    {
        let reason = "possibly a duplicate: an attempt had an uncertain end too long ago";
        return Ok(Ready::Settled(Mark::Dead { reason }));
    }
    let mut outgoing = OutboxRecord { record, attempt: row.claims, customer: None };
    if sink.needs_customer_history() {
        match super::customer_history::history(&ledger.store, &outgoing.record).await {
            Ok(history) => outgoing.customer = history,
            Err(error) if error.is_the_databases() => return Err(error),
            Err(_) => return Ok(Ready::Failed("the customer's history cannot be read")),
        }
    }
    if mutant("new_message_id") {
        outgoing.record.id = format!("{}#{}", row.record_id, row.claims);
    }
    Ok(Ready::Tell(Box::new(outgoing)))
}

/// What the sink said, or what a mutant makes of it.
fn heard(told: SendOutcome) -> SendOutcome {
    match told {
        SendOutcome::Retry { after: None, .. } if mutant("failure_is_delivery") => {
            SendOutcome::Accepted
        }
        SendOutcome::Retry { reason, .. } if mutant("retry_after_ignored") => {
            SendOutcome::Retry { after: None, reason }
        }
        SendOutcome::Unknown { reason, .. } if mutant("retry_after_ignored") => {
            SendOutcome::Unknown { after: None, reason }
        }
        told => told,
    }
}

fn judge(ledger: &Shared, sink: &ErasedSink, row: &Queued, told: SendOutcome) -> Mark {
    let failures = row.failures.saturating_add(1);
    let retry = |after: Option<Duration>, reason, uncertain| {
        if ledger.settings.sink_retry.is_exhausted(failures) {
            return Mark::Dead { reason };
        }
        let jitter = ledger.settings.sink_retry.delay(failures);
        let uncertain = uncertain || row.uncertain_for.is_some();
        let after = after.unwrap_or_default().min(LONGEST_QUIET);
        Mark::Retry { after: after.saturating_add(jitter), reason, uncertain }
    };
    let mark = match told {
        SendOutcome::Accepted => return Mark::Sent,
        SendOutcome::Retry { after, reason } => retry(after, reason, false),
        SendOutcome::Unknown { after, reason } => retry(after, reason, true),
        SendOutcome::Rejected { reason } => Mark::Dead { reason },
    };
    counters::failed(Stage::Sink, matches!(mark, Mark::Dead { .. }));
    match &mark {
        Mark::Dead { reason } => tracing::error!(
            target: "dodo::sink", sink = sink.name(), record = %row.record_id, failures, reason,
            "record moved to dead letters; after the fix, run `ledger redrive-sink <name>`"
        ),
        Mark::Retry { reason, .. } if *reason == CALLBACK_FAILED => {}
        Mark::Retry { reason, .. } => tracing::warn!(
            target: "dodo::sink", sink = sink.name(), record = %row.record_id, failures, reason,
            "sink request failed; retry scheduled"
        ),
        Mark::Sent | Mark::Unwanted => {}
    }
    mark
}
