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

/// Splits a batch into its components, sorted by their first key.
#[must_use]
pub fn components(facts: impl IntoIterator<Item = Fact>) -> Vec<Component> {
    let mut sets = Sets::default();
    let mut members: Vec<(usize, Fact)> = Vec::new();
    for fact in facts {
        let keys = fact.keys();
        let mut ids = keys.into_iter().map(|key| sets.id_of(key));
        let Some(first) = ids.next() else { continue };
        let ids: Vec<usize> = ids.collect();
        for id in ids {
            sets.unite(first, id);
        }
        members.push((first, fact));
    }
    let mut all: BTreeMap<usize, Component> = BTreeMap::new();
    for (key, id) in std::mem::take(&mut sets.ids) {
        all.entry(sets.root(id)).or_default().keys.push(key);
    }
    for (id, fact) in members {
        all.entry(sets.root(id)).or_default().facts.push(fact);
    }
    let mut components: Vec<Component> = all.into_values().collect();
    for component in &mut components {
        component.keys.sort();
    }
    components.sort_by(|a, b| a.keys.cmp(&b.keys));
    components
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
