//! The inbox for operators: counters, dead letters, redrive, replay, erasure of bodies.

use std::{fmt, str::FromStr, time::Duration};

use crate::{
    error::Error,
    store::{
        Store,
        sql::{Row, Sql, args, millis, sql},
    },
};

/// Counters of the inbox. Done events are not counted, because there may be millions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboxStats {
    /// Stored events that are not done: new, running, or waiting for the next attempt. Includes the
    /// events of [projections](crate::projection), and their timers that are due.
    pub pending: u64,
    /// Pending and not yet in the ledger.
    pub unbooked: u64,
    /// Dead letters: their attempts are exhausted. List them with
    /// [`Ledger::failed_events`](crate::Ledger::failed_events).
    pub dead: u64,
    /// Parked events: a valid signature and an unreadable body.
    pub parked: u64,
    /// The time since the oldest due event became due.
    pub lag: Duration,
}

/// An event as the inbox holds it, without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredEvent {
    /// The `webhook-id`.
    pub id: String,
    /// `pending`, `done`, `dead` or `parked`.
    pub state: String,
    /// The event's type, once it was booked.
    pub kind: Option<String>,
    /// The time of arrival, in milliseconds since 1970.
    pub received_at: i64,
    /// Whether its records are in the ledger.
    pub is_booked: bool,
    /// The number of attempts of its callbacks.
    pub attempts: u64,
    /// The number of failed attempts.
    pub failed_attempts: u64,
    /// The reason of the last failed attempt: a text of this crate, never one of the callback.
    pub last_error: Option<String>,
    /// Whether the ledger still has the body. Retention erases it some time after the event is
    /// done.
    pub has_body: bool,
}

/// A page of dead and parked events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedEventPage {
    /// The events, the newest failure first.
    pub events: Vec<StoredEvent>,
    /// The place of the last one. `None`: the list ends here.
    pub next: Option<FailedEventCursor>,
}

/// The place of an event in the list of failed events: the next page begins after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FailedEventCursor {
    at: i64,
    id: String,
}

impl fmt::Display for FailedEventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at, self.id)
    }
}

impl FromStr for FailedEventCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (at, id) = text.split_once('.').unwrap_or_default();
        match at.parse() {
            Ok(at) => Ok(Self { at, id: id.to_owned() }),
            Err(_) => Err(Error::config("take a cursor from the page before")),
        }
    }
}

const STATS: Sql = sql!(
    "SELECT
        (SELECT COUNT(*) FROM dodo_inbox WHERE state = 'pending' AND booked_at IS NOT NULL
            AND (timer = 0 OR attempts > 0 OR available_at <= " NOW ")),
        (SELECT COUNT(*) FROM dodo_inbox WHERE state = 'pending' AND booked_at IS NULL),
        (SELECT COUNT(*) FROM dodo_inbox WHERE state IN ('dead', 'parked') AND state = 'dead'),
        (SELECT COUNT(*) FROM dodo_inbox WHERE state IN ('dead', 'parked') AND state = 'parked'),
        (SELECT " NOW " - MIN(available_at) FROM dodo_inbox
         WHERE state = 'pending' AND booked_at IS NULL),
        (SELECT " NOW " - MIN(available_at) FROM dodo_inbox
         WHERE state = 'pending' AND booked_at IS NOT NULL)"
);
const FAILED: Sql = sql!(
    "SELECT id, state, kind, received_at,
        CASE WHEN unreadable IS NULL THEN booked_at END, attempts, failed_attempts, last_error, body IS NOT NULL
     FROM dodo_inbox WHERE state IN ('dead', 'parked') ORDER BY finished_at LIMIT $1"
);
const FAILED_PAGE: Sql = sql!(
    "SELECT id, state, kind, received_at,
        CASE WHEN unreadable IS NULL THEN booked_at END, attempts, failed_attempts, last_error,
        body IS NOT NULL, finished_at
     FROM dodo_inbox WHERE state IN ('dead', 'parked') AND (finished_at, id) < ($1, $2)
     ORDER BY finished_at DESC, id DESC LIMIT $3"
);
const ONE: Sql = sql!(
    "SELECT id, state, kind, received_at,
        CASE WHEN unreadable IS NULL THEN booked_at END, attempts, failed_attempts, last_error, body IS NOT NULL
     FROM dodo_inbox WHERE id = $1"
);
const REDRIVE: Sql = sql!(
    "UPDATE dodo_inbox
     SET state = 'pending', failed_attempts = 0, available_at = " NOW ", finished_at = NULL,
         booked_at = CASE WHEN unreadable IS NULL THEN booked_at END, unreadable = NULL
     WHERE id = $1 AND state IN ('dead', 'parked') AND body IS NOT NULL"
);
const REDRIVE_ALL: Sql = sql!(
    "UPDATE dodo_inbox
     SET state = 'pending', failed_attempts = 0, available_at = " NOW ", finished_at = NULL,
         booked_at = CASE WHEN unreadable IS NULL THEN booked_at END, unreadable = NULL
     WHERE state IN ('dead', 'parked') AND state = $1 AND body IS NOT NULL"
);
/// The new fencing token prevents that a worker that still runs the event marks it done.
const REPLAY: Sql = sql!(
    "UPDATE dodo_inbox
     SET state = 'pending', failed_attempts = 0, fencing_token = fencing_token + 1, available_at = " NOW ",
         finished_at = NULL,
         booked_at = CASE WHEN unreadable IS NULL THEN booked_at END, unreadable = NULL
     WHERE id = $1 AND state <> 'pending' AND body IS NOT NULL"
);
/// The statement checks the state twice, here and below: an operator may redrive an event while the
/// statement waits for its row.
const ERASE_DONE: Sql = sql!(
    "UPDATE dodo_inbox SET body = NULL, customer_id = NULL, email_sha256 = NULL
     WHERE id IN (SELECT id FROM dodo_inbox
                  WHERE state = 'done' AND body IS NOT NULL AND finished_at <= " NOW " - $1
                  LIMIT $2)
       AND state = 'done'"
);
const ERASE_FAILED: Sql = sql!(
    "UPDATE dodo_inbox SET body = NULL, customer_id = NULL, email_sha256 = NULL
     WHERE id IN (SELECT id FROM dodo_inbox
                  WHERE state IN ('dead', 'parked') AND body IS NOT NULL
                    AND finished_at <= " NOW " - $1
                  LIMIT $2)
       AND state IN ('dead', 'parked')"
);
/// Rows erased per transaction, so that no task waits long for the lock.
const ERASE_BATCH: u32 = 500;

