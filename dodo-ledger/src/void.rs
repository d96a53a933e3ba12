//! Voiding: an operator sets a record to zero.

use jiff::Timestamp;

use crate::{
    Ledger,
    attribution::{Batch, void_fact},
    audit::note,
    booking::Intake,
    error::Error,
    store::sql::{Sql, args, sql},
};

const RECORD: Sql = sql!("SELECT payment_id, live FROM dodo_record WHERE id = $1");

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
        let intake = Intake { batch: Batch::from_facts([fact]), ..Intake::default() };
        if groups.book_in(&mut tx, intake).await?.changes.is_empty() {
            return Ok(VoidOutcome::Unchanged);
        }
        note(&mut tx, operator, "void", record_id, reason).await?;
        tx.commit().await?;
        self.shared.offer_changes();
        Ok(VoidOutcome::Void)
    }
}
