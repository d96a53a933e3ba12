//! The erasure of a customer or an e-mail address: bookings that remove personal data.

use std::collections::{BTreeMap, BTreeSet};

use dodo_core::attribution::email_sha256;
use jiff::Timestamp;

use super::{
    GroupStore,
    placement::{self, Locked},
    rows,
    rows::Writes,
};
use crate::{
    attribution::{Batch, Erasure, Key, RecordChange, Timeline, hash, sanitize, subject},
    error::Error,
    store::{
        Tx,
        sql::{Rows, Sql, args, sql},
    },
};

const ERASED: Sql = sql!(
    "INSERT INTO dodo_erasure (subject, erased_at) VALUES ($1, $2)
     ON CONFLICT (subject) DO UPDATE SET erased_at = excluded.erased_at"
);
const GROUPS_OF_ADDRESS: Sql = sql!("SELECT group_id FROM dodo_address_group WHERE hash = $1");
const UNLINK: Sql = sql!(
    "DELETE FROM dodo_address_group WHERE group_id = $1
        AND hash IN (SELECT given.hash FROM " (rows 2: 2 hash TEXT) ")"
);
const CLEAR: Sql = sql!(
    "UPDATE dodo_address SET identity = NULL
     WHERE identity IS NOT NULL AND hash IN (SELECT given.hash FROM " (rows 1: 1 hash TEXT) ")"
);
/// Other groups of the address also lose its identity.
const RESOLVE_AGAIN: Sql = sql!(
    "INSERT INTO dodo_resolve (group_id, reason)
     SELECT group_id, 'erasure' FROM " (rows 1: 1 hash TEXT) "
     CROSS JOIN dodo_address_group WHERE dodo_address_group.hash = given.hash"
);

/// The result of an erasure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Erased {
    /// The changed records.
    pub changes: Vec<RecordChange>,
    /// Facts and identities that lost their personal data.
    pub facts: u64,
    /// Deliveries whose body was erased, or will be when the event is done.
    pub deliveries: u64,
}

impl Erased {
    fn add(&mut self, other: Self) {
        self.changes.extend(other.changes);
        self.facts += other.facts;
        self.deliveries += other.deliveries;
    }
}

