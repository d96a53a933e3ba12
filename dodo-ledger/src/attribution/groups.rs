//! The union of a batch: facts with a common key, directly or through other facts, are one component.

use std::collections::{BTreeMap, HashMap};

use super::{fact::Fact, keys::Key};

/// Facts of a batch that are connected through keys. They end in one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Component {
    /// The keys, sorted.
    pub keys: Vec<Key>,
    /// The facts, in the order of the batch.
    pub facts: Vec<Fact>,
}

/// The facts of one booking.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The components, sorted by their first key.
    pub components: Vec<Component>,
    /// All keys in the order in which a store inserts them: sorted. Two bookings that insert the same keys
    /// in different orders can block each other.
    pub key_order: Vec<Key>,
}

impl Batch {
    /// Splits facts into components.
    #[must_use]
    pub fn from_facts(facts: impl IntoIterator<Item = Fact>) -> Self {
        let mut sets = Sets::default();
        let mut members: Vec<(usize, Fact)> = Vec::new();
        for fact in facts {
            let ids: Vec<usize> = fact.keys().into_iter().map(|key| sets.id_of(key)).collect();
            let Some(first) = ids.first().copied() else { continue };
            ids.into_iter().for_each(|id| sets.unite(first, id));
            members.push((first, fact));
        }
        let mut all: BTreeMap<usize, Component> = BTreeMap::new();
        for (key, id) in std::mem::take(&mut sets.ids) {
            all.entry(sets.root(id)).or_default().keys.push(key);
        }
        for (id, fact) in members {
            all.entry(sets.root(id)).or_default().facts.push(fact);
        }
        Self::sorted(all.into_values().collect())
    }

    /// A batch without facts that finds or makes one group for each key.
    #[must_use]
    pub fn from_keys(keys: &[Key]) -> Self {
        let component = |key: &Key| Component { keys: vec![key.clone()], facts: Vec::new() };
        Self::sorted(keys.iter().map(component).collect())
    }

    fn sorted(mut components: Vec<Component>) -> Self {
        for component in &mut components {
            component.keys.sort();
        }
        components.sort_by(|a, b| a.keys.cmp(&b.keys));
        let mut key_order: Vec<Key> =
            components.iter().flat_map(|component| component.keys.clone()).collect();
        key_order.sort();
        Self { components, key_order }
    }
}

/// Disjoint sets of keys.
#[derive(Default)]
struct Sets {
    ids: HashMap<Key, usize>,
    parents: Vec<usize>,
}

impl Sets {
    fn id_of(&mut self, key: Key) -> usize {
        let next = self.parents.len();
        let id = *self.ids.entry(key).or_insert(next);
        if id == next {
            self.parents.push(next);
        }
        id
    }

    fn root(&self, mut id: usize) -> usize {
        while let Some(parent) = self.parents.get(id).copied().filter(|parent| *parent != id) {
            id = parent;
        }
        id
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        // The smaller number wins, so chains stay short for sorted batches.
        if let Some(parent) = self.parents.get_mut(a.max(b)) {
            *parent = a.min(b);
        }
    }
}
