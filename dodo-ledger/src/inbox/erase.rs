//! The erasure of a person from the stored deliveries.

use crate::{
    error::Error,
    store::{
        Tx,
        sql::{Sql, args, sql},
    },
};

const CUSTOMERS_OF_ADDRESS: Sql = sql!(
    "SELECT DISTINCT customer_id FROM dodo_inbox
     WHERE email_sha256 = $1 AND body IS NOT NULL AND customer_id IS NOT NULL"
);
/// Booking and callbacks of pending events still need the body, so the ledger erases it when they
/// are done.
const OF_CUSTOMER: Sql = sql!(
    "UPDATE dodo_inbox
     SET body = CASE WHEN state = 'pending' THEN body ELSE NULL END,
         erased = 1, customer_id = NULL, email_sha256 = NULL
     WHERE customer_id = $1 AND body IS NOT NULL"
);
const OF_ADDRESS: Sql = sql!(
    "UPDATE dodo_inbox
     SET body = CASE WHEN state = 'pending' THEN body ELSE NULL END,
         erased = 1, customer_id = NULL, email_sha256 = NULL
     WHERE email_sha256 = $1 AND body IS NOT NULL AND customer_id IS NULL"
);

impl Tx {
    /// The customers that stored deliveries name together with an address.
    pub(crate) async fn customers_in_inbox(
        &mut self,
        email_sha256: &str,
    ) -> Result<Vec<String>, Error> {
        let rows = self.fetch(&CUSTOMERS_OF_ADDRESS, args![email_sha256]).await?;
        rows.into_iter().map(|mut row| row.text(0)).collect()
    }

    /// Erases the bodies of a customer's deliveries, or marks pending ones for a later erasure.
    /// Returns their number.
    pub(crate) async fn erase_bodies_of_customer(
        &mut self,
        customer_id: &str,
    ) -> Result<u64, Error> {
        self.execute(&OF_CUSTOMER, args![customer_id]).await
    }

    /// As [`erase_bodies_of_customer`](Self::erase_bodies_of_customer), for deliveries that name an
    /// address and no customer.
    pub(crate) async fn erase_bodies_of_address(
        &mut self,
        email_sha256: &str,
    ) -> Result<u64, Error> {
        self.execute(&OF_ADDRESS, args![email_sha256]).await
    }
}
