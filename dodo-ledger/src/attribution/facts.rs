//! Facts that are no entries: what is known about a subscription, an abandoned payment, a dispute.
//!
//! Every fact is joined from the evidence of several deliveries so that neither their order nor a
//! repetition matters: the earliest, the latest or the union is kept, never the last to arrive.

use std::collections::{BTreeMap, BTreeSet};

use dodo_core::{attribution::SubscriptionTerms, capture::Campaign, internals::SubscriptionState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    evidence::{Evidence, Findings, Origin, Subscription, SubscriptionStep},
    fit,
    standing::Standing,
};
use crate::{error::Error, fault::mutant};

/// What decides between events of one instant: the later next charge, then the progress of the
/// subscription.
pub(super) type Tie = (Option<Timestamp>, u8);

/// A value and when it was true. Ties are broken by what the events say, then by the delivery's id, never
/// by arrival.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Dated<T> {
    at: Timestamp,
    #[serde(default)]
    tie: Tie,
    by: String,
    pub(crate) value: T,
}

impl<T> Dated<T> {
    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    fn new(origin: &Origin, value: T) -> Self {
        let tie = Tie::default();
        Self { at: origin.occurred_at, tie, by: origin.webhook_id.clone(), value }
    }

    fn rank(&self) -> (Timestamp, Tie, &str) {
        (self.at, self.tie, &self.by)
    }

    /// Keeps the earlier one.
    fn first(slot: &mut Option<Self>, new: Option<Self>) {
        if let Some(new) = new
            && slot
                .as_ref()
                .is_none_or(|old| new.rank() < old.rank() && !mutant("order_by_arrival"))
        {
            *slot = Some(new);
        }
    }

    /// Keeps the later one.
    pub(super) fn last(slot: &mut Option<Self>, origin: &Origin, tie: Tie, new: Option<T>) {
        let Some(new) = new.map(|value| Self { tie, ..Self::new(origin, value) }) else { return };
        let newer = |old: &Self| new.rank() > old.rank() || mutant("order_by_arrival");
        if slot.as_ref().is_none_or(newer) {
            *slot = Some(new);
        }
    }
}

/// What is known about a subscription from all its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SubscriptionFacts {
    pub(crate) created_at: Option<Timestamp>,
    /// When the earliest event happened.
    first_event_at: Option<Timestamp>,
    trial_days: Option<Dated<i64>>,
    interval: Option<Dated<(i64, String)>>,
    on_demand: bool,
    plan: Option<Dated<String>>,
    /// The plans that changes led to.
    plan_changes: BTreeMap<Timestamp, BTreeSet<Option<String>>>,
    visitor: Option<Dated<String>>,
    campaign: Option<Dated<Campaign>>,
    tool_ids: Option<Dated<BTreeMap<String, String>>>,
    user_id: Option<Dated<String>>,
    pub(super) standing: Standing,
    /// Whom the metadata names was forgotten, and is not learned again.
    pub(crate) forgotten: bool,
}

/// A payment that changes a plan is made around the time at which the plan changes, before or after.
const PLAN_CHANGE_WINDOW: jiff::SignedDuration = jiff::SignedDuration::from_mins(60);
/// An event this soon after the creation shows that the ledger was there for every charge. Dodo Payments
/// delivers for 27 h 35 min, but the event's own time counts and not its arrival.
const SEEN_FROM_START: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

