//! The erasure of a customer or an e-mail address: bookings that remove personal data.

use std::collections::BTreeSet;

use dodo_core::attribution::email_sha256;
use jiff::Timestamp;

use super::{GroupStore, finish, placement, rows, rows::Writes};
use crate::{
    attribution::fit,
    engine::{Batch, Erasure, Key, RecordChange, Timeline, hash},
    error::Error,
    store::{
        Tx,
        sql::{Rows, Sql, args, sql},
    },
};

const ERASED: Sql = sql!(
    "INSERT INTO dodo_erasure (customer_sha256, erased_at) VALUES ($1, $2)
     ON CONFLICT (customer_sha256) DO UPDATE SET erased_at = excluded.erased_at"
);
const GROUPS_OF_ADDRESS: Sql = sql!("SELECT group_id FROM dodo_address_group WHERE hash = $1");
const UNLINK: Sql = sql!(
    "DELETE FROM dodo_address_group WHERE group_id = $1
        AND hash IN (SELECT given.hash FROM " (rows 2: 2 hash TEXT) ")"
);
const CLEAR: Sql = sql!(
    "UPDATE dodo_address SET identity = NULL
     WHERE hash IN (SELECT given.hash FROM " (rows 1: 1 hash TEXT) ")"
);
/// Other groups of the address lose its identity, too.
const RESOLVE_AGAIN: Sql = sql!(
    "INSERT INTO dodo_resolve (group_id, reason)
     SELECT group_id, 'erasure' FROM " (rows 1: 1 hash TEXT) "
     JOIN dodo_address_group ON dodo_address_group.hash = given.hash"
);
impl GroupStore {
    /// Erases the personal data of a customer in both modes.
    ///
    /// The keys stay, so a booking that has read them keeps a valid group. An event that the ledger
    /// received until `at` and books later is booked without personal data.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn erase_customer(
        &self,
        customer_id: &str,
        at: Timestamp,
    ) -> Result<Vec<RecordChange>, Error> {
        let customer_id = &*fit::id(customer_id);
        let keys = [true, false].map(|live| Key::customer(live, customer_id));
        let mut tx = self.store.begin_booking().await?;
        let placed = placement::place(&mut tx, &Batch::of_keys(&keys)).await?;
        let [customer, _] = &keys;
        tx.execute(&ERASED, args![customer.value(), at.as_microsecond()]).await?;
        let select = |timeline: &Timeline| Erasure::of_customer(timeline, customer_id);
        let groups = placed.into_iter().collect();
        let changes = self.erase(&mut tx, groups, BTreeSet::new(), at, select).await?;
        tx.commit().await?;
        Ok(changes)
    }

    /// Erases each customer with a fact of this e-mail address, and the identity of the address.
    ///
    /// It uses one transaction for each customer. After an error, call it again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn erase_email(
        &self,
        email: &str,
        at: Timestamp,
    ) -> Result<Vec<RecordChange>, Error> {
        let Some(address) = email_sha256(email) else { return Ok(Vec::new()) };
        let mut tx = self.store.begin_booking().await?;
        let groups = groups_of(&mut tx, &address).await?;
        let groups = rows::load(&mut tx, &groups).await?;
        drop(tx);
        let timelines = groups.values().map(|group| &group.timeline);
        let customers: BTreeSet<&str> =
            timelines.flat_map(|timeline| timeline.customers_of(&address)).collect();
        let mut changes = Vec::new();
        for customer in customers {
            changes.extend(self.erase_customer(customer, at).await?);
        }
        // Facts that have the address and no customer, and the address itself.
        let mut tx = self.store.begin_booking().await?;
        let groups = groups_of(&mut tx, &address).await?;
        let select = |timeline: &Timeline| Erasure::of_address(timeline, &address);
        let addresses = BTreeSet::from([hash::to_hex(&address)]);
        changes.extend(self.erase(&mut tx, groups, addresses, at, select).await?);
        tx.commit().await?;
        Ok(changes)
    }

    /// Erases the selected facts of these groups, and these addresses and those of the facts.
    async fn erase(
        &self,
        tx: &mut Tx,
        groups: BTreeSet<i64>,
        mut addresses: BTreeSet<String>,
        at: Timestamp,
        select: impl Fn(&Timeline) -> Erasure,
    ) -> Result<Vec<RecordChange>, Error> {
        let mut groups = rows::load(tx, &groups).await?;
        let mut writes = Writes::default();
        let mut unlinked: Vec<(i64, Vec<String>)> = Vec::new();
        for (id, group) in &mut groups {
            let erasure = select(&group.timeline);
            let Some(applied) = erasure.apply(&mut group.timeline, at) else { continue };
            writes.fact(*id, &applied.fact)?;
            applied.changed.iter().for_each(|fact| writes.redact(fact));
            let erased: Vec<String> =
                erasure.addresses.iter().map(|address| hash::to_hex(address)).collect();
            group.timeline.identities.retain(|address, _| !erasure.addresses.contains(address));
            addresses.extend(erased.iter().cloned());
            unlinked.push((*id, erased));
        }
        rows::lock_addresses(tx, Rows::texts(addresses.iter())).await?;
        for (id, erased) in unlinked.into_iter().filter(|(_, erased)| !erased.is_empty()) {
            tx.execute(&UNLINK, args![id, Rows::texts(erased)]).await?;
        }
        for statement in [&CLEAR, &RESOLVE_AGAIN, &rows::DROP_ADDRESSES] {
            tx.write(statement, Rows::texts(addresses.iter())).await?;
        }
        finish(tx, &self.rules, &mut groups, writes).await
    }
}

/// The locked groups that an address is linked to.
async fn groups_of(tx: &mut Tx, address: &[u8; 32]) -> Result<BTreeSet<i64>, Error> {
    let linked = tx.fetch(&GROUPS_OF_ADDRESS, args![hash::to_hex(address)]).await?;
    let linked = linked.into_iter().map(|mut row| row.int(0)).collect::<Result<Vec<i64>, _>>()?;
    if linked.is_empty() {
        return Ok(BTreeSet::new());
    }
    placement::lock_roots(tx, linked).await
}
