//! Sinks for operators: counters, dead letters, redrive.

use std::time::Duration;

use crate::{
    error::Error,
    store::{
        Store,
        sql::{Sql, args, sql},
    },
};

/// Counters of a sink's queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SinkStats {
    /// Records that the ledger must still send.
    pub pending: u64,
    /// Dead letters.
    pub dead: u64,
    /// The time since the oldest due record became due.
    pub lag: Duration,
    /// The remaining time of the pause that the sink asked for.
    pub paused_for: Duration,
}

/// A dead letter of a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The record's id, `charge:pay_x`.
    pub record_id: String,
    /// The sink's name.
    pub sink: String,
    /// The number of failed attempts.
    pub failed_attempts: u64,
    /// The reason of the last failed attempt.
    pub reason: Option<String>,
}

const STATS: Sql = sql!(
    "SELECT
        (SELECT COUNT(*) FROM dodo_outbox WHERE sink = $1 AND state = 'pending'),
        (SELECT COUNT(*) FROM dodo_outbox WHERE sink = $1 AND state = 'dead'),
        (SELECT " NOW " - MIN(available_at) FROM dodo_outbox WHERE sink = $1 AND state = 'pending'),
        (SELECT paused_until - " NOW " FROM dodo_sink WHERE name = $1)"
);
const DEAD: Sql = sql!(
    "SELECT record_id, sink, failed_attempts, last_error FROM dodo_outbox
     WHERE sink = $1 AND state = 'dead' ORDER BY finished_at LIMIT $2"
);
const REDRIVE: Sql = sql!(
    "UPDATE dodo_outbox
     SET state = 'pending', failed_attempts = 0, available_at = " NOW ", finished_at = NULL,
         uncertain_since = NULL
     WHERE sink = $1 AND state = 'dead'"
);

const END_PAUSE: Sql = sql!("DELETE FROM dodo_sink WHERE name = $1");
#[cfg(feature = "cli")]
const KNOWN: Sql = sql!("SELECT EXISTS (SELECT 1 FROM dodo_outbox WHERE sink = $1)");

const WORK: Sql = sql!(
    "SELECT EXISTS (SELECT 1 FROM dodo_inbox WHERE state = 'pending'
             AND (timer = 0 OR attempts > 0 OR available_at <= " NOW "))
         OR EXISTS (SELECT 1 FROM dodo_resolve)
         OR EXISTS (SELECT 1 FROM dodo_outbox WHERE state = 'pending')"
);

/// Whether an event, a group or a record waits for a worker.
pub(crate) async fn has_work(store: &Store) -> Result<bool, Error> {
    let row = store.begin_read().await?.fetch_one(&WORK, args![]).await?;
    Ok(row.map(|mut row| row.int(0)).transpose()?.is_some_and(|work| work != 0))
}

#[cfg(feature = "cli")]
/// Whether anything was ever queued for a sink of this name.
pub(crate) async fn is_known(store: &Store, sink: &str) -> Result<bool, Error> {
    let row = store.read().await?.fetch_one(&KNOWN, args![sink]).await?;
    Ok(row.map(|mut row| row.int(0)).transpose()?.is_some_and(|known| known != 0))
}

pub(crate) async fn stats(store: &Store, sink: &str) -> Result<SinkStats, Error> {
    let row = store.read().await?.fetch_one(&STATS, args![sink]).await?;
    let Some(mut row) = row else { return Ok(SinkStats::default()) };
    let time =
        |millis: Option<i64>| Duration::from_millis(millis.unwrap_or(0).max(0).unsigned_abs());
    Ok(SinkStats {
        pending: row.int(0)?.unsigned_abs(),
        dead: row.int(1)?.unsigned_abs(),
        lag: time(row.opt_int(2)?),
        paused_for: time(row.opt_int(3)?),
    })
}

pub(crate) async fn dead_letters(
    store: &Store,
    sink: &str,
    limit: u32,
) -> Result<Vec<DeadLetter>, Error> {
    let rows = store.read().await?.fetch(&DEAD, args![sink, limit]).await?;
    rows.into_iter()
        .map(|mut row| {
            Ok(DeadLetter {
                record_id: row.text(0)?,
                sink: row.text(1)?,
                failed_attempts: row.int(2)?.unsigned_abs(),
                reason: row.opt_text(3)?,
            })
        })
        .collect()
}

pub(crate) async fn redrive(store: &Store, sink: &str) -> Result<u64, Error> {
    let mut tx = store.begin().await?;
    let redriven = tx.execute(&REDRIVE, args![sink]).await?;
    tx.execute(&END_PAUSE, args![sink]).await?;
    tx.commit().await?;
    Ok(redriven)
}