impl SubscriptionFacts {
    /// Adds what one event says.
    pub(crate) fn learn(&mut self, evidence: &Evidence, subscription: &Subscription) {
        let origin = &evidence.origin;
        self.created_at = match (self.created_at, subscription.created_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.first_event_at = self.first_event_at.into_iter().chain([origin.occurred_at]).min();
        self.on_demand |= subscription.on_demand;
        let dated = |days| Dated::new(origin, days);
        Dated::first(&mut self.trial_days, subscription.terms.trial_period_days.map(dated));
        let interval = interval(&subscription.terms).map(|value| Dated::new(origin, value));
        Dated::first(&mut self.interval, interval);
        if subscription.step == SubscriptionStep::PlanChanged {
            let plans = self.plan_changes.entry(origin.occurred_at).or_default();
            plans.insert(subscription.product_id.clone());
        }
        let plan = subscription.product_id.clone().map(|value| Dated::new(origin, value));
        Dated::first(&mut self.plan, plan);
        self.standing.learn(origin, subscription);

        if self.forgotten {
            return;
        }
        let Findings { visitor, campaign, tool_ids, user_id } = evidence.own.clone();
        Dated::first(&mut self.visitor, visitor.map(|value| Dated::new(origin, value)));
        Dated::first(&mut self.campaign, campaign.map(|value| Dated::new(origin, value)));
        let tool_ids = (!tool_ids.is_empty()).then(|| Dated::new(origin, tool_ids));
        Dated::first(&mut self.tool_ids, tool_ids);
        Dated::first(&mut self.user_id, user_id.map(|value| Dated::new(origin, value)));
    }

    /// What the subscription's own metadata said first: a later charge may replace it.
    pub(crate) fn findings(&self) -> Findings {
        Findings {
            visitor: self.visitor.as_ref().map(|dated| dated.value.clone()),
            campaign: self.campaign.as_ref().map(|dated| dated.value.clone()),
            tool_ids: self.tool_ids.as_ref().map(|d| d.value.clone()).unwrap_or_default(),
            user_id: self.user_id.as_ref().map(|dated| dated.value.clone()),
        }
    }

    /// Forgets whom the metadata named.
    pub(crate) fn forget(&mut self) {
        (self.visitor, self.campaign, self.tool_ids, self.user_id) = (None, None, None, None);
        self.forgotten = true;
    }

    /// Whether nothing that follows from the facts differs: not when it was learnt, but what.
    pub(crate) fn means_the_same(&self, other: &Self) -> bool {
        let meaning = |facts: &Self| {
            let plan = facts.plan.as_ref().map(|dated| dated.value.clone());
            let began = (facts.created_at, facts.is_known(), facts.is_seen_from_start());
            (began, facts.trial_days(), facts.on_demand, plan, facts.findings())
        };
        meaning(self) == meaning(other)
            && self.interval() == other.interval()
            && self.plan_changes == other.plan_changes
    }

    /// What decides whether a charge at this time is the first.
    pub(super) fn state_at(&self, at: Timestamp) -> SubscriptionState {
        let mut state = SubscriptionState::default();
        state.created_at = self.created_at;
        state.trial_days = self.trial_days();
        state.interval = self.interval().map(|(count, unit)| (count, unit.to_owned()));
        state.on_demand = self.on_demand;
        state.plan_changed = self.plan_changed_around(at);
        state.seen_from_start = self.is_seen_from_start();
        state
    }

    /// Whether an event of it was booked.
    pub(super) fn is_known(&self) -> bool {
        self.first_event_at.is_some()
    }

    fn is_seen_from_start(&self) -> bool {
        let Some((created, first)) = self.created_at.zip(self.first_event_at) else { return false };
        first.duration_since(created) <= SEEN_FROM_START
    }

    fn trial_days(&self) -> i64 {
        self.trial_days.as_ref().map_or(0, |dated| dated.value)
    }

    fn interval(&self) -> Option<(i64, &str)> {
        self.interval.as_ref().map(|dated| (dated.value.0, dated.value.1.as_str()))
    }

    /// Whether a plan change was recorded around this time.
    fn plan_changed_around(&self, at: Timestamp) -> bool {
        self.plan_changes.keys().any(|change| change.duration_since(at).abs() <= PLAN_CHANGE_WINDOW)
    }

    /// The plan at this time.
    pub(crate) fn product_at(&self, at: Timestamp) -> Option<String> {
        self.plan_changes
            .iter()
            .rev()
            .filter(|(change, _)| change.duration_since(at) <= PLAN_CHANGE_WINDOW)
            .find_map(|(_, plans)| plans.iter().flatten().next().cloned())
            .or_else(|| self.plan.as_ref().map(|dated| dated.value.clone()))
    }
}

/// Count and unit between two charges, the unit in lower case.
fn interval(terms: &SubscriptionTerms) -> Option<(i64, String)> {
    let unit = terms.payment_frequency_interval.as_ref()?.to_ascii_lowercase();
    Some((terms.payment_frequency_count.unwrap_or(1), unit))
}

/// Who an e-mail address was said to belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Identities {
    pub(crate) visitors: Few,
    /// Campaigns as JSON texts: they have no order of their own.
    pub(crate) campaigns: Few,
    pub(crate) users: Few,
}

/// What was said, as long as it is the same; else two of it, which is as good as all: the least two, so
/// that the order in which they were said does not matter. Whoever may say something may say anything,
/// and any number of things.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Few(BTreeSet<String>);

impl Few {
    pub(crate) fn add(&mut self, said: Option<String>) {
        self.0.extend(said);
        while self.0.len() > 2 {
            self.0.pop_last();
        }
    }

    /// What was said, if one thing was; `Err` if several were.
    pub(crate) fn only(&self) -> Result<Option<&String>, ()> {
        if self.0.len() > 1 { Err(()) } else { Ok(self.0.first()) }
    }
}

/// The key of a fact about an object.
pub(crate) fn key(kind: &str, id: &str) -> String {
    format!("{kind}:{}", fit::id(id))
}

/// Reads a stored fact.
pub(crate) fn read<T: DeserializeOwned>(json: Option<&String>) -> Result<Option<T>, Error> {
    json.map(|json| serde_json::from_str(json))
        .transpose()
        .map_err(|error| Error::unreadable("a fact of the ledger cannot be read", &error))
}

/// Writes a fact as text.
pub(crate) fn write<T: Serialize>(fact: &T) -> Result<String, Error> {
    serde_json::to_string(fact)
        .map_err(|e| Error::corrupt("a fact of the ledger cannot be written").with_source(e))
}
