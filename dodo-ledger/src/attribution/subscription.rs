//! One subscription from all its facts: the input of its charges, and its state.

use std::collections::{BTreeMap, BTreeSet};

use dodo_core::{
    EventKind, attribution::SubscriptionTerms, event::SubscriptionStatus,
    internals::SubscriptionState as AtCharge,
};
use jiff::{SignedDuration, Timestamp};

use super::{
    fact::{Fact, Person, Touchpoint},
    fact_kind::{FactKind, Item, Subscription},
    objects::Objects,
    timeline::Timeline,
};

/// Dodo Payments makes the payment of a plan change around the time of the change, before or after.
const PLAN_CHANGE_WINDOW: SignedDuration = SignedDuration::from_mins(60);
/// If the first event comes this soon after the creation, the ledger received the events of every
/// charge.
const SEEN_FROM_START: SignedDuration = SignedDuration::from_hours(24);

/// The events of one subscription, sorted by time, and the values that its charges read.
///
/// For attribution, the first event that has a value decides.
#[derive(Default)]
pub(super) struct SubscriptionHistory<'a> {
    first_event_at: Option<Timestamp>,
    created_at: Option<Timestamp>,
    trial_days: Option<i64>,
    interval: Option<(i64, String)>,
    on_demand: bool,
    plan: Option<&'a str>,
    plan_changes: BTreeMap<Timestamp, BTreeSet<&'a str>>,
    /// The metadata of the subscription.
    pub(super) own: Touchpoint,
    pub(super) started: Option<&'a Fact>,
    pub(super) ended: Option<&'a Fact>,
}

impl<'a> SubscriptionHistory<'a> {
    /// Adds the next event. `metadata` is `None` if it is erased.
    pub(super) fn learn(
        &mut self,
        fact: &'a Fact,
        metadata: Option<&'a Person>,
        body: &'a Subscription,
    ) {
        self.first_event_at = self.first_event_at.or(Some(fact.occurred_at));
        self.created_at = self.created_at.into_iter().chain(body.created_at).min();
        self.trial_days = self.trial_days.or(body.terms.trial_period_days);
        if self.interval.is_none() {
            let unit = body.terms.payment_frequency_interval.as_ref();
            let count = body.terms.payment_frequency_count.unwrap_or(1);
            self.interval = unit.map(|unit| (count, unit.to_ascii_lowercase()));
        }
        self.on_demand |= body.on_demand;
        self.plan = self.plan.or(body.product_id.as_deref());
        match fact.event_type {
            EventKind::SubscriptionPlanChanged => {
                let plans = self.plan_changes.entry(fact.occurred_at).or_default();
                plans.extend(body.product_id.as_deref());
            }
            EventKind::SubscriptionActive => self.started = self.started.or(Some(fact)),
            EventKind::SubscriptionCancelled => self.ended = self.ended.or(Some(fact)),
            _ => {}
        }
        if let Some(person) = metadata {
            let Touchpoint { visitor, campaign, tool_ids, user_id, .. } = &person.own;
            self.own.visitor = self.own.visitor.take().or_else(|| visitor.clone());
            self.own.campaign = self.own.campaign.take().or_else(|| campaign.clone());
            self.own.user_id = self.own.user_id.take().or_else(|| user_id.clone());
            if self.own.tool_ids.is_empty() {
                self.own.tool_ids.clone_from(tool_ids);
            }
        }
    }

    /// The input for the classification of a charge at this time.
    pub(super) fn at_charge(&self, at: Timestamp) -> AtCharge {
        let is_near = |change: &Timestamp| change.duration_since(at).abs() <= PLAN_CHANGE_WINDOW;
        let mut state = AtCharge::default();
        state.created_at = self.created_at;
        state.trial_days = self.trial_days.unwrap_or(0);
        state.interval.clone_from(&self.interval);
        state.on_demand = self.on_demand;
        state.plan_changed = self.plan_changes.keys().any(is_near);
        let first = self.created_at.zip(self.first_event_at);
        state.seen_from_start =
            first.is_some_and(|(created, first)| first.duration_since(created) <= SEEN_FROM_START);
        state
    }

    /// The plan at this time.
    pub(super) fn product_at(&self, at: Timestamp) -> Option<&'a str> {
        let changes = self.plan_changes.iter().rev();
        changes
            .filter(|(change, _)| change.duration_since(at) <= PLAN_CHANGE_WINDOW)
            .find_map(|(_, plans)| plans.first().copied())
            .or(self.plan)
    }

    pub(super) fn created_at(&self) -> Option<Timestamp> {
        self.created_at
    }
}

/// The state of a subscription. Every field comes from the last event that has it.
///
/// Access is not part of it: access depends on the clock and on rules of `dodo-billing`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubscriptionState {
    /// `sub_...`.
    pub subscription_id: String,
    /// `true` in live mode.
    pub live: bool,
    /// The business at Dodo Payments.
    pub business_id: String,
    /// `None`: no event names a customer, or the customer was erased.
    pub customer_id: Option<String>,
    /// The type of an event decides before its body, because the body can be newer.
    pub status: Option<SubscriptionStatus>,
    /// The time of the first event since which the status is the same.
    pub since: Option<Timestamp>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The plan.
    pub product_id: Option<String>,
    /// Units of the plan.
    pub quantity: Option<i64>,
    /// The add-ons of the last event.
    pub addons: Vec<Item>,
    /// Price, interval, trial, next billing date and cancellation.
    pub terms: SubscriptionTerms,
    /// The application charges it through the API.
    pub on_demand: bool,
}

