//! Questions about one object: its group is found by a key, and resolved again.

use std::collections::{BTreeMap, BTreeSet};

use super::{GroupStore, placement, rows};
use crate::{
    attribution::{
        Batch, Fact, Group, Key, Record, StepReport, SubscriptionState, explain, sanitize,
        subscriptions,
    },
    error::Error,
    store::{
        Tx,
        sql::{Sql, args, sql},
    },
    stored_record,
};

const RECORD_OF: Sql = sql!("SELECT " RECORD " FROM dodo_record WHERE id = $1");
const RECORDS: Sql = sql!("SELECT " RECORD " FROM dodo_record ORDER BY no");

impl GroupStore {
    /// The stored record of a business key, such as `charge:pay_x`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn record(&self, id: &str) -> Result<Option<Record>, Error> {
        let row = self.store.read().await?.fetch_one(&RECORD_OF, args![id]).await?;
        row.map(|mut row| stored_record::read(&mut row)).transpose()
    }

    /// All records in the order in which they were first booked.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn records(&self) -> Result<Vec<Record>, Error> {
        let rows = self.store.read().await?.fetch(&RECORDS, args![]).await?;
        rows.into_iter().map(|mut row| stored_record::read(&mut row)).collect()
    }

    /// The records of a payment and of its reversals as they follow from the facts now, each with the
    /// report of every step. It writes nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn explain(&self, payment_id: &str) -> Result<Vec<(Record, Vec<StepReport>)>, Error> {
        let payment_id = &*sanitize::id(payment_id);
        let keys = [true, false].map(|live| Key::payment(live, payment_id));
        let mut explained = Vec::new();
        for group in groups_with(self.store.read().await?, keys).await? {
            for (mut record, reports) in explain(&group.timeline, &self.rules) {
                if record.record.payment_id != payment_id {
                    continue;
                }
                // Only the stored record has its history.
                let stored = group.records.get(record.id());
                record.record.flags.reclassified =
                    stored.is_some_and(|stored| stored.record.flags.reclassified);
                explained.push((record, reports));
            }
        }
        Ok(explained)
    }

    /// The facts of the groups of these keys.
    pub(crate) async fn facts(&self, keys: [Key; 2]) -> Result<Vec<Fact>, Error> {
        let groups = groups_with(self.store.read().await?, keys).await?;
        Ok(groups.iter().flat_map(|group| group.timeline.facts().iter().cloned()).collect())
    }

    /// The state of a subscription. `None`: the ledger has no event of it.
    ///
    /// It waits for no writer, because a callback calls it while its transaction is open.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn subscription(
        &self,
        subscription_id: &str,
    ) -> Result<Option<SubscriptionState>, Error> {
        let id = &*sanitize::id(subscription_id);
        let keys = [true, false].map(|live| Key::subscription(live, id));
        let groups = groups_with(self.store.begin_read().await?, keys).await?;
        let mut states = groups.iter().flat_map(|group| subscriptions(&group.timeline));
        Ok(states.find(|state| state.subscription_id == id))
    }
}

/// The groups of these keys, without locks.
async fn groups_with(mut tx: Tx, keys: [Key; 2]) -> Result<Vec<Group>, Error> {
    let roots = placement::roots(&mut tx, &Batch::from_keys(&keys).components).await?;
    let ids: BTreeSet<i64> = roots.into_values().collect();
    Ok(rows::load(&mut tx, &ids, BTreeMap::new()).await?.into_values().collect())
}
