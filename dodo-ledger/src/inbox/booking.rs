//! Events on their way into the ledger. Claim, booking and mark are one transaction, so an event needs no
//! lease here: the transaction of a worker that dies rolls back.

use std::time::Duration;

use dodo_core::webhook::VerifiedEvent;
use jiff::Timestamp;

use crate::{
    attribution::event_owner::EventOwner,
    error::Error,
    store::{
        Tx,
        sql::{Row, Rows, Sql, args, millis, sql},
    },
};

/// An event that is stored and not yet booked.
#[derive(Clone, Debug)]
pub(crate) struct Unbooked {
    pub(crate) event: VerifiedEvent,
    pub(crate) failed_attempts: u32,
    /// The customer was erased while the event was pending, so the event is booked without personal
    /// data.
    pub(crate) erased: bool,
}

/// The values that the inbox stores of a booked event.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventMeta {
    pub(crate) kind: String,
    /// The envelope's time, in milliseconds since 1970.
    pub(crate) occurred_at: i64,
    pub(crate) owner: EventOwner,
    /// An erasure finds the customer of the address by the fact, so the inbox need not store the address.
    pub(crate) is_address_in_fact: bool,
    /// The ledger erases the body when the event is done, and stores no customer with it.
    pub(crate) erased: bool,
    /// Without callbacks, the event is done with its booking.
    pub(crate) has_callbacks: bool,
}

/// The outcome of an event that was not booked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NotBooked {
    /// A failed attempt. The event is due again after this time.
    Retry(Duration),
    /// The database failed, so the attempt does not count. The event is due again after this time.
    Defer(Duration),
    /// The last failed attempt: the event becomes a dead letter.
    Dead,
}

const DUE: Sql = sql!(
    "SELECT id, body, received_at, live, attempt_at, failed_attempts, erased FROM dodo_inbox
     WHERE state = 'pending' AND booked_at IS NULL AND available_at <= " NOW "
     ORDER BY available_at LIMIT $1" SKIP_LOCKED
);
const BY_ID: Sql = sql!(
    "SELECT id, body, received_at, live, attempt_at, failed_attempts, erased FROM dodo_inbox
     WHERE id = $1 AND state = 'pending' AND booked_at IS NULL AND available_at <= " NOW LOCKED
);
/// The count starts again at 0: callbacks count their own failed attempts.
const BOOKED: Sql = sql!(
    "UPDATE dodo_inbox
     SET booked_at = " NOW ", available_at = " NOW ", failed_attempts = 0, kind = given.kind,
         occurred_at = given.occurred_at, customer_id = given.customer_id,
         email_sha256 = given.email_sha256, erased = given.erased
     FROM " (rows 1: 1 id TEXT, 2 kind TEXT, 3 occurred_at BIGINT, 4 customer_id TEXT,
                     5 email_sha256 TEXT, 6 erased BIGINT) "
     WHERE dodo_inbox.id = given.id"
);
/// For events without callbacks. Its own statement, so that the mark of the others needs fewer rights.
const DONE: Sql = sql!(
    "UPDATE dodo_inbox
     SET booked_at = " NOW ", failed_attempts = 0, kind = given.kind,
         occurred_at = given.occurred_at, customer_id = given.customer_id,
         email_sha256 = given.email_sha256, erased = given.erased,
         state = 'done', finished_at = " NOW ",
         body = CASE WHEN given.erased = 1 THEN NULL ELSE body END
     FROM " (rows 1: 1 id TEXT, 2 kind TEXT, 3 occurred_at BIGINT, 4 customer_id TEXT,
                     5 email_sha256 TEXT, 6 erased BIGINT) "
     WHERE dodo_inbox.id = given.id"
);
const UNREADABLE: Sql = sql!(
    "UPDATE dodo_inbox
     SET booked_at = " NOW ", available_at = " NOW ", failed_attempts = 0, unreadable = $2,
         customer_id = $3, email_sha256 = $4, erased = $5
     WHERE id = $1"
);
/// Another instance may have counted a failed attempt since the claim, so this statement counts
/// from the number that this worker read. The customer is stored in any case, so that an erasure
/// finds the body.
const RETRY: Sql = sql!(
    "UPDATE dodo_inbox
     SET failed_attempts = failed_attempts + 1, last_error = $3,
         erased = CASE WHEN $6 = 1 THEN 1 ELSE erased END,
         customer_id = CASE WHEN erased = 1 THEN NULL ELSE $4 END,
         email_sha256 = CASE WHEN erased = 1 THEN NULL ELSE $5 END,
         available_at = " NOW " + $7
     WHERE id = $1 AND failed_attempts = $2 AND state = 'pending' AND booked_at IS NULL"
);
const DEFER: Sql = sql!(
    "UPDATE dodo_inbox
     SET last_error = $3,
         erased = CASE WHEN $6 = 1 THEN 1 ELSE erased END,
         customer_id = CASE WHEN erased = 1 THEN NULL ELSE $4 END,
         email_sha256 = CASE WHEN erased = 1 THEN NULL ELSE $5 END,
         available_at = " NOW " + $7
     WHERE id = $1 AND failed_attempts >= $2 AND state = 'pending' AND booked_at IS NULL"
);
const DEAD: Sql = sql!(
    "UPDATE dodo_inbox
     SET failed_attempts = failed_attempts + 1, state = 'dead', finished_at = " NOW ", last_error = $3,
         erased = CASE WHEN $6 = 1 THEN 1 ELSE erased END,
         body = CASE WHEN erased = 1 OR $6 = 1 THEN NULL ELSE body END,
         customer_id = CASE WHEN erased = 1 THEN NULL ELSE $4 END,
         email_sha256 = CASE WHEN erased = 1 THEN NULL ELSE $5 END
     WHERE id = $1 AND failed_attempts = $2 AND state = 'pending' AND booked_at IS NULL"
);