/// The state of every subscription in a timeline, sorted by id.
#[must_use]
pub fn subscriptions(timeline: &Timeline) -> Vec<SubscriptionState> {
    let last = |mut states: Vec<DatedState>| states.pop().map(|dated| dated.state);
    dated_states(timeline).into_values().filter_map(last).collect()
}

/// The state of a subscription after one of its facts.
#[derive(Clone, Debug)]
pub(super) struct DatedState {
    pub(super) at: Timestamp,
    pub(super) state: SubscriptionState,
    /// The kind of actor that canceled.
    pub(super) cancelled_by: Option<String>,
}

/// The states of every subscription, by id and in their order.
pub(super) fn dated_states(timeline: &Timeline) -> BTreeMap<String, Vec<DatedState>> {
    let objects = Objects::from_timeline(timeline);
    let mut bodies: BTreeMap<&str, Vec<(&Fact, &Subscription)>> = BTreeMap::new();
    for fact in timeline.facts() {
        if let FactKind::Subscription(body) | FactKind::ApiSnapshot(body) = &fact.kind {
            bodies.entry(&body.subscription_id).or_default().push((fact, body));
        }
    }
    let states = |(id, mut bodies): (&str, Vec<(&Fact, &Subscription)>)| {
        bodies.sort_by(|a, b| state_order(a.0, a.1).cmp(&state_order(b.0, b.1)));
        let mut state =
            SubscriptionState { subscription_id: id.to_owned(), ..SubscriptionState::default() };
        let dated = bodies.into_iter().map(|(fact, body)| {
            let customer = objects.person(fact).and_then(|person| person.customer_id.as_ref());
            state.learn(fact, body, customer);
            let cancelled_by = body.cancelled_by.clone();
            DatedState { at: fact.occurred_at, state: state.clone(), cancelled_by }
        });
        let dated = dated.collect();
        (id.to_owned(), dated)
    };
    bodies.into_iter().map(states).collect()
}

impl SubscriptionState {
    fn learn(&mut self, fact: &Fact, body: &Subscription, customer: Option<&String>) {
        fn set<T: Clone>(slot: &mut Option<T>, value: Option<&T>) {
            if let Some(value) = value {
                *slot = Some(value.clone());
            }
        }
        self.live = fact.live;
        self.business_id.clone_from(&fact.business_id);
        if let Some(status) = fact.event_type.subscription_status().or_else(|| body.status.clone())
        {
            if self.status.as_ref() != Some(&status) {
                self.since = Some(fact.occurred_at);
            }
            self.status = Some(status);
        }
        set(&mut self.customer_id, customer);
        set(&mut self.created_at, body.created_at.as_ref());
        set(&mut self.product_id, body.product_id.as_ref());
        set(&mut self.quantity, body.quantity.as_ref());
        self.addons.clone_from(&body.addons);
        self.on_demand = body.on_demand;
        let (terms, new) = (&mut self.terms, &body.terms);
        set(&mut terms.recurring_pre_tax_amount, new.recurring_pre_tax_amount.as_ref());
        set(&mut terms.currency, new.currency.as_ref());
        set(&mut terms.payment_frequency_interval, new.payment_frequency_interval.as_ref());
        set(&mut terms.payment_frequency_count, new.payment_frequency_count.as_ref());
        set(&mut terms.trial_period_days, new.trial_period_days.as_ref());
        set(&mut terms.next_billing_date, new.next_billing_date.as_ref());
        set(&mut terms.cancelled_at, new.cancelled_at.as_ref());
        terms.cancel_at_next_billing_date = new.cancel_at_next_billing_date;
    }
}

/// The order of facts that decides the state of a subscription. The time of arrival is not part of it.
///
/// Time, then API snapshots after webhooks of the same instant, then the larger next billing date, then
/// the progress of the subscription, then the id.
#[must_use]
pub fn state_order<'a>(
    fact: &'a Fact,
    body: &'a Subscription,
) -> (Timestamp, bool, Option<Timestamp>, u8, &'a str) {
    let is_snapshot = matches!(fact.kind, FactKind::ApiSnapshot(_));
    let progress = progress(&fact.event_type, body.status.as_ref());
    (fact.occurred_at, is_snapshot, body.terms.next_billing_date, progress, &fact.id)
}

/// The place of an event in the life of a subscription, for events of one instant.
fn progress(event: &EventKind, status: Option<&SubscriptionStatus>) -> u8 {
    use SubscriptionStatus as Status;
    match event {
        EventKind::SubscriptionRenewed => 3,
        EventKind::SubscriptionUnpaused => 4,
        EventKind::SubscriptionPlanChanged => 5,
        EventKind::SubscriptionUpdated => 6,
        EventKind::SubscriptionUpdatePaymentMethod => 7,
        event => match event.subscription_status().as_ref().or(status) {
            Some(Status::Pending) | None => 0,
            Some(Status::Failed) => 1,
            Some(Status::PastDue) => 8,
            Some(Status::OnHold) => 9,
            Some(Status::Paused) => 10,
            Some(Status::Cancelled) => 11,
            Some(Status::Expired) => 12,
            Some(_) => 2,
        },
    }
}
