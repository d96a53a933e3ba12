//! A ledger in memory: the model of the store. It does in memory what a booking does in a transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dodo_core::{
    attribution::email_sha256,
    capture::{Campaign, CheckoutContext},
};
use dodo_ledger::attribution::{
    Batch, Erasure, Fact, Group, Identity, Key, Record, RecordChange, Timeline, context_fact,
    explain, parse, parse_api_object, resolve,
};
use dodo_ledger::attribution::{Rules, StepReport};
use jiff::Timestamp;

use crate::world::{Act, Records};

/// Groups, keys and addresses. A merged group is empty, and `keys` name the group that absorbed it.
#[derive(Debug, Default)]
pub(crate) struct MemoryLedger {
    pub(crate) rules: Rules,
    groups: Vec<Group>,
    keys: BTreeMap<Key, usize>,
    addresses: HashMap<[u8; 32], BTreeSet<usize>>,
    identities: HashMap<[u8; 32], Identity>,
    /// By the hash of the customer.
    erased: HashMap<String, Timestamp>,
}

impl MemoryLedger {
    pub(crate) fn new(rules: &Rules) -> Self {
        Self { rules: rules.clone(), ..Self::default() }
    }

    pub(crate) fn play(rules: &Rules, acts: &[Act]) -> Self {
        let mut ledger = Self::new(rules);
        for act in acts {
            ledger.act(act);
        }
        ledger
    }

    /// Plays the acts with up to `size` facts in one booking.
    pub(crate) fn play_in_batches(rules: &Rules, acts: &[Act], size: usize) -> Self {
        let mut ledger = Self::new(rules);
        for batch in acts.chunks(size) {
            for act in batch.iter().filter(|act| matches!(act, Act::Identify { .. })) {
                ledger.act(act);
            }
            let facts: Vec<Fact> = batch.iter().filter_map(|act| fact(act, rules)).collect();
            ledger.book(facts);
        }
        ledger
    }

    pub(crate) fn act(&mut self, act: &Act) -> Vec<RecordChange> {
        match act {
            Act::Identify { email, visitor } => self.identify(email, Some(visitor), None, None),
            act => self.book(fact(act, &self.rules)),
        }
    }

    /// Books a batch: every touched group is resolved once.
    pub(crate) fn book(&mut self, facts: impl IntoIterator<Item = Fact>) -> Vec<RecordChange> {
        let components = Batch::from_facts(facts).components;
        for component in &components {
            self.unite(&component.keys);
        }
        let mut touched = BTreeSet::new();
        for component in components {
            let group = self.keys[&component.keys[0]];
            let erased = &self.erased;
            let is_erased = |fact: &Fact| {
                fact.subjects().any(|subject| {
                    erased.get(&subject).is_some_and(|erased_at| fact.received_at <= *erased_at)
                })
            };
            self.groups[group].admit(component.facts, is_erased);
            touched.insert(group);
        }
        touched.into_iter().flat_map(|group| self.project(group)).collect()
    }

    /// Links an address to a visitor, a campaign and a user, and resolves its groups again.
    pub(crate) fn identify(
        &mut self,
        email: &str,
        visitor: Option<&str>,
        campaign: Option<&Campaign>,
        user: Option<&str>,
    ) -> Vec<RecordChange> {
        let Some(hash) = email_sha256(email) else { return Vec::new() };
        let identity = self.identities.entry(hash).or_default();
        if !identity.add(visitor, campaign, user) {
            return Vec::new();
        }
        let identity = identity.clone();
        let groups = self.addresses.get(&hash).cloned().unwrap_or_default();
        let mut changes = Vec::new();
        for group in groups {
            self.groups[group].timeline.identities.insert(hash, identity.clone());
            changes.extend(self.project(group));
        }
        changes
    }

    /// Erases a customer in both modes, and the identities of the customer's addresses.
    pub(crate) fn erase(&mut self, customer_id: &str, at: Timestamp) -> Vec<RecordChange> {
        let mut changes = Vec::new();
        for live in [true, false] {
            let key = Key::customer(live, customer_id);
            self.erased.insert(key.value().to_owned(), at);
            let Some(group) = self.keys.get(&key).copied() else { continue };
            let timeline = &mut self.groups[group].timeline;
            let erasure = Erasure::for_customer(timeline, customer_id);
            erasure.apply(timeline, at);
            for hash in &erasure.addresses {
                changes.extend(self.remove_identity(hash));
            }
            changes.extend(self.project(group));
        }
        changes
    }

    /// Erases the identity of an address.
    pub(crate) fn erase_address(&mut self, email: &str) -> Vec<RecordChange> {
        email_sha256(email).map(|hash| self.remove_identity(&hash)).unwrap_or_default()
    }