impl Tx {
    /// Takes the events that are due for booking and that no other instance has taken, oldest first.
    pub(crate) async fn unbooked(&mut self, limit: u32) -> Result<Vec<Unbooked>, Error> {
        let rows = self.fetch(&DUE, args![limit]).await?;
        rows.into_iter().map(read).collect()
    }

    /// Takes one event, if it is still due for booking after another transaction released it.
    pub(crate) async fn unbooked_by_id(&mut self, id: &str) -> Result<Option<Unbooked>, Error> {
        self.fetch_one(&BY_ID, args![id]).await?.map(read).transpose()
    }

    /// Marks events as booked, by their ids, and those without callbacks as done.
    pub(crate) async fn mark_booked(&mut self, booked: &[(&str, EventMeta)]) -> Result<(), Error> {
        let (mut due, mut done) = (Rows::default(), Rows::default());
        for (id, seen) in booked {
            let EventOwner { customer_id, email_sha256 } = seen.owner.clone().unless(seen.erased);
            let email_sha256 = email_sha256.filter(|_| !seen.is_address_in_fact);
            let (kind, at, erased) = (&seen.kind, seen.occurred_at, seen.erased);
            let rows = if seen.has_callbacks { &mut due } else { &mut done };
            rows.push(args![*id, kind, at, customer_id, email_sha256, erased]);
        }
        self.write(&BOOKED, due).await?;
        self.write(&DONE, done).await
    }

    /// Marks a signed event with an unreadable body. Its callbacks run, and then it is parked until
    /// a version of the ledger can read it.
    pub(crate) async fn mark_unreadable(
        &mut self,
        id: &str,
        reason: &str,
        owner: EventOwner,
        erased: bool,
    ) -> Result<(), Error> {
        let owner = owner.unless(erased);
        let args = args![id, reason, owner.customer_id, owner.email_sha256, erased];
        self.execute(&UNREADABLE, args).await.map(drop)
    }

    /// Stores that an event could not be booked.
    pub(crate) async fn mark_not_booked(
        &mut self,
        event: &Unbooked,
        outcome: NotBooked,
        reason: &str,
        owner: EventOwner,
        erased: bool,
    ) -> Result<(), Error> {
        let owner = owner.unless(erased);
        let (id, failed_attempts) = (event.event.id(), event.failed_attempts);
        let mut args =
            args![id, failed_attempts, reason, owner.customer_id, owner.email_sha256, erased];
        let sql = match outcome {
            NotBooked::Retry(_) => &RETRY,
            NotBooked::Defer(_) => &DEFER,
            NotBooked::Dead => &DEAD,
        };
        if let NotBooked::Retry(after) | NotBooked::Defer(after) = outcome {
            args.extend(args![millis(after)]);
        }
        self.execute(sql, args).await.map(drop)
    }
}

/// Reads a delivery from columns 0 to 4: id, body, received_at, live, attempt_at.
pub(super) fn signed(row: &mut Row) -> Result<VerifiedEvent, Error> {
    let time = |millis| {
        Timestamp::from_millisecond(millis).map_err(|error| {
            Error::corrupt("a time in the ledger is out of range").with_source(error)
        })
    };
    let id = row.text(0)?;
    let body = row.opt_bytes(1)?.unwrap_or_default();
    let received_at = time(row.int(2)?)?;
    let attempt_at = row.opt_int(4)?.map(time).transpose()?;
    let event = VerifiedEvent::from_trusted_parts(&id, body.into(), received_at, row.int(3)? != 0);
    Ok(event.with_attempt_at(attempt_at))
}

fn read(mut row: Row) -> Result<Unbooked, Error> {
    Ok(Unbooked {
        event: signed(&mut row)?,
        failed_attempts: u32::try_from(row.int(5)?).unwrap_or(u32::MAX),
        erased: row.int(6)? != 0,
    })
}
