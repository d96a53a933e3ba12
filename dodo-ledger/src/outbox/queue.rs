//! The rows of the outbox: queued in the booking's transaction, claimed with a lease and a fence.

use std::{collections::HashMap, time::Duration};

use dodo_core::attribution::AttributionRecord;

use crate::{
    error::Error,
    store::{
        Store, Tx,
        sql::{Rows, Sql, args, millis, sql},
    },
    stored_record,
};

/// A record that this worker may send until its lease ends.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) record_id: String,
    /// `Ok(None)`: the record was withdrawn, or is void. An error: it cannot be read.
    pub(super) record: Result<Option<AttributionRecord>, Error>,
    pub(super) fencing_token: i64,
    pub(super) attempts: u32,
    pub(super) failed_attempts: u32,
    /// The age of the first attempt with an unknown outcome.
    pub(super) uncertain_for: Option<Duration>,
}

/// The result of an attempt, for its row.
#[derive(Debug)]
pub(super) enum OutboxUpdate {
    Sent,
    /// `uncertain`: whether the record may have arrived by this attempt or an earlier one.
    Retry {
        after: Duration,
        reason: &'static str,
        uncertain: bool,
    },
    Dead {
        reason: &'static str,
    },
    /// The sink no longer accepts the record.
    Skipped,
}

/// A sent record that changed is not sent again, because sinks deduplicate by its id. A skipped
/// record that was never sent is queued again. One batch may name a record twice.
const ENQUEUE: Sql = sql!(
    "INSERT INTO dodo_outbox (record_id, sink, created_at, available_at)
     SELECT record_id, sink, " NOW ", " NOW " + MIN(wait)
     FROM " (rows 1: 1 record_id TEXT, 2 sink TEXT, 3 wait BIGINT) "
     WHERE true GROUP BY record_id, sink
     ON CONFLICT (record_id, sink) DO UPDATE
     SET state = 'pending', failed_attempts = 0, available_at = excluded.available_at,
         finished_at = NULL, last_error = NULL
     WHERE dodo_outbox.state = 'skipped'"
);
/// Rows without a lease that are not due.
const RELEASE: Sql = sql!(
    "UPDATE dodo_outbox SET available_at = " NOW "
     FROM " (rows 1: 1 id TEXT) "
     WHERE record_id = given.id AND state = 'pending' AND attempts = 0 AND available_at > " NOW
);
const CLAIM: Sql = sql!(
    "WITH due AS MATERIALIZED (
        SELECT record_id FROM dodo_outbox
        WHERE sink = $1 AND state = 'pending' AND available_at <= " NOW "
          AND NOT EXISTS (SELECT 1 FROM dodo_sink WHERE name = $1 AND paused_until > " NOW ")
        ORDER BY available_at, created_at LIMIT $2" SKIP_LOCKED "
    )
    UPDATE dodo_outbox
    SET attempts = attempts + 1, fencing_token = fencing_token + 1, available_at = " NOW " + $3
    WHERE sink = $1 AND record_id IN (SELECT record_id FROM due)
    RETURNING record_id, fencing_token, attempts, failed_attempts, " NOW " - uncertain_since"
);
const RECORDS: Sql = sql!(
    "SELECT " RECORD ", given.wanted FROM " (rows 1: 1 wanted TEXT) "
     CROSS JOIN dodo_record WHERE dodo_record.id = given.wanted AND state = 0"
);
/// Runs before the request is sent, because this process may stop before it knows the outcome.
const IN_FLIGHT: Sql = sql!(
    "UPDATE dodo_outbox SET uncertain_since = COALESCE(uncertain_since, " NOW ")
     FROM " (rows 2: 2 id TEXT, 3 fencing_token BIGINT) "
     WHERE record_id = given.id AND sink = $1 AND dodo_outbox.fencing_token = given.fencing_token
       AND " PENDING
);
const SENT: Sql = sql!(
    "UPDATE dodo_outbox SET state = 'sent', finished_at = " NOW ", last_error = NULL
     FROM " (rows 2: 2 id TEXT, 3 fencing_token BIGINT) "
     WHERE record_id = given.id AND sink = $1 AND dodo_outbox.fencing_token = given.fencing_token
       AND " PENDING
);
const RETRY: Sql = sql!(
    "UPDATE dodo_outbox
     SET failed_attempts = failed_attempts + 1, available_at = " NOW " + given.wait, last_error = given.reason,
         uncertain_since = CASE WHEN given.uncertain = 1 THEN COALESCE(uncertain_since, " NOW ") END
     FROM " (rows 2: 2 id TEXT, 3 fencing_token BIGINT, 4 wait BIGINT, 5 reason TEXT, 6 uncertain BIGINT) "
     WHERE record_id = given.id AND sink = $1 AND dodo_outbox.fencing_token = given.fencing_token
       AND " PENDING
);
const DEAD: Sql = sql!(
    "UPDATE dodo_outbox
     SET failed_attempts = failed_attempts + 1, state = 'dead', finished_at = " NOW ", last_error = given.reason
     FROM " (rows 2: 2 id TEXT, 3 fencing_token BIGINT, 4 reason TEXT) "
     WHERE record_id = given.id AND sink = $1 AND dodo_outbox.fencing_token = given.fencing_token
       AND " PENDING
);
const SKIPPED: Sql = sql!(
    "UPDATE dodo_outbox SET state = 'skipped', finished_at = " NOW "
     FROM " (rows 2: 2 id TEXT, 3 fencing_token BIGINT) "
     WHERE record_id = given.id AND sink = $1 AND dodo_outbox.fencing_token = given.fencing_token
       AND " PENDING
);
/// Adds 2 ms, because both times were cut to whole milliseconds. The longest requested pause
/// counts.
const PAUSE: Sql = sql!(
    "INSERT INTO dodo_sink (name, paused_until) VALUES ($1, " NOW " + $2 + 2)
     ON CONFLICT (name) DO UPDATE SET paused_until = excluded.paused_until
     WHERE dodo_sink.paused_until < excluded.paused_until"
);
const RELEASE_LEASES: Sql = sql!(
    "UPDATE dodo_outbox SET available_at = " NOW "
     FROM " (rows 2: 2 id TEXT, 3 fencing_token BIGINT) "
     WHERE record_id = given.id AND sink = $1 AND dodo_outbox.fencing_token = given.fencing_token
       AND " PENDING
);

