//! Refunds whose amount is not known.

use crate::{
    Ledger,
    error::Error,
    query::Range,
    store::sql::{Sql, args, sql},
};

const WITHOUT_AMOUNT: Sql = sql!(
    "SELECT COUNT(*) FROM dodo_record
     WHERE kind = 'refund' AND net IS NULL AND state = 0
        AND live = $1 AND occurred_micros >= $2 AND occurred_micros < $3"
);

impl Ledger {
    /// Counts the refunds of a range whose events had no amount. Sums of money do not contain them.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn refunds_without_amount(&self, range: Range, live: bool) -> Result<u64, Error> {
        let mut tx = self.shared.store.question().await?;
        let span = [range.from, range.until].map(|at| at.as_microsecond());
        let found = tx.fetch_one(&WITHOUT_AMOUNT, args![live, span[0], span[1]]).await?;
        let count = found.map(|mut row| row.int(0)).transpose()?.unwrap_or_default();
        Ok(u64::try_from(count).unwrap_or_default())
    }
}