    fn remove_identity(&mut self, hash: &[u8; 32]) -> Vec<RecordChange> {
        self.identities.remove(hash);
        let groups = self.addresses.remove(hash).unwrap_or_default();
        let mut changes = Vec::new();
        for group in groups {
            self.groups[group].timeline.identities.remove(hash);
            changes.extend(self.project(group));
        }
        changes
    }

    /// Unites the groups of these keys: the largest absorbs the others.
    fn unite(&mut self, keys: &[Key]) {
        let known = keys.iter().filter_map(|key| self.keys.get(key));
        let known: BTreeSet<usize> = known.copied().collect();
        let size = |group: &usize| self.groups[*group].timeline.facts().len();
        let winner = known.iter().copied().max_by_key(size).unwrap_or_else(|| {
            self.groups.push(Group::default());
            self.groups.len() - 1
        });
        for loser in known.into_iter().filter(|group| *group != winner) {
            let Group { timeline, records } = std::mem::take(&mut self.groups[loser]);
            self.groups[winner].timeline.absorb(timeline);
            self.groups[winner].records.extend(records);
            let moved = |group: &mut usize| *group = if *group == loser { winner } else { *group };
            self.keys.values_mut().for_each(moved);
            for groups in self.addresses.values_mut().filter(|groups| groups.contains(&loser)) {
                groups.remove(&loser);
                groups.insert(winner);
            }
        }
        for key in keys {
            self.keys.insert(key.clone(), winner);
        }
    }

    /// Links the group to its new addresses, resolves it and writes the diff.
    fn project(&mut self, group: usize) -> Vec<RecordChange> {
        let timeline = &mut self.groups[group].timeline;
        for hash in timeline.unknown_addresses() {
            self.addresses.entry(hash).or_default().insert(group);
            let identity = self.identities.get(&hash).cloned().unwrap_or_default();
            timeline.identities.insert(hash, identity);
        }
        self.groups[group].project(&self.rules)
    }

    /// Resolves every group with other rules.
    pub(crate) fn change_rules(&mut self, rules: &Rules) {
        self.rules = rules.clone();
        for group in 0..self.groups.len() {
            self.project(group);
        }
    }

    pub(crate) fn stored(&self) -> BTreeMap<String, Record> {
        self.groups.iter().flat_map(|group| group.records.clone()).collect()
    }

    pub(crate) fn record(&self, id: &str) -> Record {
        self.stored().remove(id).unwrap_or_else(|| panic!("no record {id}"))
    }

    pub(crate) fn records(&self) -> Records {
        Records(self.stored().into_iter().map(|(id, record)| (id, record.record)).collect())
    }

    /// Every record as it follows from the facts, with the reports of the steps.
    pub(crate) fn explained(&self) -> BTreeMap<String, (Record, Vec<StepReport>)> {
        let all = self.timelines().flat_map(|timeline| explain(timeline, &self.rules));
        all.map(|(record, reports)| (record.id().to_owned(), (record, reports))).collect()
    }

    pub(crate) fn timelines(&self) -> impl Iterator<Item = &Timeline> {
        self.groups
            .iter()
            .map(|group| &group.timeline)
            .filter(|timeline| !timeline.facts().is_empty())
    }

    /// All stored data as text, to search for personal data.
    pub(crate) fn dump(&self) -> String {
        let groups = self.groups.iter().map(|group| {
            let facts: Vec<_> =
                group.timeline.facts().iter().map(|f| (&f.id, f, &f.person)).collect();
            let records: Vec<_> =
                group.records.values().map(|r| (&r.record, &r.visit_context)).collect();
            let identities = group.timeline.identities.values().collect::<Vec<_>>();
            serde_json::to_string(&(facts, records, identities)).unwrap()
        });
        let groups = groups.collect::<Vec<_>>().join("\n");
        let identities = serde_json::to_string(&self.identities.values().collect::<Vec<_>>());
        format!("{groups}\n{:?}\n{:?}\n{}", self.keys, self.addresses, identities.unwrap())
    }

    /// The stored records are the ones that follow from the facts.
    pub(crate) fn assert_resolved(&self) {
        let stored = self.stored();
        for timeline in self.timelines() {
            for mut record in resolve(timeline, &self.rules) {
                let stored = &stored[record.id()];
                record.record.flags.reclassified = stored.record.flags.reclassified;
                assert_eq!(&record, stored);
            }
        }
    }
}

/// The fact of an act. `None`: the act brings no fact.
pub(crate) fn fact(act: &Act, rules: &Rules) -> Option<Fact> {
    match act {
        // What cannot be read proves nothing.
        Act::Deliver(delivery) => parse(&delivery.event(), rules).ok().flatten(),
        Act::Asked(object, at) => {
            let mut fact = parse_api_object(&object.event(), rules).unwrap()?;
            fact.received_at = *at;
            Some(fact)
        }
        Act::Bind(session, context) => {
            let context: CheckoutContext = serde_json::from_value(context.clone()).unwrap();
            Some(context_fact(session, &context, context.captured_at))
        }
        Act::Identify { .. } => None,
    }
}
