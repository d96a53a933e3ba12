//! Replay: past records of a sink go back to its queue.

use jiff::Timestamp;

use super::{recipients::Recipients, sink::ErasedSink};
use crate::{
    error::Error,
    store::{
        Store,
        sql::{Rows, Sql, args, millis, sql},
    },
    stored_record::{self, WIDTH},
};

/// The number of records that one transaction reads. SQLite stores no delivery during that
/// transaction.
const PAGE: u32 = 500;

const RECORDS: Sql = sql!(
    "SELECT " RECORD ", occurred_micros, no FROM dodo_record
     WHERE state = 0 AND occurred_micros < $1 AND (occurred_micros, no) > ($2, $3)
     ORDER BY occurred_micros, no LIMIT $4"
);
/// Records without a row. Existing rows are not locked: see [`AGAIN`].
const NEW: Sql = sql!(
    "INSERT INTO dodo_outbox (record_id, sink, created_at, available_at)
     SELECT record_id, sink, " NOW ", " NOW " + wait
     FROM " (rows 1: 1 record_id TEXT, 2 sink TEXT, 3 wait BIGINT) "
     WHERE true ON CONFLICT (record_id, sink) DO NOTHING"
);
/// Rows that are not pending. The sink's worker has the pending ones, and a replay must not wait
/// for rows that it marks.
const AGAIN: Sql = sql!(
    "UPDATE dodo_outbox
     SET state = 'pending', failed_attempts = 0, attempts = 0, available_at = " NOW " + given.wait, finished_at = NULL,
         uncertain_since = NULL, last_error = NULL
     FROM " (rows 1: 1 id TEXT, 2 name TEXT, 3 wait BIGINT) "
     WHERE record_id = given.id AND sink = given.name AND NOT (" PENDING ")"
);

/// Queues the records that the sink accepts and that occurred from `from` to before `until`.
pub(crate) async fn replay(
    store: &Store,
    recipients: &Recipients,
    sink: &ErasedSink,
    (from, until): (Timestamp, Timestamp),
) -> Result<u64, Error> {
    // Numbers begin at 1: the first page begins with the records of `from`.
    let (mut after, mut queued) = ((from.as_microsecond(), 0), 0);
    loop {
        let mut tx = store.begin().await?;
        let args = args![until.as_microsecond(), after.0, after.1, PAGE];
        let page = tx.fetch(&RECORDS, args).await?;
        let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        let mut wanted = Rows::default();
        for mut row in page {
            after = (row.int(WIDTH)?, row.int(WIDTH + 1)?);
            let record = stored_record::read(&mut row)?.record;
            // If the sink panicked, the worker asks it again before it sends.
            if sink.accepts(&record) != Some(false) {
                let wait = recipients.delay(sink, &record);
                wanted.push(args![record.id, sink.name(), millis(wait)]);
            }
        }
        if !wanted.is_empty() {
            queued += tx.execute(&AGAIN, args![wanted.clone()]).await?;
            queued += tx.execute(&NEW, args![wanted]).await?;
        }
        tx.commit().await?;
        if is_last {
            return Ok(queued);
        }
    }
}
