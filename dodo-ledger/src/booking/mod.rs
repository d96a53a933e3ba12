//! Booking: facts into groups, and records out of them, in one transaction.
//!
//! The worker does not call it yet: see [`engine`](crate::engine).
//!
//! A transaction takes its locks in one order, sorted within each class: keys by uniqueness, groups,
//! addresses. No step waits for an earlier class, so two transactions cannot block each other, and
//! bookings of different groups run in parallel. A database error is transient: the caller repeats the
//! batch.
//!
//! | module | content |
//! |---|---|
//! | `tables` | the tables |
//! | `placement` | the groups of a batch: found, locked, merged |
//! | `rows` | the rows of locked groups: read and written |
//! | `erasure`, `retention` | the erasure of a customer or an address; checkouts without a payment |
//! | `read` | questions about one payment or subscription |

mod erasure;
mod placement;
mod read;
mod retention;
mod rows;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use dodo_core::{attribution::email_sha256, capture::Campaign};

use self::rows::Writes;
use crate::{
    attribution::Rules,
    engine::{Batch, Fact, Group, Identity, Record, RecordChange, hash, row},
    error::Error,
    store::{
        Store, Tx,
        sql::{Sql, args, sql},
    },
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
const RESOLVE_OTHER_RULES: Sql = sql!(
    "INSERT INTO dodo_resolve (group_id, reason)
     SELECT id, 'rules' FROM dodo_group WHERE parent_id IS NULL AND rules_hash <> $1"
);
const CLAIM_RESOLVE: Sql = sql!(
    "DELETE FROM dodo_resolve
     WHERE id IN (SELECT id FROM dodo_resolve ORDER BY id LIMIT $1" SKIP_LOCKED ")
     RETURNING group_id"
);
const RECORDS: Sql =
    sql!("SELECT group_id, state, record, journey, excess FROM dodo_record ORDER BY no");

/// Groups that are resolved again in one transaction.
const RESOLVE_BATCH: u32 = 32;

/// Facts, groups and records in a database.
#[derive(Clone, Debug)]
pub struct GroupStore {
    store: Store,
    rules: Rules,
}

impl GroupStore {
    /// A group store in this database.
    #[must_use]
    pub fn new(store: Store, rules: Rules) -> Self {
        Self { store, rules }
    }

    /// Creates the tables.
    ///
    /// # Errors
    /// Those of the database, also if the tables exist.
    pub async fn create_tables(&self) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        tables::create(&mut tx).await?;
        tx.commit().await
    }

    /// Books a batch in one transaction. Each touched group is resolved once.
    ///
    /// # Errors
    /// Those of the database. [`is_transient`](Error::is_transient): repeat the batch.
    pub async fn book(&self, batch: Batch) -> Result<Vec<RecordChange>, Error> {
        if batch.components.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.store.begin_booking().await?;
        let changes = book(&mut tx, &self.rules, batch).await?;
        tx.commit().await?;
        Ok(changes)
    }

    /// Links an e-mail address to a visitor, a campaign and a user, and queues its groups.
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
    ) -> Result<(), Error> {
        let Some(hash) = email_sha256(email).map(|hash| hash::to_hex(&hash)) else {
            return Ok(());
        };
        let mut tx = self.store.begin_booking().await?;
        let row = tx.fetch_one(&LOCK_ADDRESS, args![&hash]).await?;
        let stored = row.map(|mut row| row.opt_text(0)).transpose()?.flatten();
        let stored = stored.map(|json| row::from_json::<Identity>(&json)).transpose()?;
        let mut identity = stored.unwrap_or_default();
        if identity.add(visitor, campaign, user) {
            tx.execute(&SET_IDENTITY, args![&hash, row::without_nulls(&identity)?]).await?;
            tx.execute(&RESOLVE_ADDRESS, args![&hash]).await?;
        }
        tx.commit().await
    }

    /// Queues every group that was resolved with other rules.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn queue_changed_rules(&self) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        tx.execute(&RESOLVE_OTHER_RULES, args![self.rules.fingerprint()]).await?;
        tx.commit().await
    }

    /// Resolves some queued groups again. Returns their changed records, or `None` if no group is queued.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn resolve_queued(&self) -> Result<Option<Vec<RecordChange>>, Error> {
        let mut tx = self.store.begin_booking().await?;
        let claimed = tx.fetch(&CLAIM_RESOLVE, args![RESOLVE_BATCH]).await?;
        let ids: BTreeSet<i64> =
            claimed.into_iter().map(|mut row| row.int(0)).collect::<Result<_, _>>()?;
        if ids.is_empty() {
            return Ok(None);
        }
        let ids = placement::lock_roots(&mut tx, ids).await?;
        let mut groups = rows::load(&mut tx, &ids).await?;
        let changes = finish(&mut tx, &self.rules, &mut groups, Writes::default()).await?;
        tx.commit().await?;
        Ok(Some(changes))
    }

    /// All records in the order in which they were first booked.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn records(&self) -> Result<Vec<Record>, Error> {
        let rows = self.store.read().await?.fetch(&RECORDS, args![]).await?;
        rows.into_iter().map(rows::read_record).collect()
    }
}

/// The booking transaction.
async fn book(tx: &mut Tx, rules: &Rules, batch: Batch) -> Result<Vec<RecordChange>, Error> {
    let placed = placement::place(tx, &batch).await?;
    let ids: BTreeSet<i64> = placed.iter().copied().collect();
    let keys = batch.components.iter().flat_map(|component| &component.keys);
    // After the locks: an erasure of one of these customers is complete, or waits.
    let erasures = rows::erasures(tx, keys).await?;
    let mut groups = rows::load(tx, &ids).await?;
    let mut facts: BTreeMap<i64, Vec<Fact>> = BTreeMap::new();
    for (component, id) in batch.components.into_iter().zip(placed) {
        facts.entry(id).or_default().extend(component.facts);
    }
    let mut writes = Writes::default();
    for (id, facts) in facts {
        let Some(group) = groups.get_mut(&id) else { continue };
        let admitted = group.admit(facts, |customer| erasures.get(customer).copied());
        for fact in group.timeline.facts().iter().filter(|fact| admitted.added.contains(&fact.id)) {
            writes.fact(id, fact)?;
        }
        admitted.redacted.iter().for_each(|fact| writes.redact(fact));
    }
    finish(tx, rules, &mut groups, writes).await
}

/// Resolves the groups, and writes the differences.
async fn finish(
    tx: &mut Tx,
    rules: &Rules,
    groups: &mut BTreeMap<i64, Group>,
    mut writes: Writes,
) -> Result<Vec<RecordChange>, Error> {
    rows::link_addresses(tx, groups).await?;
    let rules_hash = rules.fingerprint();
    let mut all = Vec::new();
    for (id, group) in groups {
        let changes = group.project(rules);
        for change in &changes {
            writes.record(*id, &change.new)?;
        }
        writes.booked(*id, group, rules_hash);
        all.extend(changes);
    }
    writes.write(tx).await?;
    Ok(all)
}
