//! Claims due events, and stores the results of their workers. Every write names the fencing token
//! of the claim, so a worker that lost its lease changes no row.

use std::{collections::HashSet, time::Duration};

use super::booking::signed;
use crate::{
    error::Error,
    projection::{Again, Work, read_task},
    store::{
        Store, Tx,
        sql::{Rows, Sql, args, millis, sql},
    },
};

/// A booked event whose callbacks this worker may run until the lease ends, or an event or a timer of a
/// projection.
#[derive(Clone, Debug)]
pub(crate) struct LeasedEvent {
    /// The `webhook-id`, or the id of the row of the projection.
    pub(crate) id: String,
    pub(crate) work: Work,
    pub(crate) fencing_token: i64,
    /// The number of claims, with this one.
    pub(crate) attempts: u32,
    /// The number of failed attempts before this one.
    pub(crate) failed_attempts: u32,
    /// The reason why no callback can read the body. `None`: the body is readable, or not read yet.
    pub(crate) unreadable: Option<String>,
}

impl LeasedEvent {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn is_timer(&self) -> bool {
        matches!(&self.work, Work::Projection(_, task) if task.is_timer())
    }
}

/// The result of a failed run.
#[derive(Clone, Debug)]
pub(crate) enum AttemptOutcome {
    /// A failed attempt. The event is due again after this time.
    Retry { after: Duration, reason: String },
    /// The database failed, so the attempt does not count. The event is due again after this time.
    Defer { after: Duration, reason: String },
    /// The last failed attempt: the event becomes a dead letter.
    Dead { reason: String },
}

/// A lease is an `available_at` in the future: until then, no other worker finds the row due.
const CLAIM: Sql = sql!(
    "WITH due AS MATERIALIZED (
        SELECT id FROM dodo_inbox
        WHERE state = 'pending' AND booked_at IS NOT NULL AND available_at <= " NOW "
        ORDER BY available_at LIMIT $1" SKIP_LOCKED "
    )
    UPDATE dodo_inbox
    SET attempts = attempts + 1, fencing_token = fencing_token + 1, available_at = " NOW " + $2
    WHERE id IN (SELECT id FROM due)
    RETURNING id, body, received_at, live, attempt_at, fencing_token, attempts, failed_attempts,
        projection, occurred_at, timer"
);
const DONE: Sql = sql!(
    "UPDATE dodo_inbox
     SET state = CASE WHEN COALESCE(given.unreadable, dodo_inbox.unreadable) IS NULL
             THEN 'done' ELSE 'parked' END,
         finished_at = " NOW ", last_error = COALESCE(given.unreadable, dodo_inbox.unreadable),
         body = CASE WHEN erased = 1 THEN NULL ELSE body END
     FROM " (rows 1: 1 id TEXT, 2 fencing_token BIGINT, 3 unreadable TEXT) "
     WHERE dodo_inbox.id = given.id AND dodo_inbox.fencing_token = given.fencing_token AND " PENDING "
     RETURNING dodo_inbox.id"
);
const RETRY: Sql = sql!(
    "UPDATE dodo_inbox
     SET failed_attempts = failed_attempts + 1, available_at = " NOW " + $3, last_error = $4
     WHERE id = $1 AND fencing_token = $2 AND state = 'pending'"
);
const DEFER: Sql = sql!(
    "UPDATE dodo_inbox SET available_at = " NOW " + $3, last_error = $4
     WHERE id = $1 AND fencing_token = $2 AND state = 'pending'"
);
const DEAD: Sql = sql!(
    "UPDATE dodo_inbox
     SET failed_attempts = failed_attempts + 1, state = 'dead', finished_at = " NOW ", last_error = $3,
         body = CASE WHEN erased = 1 THEN NULL ELSE body END
     WHERE id = $1 AND fencing_token = $2 AND state = 'pending'"
);
const RELEASE_LEASES: Sql = sql!(
    "UPDATE dodo_inbox SET available_at = " NOW "
     FROM " (rows 1: 1 id TEXT, 2 fencing_token BIGINT) "
     WHERE dodo_inbox.id = given.id AND dodo_inbox.fencing_token = given.fencing_token AND " PENDING
);

/// Claims up to `limit` events whose callbacks are due, until the lease ends.
pub(crate) async fn claim(
    store: &Store,
    limit: u32,
    lease: Duration,
) -> Result<Vec<LeasedEvent>, Error> {
    let rows = store.run(&CLAIM, args![limit, millis(lease)]).await?;
    rows.into_iter()
        .map(|mut row| {
            let count = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
            let event = signed(&mut row)?;
            let (id, fencing_token) = (event.id().to_owned(), row.int(5)?);
            let (attempts, failed_attempts) = (count(row.int(6)?), count(row.int(7)?));
            let work = match read_task(&mut row, 8, &event, attempts)? {
                Some((projection, task)) => Work::Projection(projection, task),
                None => Work::Delivery(event),
            };
            Ok(LeasedEvent { id, work, fencing_token, attempts, failed_attempts, unreadable: None })
        })
        .collect()
}

impl Tx {
    /// Ends a successful run, if its claim still holds. Removes a timer or sets it again, and marks
    /// every other row done.
    pub(crate) async fn end(&mut self, event: &LeasedEvent, again: Again) -> Result<bool, Error> {
        match event.is_timer() {
            true => self.end_timer(event.id(), event.fencing_token, again).await,
            false => Ok(self.mark_done(std::slice::from_ref(event)).await? == [true]),
        }
    }

    /// Marks events done, and unreadable events parked, each if its claim still holds. Returns one
    /// answer for each event.
    pub(crate) async fn mark_done(&mut self, events: &[LeasedEvent]) -> Result<Vec<bool>, Error> {
        let mut rows = Rows::default();
        for event in events {
            rows.push(args![event.id(), event.fencing_token, event.unreadable.as_deref()]);
        }
        let mut marked = HashSet::new();
        for mut row in self.fetch(&DONE, args![rows]).await? {
            marked.insert(row.text(0)?);
        }
        Ok(events.iter().map(|event| marked.contains(event.id())).collect())
    }
}

/// Stores a failed attempt, if the claim still holds.
pub(crate) async fn record_outcome(
    store: &Store,
    event: &LeasedEvent,
    outcome: &AttemptOutcome,
) -> Result<bool, Error> {
    let mut tx = store.begin().await?;
    let (id, fencing_token) = (event.id(), event.fencing_token);
    let changed = match outcome {
        AttemptOutcome::Retry { after, reason } => {
            tx.execute(&RETRY, args![id, fencing_token, millis(*after), reason]).await?
        }
        AttemptOutcome::Defer { after, reason } => {
            tx.execute(&DEFER, args![id, fencing_token, millis(*after), reason]).await?
        }
        AttemptOutcome::Dead { reason } => {
            tx.execute(&DEAD, args![id, fencing_token, reason]).await?
        }
    };
    tx.commit().await?;
    Ok(changed == 1)
}

/// Ends leases early, so that another worker may claim the events at once. No failure is counted.
pub(crate) async fn release_leases(store: &Store, events: &[&LeasedEvent]) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    let mut rows = Rows::default();
    events.iter().for_each(|event| rows.push(args![event.id(), event.fencing_token]));
    let mut tx = store.begin().await?;
    tx.write(&RELEASE_LEASES, rows).await?;
    tx.commit().await
}
