//! Events on their way into the ledger. Taking, booking and marking them is one transaction, so this
//! needs no lease: a worker that dies rolls back.

use dodo_core::webhook::VerifiedEvent;
use jiff::Timestamp;

use crate::{
    attribution::whose::Whose,
    error::Error,
    store::{
        Tx,
        sql::{Row, Rows, Sql, args, sql},
    },
};

/// An event that is stored and not yet booked.
#[derive(Clone, Debug)]
pub(crate) struct Unbooked {
    pub(crate) event: VerifiedEvent,
    pub(crate) failures: u32,
    /// Whose it is was forgotten while it waited: it is booked of nobody.
    pub(crate) forgotten: bool,
}

/// What a booked event was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) kind: String,
    /// The envelope's time, in milliseconds since 1970.
    pub(crate) occurred_at: i64,
    pub(crate) whose: Whose,
}

/// What one booking reads from history the next must see, or the ledger would depend on who was faster:
/// in every instance together one booking reads and writes at a time. Instances are those on the same
/// tables: ledgers in other schemas of the database do not wait for one another.
const LOCK: Sql = Sql {
    sqlite: "SELECT 1",
    postgres: "SELECT pg_advisory_xact_lock(7233961, 'dodo_inbox'::regclass::oid::int4)",
};
const DUE: Sql = sql!(
    "SELECT id, body, received_at, live, failures, forgotten FROM dodo_inbox
     WHERE state = 'pending' AND booked_at IS NULL AND available_at <= " NOW "
     ORDER BY available_at LIMIT $1" SKIP_LOCKED
);
const BY_ID: Sql = sql!(
    "SELECT id, body, received_at, live, failures, forgotten FROM dodo_inbox
     WHERE id = $1 AND state = 'pending' AND booked_at IS NULL AND available_at <= " NOW LOCKED
);
/// The failures were those of booking: the callbacks have their own.
const BOOKED: Sql = sql!(
    "UPDATE dodo_inbox
     SET booked_at = " NOW ", available_at = " NOW ", failures = 0, kind = given.kind,
         occurred_at = given.occurred_at,
         customer_id = CASE WHEN forgotten = 1 THEN NULL ELSE given.customer_id END,
         email_sha256 = CASE WHEN forgotten = 1 THEN NULL ELSE given.email_sha256 END
     FROM " (rows 1: 1 id TEXT, 2 kind TEXT, 3 occurred_at BIGINT, 4 customer_id TEXT,
                     5 email_sha256 TEXT) "
     WHERE dodo_inbox.id = given.id"
);
/// Whose an event is is noted in any case, so that forgetting finds it; not again if it did already.
const UNREADABLE: Sql = sql!(
    "UPDATE dodo_inbox
     SET booked_at = " NOW ", available_at = " NOW ", failures = 0, unreadable = $2,
         customer_id = CASE WHEN forgotten = 1 THEN NULL ELSE $3 END,
         email_sha256 = CASE WHEN forgotten = 1 THEN NULL ELSE $4 END
     WHERE id = $1"
);
/// Another instance may have failed at the event meanwhile: what is counted is the failure after those
/// that were seen.
const RETRY: Sql = sql!(
    "UPDATE dodo_inbox
     SET failures = failures + 1, last_error = $3,
         customer_id = CASE WHEN forgotten = 1 THEN NULL ELSE $4 END,
         email_sha256 = CASE WHEN forgotten = 1 THEN NULL ELSE $5 END,
         available_at = " NOW " + $6
     WHERE id = $1 AND failures = $2 AND state = 'pending' AND booked_at IS NULL"
);
const DEAD: Sql = sql!(
    "UPDATE dodo_inbox
     SET failures = failures + 1, state = 'dead', finished_at = " NOW ", last_error = $3,
         body = CASE WHEN forgotten = 1 THEN NULL ELSE body END,
         customer_id = CASE WHEN forgotten = 1 THEN NULL ELSE $4 END,
         email_sha256 = CASE WHEN forgotten = 1 THEN NULL ELSE $5 END
     WHERE id = $1 AND failures = $2 AND state = 'pending' AND booked_at IS NULL"
);

impl Tx {
    /// Waits until no other booking is under way, here or in another instance. SQLite has one writer.
    pub(crate) async fn lock_booking(&mut self) -> Result<(), Error> {
        self.execute(&LOCK, args![]).await.map(drop)
    }

    /// Takes the events that are due for booking and that no other instance has taken, oldest first.
    pub(crate) async fn unbooked(&mut self, limit: u32) -> Result<Vec<Unbooked>, Error> {
        let rows = self.fetch(&DUE, args![limit]).await?;
        rows.into_iter().map(read).collect()
    }

    /// Takes one event, if it is due for booking after whoever had taken it let go of it.
    pub(crate) async fn unbooked_by_id(&mut self, id: &str) -> Result<Option<Unbooked>, Error> {
        self.fetch_one(&BY_ID, args![id]).await?.map(read).transpose()
    }

    /// Marks events as booked, by their ids.
    pub(crate) async fn mark_booked(&mut self, booked: &[(&str, Seen)]) -> Result<(), Error> {
        let mut rows = Rows::default();
        for (id, seen) in booked {
            let Whose { customer_id, email_sha256 } = seen.whose.clone();
            rows.push(args![*id, &seen.kind, seen.occurred_at, customer_id, email_sha256]);
        }
        self.write(&BOOKED, rows).await
    }

    /// Marks a signed event that cannot be read. Its callbacks run, and then it is parked: kept for a
    /// version that can read it.
    pub(crate) async fn mark_unreadable(
        &mut self,
        id: &str,
        reason: &str,
        whose: Whose,
    ) -> Result<(), Error> {
        let args = args![id, reason, whose.customer_id, whose.email_sha256];
        self.execute(&UNREADABLE, args).await.map(drop)
    }

    /// Writes down that an event could not be booked. `None`: it is not tried again.
    pub(crate) async fn booking_failed(
        &mut self,
        event: &Unbooked,
        again_in_millis: Option<i64>,
        reason: &str,
        whose: Whose,
    ) -> Result<(), Error> {
        let (id, failures) = (event.event.id(), event.failures);
        let mut args = args![id, failures, reason, whose.customer_id, whose.email_sha256];
        let sql = match again_in_millis {
            Some(wait) => {
                args.extend(args![wait]);
                &RETRY
            }
            None => &DEAD,
        };
        self.execute(sql, args).await.map(drop)
    }
}

/// Reads a delivery from columns 0 to 3: id, body, received_at, live.
pub(super) fn signed(row: &mut Row) -> Result<VerifiedEvent, Error> {
    let id = row.text(0)?;
    let body = row.opt_bytes(1)?.unwrap_or_default();
    let received_at = Timestamp::from_millisecond(row.int(2)?).map_err(|error| {
        Error::corrupt("a time in the ledger is out of range").with_source(error)
    })?;
    Ok(VerifiedEvent::from_trusted_parts(&id, body.into(), received_at, row.int(3)? != 0))
}

fn read(mut row: Row) -> Result<Unbooked, Error> {
    Ok(Unbooked {
        event: signed(&mut row)?,
        failures: u32::try_from(row.int(4)?).unwrap_or(u32::MAX),
        forgotten: row.int(5)? != 0,
    })
}
