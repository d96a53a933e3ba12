//! The audit log: who changed which object, when, and why.

use jiff::Timestamp;

use crate::{
    Ledger,
    error::Error,
    store::{
        Tx,
        sql::{Sql, args, sql},
    },
};

const NOTE: Sql = sql!(
    "INSERT INTO dodo_audit (at, operator, action, object, reason) VALUES (" NOW ", $1, $2, $3, $4)"
);
const AUDIT: Sql =
    sql!("SELECT at, operator, action, object, reason FROM dodo_audit ORDER BY no DESC LIMIT $1");

/// One entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEntry {
    /// The time of the change.
    pub at: Timestamp,
    /// The operator, as the caller named them.
    pub operator: String,
    /// The command, such as `void` or `redrive`.
    pub action: String,
    /// The id of the record, event or sink. For `erase`: the SHA-256 of the customer id.
    pub object: String,
    /// The reason that the operator named.
    pub reason: String,
}

/// Adds an entry in the transaction of the change.
pub(crate) async fn note(
    tx: &mut Tx,
    operator: &str,
    action: &str,
    object: &str,
    reason: &str,
) -> Result<(), Error> {
    tx.execute(&NOTE, args![operator, action, object, reason]).await?;
    Ok(())
}

impl Ledger {
    /// Adds an entry before a change that has transactions of its own.
    #[cfg(feature = "cli")]
    pub(crate) async fn note(
        &self,
        operator: &str,
        action: &str,
        object: &str,
        reason: &str,
    ) -> Result<(), Error> {
        let mut tx = self.shared.store.begin().await?;
        note(&mut tx, operator, action, object, reason).await?;
        tx.commit().await
    }

    /// Returns the newest entries of the audit log, the newest first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn audit(&self, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        let mut reader = self.shared.store.begin_read().await?;
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
