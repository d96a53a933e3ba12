//! One group: its timeline and its stored records. A booking admits facts, then projects.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    diff::{RecordChange, diff},
    erase::Erasure,
    fact::Fact,
    keys::KeyKind,
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
}

impl Group {
    /// Adds facts to the timeline.
    ///
    /// `erased_at` returns the time at which the customer with this hash was erased. A fact of that
    /// customer that the ledger received before is added without personal data, and so are the facts
    /// around it.
    pub fn admit(
        &mut self,
        facts: Vec<Fact>,
        erased_at: impl Fn(&str) -> Option<Timestamp>,
    ) -> Admitted {
        let mut admitted = Admitted::default();
        let mut covered: Vec<(String, Timestamp)> = Vec::new();
        for fact in facts {
            let customers = fact.keys().into_iter().filter(|key| key.kind() == KeyKind::Customer);
            let erased_at = customers.filter_map(|key| erased_at(key.value())).max();
            let (id, received_at) = (fact.id.clone(), fact.received_at);
            if self.timeline.push(fact) {
                admitted.added.insert(id.clone());
                if erased_at.is_some_and(|erased_at| received_at <= erased_at) {
                    covered.push((id, received_at));
                }
            }
        }
        for (id, received_at) in covered {
            let erasure = Erasure::of_fact(&self.timeline, &id);
            if let Some(applied) = erasure.apply(&mut self.timeline, received_at) {
                admitted.added.insert(applied.fact.id);
                admitted.redacted.extend(applied.changed);
            }
        }
        let Admitted { added, redacted } = &mut admitted;
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
