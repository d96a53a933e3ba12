//! The facts of one group in the order in which they happened, and the identities of its addresses.

use std::collections::{BTreeSet, HashMap, HashSet};

use dodo_core::capture::Campaign;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    fact::{Fact, Touchpoint},
    fact_kind::FactKind,
    keys::ObjectId,
};

/// The facts of one group, and the identities of its e-mail addresses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    facts: Vec<Fact>,
    ids: HashSet<String>,
    /// The identity of each e-mail hash.
    pub identities: HashMap<[u8; 32], Identity>,
}

impl Timeline {
    /// Adds a fact and returns `true`, or returns `false` if the timeline has a fact with its id.
    ///
    /// The list is sorted by the time of the event, so the order of arrival has no effect. A replay of
    /// an erased object is added without its personal data.
    pub fn push(&mut self, mut fact: Fact) -> bool {
        if !self.ids.insert(fact.id.clone()) {
            return false;
        }
        self.redact(&mut fact);
        let at = self.facts.partition_point(|other| order(other) < order(&fact));
        self.facts.insert(at, fact);
        true
    }

    /// The facts, sorted by time and id.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Whether the timeline has a fact with this id.
    #[must_use]
    pub fn contains(&self, fact_id: &str) -> bool {
        self.ids.contains(fact_id)
    }

    /// Whether the session of a context has another context. Erased contexts do not count.
    #[must_use]
    pub fn contradicts(&self, fact: &Fact) -> bool {
        let known = self.facts.iter().find(|known| known.id == fact.id);
        matches!(fact.kind, FactKind::Context { .. })
            && known.is_some_and(|known| {
                let has_person = known.person.is_some();
                known.kind != fact.kind || (has_person && known.person != fact.person)
            })
    }

    /// Whether the personal data of an object was erased.
    #[must_use]
    pub fn has_erasure(&self) -> bool {
        self.facts.iter().any(|fact| erased_objects(fact).is_some())
    }

    /// Replaces all facts with stored facts.
    pub(crate) fn load(&mut self, mut facts: Vec<Fact>) {
        facts.sort_by(|a, b| order(a).cmp(&order(b)));
        self.ids = facts.iter().map(|fact| fact.id.clone()).collect();
        self.facts = facts;
    }

    /// The time at which the ledger received the last fact, if nothing in the group was paid: it holds
    /// contexts, failed payments, and recoveries whose payment is missing.
    #[must_use]
    pub fn unpaid_since(&self) -> Option<Timestamp> {
        let is_unpaid = |fact: &Fact| {
            matches!(
                fact.kind,
                FactKind::Context { .. }
                    | FactKind::FailedPayment(_)
                    | FactKind::Recovery { .. }
                    | FactKind::Erasure { .. }
            )
        };
        let received = self.facts.iter().map(|fact| fact.received_at);
        received.max().filter(|_| self.facts.iter().all(is_unpaid))
    }

    /// The e-mail hashes of the facts that `identities` does not know yet.
    #[must_use]
    pub fn unknown_addresses(&self) -> BTreeSet<[u8; 32]> {
        let people = self.facts.iter().filter_map(|fact| fact.person.as_ref());
        let hashes = people.filter_map(|person| person.email_sha256);
        hashes.filter(|hash| !self.identities.contains_key(hash)).collect()
    }

    /// The customers of the facts with this e-mail hash.
    pub fn customers_of<'a>(&'a self, address: &'a [u8; 32]) -> impl Iterator<Item = &'a str> {
        let people = self.facts.iter().filter_map(|fact| fact.person.as_ref());
        let people = people.filter(move |person| person.email_sha256.as_ref() == Some(address));
        people.filter_map(|person| person.customer_id.as_deref())
    }

    /// Adds everything of another group.
    pub fn absorb(&mut self, other: Self) {
        self.identities.extend(other.identities);
        for fact in other.facts {
            self.push(fact);
        }
    }

    /// Removes the personal data of these objects, and returns the ids of the changed facts.
    pub fn erase(&mut self, objects: &BTreeSet<ObjectId>) -> Vec<String> {
        let mut changed = Vec::new();
        for fact in &mut self.facts {
            if fact.person.is_some() && objects.contains(&fact.object()) {
                fact.person = None;
                changed.push(fact.id.clone());
            }
        }
        changed
    }

    /// Removes the personal data of a fact that an erasure covers.
    fn redact(&self, fact: &mut Fact) {
        let mut erased = self.facts.iter().filter_map(erased_objects).flatten().peekable();
        if erased.peek().is_none() {
            return;
        }
        let object = fact.object();
        if !erased.any(|erased| *erased == object) {
            return;
        }
        match &fact.kind {
            // A later event of the subscription keeps its personal data, except its metadata: this
            // still has the erased visitor.
            FactKind::Subscription(_) => {
                if let Some(person) = &mut fact.person {
                    person.own = Touchpoint::default();
                }
            }
            _ => fact.person = None,
        }
    }
}

fn order(fact: &Fact) -> (Timestamp, &str) {
    (fact.occurred_at, &fact.id)
}

/// The objects of an erasure.
pub(super) fn erased_objects(fact: &Fact) -> Option<&Vec<ObjectId>> {
    match &fact.kind {
        FactKind::Erasure { objects } => Some(objects),
        _ => None,
    }
}

/// The visitors, campaigns and users that `identify` linked to one e-mail address.
///
/// At most two of each: two make the address ambiguous. The least two stay, so the order of the calls
/// has no effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    visitors: BTreeSet<String>,
    campaigns: Vec<Campaign>,
    users: BTreeSet<String>,
}

impl Identity {
    /// Adds one statement of the application. Returns whether it changed the identity.
    pub fn add(
        &mut self,
        visitor: Option<&str>,
        campaign: Option<&Campaign>,
        user: Option<&str>,
    ) -> bool {
        let before = self.clone();
        for (values, value) in [(&mut self.visitors, visitor), (&mut self.users, user)] {
            values.extend(value.map(str::to_owned));
            while values.len() > 2 {
                values.pop_last();
            }
        }
        self.campaigns.extend(campaign.cloned());
        // `Campaign` has no order, so its JSON decides.
        self.campaigns.sort_by_key(|known| serde_json::to_string(known).unwrap_or_default());
        self.campaigns.dedup();
        self.campaigns.truncate(2);
        *self != before
    }

    /// The visitor. `Err`: two visitors share the address.
    pub(super) fn visitor(&self) -> Result<Option<&str>, Ambiguous> {
        only(self.visitors.first().map(String::as_str), self.visitors.len())
    }

    /// The campaign. `Err`: two campaigns share the address.
    pub(super) fn campaign(&self) -> Result<Option<&Campaign>, Ambiguous> {
        only(self.campaigns.first(), self.campaigns.len())
    }

    /// The user of the application. `Err`: two users share the address.
    pub(super) fn user(&self) -> Result<Option<&str>, Ambiguous> {
        only(self.users.first().map(String::as_str), self.users.len())
    }
}

/// Two values share one address.
pub(super) struct Ambiguous;

fn only<T>(first: Option<T>, count: usize) -> Result<Option<T>, Ambiguous> {
    if count > 1 { Err(Ambiguous) } else { Ok(first) }
}
