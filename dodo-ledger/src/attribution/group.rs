//! One group: its timeline and its stored records. A booking admits facts, then projects.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    diff::{RecordChange, diff},
    erase::Erasure,
    fact::Fact,
    record::Record,
    resolve::resolve,
    timeline::Timeline,
};
use crate::attribution::Rules;

/// The facts and the stored records of one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// The facts.
    pub timeline: Timeline,
    /// The stored records by key.
    pub records: BTreeMap<String, Record>,
}

/// The result of [`Group::admit`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// The ids of the facts to store.
    pub added: BTreeSet<String>,
    /// The ids of stored facts that lost their personal data.
    pub redacted: Vec<String>,
    /// The ids of contexts whose session has another context. The first one stays.
    pub conflicts: Vec<String>,
}

impl Group {
    /// Adds facts to the timeline.
    ///
    /// `is_erased` tells whether an erasure covers a fact: the ledger received it before the erasure of
    /// its customer or address. Such a fact is added without personal data, and so are the facts around
    /// it.
    pub fn admit(&mut self, facts: Vec<Fact>, is_erased: impl Fn(&Fact) -> bool) -> Admitted {
        let mut admitted = Admitted::default();
        let mut covered: Vec<(String, Timestamp)> = Vec::new();
        for fact in facts {
            let (is_erased, id, received_at) =
                (is_erased(&fact), fact.id.clone(), fact.received_at);
            if self.timeline.contains(&id) {
                if self.timeline.contradicts(&fact) {
                    admitted.conflicts.push(id);
                }
                continue;
            }
            self.timeline.push(fact);
            admitted.added.insert(id.clone());
            if is_erased {
                covered.push((id, received_at));
            }
        }
        for (id, received_at) in covered {
            let erasure = Erasure::for_fact(&self.timeline, &id);
            if let Some(applied) = erasure.apply(&mut self.timeline, received_at) {
                admitted.added.insert(applied.fact.id);
                admitted.redacted.extend(applied.changed);
            }
        }
        let Admitted { added, redacted, .. } = &mut admitted;
        redacted.retain(|id| !added.contains(id));
        admitted
    }

    /// Resolves the timeline, and returns the records that differ from the stored ones.
    pub fn project(&mut self, rules: &Rules) -> Vec<RecordChange> {
        let changes = diff(&self.timeline, &self.records, resolve(&self.timeline, rules));
        for change in &changes {
            self.records.insert(change.new.id().to_owned(), change.new.clone());
        }
        changes
    }
}
