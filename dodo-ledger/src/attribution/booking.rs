//! Booking: one piece of evidence goes in, every record that it changes comes out.
//!
//! Records are a function of all evidence, not of its order. What one charge hands on is found in
//! entries after it, so entries are worked through in order: charges by the time they were made, then
//! what went back of them, then starts and ends of subscriptions. A change stops where nothing
//! changes any more.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    derive::{derive_charge, derive_lifecycle},
    entry::{Class, Entry, Position, charge_id},
    evidence::Evidence,
    facts,
    history::{Find, History},
    rules::Rules,
    settle,
};
use crate::error::Error;

/// What a booking changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Booking {
    /// The entries that were written, by key.
    pub changes: Vec<Change>,
}

/// One entry that a booking wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The entry as it is now.
    pub entry: Entry,
    /// It was not there before.
    pub is_new: bool,
}

/// Books one piece of evidence. Booking it again changes nothing.
///
/// # Errors
/// Those of the history.
pub async fn book<H: History>(
    rules: &Rules,
    history: &mut H,
    evidence: Evidence,
) -> Result<Booking, Error> {
    let mut desk = Desk::new(rules, history);
    desk.take(evidence).await?;
    desk.finish().await
}

/// The work that one booking brings about.
pub(super) struct Desk<'a, H> {
    pub(super) rules: &'a Rules,
    pub(super) history: &'a mut H,
    /// Evidence that is new or replaces older evidence, by key.
    pub(super) fresh: BTreeMap<String, Evidence>,
    pub(super) charges: BTreeSet<Position>,
    /// Payments of which something may have gone back.
    pub(super) payments: BTreeSet<String>,
    pub(super) lifecycles: BTreeSet<String>,
    pub(super) changes: BTreeMap<String, Change>,
}

impl<'a, H: History> Desk<'a, H> {
    pub(super) fn new(rules: &'a Rules, history: &'a mut H) -> Self {
        Self {
            rules,
            history,
            fresh: BTreeMap::new(),
            charges: BTreeSet::new(),
            payments: BTreeSet::new(),
            lifecycles: BTreeSet::new(),
            changes: BTreeMap::new(),
        }
    }

    pub(super) async fn fact<T: serde::de::DeserializeOwned>(
        &mut self,
        key: &str,
    ) -> Result<Option<T>, Error> {
        let stored = self.history.facts(&[key.to_owned()]).await?;
        facts::read(stored.first().and_then(Option::as_ref))
    }

    pub(super) async fn dirty_payment(&mut self, payment_id: Option<&str>) -> Result<(), Error> {
        if let Some(payment_id) = payment_id
            && let Some(entry) = self.history.entry(&charge_id(payment_id)).await?
        {
            self.note(&entry);
        }
        Ok(())
    }

    /// Marks what is found to be looked at again.
    pub(super) async fn dirty(&mut self, find: Find) -> Result<(), Error> {
        for entry in self.history.find(&find).await? {
            self.note(&entry);
        }
        Ok(())
    }

    pub(super) fn note(&mut self, entry: &Entry) {
        match entry.class() {
            Class::Charge => {
                self.charges.insert(entry.position());
            }
            Class::Reversal => self.payments.extend(settle::payment_of(&entry.evidence.what)),
            Class::Lifecycle => {
                self.lifecycles.insert(entry.id.clone());
            }
        }
    }

    /// Works off everything that is marked.
    pub(super) async fn finish(mut self) -> Result<Booking, Error> {
        while let Some(position) = self.charges.pop_first() {
            self.charge(&position.id).await?;
        }
        while let Some(payment) = self.payments.pop_first() {
            self.settle(&payment).await?;
        }
        while let Some(id) = self.lifecycles.pop_first() {
            self.lifecycle(&id).await?;
        }
        Ok(Booking { changes: self.changes.into_values().collect() })
    }

    async fn charge(&mut self, id: &str) -> Result<(), Error> {
        let old = self.history.entry(id).await?;
        let evidence = self.fresh.remove(id).or_else(|| old.as_ref().map(|e| e.evidence.clone()));
        let Some(evidence) = evidence else { return Ok(()) };
        let Some(entry) = derive_charge(self.rules, self.history, id, evidence).await? else {
            return Ok(());
        };
        self.replace(old, entry.0).await
    }

    async fn lifecycle(&mut self, id: &str) -> Result<(), Error> {
        let old = self.history.entry(id).await?;
        let evidence = self.fresh.remove(id).or_else(|| old.as_ref().map(|e| e.evidence.clone()));
        let Some(evidence) = evidence else { return Ok(()) };
        let (entry, _) = derive_lifecycle(self.rules, self.history, id, evidence).await?;
        self.replace(old, entry).await
    }
}
