//! Voiding: an operator sets a record to zero.

use jiff::Timestamp;

use crate::{
    Ledger,
    attribution::{Batch, void_fact},
    booking::Intake,
    error::Error,
    store::sql::{Sql, args, sql},
};

const RECORD: Sql = sql!("SELECT payment_id, live FROM dodo_record WHERE id = $1");
const NOTE: Sql = sql!(
    "INSERT INTO dodo_audit (at, operator, action, object, reason) VALUES (" NOW ", $1, $2, $3, $4)"
);
const AUDIT: Sql =
    sql!("SELECT at, operator, action, object, reason FROM dodo_audit ORDER BY no DESC LIMIT $1");

/// The result of [`Ledger::void`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoidOutcome {
    /// The money of the record is zero now.
    Void,
    /// The record was void or withdrawn before. Nothing changed.
    Unchanged,
    /// The ledger has no record with this id, or the record belongs to no payment.
    Unknown,
}

/// One entry of the audit log: who changed which object, when, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEntry {
    /// The time of the change.
    pub at: Timestamp,
    /// The operator, as the caller named them.
    pub operator: String,
    /// The command: `void`.
    pub action: String,
    /// The id of the record.
    pub object: String,
    /// The reason that the operator named.
    pub reason: String,
}

impl Ledger {
    /// Sets the money of a record to zero, for example of an order that was a test in live mode. The
    /// record stays, with its attribution. Reversals of a void charge count nothing, either. An entry of
    /// the [audit log](Self::audit) keeps operator, time and reason, so put no personal data of a
    /// customer into them.
    ///
    /// A sink that received the record keeps it: correct it there.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use dodo_ledger::{Ledger, VoidOutcome};
    ///
    /// # let ledger = Ledger::in_memory().await?;
    /// let outcome = ledger.void("charge:pay_1", "ann", "our own test purchase").await?;
    /// assert_eq!(outcome, VoidOutcome::Unknown); // this ledger has no records
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn void(
        &self,
        record_id: &str,
        operator: &str,
        reason: &str,
    ) -> Result<VoidOutcome, Error> {
        let groups = self.shared.groups();
        let mut tx = self.shared.store.begin_booking().await?;
        let Some(mut row) = tx.fetch_one(&RECORD, args![record_id]).await? else {
            return Ok(VoidOutcome::Unknown);
        };
        let (Some(payment_id), live) = (row.opt_text(0)?, row.int(1)? != 0) else {
            return Ok(VoidOutcome::Unknown);
        };
        let fact = void_fact(record_id, &payment_id, live, reason, Timestamp::now());
        let intake = Intake { batch: Batch::of([fact]), ..Intake::default() };
        if groups.book_in(&mut tx, intake).await?.changes.is_empty() {
            return Ok(VoidOutcome::Unchanged);
        }
        tx.execute(&NOTE, args![operator, "void", record_id, reason]).await?;
        tx.commit().await?;
        self.shared.offer_changes();
        Ok(VoidOutcome::Void)
    }

    /// Returns the newest entries of the audit log, the newest first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn audit(&self, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        let mut reader = self.shared.store.look().await?;
        let rows = reader.fetch(&AUDIT, args![limit]).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(AuditEntry {
                    at: Timestamp::from_millisecond(row.int(0)?).map_err(|_| {
                        Error::corrupt("the time of an audit entry is out of range")
                    })?,
                    operator: row.text(1)?,
                    action: row.text(2)?,
                    object: row.text(3)?,
                    reason: row.text(4)?,
                })
            })
            .collect()
    }
}
