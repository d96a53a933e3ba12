//! The selection of the facts of one customer for an erasure.

use std::collections::{BTreeSet, HashSet};

use dodo_core::EventKind;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{
    fact::{Fact, Source},
    fact_kind::FactKind,
    hash::to_hex,
    keys::{Key, KeyKind, ObjectId},
    parse::in_micros,
    timeline::Timeline,
};

/// The personal data that an erasure of one customer removes from a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Erasure {
    /// The erased objects, and the ids of erased subscription events.
    pub objects: BTreeSet<ObjectId>,
    /// The e-mail hashes of the erased facts.
    pub addresses: BTreeSet<[u8; 32]>,
    /// The name of the cause, hashed in the id of the fact.
    cause: String,
}

impl Erasure {
    /// Selects the facts of a customer: those with the customer's id, and facts without a customer that
    /// share a payment, a subscription or a checkout with them.
    #[must_use]
    pub fn for_customer(timeline: &Timeline, customer_id: &str) -> Self {
        Self::around(timeline, customer_id, |fact| customer_of(fact) == Some(customer_id))
    }

    /// Selects the facts with an e-mail address, and facts without a customer around them.
    #[must_use]
    pub fn for_address(timeline: &Timeline, address: &[u8; 32]) -> Self {
        let has_address = |fact: &Fact| {
            let person = fact.person.as_ref();
            person.and_then(|person| person.email_sha256).as_ref() == Some(address)
        };
        Self::around(timeline, &to_hex(address), has_address)
    }

    /// Selects a fact that the ledger received before the erasure and books after it, and facts without a
    /// customer around it.
    #[must_use]
    pub fn for_fact(timeline: &Timeline, id: &str) -> Self {
        Self::around(timeline, id, |fact| fact.id == id)
    }

    fn around(timeline: &Timeline, cause: &str, is_seed: impl Fn(&Fact) -> bool) -> Self {
        let facts = timeline.facts();
        let mut is_selected: Vec<bool> = facts.iter().map(is_seed).collect();
        // Repeats until a round adds nothing: a context leads to a checkout, and the checkout to a
        // payment.
        loop {
            let selected = facts.iter().zip(&is_selected).filter(|(_, selected)| **selected);
            let keys: HashSet<Key> = selected.flat_map(|(fact, _)| connecting(fact)).collect();
            let mut grew = false;
            for (fact, selected) in facts.iter().zip(&mut is_selected) {
                let is_open = !*selected && fact.person.is_some() && customer_of(fact).is_none();
                if is_open && connecting(fact).any(|key| keys.contains(&key)) {
                    (*selected, grew) = (true, true);
                }
            }
            if !grew {
                break;
            }
        }
        let mut erasure = Self { cause: to_hex(&Sha256::digest(cause)), ..Self::default() };
        for (fact, _) in facts.iter().zip(is_selected).filter(|(_, selected)| *selected) {
            erasure.objects.insert(fact.object());
            if matches!(fact.kind, FactKind::Subscription(_)) {
                // An object name erases all metadata of a subscription. The id of an event erases
                // that event alone.
                erasure.objects.insert(ObjectId::new(fact.id.as_str()));
            }
            let hash = fact.person.as_ref().and_then(|person| person.email_sha256);
            erasure.addresses.extend(hash);
        }
        erasure
    }

    /// Applies the erasure to a timeline. Returns the fact that keeps the objects erased, and the ids of
    /// the facts that lost their personal data. `None`: nothing is left to erase.
    pub fn apply(&self, timeline: &mut Timeline, at: Timestamp) -> Option<Applied> {
        let live = timeline.facts().first().is_some_and(|fact| fact.live);
        let changed = timeline.erase(&self.objects);
        if changed.is_empty() {
            return None;
        }
        let fact = Fact {
            id: format!("erasure:{}:{}", self.cause, at.as_microsecond()),
            source: Source::Application,
            occurred_at: in_micros(at),
            received_at: at,
            attempt_at: None,
            event_type: EventKind::Other("erasure".into()),
            live,
            business_id: String::new(),
            brand_id: None,
            kind: FactKind::Erasure { objects: self.objects.iter().cloned().collect() },
            person: None,
        };
        timeline.push(fact.clone());
        Some(Applied { fact, changed })
    }
}

/// The result of [`Erasure::apply`].
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The fact to store. It keeps the objects erased.
    pub fact: Fact,
    /// The ids of the facts that lost their personal data.
    pub changed: Vec<String>,
}

fn customer_of(fact: &Fact) -> Option<&str> {
    fact.person.as_ref().and_then(|person| person.customer_id.as_deref())
}

/// The keys by which an erasure finds further facts. A recovery can connect payments of two people,
/// so it has none.
fn connecting(fact: &Fact) -> impl Iterator<Item = Key> {
    let keys = match fact.kind {
        FactKind::Recovery { .. } => Vec::new(),
        _ => fact.keys(),
    };
    keys.into_iter().filter(|key| key.kind() != KeyKind::Customer)
}
