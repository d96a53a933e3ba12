//! The retention of checkouts without a payment.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{GroupStore, placement::ids_of, rows};
use crate::{
    attribution::Group,
    error::Error,
    store::sql::{Rows, Sql, args, sql},
};

/// A group that another transaction has locked gets a fact now, or is pruned later.
const UNPAID: Sql = sql!(
    "SELECT id FROM dodo_group WHERE unpaid_since < $1 ORDER BY unpaid_since LIMIT $2" SKIP_LOCKED
);
const ADDRESSES: Sql = sql!(
    "SELECT DISTINCT hash FROM " (rows 1: 1 id BIGINT) "
     CROSS JOIN dodo_address_group WHERE dodo_address_group.group_id = given.id ORDER BY hash"
);
const DROP_LINKS: Sql = sql!(
    "DELETE FROM dodo_address_group
     WHERE group_id IN (SELECT given.id FROM " (rows 1: 1 id BIGINT) ")"
);
const DROP_FACTS: Sql = sql!("DELETE FROM dodo_fact WHERE group_id IN (SELECT given.id FROM " (rows 1: 1 id BIGINT) ")");
/// The given groups, and all groups that were merged into them. A key can name any of these.
const TREE: Sql = sql!(
    "WITH RECURSIVE tree (id) AS (
        SELECT given.id FROM " (rows 1: 1 id BIGINT) "
        UNION ALL SELECT dodo_group.id FROM tree JOIN dodo_group ON dodo_group.parent_id = tree.id
     ) SELECT id FROM tree"
);
/// The counts of the funnel stay. 4: the key of a checkout session.
const DROP_SESSIONS: Sql = sql!(
    "UPDATE dodo_funnel SET session_id = NULL WHERE session_id IN (
        SELECT value FROM " (rows 1: 1 id BIGINT) "
        CROSS JOIN dodo_key WHERE dodo_key.group_id = given.id AND dodo_key.kind = 4)"
);
const DROP_KEYS: Sql =
    sql!("DELETE FROM dodo_key WHERE group_id IN (SELECT given.id FROM " (rows 1: 1 id BIGINT) ")");
/// A transaction that has read a key before the merge can hold a lock: its row stays.
const DROP_MERGED: Sql = sql!(
    "DELETE FROM dodo_group WHERE id IN (
        SELECT id FROM dodo_group WHERE parent_id IS NOT NULL
            AND id IN (SELECT given.id FROM " (rows 1: 1 id BIGINT) ")" SKIP_LOCKED ")"
);
const DROP_GROUPS: Sql =
    sql!("DELETE FROM dodo_group WHERE id IN (SELECT given.id FROM " (rows 1: 1 id BIGINT) ")");

/// Groups that one transaction prunes.
const BATCH: u32 = 256;

impl GroupStore {
    /// Deletes the groups that hold only contexts and failed payments, all older than `before`. Returns
    /// the number of deleted groups.
    ///
    /// A booking that has read a key of such a group and locks it later gets a transient error.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn prune_unpaid(&self, before: Timestamp) -> Result<usize, Error> {
        let mut pruned = 0;
        loop {
            let mut tx = self.store.begin_booking().await?;
            let unpaid = tx.fetch(&UNPAID, args![before.as_microsecond(), BATCH]).await?;
            let ids =
                unpaid.into_iter().map(|mut row| row.int(0)).collect::<Result<Vec<i64>, _>>()?;
            if ids.is_empty() {
                return Ok(pruned);
            }
            let given = || ids_of(ids.iter().copied());
            let addresses = tx.fetch(&ADDRESSES, args![given()]).await?;
            let addresses = addresses.into_iter().map(|mut row| row.text(0));
            let addresses: BTreeSet<String> = addresses.collect::<Result<_, _>>()?;
            rows::lock_addresses(&mut tx, Rows::texts(addresses.iter())).await?;
            let tree = tx.fetch(&TREE, args![given()]).await?;
            let tree =
                tree.into_iter().map(|mut row| row.int(0)).collect::<Result<Vec<i64>, _>>()?;
            for statement in [&DROP_SESSIONS, &DROP_KEYS, &DROP_MERGED] {
                tx.write(statement, ids_of(tree.iter().copied())).await?;
            }
            for statement in [&DROP_LINKS, &DROP_FACTS, &DROP_GROUPS] {
                tx.write(statement, given()).await?;
            }
            tx.write(&rows::DROP_ADDRESSES, Rows::texts(addresses)).await?;
            let gone = || ids.iter().copied();
            let groups = gone().map(|id| (id, Group::default())).collect();
            let told = gone().map(|id| (id, Vec::new())).collect();
            self.projections.apply(&mut tx, &groups, &told, 0).await?;
            tx.commit().await?;
            pruned += ids.len();
        }
    }
}