fn read_event(mut row: Row) -> Result<StoredEvent, Error> {
    Ok(StoredEvent {
        id: row.text(0)?,
        state: row.text(1)?,
        kind: row.opt_text(2)?,
        received_at: row.int(3)?,
        is_booked: row.opt_int(4)?.is_some(),
        attempts: row.int(5)?.unsigned_abs(),
        failed_attempts: row.int(6)?.unsigned_abs(),
        last_error: row.opt_text(7)?,
        has_body: row.int(8)? != 0,
    })
}

pub(crate) async fn stats(store: &Store) -> Result<InboxStats, Error> {
    let mut tx = store.read().await?;
    let Some(mut row) = tx.fetch_one(&STATS, args![]).await? else {
        return Ok(InboxStats::default());
    };
    let lag = row.opt_int(4)?.max(row.opt_int(5)?).unwrap_or(0).max(0).unsigned_abs();
    let (booked, unbooked) = (row.int(0)?.unsigned_abs(), row.int(1)?.unsigned_abs());
    Ok(InboxStats {
        pending: booked + unbooked,
        unbooked,
        dead: row.int(2)?.unsigned_abs(),
        parked: row.int(3)?.unsigned_abs(),
        lag: Duration::from_millis(lag),
    })
}

pub(crate) async fn failed(store: &Store, limit: u32) -> Result<Vec<StoredEvent>, Error> {
    let rows = store.read().await?.fetch(&FAILED, args![limit]).await?;
    rows.into_iter().map(read_event).collect()
}

pub(crate) async fn failed_page(
    store: &Store,
    limit: u32,
    after: Option<FailedEventCursor>,
) -> Result<FailedEventPage, Error> {
    let FailedEventCursor { at, id } =
        after.unwrap_or(FailedEventCursor { at: i64::MAX, id: String::new() });
    let asked = args![at, id, limit.saturating_add(1)];
    let mut events = Vec::new();
    for mut row in store.read().await?.fetch(&FAILED_PAGE, asked).await? {
        let at = row.opt_int(9)?.unwrap_or_default();
        events.push((at, read_event(row)?));
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = events.len() > limit;
    events.truncate(limit);
    let next = events.last().filter(|_| has_more);
    let next = next.map(|(at, event)| FailedEventCursor { at: *at, id: event.id.clone() });
    Ok(FailedEventPage { events: events.into_iter().map(|(_, event)| event).collect(), next })
}

pub(crate) async fn event(store: &Store, id: &str) -> Result<Option<StoredEvent>, Error> {
    store.read().await?.fetch_one(&ONE, args![id]).await?.map(read_event).transpose()
}

async fn change(store: &Store, sql: &Sql, arg: &str) -> Result<u64, Error> {
    let mut tx = store.begin().await?;
    let changed = tx.execute(sql, args![arg]).await?;
    tx.commit().await?;
    Ok(changed)
}

pub(crate) async fn redrive(store: &Store, id: &str) -> Result<bool, Error> {
    Ok(change(store, &REDRIVE, id).await? == 1)
}

pub(crate) async fn redrive_all(store: &Store, state: &str) -> Result<u64, Error> {
    change(store, &REDRIVE_ALL, state).await
}

pub(crate) async fn replay(store: &Store, id: &str) -> Result<bool, Error> {
    Ok(change(store, &REPLAY, id).await? == 1)
}

/// Erases the bodies of events that were done this long ago. Their ids stay.
pub(crate) async fn prune_bodies(store: &Store, older_than: Duration) -> Result<u64, Error> {
    erase(store, &ERASE_DONE, older_than).await
}

/// Erases the bodies of events that have been dead or parked for this long. Their ids stay.
pub(crate) async fn erase_failed_bodies(store: &Store, older_than: Duration) -> Result<u64, Error> {
    erase(store, &ERASE_FAILED, older_than).await
}

async fn erase(store: &Store, sql: &Sql, older_than: Duration) -> Result<u64, Error> {
    let age = millis(older_than);
    let mut erased = 0;
    loop {
        let mut tx = store.begin().await?;
        let batch = tx.execute(sql, args![age, ERASE_BATCH]).await?;
        tx.commit().await?;
        erased += batch;
        if batch < u64::from(ERASE_BATCH) {
            if erased > 0 {
                store.purge_erased().await;
            }
            return Ok(erased);
        }
    }
}
