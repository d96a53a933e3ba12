//! The groups of a batch: found by keys, locked in the order of their ids, and merged if the batch
//! connects them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    attribution::{Batch, Component, Key},
    error::{Error, ErrorKind},
    store::{
        Tx,
        sql::{Row, Rows, Sql, args, sql},
    },
};

/// The root group of each key. A key can name a group that was merged: its parents lead to the root.
const ROOTS: Sql = sql!(
    "WITH RECURSIVE path (kind, live, value, group_id) AS (
        SELECT dodo_key.kind, dodo_key.live, dodo_key.value, dodo_key.group_id
        FROM " (rows 1: 1 kind BIGINT, 2 live BIGINT, 3 value TEXT) "
        CROSS JOIN dodo_key
        WHERE dodo_key.kind = given.kind AND dodo_key.live = given.live
            AND dodo_key.value = given.value
        UNION ALL
        SELECT path.kind, path.live, path.value, dodo_group.parent_id
        FROM path CROSS JOIN dodo_group
        WHERE dodo_group.id = path.group_id AND dodo_group.parent_id IS NOT NULL
     )
     SELECT path.kind, path.live, path.value, path.group_id
     FROM path CROSS JOIN dodo_group
     WHERE dodo_group.id = path.group_id AND dodo_group.parent_id IS NULL"
);
const ADD_GROUPS: Sql = sql!(
    "INSERT INTO dodo_group (facts) SELECT given.facts FROM " (rows 1: 1 facts BIGINT) "
     RETURNING id"
);
/// The database inserts the rows in the given order. If another transaction has inserted the same
/// key, this statement waits for it.
const ADD_KEYS: Sql = sql!(
    "INSERT INTO dodo_key (kind, live, value, group_id)
     SELECT kind, live, value, group_id FROM " (rows 1:
        1 kind BIGINT, 2 live BIGINT, 3 value TEXT, 4 group_id BIGINT) "
     WHERE true ON CONFLICT DO NOTHING"
);
const SAVEPOINT: Sql = sql!("SAVEPOINT dodo_groups");
/// Releases the row locks since the savepoint.
const ROLLBACK: Sql = sql!("ROLLBACK TO SAVEPOINT dodo_groups");
/// SQLite runs this join in the written order, so it looks up the groups one by one.
const LOCK: Sql = sql!(
    "SELECT dodo_group.id, parent_id, facts, version, (SELECT COUNT(*) FROM dodo_projection)
     FROM " (rows 1: 1 wanted BIGINT) "
     CROSS JOIN dodo_group WHERE dodo_group.id = given.wanted ORDER BY dodo_group.id" LOCKED
);
const MERGED: Sql = sql!(
    "WITH RECURSIVE tree (root, id) AS (
        SELECT given.id, given.id FROM " (rows 1: 1 id BIGINT) "
        UNION ALL SELECT tree.root, dodo_group.id
        FROM tree JOIN dodo_group ON dodo_group.parent_id = tree.id
     ) SELECT root, id FROM tree WHERE id <> root ORDER BY root, id"
);
const SET_PARENT: Sql = sql!(
    "UPDATE dodo_group SET parent_id = given.winner, facts = 0, unpaid_since = NULL
     FROM " (rows 1: 1 loser BIGINT, 2 winner BIGINT) " WHERE dodo_group.id = given.loser"
);
const MOVE_FACTS: Sql = sql!(
    "UPDATE dodo_fact SET group_id = given.winner
     FROM " (rows 1: 1 loser BIGINT, 2 winner BIGINT) " WHERE dodo_fact.group_id = given.loser"
);
const MOVE_RECORDS: Sql = sql!(
    "UPDATE dodo_record SET group_id = given.winner
     FROM " (rows 1: 1 loser BIGINT, 2 winner BIGINT) " WHERE dodo_record.group_id = given.loser"
);
/// Point keys directly at the root, so that later transactions need one look-up.
const MOVE_KEYS: Sql = sql!(
    "UPDATE dodo_key SET group_id = given.winner
     FROM " (rows 1: 1 loser BIGINT, 2 winner BIGINT) " WHERE dodo_key.group_id = given.loser"
);
const COPY_ADDRESSES: Sql = sql!(
    "INSERT INTO dodo_address_group (hash, group_id)
     SELECT dodo_address_group.hash, given.winner
     FROM " (rows 1: 1 loser BIGINT, 2 winner BIGINT) "
     CROSS JOIN dodo_address_group WHERE dodo_address_group.group_id = given.loser
     ON CONFLICT DO NOTHING"
);
const DROP_ADDRESSES: Sql = sql!(
    "DELETE FROM dodo_address_group
     WHERE group_id IN (SELECT given.loser FROM " (rows 1: 1 loser BIGINT) ")"
);
const DROP_GROUPS: Sql =
    sql!("DELETE FROM dodo_group WHERE id IN (SELECT given.id FROM " (rows 1: 1 id BIGINT) ")");