impl Tx {
    /// Queues records for sinks, each once, and due after a time.
    pub(crate) async fn enqueue(
        &mut self,
        records: &[(String, String, Duration)],
    ) -> Result<(), Error> {
        let mut rows = Rows::default();
        for (record_id, sink, wait) in records {
            rows.push(args![record_id, sink, millis(*wait)]);
        }
        self.write(&ENQUEUE, rows).await
    }

    /// Makes queued records due now.
    pub(crate) async fn release(&mut self, records: &[&str]) -> Result<(), Error> {
        self.write(&RELEASE, Rows::texts(records.iter().copied())).await
    }
}

/// Pauses a sink: no process claims its rows before the time is over.
pub(super) async fn pause_sink(store: &Store, sink: &str, time: Duration) -> Result<(), Error> {
    store.run(&PAUSE, args![sink, millis(time)]).await.map(drop)
}

/// Claims due records, oldest first.
pub(super) async fn claim(
    store: &Store,
    sink: &str,
    limit: u32,
    lease: Duration,
) -> Result<Vec<Queued>, Error> {
    let mut claimed = Vec::new();
    loop {
        let left = limit.saturating_sub(u32::try_from(claimed.len()).unwrap_or(u32::MAX));
        let asked = left.min(store.outbox_batch());
        let some = match claim_some(store, sink, asked, lease).await {
            // Release the claimed rows at once. The next claim meets the same error.
            Err(_) if !claimed.is_empty() => return Ok(claimed),
            some => some?,
        };
        let no_more = some.len() < usize::try_from(asked).unwrap_or(usize::MAX);
        claimed.extend(some);
        if no_more || asked == left {
            return Ok(claimed);
        }
    }
}

