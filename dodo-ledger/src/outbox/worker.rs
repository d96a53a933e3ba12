//! The worker of one sink.

use std::time::Duration;

use tokio::{
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use super::{
    rows::{Mark, Queued, claim, hand_back, mark},
    sink::{ErasedSink, Outgoing, Told},
};
use crate::{
    error::Error,
    ledger::Shared,
    worker::{STORE_PAUSE, Stop, rest},
};

pub(crate) async fn run(ledger: &Shared, sink: &ErasedSink, mut stop: Stop) {
    while stop.borrow().is_none() {
        let wait = match round(ledger, sink, &mut stop).await {
            Ok(Round::Idle) => ledger.settings.poll,
            Ok(Round::Worked { rest: None }) => continue,
            Ok(Round::Worked { rest: Some(wait) }) => {
                // The sink asked for quiet: a newly booked record is no reason to break it.
                let quiet = tokio::sync::Notify::new();
                rest(&quiet, wait, &mut stop).await;
                continue;
            }
            Err(error) => {
                tracing::error!(
                    target: "dodo::sink", sink = sink.name(), error = ?error,
                    "queued records cannot be read or marked"
                );
                STORE_PAUSE
            }
        };
        rest(&ledger.wake_outbox, wait, &mut stop).await;
    }
}

enum Round {
    Idle,
    Worked { rest: Option<Duration> },
}

/// Time that is kept for writing down what the sink said.
const MARK_RESERVE: Duration = Duration::from_secs(2);

async fn round(ledger: &Shared, sink: &ErasedSink, stop: &mut Stop) -> Result<Round, Error> {
    let lease = ledger.settings.lease;
    let rows = claim(&ledger.store, sink.name(), sink.batch_size(), lease).await?;
    if rows.is_empty() {
        return Ok(Round::Idle);
    }
    let (outgoing, mut marks) = sort_out(sink, &rows);
    let mut records: Vec<Outgoing> = outgoing.iter().filter_map(|row| outgoing_of(row)).collect();
    if sink.wants_customer() {
        for outgoing in &mut records {
            outgoing.customer = super::customer::history(&ledger.store, &outgoing.record).await?;
        }
    }
    // In a task of its own, so that a panic is an uncertain end like any other; dropped, it is aborted.
    let mut telling = JoinSet::new();
    if !records.is_empty() {
        let sink = sink.clone();
        telling.spawn(async move { sink.tell(&records).await });
    }
    let telling = async {
        let told =
            timeout(lease.saturating_sub(MARK_RESERVE.min(lease / 4)), telling.join_next()).await;
        told.ok().flatten().and_then(Result::ok).unwrap_or_default()
    };
    let told = tokio::select! {
        told = telling => told,
        () = grace_over(stop) => {
            hand_back(&ledger.store, sink.name(), &rows).await?;
            return Ok(Round::Worked { rest: None });
        }
    };
    // A sink that answered for too few does not know what became of the others.
    let silent = Told::Uncertain { reason: "no answer within the lease" };
    let answers = told.into_iter().chain(std::iter::repeat(silent));
    let mut quiet = None;
    for (row, told) in outgoing.into_iter().zip(answers) {
        if let Told::Failed { after: Some(after), .. } = &told {
            quiet = quiet.max(Some(*after));
        }
        marks.push((row, judge(ledger, sink, row, told)));
    }
    mark(&ledger.store, sink.name(), &marks).await?;
    Ok(Round::Worked { rest: quiet })
}

/// Resolves when the workers were stopped and their grace is over.
async fn grace_over(stop: &mut Stop) {
    let deadline = match stop.wait_for(Option::is_some).await {
        Ok(deadline) => deadline.unwrap_or_else(Instant::now),
        Err(_) => Instant::now(),
    };
    let _over = timeout_at(deadline, std::future::pending::<()>()).await;
}

fn outgoing_of(row: &Queued) -> Option<Outgoing> {
    Some(Outgoing { record: row.record.clone()?, attempt: row.claims, customer: None })
}

/// Splits rows into those to tell and those that are settled without: forgotten records, records the
/// sink no longer wants, and records that the sink would no longer recognise as repeats.
fn sort_out<'r>(
    sink: &ErasedSink,
    rows: &'r [Queued],
) -> (Vec<&'r Queued>, Vec<(&'r Queued, Mark)>) {
    let (mut tell, mut marks) = (Vec::new(), Vec::new());
    for row in rows {
        let forgotten = match (sink.remembers_for(), row.uncertain_for) {
            (Some(memory), Some(uncertain)) => uncertain >= memory,
            _ => false,
        };
        match &row.record {
            None => marks.push((row, Mark::Dead { reason: "the record was erased" })),
            Some(record) if !sink.wants(record) => {
                marks.push((row, Mark::Dead { reason: "no longer for this sink" }));
            }
            Some(_) if forgotten => {
                let reason = "possibly a duplicate: an attempt had an uncertain end too long ago";
                marks.push((row, Mark::Dead { reason }));
            }
            Some(_) => tell.push(row),
        }
    }
    (tell, marks)
}

fn judge(ledger: &Shared, sink: &ErasedSink, row: &Queued, told: Told) -> Mark {
    let failures = row.failures.saturating_add(1);
    let retry = |after: Option<Duration>, reason, uncertain| {
        if failures >= ledger.settings.sink_max_failures {
            return Mark::Dead { reason };
        }
        let jitter = ledger.settings.sink_backoff.jitter(failures);
        Mark::Retry { after: after.map_or(jitter, |after| after + jitter), reason, uncertain }
    };
    let mark = match told {
        Told::Delivered => return Mark::Sent,
        Told::Failed { after, reason } => retry(after, reason, false),
        Told::Uncertain { reason } => retry(None, reason, true),
        Told::Refused { reason } => Mark::Dead { reason },
    };
    match &mark {
        Mark::Dead { reason } => tracing::error!(
            target: "dodo::sink", sink = sink.name(), record = %row.record_id, failures, reason,
            "a record was given up for this sink"
        ),
        Mark::Retry { reason, .. } => tracing::warn!(
            target: "dodo::sink", sink = sink.name(), record = %row.record_id, failures, reason,
            "a record could not be told and will be told again"
        ),
        Mark::Sent => {}
    }
    mark
}
