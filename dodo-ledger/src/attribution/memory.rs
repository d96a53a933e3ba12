//! A history in memory: for tests, and the model of what a store has to answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    entry::{Entry, Head, Link},
    history::{Find, History},
};
use crate::error::Error;

/// Entries and facts in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryHistory {
    entries: BTreeMap<String, Entry>,
    links: HashMap<Link, BTreeSet<String>>,
    facts: BTreeMap<String, String>,
    about: BTreeMap<String, BTreeSet<Link>>,
}

impl MemoryHistory {
    /// All entries by key.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// All facts by key.
    pub fn facts(&self) -> &BTreeMap<String, String> {
        &self.facts
    }
}

impl History for MemoryHistory {
    async fn entry(&mut self, id: &str) -> Result<Option<Entry>, Error> {
        Ok(self.entries.get(id).cloned())
    }

    async fn find(&mut self, find: &Find) -> Result<Vec<Entry>, Error> {
        let ids: BTreeSet<&String> =
            find.links.iter().filter_map(|link| self.links.get(link)).flatten().collect();
        let heads: Vec<Head> =
            ids.into_iter().filter_map(|id| self.entries.get(id)).map(Entry::head).collect();
        let mut found: Vec<&Head> = heads.iter().collect();
        find.arrange(&mut found);
        let found = found.iter().filter_map(|head| self.entries.get(&head.id).cloned()).collect();
        Ok(found)
    }

    async fn put(&mut self, entry: &Entry) -> Result<(), Error> {
        if let Some(old) = self.entries.insert(entry.id.clone(), entry.clone()) {
            for link in old.links() {
                if let Some(ids) = self.links.get_mut(&link) {
                    ids.remove(&old.id);
                    if ids.is_empty() {
                        self.links.remove(&link);
                    }
                }
            }
        }
        for link in entry.links() {
            self.links.entry(link).or_default().insert(entry.id.clone());
        }
        Ok(())
    }

    async fn facts(&mut self, keys: &[String]) -> Result<Vec<Option<String>>, Error> {
        Ok(keys.iter().map(|key| self.facts.get(key).cloned()).collect())
    }

    async fn put_fact(&mut self, key: &str, json: &str) -> Result<(), Error> {
        self.facts.insert(key.to_owned(), json.to_owned());
        Ok(())
    }

    async fn remove_fact(&mut self, key: &str) -> Result<(), Error> {
        self.facts.remove(key);
        Ok(())
    }

    async fn note_about(&mut self, key: &str, links: &[Link]) -> Result<(), Error> {
        self.about.entry(key.to_owned()).or_default().extend(links.iter().cloned());
        Ok(())
    }

    async fn about(&mut self, links: &[Link]) -> Result<Vec<String>, Error> {
        let named = self.about.iter().filter(|(_, of)| links.iter().any(|link| of.contains(link)));
        Ok(named.map(|(key, _)| key.clone()).collect())
    }

    async fn forget_about(&mut self, key: &str) -> Result<(), Error> {
        self.about.remove(key);
        Ok(())
    }
}
