//! Groups that are resolved again: an address has a new identity, the rules changed, or an operator rebuilds
//! the tables.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finished, GroupStore, books, placement, rows, rows::Writes};
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
/// `$2`: whether this process has every projection. If it lacks one, another process takes the
/// group.
const CLAIM: Sql = sql!(
    "DELETE FROM dodo_resolve
     WHERE id IN (SELECT id FROM dodo_resolve WHERE $2 = 1 OR reason <> 'projection'
                  ORDER BY id LIMIT $1" SKIP_LOCKED ")
     RETURNING group_id"
);

const ROOTS_AFTER: Sql =
    sql!("SELECT id FROM dodo_group WHERE id > $1 AND parent_id IS NULL ORDER BY id LIMIT $2");

/// Groups that are resolved again in one transaction.
const BATCH: u32 = 32;

/// The numbers of changed rows.
#[derive(Default)]
pub(super) struct Rebuilt {
    pub(super) records: u64,
    /// Subscriptions and movements.
    pub(super) recurring: u64,
    /// Checkout sessions of the funnel.
    pub(super) sessions: u64,
}

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
        Ok(Some(self.resolve_in(tx, ids).await?.changes))
    }

    /// Resolves all groups again, in the order of their ids.
    pub(super) async fn resolve_all(&self) -> Result<Rebuilt, Error> {
        let (mut last, mut rebuilt) = (i64::MIN, Rebuilt::default());
        loop {
            let mut tx = self.store.begin_booking().await?;
            let ids = tx.fetch(&ROOTS_AFTER, args![last, BATCH]).await?;
            let ids =
                ids.into_iter().map(|mut row| row.int(0)).collect::<Result<BTreeSet<_>, _>>()?;
            let Some(highest) = ids.last().copied() else { return Ok(rebuilt) };
            let resolved = self.resolve_in(tx, ids).await?;
            rebuilt.records += u64::try_from(resolved.changes.len()).unwrap_or(u64::MAX);
            rebuilt.recurring += resolved.recurring;
            rebuilt.sessions += resolved.sessions;
            last = highest;
        }
    }

    /// Resolves groups again, and commits.
    async fn resolve_in(&self, mut tx: Tx, ids: BTreeSet<i64>) -> Result<Finished, Error> {
        let locked = placement::lock_roots(&mut tx, ids).await?;
        let ids = locked.facts.into_keys().collect();
        let mut groups = rows::load(&mut tx, &ids, BTreeMap::new()).await?;
        let told = match self.projections.is_empty() {
            true => BTreeMap::new(),
            // A process without the projection may have merged groups, so name all merged groups.
            false => placement::merged_into(&mut tx, &ids).await?,
        };
        let writes = Writes::from_changed(told, locked.projections);
        let finished = self.finish(&mut tx, &mut groups, writes).await?;
        // An explanation can change although its record stays, so the change number must grow.
        books::lock(&mut tx).await?;
        self.recipients.enqueue(&mut tx, &finished.changes).await?;
        tx.commit().await?;
        Ok(finished)
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