/// The locked groups of a batch.
#[derive(Debug, Default)]
pub(super) struct Placed {
    /// One group for each component, in the order of the components. Two components can have the same.
    pub(super) groups: Vec<i64>,
    /// The groups that were merged, each under the group that has its facts now.
    pub(super) merged: BTreeMap<i64, Vec<i64>>,
    /// The versions of the groups that were not merged.
    pub(super) versions: BTreeMap<i64, i64>,
    /// The number of projections that the database knows.
    pub(super) projections: i64,
}

/// Locked groups.
#[derive(Debug, Default)]
pub(super) struct Locked {
    /// The number of facts of each.
    pub(super) facts: BTreeMap<i64, i64>,
    /// The version of each.
    versions: BTreeMap<i64, i64>,
    /// The number of projections that the database knows.
    pub(super) projections: i64,
}

/// Finds or makes the groups of a batch, locks them, and merges those that the batch connects.
pub(super) async fn place(tx: &mut Tx, batch: &Batch) -> Result<Placed, Error> {
    let components = &batch.components;
    let mut groups = roots(tx, components).await?;
    let fresh = add_groups(tx, components, &groups).await?;
    add_keys(tx, batch, &mut groups, &fresh).await?;
    let ids: BTreeSet<i64> = groups.values().chain(fresh.values()).copied().collect();
    let Locked { facts, mut versions, projections } = lock(tx, &mut groups, ids).await?;
    // Retention can delete a key after its insertion found it, or a group before its lock.
    let is_locked = |key| groups.get(key).is_some_and(|group| facts.contains_key(group));
    if !batch.key_order.iter().all(is_locked) {
        return Err(Error::new(
            ErrorKind::Unavailable,
            "a group was pruned during the booking: repeat the batch",
        ));
    }
    let used: BTreeSet<i64> = groups.values().copied().collect();
    // Another transaction inserted every key of this component first.
    let unused: Vec<i64> = fresh.into_values().filter(|group| !used.contains(group)).collect();
    tx.write(&DROP_GROUPS, ids_of(unused)).await?;
    let merged = merge(tx, components, &mut groups, &facts).await?;
    let group = |component: &Component| {
        let key = component.keys.first();
        let found = key.and_then(|key| groups.get(key)).copied();
        found.ok_or_else(|| Error::corrupt("a key of the ledger has no group"))
    };
    let groups = components.iter().map(group).collect::<Result<_, _>>()?;
    versions.retain(|id, _| !merged.contains_key(id));
    Ok(Placed { groups, merged, versions, projections })
}

/// Locks the roots of groups: the order of `ids` has no effect.
pub(super) async fn lock_roots(
    tx: &mut Tx,
    ids: impl IntoIterator<Item = i64>,
) -> Result<Locked, Error> {
    lock(tx, &mut HashMap::new(), ids.into_iter().collect()).await
}

/// All groups that were ever merged into these, each under its root.
pub(super) async fn merged_into(
    tx: &mut Tx,
    roots: &BTreeSet<i64>,
) -> Result<BTreeMap<i64, Vec<i64>>, Error> {
    let mut merged: BTreeMap<i64, Vec<i64>> = roots.iter().map(|id| (*id, Vec::new())).collect();
    for mut row in tx.fetch(&MERGED, args![ids_of(roots.iter().copied())]).await? {
        merged.entry(row.int(0)?).or_default().push(row.int(1)?);
    }
    Ok(merged)
}

/// The root group of each known key.
pub(super) async fn roots(
    tx: &mut Tx,
    components: &[Component],
) -> Result<HashMap<Key, i64>, Error> {
    let mut rows = Rows::default();
    for key in components.iter().flat_map(|component| &component.keys) {
        rows.push(args![key.kind() as i64, key.live(), key.value()]);
    }
    let read = |mut row: Row| {
        let (kind, live, value) = (row.int(0)?, row.int(1)?, row.text(2)?);
        let key = Key::from_parts(kind, live != 0, value);
        let key = key.ok_or_else(|| Error::corrupt("a key of the ledger has an unknown kind"))?;
        Ok((key, row.int(3)?))
    };
    tx.fetch(&ROOTS, args![rows]).await?.into_iter().map(read).collect()
}

/// Makes a group for each component without a known one. Returns them by the number of the component.
async fn add_groups(
    tx: &mut Tx,
    components: &[Component],
    groups: &HashMap<Key, i64>,
) -> Result<BTreeMap<usize, i64>, Error> {
    let is_new = |component: &Component| !component.keys.iter().any(|key| groups.contains_key(key));
    let new: Vec<usize> =
        (0..).zip(components).filter(|(_, c)| is_new(c)).map(|(nth, _)| nth).collect();
    let mut rows = Rows::default();
    new.iter().for_each(|_| rows.push(args![0_i64]));
    if rows.is_empty() {
        return Ok(BTreeMap::new());
    }
    let added = tx.fetch(&ADD_GROUPS, args![rows]).await?;
    new.into_iter().zip(added).map(|(nth, mut row)| Ok((nth, row.int(0)?))).collect()
}

