//! Events and timers of projections. They are rows of the inbox, so a worker claims, retries and
//! dead-letters them like deliveries.

use dodo_core::webhook::VerifiedEvent;
use jiff::Timestamp;

use super::{QueuedEvent, Timer};
use crate::{
    error::Error,
    store::{
        Tx,
        sql::{Row, Sql, args, sql},
    },
};

const QUEUE_EVENT: Sql = sql!(
    "INSERT INTO dodo_inbox (id, body, live, received_at, available_at, booked_at, kind, projection)
     VALUES ($1, $2, 1, " NOW ", " NOW ", " NOW ", $3, $4) ON CONFLICT (id) DO NOTHING"
);
/// The new fencing token prevents that a worker that runs the old timer removes the new one. A
/// timer with the same time does not change.
const SET_TIMER: Sql = sql!(
    "INSERT INTO dodo_inbox
        (id, body, live, received_at, available_at, booked_at, occurred_at, kind, projection, timer)
     VALUES ($1, $5, 1, " NOW ", $2, " NOW ", $2, $3, $4, 1)
     ON CONFLICT (id) DO UPDATE
     SET state = 'pending', received_at = excluded.received_at, available_at = excluded.available_at,
         occurred_at = excluded.occurred_at, fencing_token = dodo_inbox.fencing_token + 1,
         attempts = 0, failed_attempts = 0, finished_at = NULL, last_error = NULL, body = excluded.body
     WHERE dodo_inbox.occurred_at <> excluded.occurred_at OR dodo_inbox.attempts > 0"
);
const CLEAR_TIMER: Sql = sql!("DELETE FROM dodo_inbox WHERE id = $1");
const END_TIMER: Sql =
    sql!("DELETE FROM dodo_inbox WHERE id = $1 AND fencing_token = $2 AND state = 'pending'");
const SET_AGAIN: Sql = sql!(
    "UPDATE dodo_inbox
     SET available_at = $3, occurred_at = $3, attempts = 0, failed_attempts = 0, last_error = NULL
     WHERE id = $1 AND fencing_token = $2 AND state = 'pending'"
);

/// The work of a claimed row.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// The callbacks of a delivery.
    Delivery(VerifiedEvent),
    /// A projection, by its name.
    Projection(String, Task),
}

/// The work of a projection.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    Event(QueuedEvent),
    Timer(Timer),
}

/// The new time, if a timer was set again while it ran. `None`: the timer is removed.
pub(crate) type Again = Option<Timestamp>;

impl Task {
    pub(crate) fn is_timer(&self) -> bool {
        matches!(self, Self::Timer(_))
    }
}

fn event_row(projection: &str, id: &str) -> String {
    format!("{projection}:event:{id}")
}

fn timer_row(projection: &str, key: &str) -> String {
    format!("{projection}:timer:{key}")
}

impl Tx {
    pub(super) async fn queue_event(
        &mut self,
        projection: &str,
        id: &str,
        body: String,
    ) -> Result<(), Error> {
        let (row, kind) = (event_row(projection, id), format!("{projection}.event"));
        let args = args![row, body.as_bytes(), kind, projection];
        self.execute(&QUEUE_EVENT, args).await.map(drop)
    }

    pub(super) async fn set_timer(
        &mut self,
        projection: &str,
        key: &str,
        at: Timestamp,
    ) -> Result<(), Error> {
        let (row, kind) = (timer_row(projection, key), format!("{projection}.timer"));
        let no_body: &[u8] = &[];
        let args = args![row, at.as_millisecond(), kind, projection, no_body];
        self.execute(&SET_TIMER, args).await.map(drop)
    }

    pub(super) async fn clear_timer(&mut self, projection: &str, key: &str) -> Result<(), Error> {
        self.execute(&CLEAR_TIMER, args![timer_row(projection, key)]).await.map(drop)
    }

    /// Removes a timer that ran, or sets it again, if the claim still holds.
    pub(crate) async fn end_timer(
        &mut self,
        row: &str,
        fencing_token: i64,
        again: Again,
    ) -> Result<bool, Error> {
        let ended = match again {
            None => self.execute(&END_TIMER, args![row, fencing_token]).await?,
            Some(at) => {
                self.execute(&SET_AGAIN, args![row, fencing_token, at.as_millisecond()]).await?
            }
        };
        Ok(ended == 1)
    }
}

/// The event or the timer of a claimed row whose columns `projection, occurred_at, timer` begin at `first`.
/// `None`: the row is a delivery.
pub(crate) fn read_task(
    row: &mut Row,
    first: usize,
    stored: &VerifiedEvent,
    attempt: u32,
) -> Result<Option<(String, Task)>, Error> {
    let Some(projection) = row.opt_text(first)? else { return Ok(None) };
    let (at, is_timer) = (row.opt_int(first + 1)?, row.int(first + 2)? != 0);
    let name = |prefix: &str| stored.id().strip_prefix(prefix).unwrap_or(stored.id()).to_owned();
    let task = if is_timer {
        let at = Timestamp::from_millisecond(at.unwrap_or_default());
        let at = at.map_err(|_| Error::corrupt("the time of a timer is out of range"))?;
        Task::Timer(Timer { key: name(&timer_row(&projection, "")), at })
    } else {
        let body = String::from_utf8_lossy(stored.body()).into_owned();
        Task::Event(QueuedEvent { id: name(&event_row(&projection, "")), body, attempt })
    };
    Ok(Some((projection, task)))
}
