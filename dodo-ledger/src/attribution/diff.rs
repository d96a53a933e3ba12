//! The comparison of resolved records with stored records. It alone decides what a booking writes.

use std::collections::{BTreeMap, HashSet};

use super::{
    record::{Record, RecordState},
    timeline::Timeline,
};
use crate::attribution::StepReason;

/// A record that a booking writes.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordChange {
    /// The stored record. `None`: the record is new.
    pub old: Option<Record>,
    /// The record to store.
    pub new: Record,
}

/// Returns the records that differ from the stored ones, sorted by key.
///
/// A stored record that no longer follows from the facts is withdrawn: its money is 0 and its row
/// stays, because a sink can have received it. `reclassified` states that the stored record was a charge
/// of another kind. Both describe the stored history, so `resolve` does not know them.
///
/// `timeline` tells whether the group has an erasure: then withdrawn records lose their personal data.
#[must_use]
pub fn diff(
    timeline: &Timeline,
    stored: &BTreeMap<String, Record>,
    resolved: Vec<Record>,
) -> Vec<RecordChange> {
    let known: HashSet<&str> = resolved.iter().map(Record::id).collect();
    let gone = stored.iter().filter(|(id, _)| !known.contains(id.as_str()));
    let gone: Vec<Record> = gone.map(|(_, old)| withdrawn(old, timeline.has_erasure())).collect();
    // Only changed records move: a large group has many others.
    let mut changes = Vec::new();
    for mut record in resolved.into_iter().chain(gone) {
        let old = stored.get(record.id());
        record.record.flags.reclassified = old.is_some_and(|old| {
            let was_charge = old.record.kind.is_charge();
            old.record.flags.reclassified || (was_charge && old.record.kind != record.record.kind)
        });
        if old != Some(&record) {
            changes.push(RecordChange { old: old.cloned(), new: record });
        }
    }
    changes.sort_by(|a, b| a.new.id().cmp(b.new.id()));
    changes
}

fn withdrawn(old: &Record, erase: bool) -> Record {
    let mut withdrawn = old.clone().without_money(RecordState::Withdrawn);
    let record = &mut withdrawn.record;
    record.flags.reversed = false;
    if erase {
        (record.visitor, record.campaign, record.contact) = (None, None, None);
        (record.customer_id, record.email_sha256, record.user_id) = (None, None, None);
        record.tool_ids.clear();
        (withdrawn.visit_context, withdrawn.reason) = (None, Some(StepReason::Forgotten));
    }
    withdrawn
}