/// Inserts the missing keys. If a concurrent transaction inserts one of them, its group counts.
///
/// Afterwards a key has no group if retention deletes it, or its group, between two statements.
async fn add_keys(
    tx: &mut Tx,
    batch: &Batch,
    groups: &mut HashMap<Key, i64>,
    fresh: &BTreeMap<usize, i64>,
) -> Result<(), Error> {
    let mut target: HashMap<&Key, i64> = HashMap::new();
    for (nth, component) in (0..).zip(&batch.components) {
        let known = component.keys.iter().filter_map(|key| groups.get(key)).min();
        let Some(group) = known.or_else(|| fresh.get(&nth)).copied() else { continue };
        target.extend(component.keys.iter().map(|key| (key, group)));
    }
    let missing = batch.key_order.iter().filter(|key| !groups.contains_key(key));
    let missing: Vec<(&Key, i64)> =
        missing.filter_map(|key| Some((key, *target.get(key)?))).collect();
    let mut rows = Rows::default();
    for (key, group) in &missing {
        rows.push(args![key.kind() as i64, key.live(), key.value(), *group]);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let added = tx.execute(&ADD_KEYS, args![rows]).await?;
    if added == missing.len() as u64 {
        groups.extend(missing.into_iter().map(|(key, group)| (key.clone(), group)));
    } else {
        *groups = roots(tx, &batch.components).await?;
    }
    Ok(())
}

/// Locks groups in the order of their ids.
///
/// A group that has a parent now was merged after this transaction read it: the transaction releases
/// its locks, takes the parent in its place, and locks again.
async fn lock(
    tx: &mut Tx,
    groups: &mut HashMap<Key, i64>,
    mut ids: BTreeSet<i64>,
) -> Result<Locked, Error> {
    tx.execute(&SAVEPOINT, args![]).await?;
    loop {
        let mut locked = Locked::default();
        let mut parents: HashMap<i64, i64> = HashMap::new();
        for mut row in tx.fetch(&LOCK, args![ids_of(ids.iter().copied())]).await? {
            let id = row.int(0)?;
            match row.opt_int(1)? {
                Some(parent) => drop(parents.insert(id, parent)),
                None => {
                    locked.facts.insert(id, row.int(2)?);
                    locked.versions.insert(id, row.int(3)?);
                }
            }
            locked.projections = row.int(4)?;
        }
        if parents.is_empty() {
            return Ok(locked);
        }
        tx.execute(&ROLLBACK, args![]).await?;
        let root = |id: i64| parents.get(&id).copied().unwrap_or(id);
        ids = ids.into_iter().map(root).collect();
        groups.values_mut().for_each(|id| *id = root(*id));
    }
}

/// Merges the groups that a component connects. The group with the most facts absorbs the others. The
/// transaction holds the locks of all of them. Returns the merged groups by their winner.
async fn merge(
    tx: &mut Tx,
    components: &[Component],
    groups: &mut HashMap<Key, i64>,
    facts: &BTreeMap<i64, i64>,
) -> Result<BTreeMap<i64, Vec<i64>>, Error> {
    let mut winners: HashMap<i64, i64> = HashMap::new();
    for component in components {
        let current = component.keys.iter().filter_map(|key| groups.get(key));
        let united: BTreeSet<i64> = current.copied().collect();
        if united.len() < 2 {
            continue;
        }
        let size =
            |group: &i64| (facts.get(group).copied().unwrap_or(0), std::cmp::Reverse(*group));
        let Some(winner) = united.iter().copied().max_by_key(size) else { continue };
        let losers = || united.iter().copied().filter(|group| *group != winner);
        winners.values_mut().for_each(|to| *to = if united.contains(to) { winner } else { *to });
        winners.extend(losers().map(|loser| (loser, winner)));
        groups.values_mut().for_each(|to| *to = if united.contains(to) { winner } else { *to });
        tracing::debug!(target: "dodo::ledger", winner, groups = united.len(), "groups merged");
    }
    let mut pairs = Rows::default();
    let mut merged: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (loser, winner) in &winners {
        pairs.push(args![*loser, *winner]);
        merged.entry(*winner).or_default().push(*loser);
    }
    for statement in [&SET_PARENT, &MOVE_FACTS, &MOVE_RECORDS, &MOVE_KEYS, &COPY_ADDRESSES] {
        tx.write(statement, pairs.clone()).await?;
    }
    tx.write(&DROP_ADDRESSES, ids_of(winners.into_keys())).await?;
    Ok(merged)
}

pub(super) fn ids_of(ids: impl IntoIterator<Item = i64>) -> Rows {
    let mut rows = Rows::default();
    ids.into_iter().for_each(|id| rows.push(args![id]));
    rows
}
