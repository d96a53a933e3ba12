//! Names and e-mail addresses of customers.

use std::collections::BTreeMap;

use dodo_core::attribution::{Contact, email_sha256};

use crate::{
    Ledger,
    attribution::hash,
    error::Error,
    store::sql::{Rows, Sql, args, sql},
    stored_record,
};

const NEWEST_RECORDS: Sql = sql!(
    "SELECT " RECORD " FROM dodo_record WHERE no IN (
        SELECT MAX(no) FROM " (rows 1: 1 wanted TEXT) " CROSS JOIN dodo_record
        WHERE customer_id = given.wanted GROUP BY customer_id)"
);
const CUSTOMERS: Sql = sql!(
    "SELECT DISTINCT customer_id FROM dodo_address_group CROSS JOIN dodo_record
     WHERE dodo_address_group.hash = $1 AND dodo_record.group_id = dodo_address_group.group_id
        AND customer_id IS NOT NULL AND live = $2 ORDER BY customer_id"
);

impl Ledger {
    /// Returns the name and the e-mail address of each of these customers, from the newest record. A customer
    /// without one, or whose data is erased, is absent.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn contacts(
        &self,
        customer_ids: impl IntoIterator<Item = &str> + Send,
    ) -> Result<BTreeMap<String, Contact>, Error> {
        let wanted = Rows::texts(customer_ids);
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut tx = self.shared.store.question().await?;
        let mut found = BTreeMap::new();
        for mut row in tx.fetch(&NEWEST_RECORDS, args![wanted]).await? {
            let record = stored_record::read(&mut row)?.record;
            found.extend(record.customer_id.zip(record.contact));
        }
        Ok(found)
    }

    /// Returns the ids of the customers who paid with this e-mail address, in live mode or in test mode.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn customers_of_email(&self, email: &str, live: bool) -> Result<Vec<String>, Error> {
        let Some(address) = email_sha256(email) else { return Ok(Vec::new()) };
        let mut tx = self.shared.store.question().await?;
        let rows = tx.fetch(&CUSTOMERS, args![hash::to_hex(&address), live]).await?;
        rows.into_iter().map(|mut row| row.text(0)).collect()
    }
}
