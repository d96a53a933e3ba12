//! The identity of an e-mail address: a row lock, and its groups in the queue.

use dodo_core::{attribution::email_sha256, capture::Campaign};

use super::GroupStore;
use crate::{
    attribution::{Identity, hash, row},
    error::Error,
    store::sql::{Sql, args, sql},
};

const LOCK_ADDRESS: Sql = sql!(
    "INSERT INTO dodo_address (hash) VALUES ($1)
     ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash RETURNING identity"
);
const SET_IDENTITY: Sql = sql!("UPDATE dodo_address SET identity = $2 WHERE hash = $1");
const RESOLVE_ADDRESS: Sql = sql!(
    "INSERT INTO dodo_resolve (group_id, reason)
     SELECT group_id, 'identity' FROM dodo_address_group WHERE hash = $1"
);

impl GroupStore {
    /// Links an e-mail address to a visitor, a campaign and a user, and queues its groups. Returns whether
    /// it queued any.
    ///
    /// It locks the row of the address and no group, so it waits for no booking of another address.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn identify(
        &self,
        email: &str,
        visitor: Option<&str>,
        campaign: Option<&Campaign>,
        user: Option<&str>,
    ) -> Result<bool, Error> {
        let Some(hash) = email_sha256(email).map(|hash| hash::to_hex(&hash)) else {
            return Ok(false);
        };
        let mut tx = self.store.begin_booking().await?;
        let row = tx.fetch_one(&LOCK_ADDRESS, args![&hash]).await?;
        let stored = row.map(|mut row| row.opt_text(0)).transpose()?.flatten();
        let stored = stored.map(|json| row::from_json::<Identity>(&json)).transpose()?;
        let mut identity = stored.unwrap_or_default();
        if !identity.add(visitor, campaign, user) {
            return Ok(false);
        }
        tx.execute(&SET_IDENTITY, args![&hash, row::without_nulls(&identity)?]).await?;
        let queued = tx.execute(&RESOLVE_ADDRESS, args![&hash]).await?;
        tx.commit().await?;
        Ok(queued > 0)
    }
}