impl GroupStore {
    /// Erases the personal data of a customer in both modes.
    ///
    /// The keys stay, so a booking that has read them keeps a valid group. An event that the ledger
    /// received until `at` and books later is booked without personal data.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn erase_customer(&self, customer_id: &str, at: Timestamp) -> Result<Erased, Error> {
        let customer_id = &*sanitize::id(customer_id);
        let keys = [true, false].map(|live| Key::customer(live, customer_id));
        let mut tx = self.store.begin_booking().await?;
        // Lock events before groups: a booking holds the row of its event while it waits for a
        // group.
        let pending = tx.erase_bodies_of_customer(customer_id).await?;
        let placed = placement::place(&mut tx, &Batch::from_keys(&keys)).await?;
        tx.execute(&ERASED, args![subject(customer_id), at.as_microsecond()]).await?;
        let select = |timeline: &Timeline| Erasure::for_customer(timeline, customer_id);
        let groups = placed.groups.into_iter().collect();
        let projections = placed.projections;
        let writes = Writes::from_changed(placed.merged, projections);
        let mut erased = self.erase(&mut tx, (groups, writes), BTreeSet::new(), at, select).await?;
        self.projections.erased(&mut tx, customer_id, projections).await?;
        // Search again: the bookings that this lock waited for have stored the customer of their
        // events.
        erased.deliveries += pending + tx.erase_bodies_of_customer(customer_id).await?;
        tx.commit().await?;
        Ok(erased)
    }

    /// Erases each customer with a fact of this e-mail address, and the identity of the address.
    ///
    /// It uses one transaction for each customer. After an error, call it again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn erase_email(&self, email: &str, at: Timestamp) -> Result<Erased, Error> {
        let Some(address) = email_sha256(email) else { return Ok(Erased::default()) };
        let hash = hash::to_hex(&address);
        let mut tx = self.store.begin_booking().await?;
        let mut customers: BTreeSet<String> =
            tx.customers_in_inbox(&hash).await?.into_iter().collect();
        let (groups, _) = groups_of(&mut tx, &hash).await?;
        let groups = rows::load(&mut tx, &groups, BTreeMap::new()).await?;
        tx.commit().await?;
        for group in groups.values() {
            customers.extend(group.timeline.customers_of(&address).map(str::to_owned));
        }
        let mut erased = Erased::default();
        for customer in customers {
            erased.add(self.erase_customer(&customer, at).await?);
        }
        // After this lock, a booking that links the address has committed the link, or it sees the
        // erasure.
        let mut tx = self.store.begin_booking().await?;
        rows::lock_addresses(&mut tx, Rows::texts([&hash])).await?;
        tx.execute(&ERASED, args![subject(&hash), at.as_microsecond()]).await?;
        tx.commit().await?;
        // Erase the facts that have the address and no customer, and the identity of the address.
        let mut tx = self.store.begin_booking().await?;
        let (groups, projections) = groups_of(&mut tx, &hash).await?;
        let writes = Writes::from_changed(BTreeMap::new(), projections);
        let select = |timeline: &Timeline| Erasure::for_address(timeline, &address);
        let addresses = BTreeSet::from([hash]);
        erased.add(self.erase(&mut tx, (groups, writes), addresses, at, select).await?);
        tx.commit().await?;
        Ok(erased)
    }

    /// Erases the selected facts of these groups, and these addresses and those of the facts.
    async fn erase(
        &self,
        tx: &mut Tx,
        (groups, mut writes): (BTreeSet<i64>, Writes),
        mut addresses: BTreeSet<String>,
        at: Timestamp,
        select: impl Fn(&Timeline) -> Erasure,
    ) -> Result<Erased, Error> {
        self.cache.evict(&groups);
        let mut groups = rows::load(tx, &groups, BTreeMap::new()).await?;
        let mut erased = Erased::default();
        let mut unlinked: Vec<(i64, Vec<String>)> = Vec::new();
        for (id, group) in &mut groups {
            let erasure = select(&group.timeline);
            let Some(applied) = erasure.apply(&mut group.timeline, at) else { continue };
            writes.fact(*id, &applied.fact)?;
            applied.changed.iter().for_each(|fact| writes.redact(*id, fact));
            erased.facts += applied.changed.len() as u64;
            let hashes: Vec<String> =
                erasure.addresses.iter().map(|address| hash::to_hex(address)).collect();
            group.timeline.identities.retain(|address, _| !erasure.addresses.contains(address));
            addresses.extend(hashes.iter().cloned());
            unlinked.push((*id, hashes));
        }
        rows::lock_addresses(tx, Rows::texts(addresses.iter())).await?;
        for (id, hashes) in unlinked.into_iter().filter(|(_, hashes)| !hashes.is_empty()) {
            tx.execute(&UNLINK, args![id, Rows::texts(hashes)]).await?;
        }
        if !addresses.is_empty() {
            erased.facts += tx.execute(&CLEAR, args![Rows::texts(addresses.iter())]).await?;
        }
        for statement in [&RESOLVE_AGAIN, &rows::DROP_ADDRESSES] {
            tx.write(statement, Rows::texts(addresses.iter())).await?;
        }
        for address in &addresses {
            erased.deliveries += tx.erase_bodies_of_address(address).await?;
        }
        erased.changes = self.finish(tx, &mut groups, writes).await?.changes;
        Ok(erased)
    }
}

/// The locked groups that an address is linked to, and the number of projections of the database.
async fn groups_of(tx: &mut Tx, hash: &str) -> Result<(BTreeSet<i64>, i64), Error> {
    let linked = tx.fetch(&GROUPS_OF_ADDRESS, args![hash]).await?;
    let linked = linked.into_iter().map(|mut row| row.int(0)).collect::<Result<Vec<i64>, _>>()?;
    if linked.is_empty() {
        return Ok((BTreeSet::new(), 0));
    }
    let Locked { facts, projections, .. } = placement::lock_roots(tx, linked).await?;
    Ok((facts.into_keys().collect(), projections))
}
