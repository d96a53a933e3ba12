//! Groups that are resolved again: an address has a new identity, or the rules changed.

use std::collections::{BTreeMap, BTreeSet};

use super::{GroupStore, placement, rows, rows::Writes};
use crate::{
    attribution::RecordChange,
    error::Error,
    projection,
    store::{
        Tx,
        sql::{Sql, args, sql},
    },
};

const RESOLVE_OTHER_RULES: Sql = sql!(
    "INSERT INTO dodo_resolve (group_id, reason)
     SELECT id, 'rules' FROM dodo_group WHERE parent_id IS NULL AND rules_hash <> $1"
);
const QUEUED: Sql = sql!("SELECT MIN(id) FROM dodo_resolve");
/// `$2`: whether this process has every projection. Otherwise another process applies them.
const CLAIM: Sql = sql!(
    "DELETE FROM dodo_resolve
     WHERE id IN (SELECT id FROM dodo_resolve WHERE $2 = 1 OR reason <> 'projection'
                  ORDER BY id LIMIT $1" SKIP_LOCKED ")
     RETURNING group_id"
);

/// Groups that are resolved again in one transaction.
const BATCH: u32 = 32;

impl GroupStore {
    /// Queues every group that was resolved with other rules. Returns their number.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn queue_changed_rules(&self) -> Result<u64, Error> {
        let mut tx = self.store.begin().await?;
        let queued = tx.execute(&RESOLVE_OTHER_RULES, args![self.rules.fingerprint()]).await?;
        tx.commit().await?;
        Ok(queued)
    }

    /// Whether a group is queued.
    pub(crate) async fn has_queued(&self) -> Result<bool, Error> {
        let first = self.store.begin_read().await?.fetch_one(&QUEUED, args![]).await?;
        Ok(first.map(|mut row| row.opt_int(0)).transpose()?.flatten().is_some())
    }

    /// Resolves some queued groups again. Returns their changed records, or `None` if no group is queued.
    ///
    /// A group that cannot be resolved leaves the queue with an error in the log: its next event resolves
    /// it again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn resolve_queued(&self) -> Result<Option<Vec<RecordChange>>, Error> {
        match self.resolve_some(BATCH).await {
            Err(error) if !error.is_the_databases() => {
                let mut all = Vec::new();
                for _ in 0..BATCH {
                    match self.resolve_some(1).await {
                        Ok(Some(changes)) => all.extend(changes),
                        Ok(None) => break,
                        Err(error) if error.is_the_databases() => return Err(error),
                        Err(error) => self.drop_first(&error).await?,
                    }
                }
                Ok(Some(all))
            }
            resolved => resolved,
        }
    }

    async fn resolve_some(&self, limit: u32) -> Result<Option<Vec<RecordChange>>, Error> {
        let mut tx = self.store.begin_booking().await?;
        let ids = self.claim(&mut tx, limit).await?;
        if ids.is_empty() {
            return Ok(None);
        }
        let locked = placement::lock_roots(&mut tx, ids).await?;
        let ids = locked.facts.into_keys().collect();
        let mut groups = rows::load(&mut tx, &ids, BTreeMap::new()).await?;
        let told = match self.projections.is_empty() {
            true => BTreeMap::new(),
            // A process without the projection can have merged groups.
            false => placement::merged_into(&mut tx, &ids).await?,
        };
        let writes = Writes::from_changed(told, locked.projections);
        let (changes, _) = self.finish(&mut tx, &mut groups, writes).await?;
        self.recipients.enqueue(&self.store, &mut tx, &changes).await?;
        tx.commit().await?;
        Ok(Some(changes))
    }

    async fn drop_first(&self, error: &Error) -> Result<(), Error> {
        let mut tx = self.store.begin_booking().await?;
        let dropped = self.claim(&mut tx, 1).await?;
        tx.commit().await?;
        tracing::error!(
            target: "dodo::ledger", group = ?dropped.first(), %error, cause = error.cause(),
            "a group could not be resolved again; its records keep their values until its next event"
        );
        Ok(())
    }

    async fn claim(&self, tx: &mut Tx, limit: u32) -> Result<BTreeSet<i64>, Error> {
        let registered = projection::registered(tx).await?;
        let has_all = registered.iter().all(|name| self.projections.has(name));
        let claimed = tx.fetch(&CLAIM, args![limit, has_all]).await?;
        claimed.into_iter().map(|mut row| row.int(0)).collect()
    }
}
