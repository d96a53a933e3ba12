//! A bounded collection of objects with ids, oldest first.

use std::collections::{BTreeMap, HashMap};

use crate::Error;

/// An object with an id.
pub(crate) trait Row {
    fn id(&self) -> &str;
}

/// Objects in the order they were made. Past the bound the oldest are forgotten.
#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: BTreeMap<u64, T>,
    places: HashMap<String, u64>,
    next: u64,
    bound: usize,
    /// The word for an object in errors.
    name: &'static str,
}

impl<T: Row> Table<T> {
    pub(crate) fn new(name: &'static str, bound: usize) -> Self {
        Self { rows: BTreeMap::new(), places: HashMap::new(), next: 0, bound, name }
    }

    /// Adds an object, or replaces the one with its id.
    pub(crate) fn insert(&mut self, row: T) {
        if let Some(place) = self.places.get(row.id()) {
            self.rows.insert(*place, row);
            return;
        }
        self.places.insert(row.id().to_owned(), self.next);
        self.rows.insert(self.next, row);
        self.next += 1;
        if self.rows.len() > self.bound
            && let Some((_, oldest)) = self.rows.pop_first()
        {
            self.places.remove(oldest.id());
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.rows.get(self.places.get(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.rows.get_mut(self.places.get(id)?)
    }

    /// The object.
    ///
    /// # Errors
    /// 404 when there is none.
    pub(crate) fn find(&self, id: &str) -> Result<&T, Error> {
        self.get(id).ok_or_else(|| Error::unknown(self.name, id))
    }

    /// The object, to change it.
    ///
    /// # Errors
    /// 404 when there is none.
    pub(crate) fn find_mut(&mut self, id: &str) -> Result<&mut T, Error> {
        let name = self.name;
        self.get_mut(id).ok_or_else(|| Error::unknown(name, id))
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<T> {
        self.rows.remove(&self.places.remove(id)?)
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.values()
    }

    /// Oldest first.
    pub(crate) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.rows.values_mut()
    }

    /// The number of objects that were ever added.
    pub(crate) fn added(&self) -> u64 {
        self.next
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Row for String {
        fn id(&self) -> &str {
            self
        }
    }

    #[test]
    fn forgets_the_oldest_past_the_bound() {
        let mut table = Table::new("text", 2);
        for id in ["a", "b", "b", "c"] {
            table.insert(id.to_owned());
        }
        assert_eq!(table.iter().collect::<Vec<_>>(), ["b", "c"]);
        assert!(table.get("a").is_none());
        assert_eq!(table.find("a").unwrap_err().code(), "NOT_FOUND");
        assert_eq!(table.remove("b").as_deref(), Some("b"));
        assert_eq!(table.len(), 1);
    }
}