async fn claim_some(
    store: &Store,
    sink: &str,
    limit: u32,
    lease: Duration,
) -> Result<Vec<Queued>, Error> {
    let mut tx = store.begin().await?;
    let mut claimed = Vec::new();
    for mut row in tx.fetch(&CLAIM, args![sink, limit, millis(lease)]).await? {
        let count = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
        let uncertain = row.opt_int(4)?.map(|millis| millis.max(0).unsigned_abs());
        claimed.push(Queued {
            record_id: row.text(0)?,
            record: Ok(None),
            fencing_token: row.int(1)?,
            attempts: count(row.int(2)?),
            failed_attempts: count(row.int(3)?),
            uncertain_for: uncertain.map(Duration::from_millis),
        });
    }
    let mut records = HashMap::new();
    if !claimed.is_empty() {
        let ids = Rows::texts(claimed.iter().map(|queued| &queued.record_id));
        for mut row in tx.fetch(&RECORDS, args![ids]).await? {
            let id = row.text(stored_record::WIDTH)?;
            records.insert(id, stored_record::read(&mut row).map(|stored| Some(stored.record)));
        }
    }
    tx.commit().await?;
    for queued in &mut claimed {
        if let Some(record) = records.remove(&queued.record_id) {
            queued.record = record;
        }
    }
    Ok(claimed)
}

/// Key and fence of each row.
fn fenced<'r>(rows: impl IntoIterator<Item = &'r Queued>) -> Rows {
    let mut fenced = Rows::default();
    rows.into_iter().for_each(|row| fenced.push(args![&row.record_id, row.fencing_token]));
    fenced
}

/// Marks the rows before their request: their outcome is unknown from now on.
pub(super) async fn mark_in_flight(
    store: &Store,
    sink: &str,
    rows: &[&Queued],
) -> Result<(), Error> {
    for rows in rows.chunks(batch(store)) {
        store.run(&IN_FLIGHT, args![sink, fenced(rows.iter().copied())]).await?;
    }
    Ok(())
}

fn batch(store: &Store) -> usize {
    usize::try_from(store.outbox_batch()).unwrap_or(usize::MAX).max(1)
}

/// Stores the results of the rows.
pub(super) async fn mark(
    store: &Store,
    sink: &str,
    updates: &[(&Queued, OutboxUpdate)],
) -> Result<(), Error> {
    for updates in updates.chunks(batch(store)) {
        let (mut sent, mut skipped) = (Rows::default(), Rows::default());
        let (mut retry, mut dead) = (Rows::default(), Rows::default());
        for (row, mark) in updates {
            let (id, fencing_token) = (&row.record_id, row.fencing_token);
            match mark {
                OutboxUpdate::Sent => sent.push(args![id, fencing_token]),
                OutboxUpdate::Retry { after, reason, uncertain } => {
                    retry.push(args![id, fencing_token, millis(*after), *reason, *uncertain]);
                }
                OutboxUpdate::Dead { reason } => dead.push(args![id, fencing_token, *reason]),
                OutboxUpdate::Skipped => skipped.push(args![id, fencing_token]),
            }
        }
        let mut tx = store.begin().await?;
        let updates = [(&SENT, sent), (&RETRY, retry), (&DEAD, dead), (&SKIPPED, skipped)];
        for (sql, rows) in updates {
            if !rows.is_empty() {
                tx.execute(sql, args![sink, rows]).await?;
            }
        }
        tx.commit().await?;
    }
    Ok(())
}

/// Releases leases. No failed attempt is counted. Requests in flight keep their unknown outcome.
pub(super) async fn release_leases(
    store: &Store,
    sink: &str,
    rows: &[Queued],
) -> Result<(), Error> {
    let rows = fenced(rows);
    if !rows.is_empty() {
        store.run(&RELEASE_LEASES, args![sink, rows]).await?;
    }
    Ok(())
}
