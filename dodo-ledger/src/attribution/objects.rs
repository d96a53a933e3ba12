//! The objects of a timeline, each by the fact that counts.

use std::collections::{BTreeMap, HashMap, HashSet};

use dodo_core::capture::consent::Consent;
use jiff::Timestamp;

use super::{
    fact::{Fact, Person, Source},
    fact_kind::{Charge, FactKind, Void},
    subscription::SubscriptionHistory,
    timeline::{Timeline, erased_objects},
};

/// The objects of a timeline.
#[derive(Default)]
pub(super) struct Objects<'a> {
    erased: HashSet<&'a str>,
    /// Sorted by the time of the payment.
    pub(super) charges: Vec<(&'a Fact, &'a Charge)>,
    pub(super) failed_payments: HashMap<&'a str, &'a Fact>,
    /// From the recovered payment to the abandoned one.
    pub(super) recoveries: HashMap<&'a str, &'a str>,
    pub(super) refunds: BTreeMap<&'a str, &'a Fact>,
    pub(super) refund_failures: HashMap<&'a str, &'a Fact>,
    /// The steps of each dispute, sorted by time.
    pub(super) disputes: BTreeMap<&'a str, Vec<&'a Fact>>,
    pub(super) contexts: HashMap<&'a str, &'a Fact>,
    pub(super) subscriptions: BTreeMap<&'a str, SubscriptionHistory<'a>>,
    /// From the key of a record to the decision of the operator.
    pub(super) voids: HashMap<&'a str, &'a Void>,
}

impl<'a> Objects<'a> {
    pub(super) fn from_timeline(timeline: &'a Timeline) -> Self {
        let mut objects = Self::default();
        let facts = timeline.facts();
        let erased = facts.iter().filter_map(erased_objects).flatten();
        objects.erased.extend(erased.map(|object| object.as_str()));
        let mut charges: HashMap<&str, &Fact> = HashMap::new();
        for fact in facts {
            match &fact.kind {
                FactKind::Charge(charge) => {
                    keep_first(charges.entry(&charge.payment_id).or_insert(fact), fact);
                }
                FactKind::FailedPayment(failed) => {
                    let known = objects.failed_payments.entry(&failed.payment_id).or_insert(fact);
                    keep_first(known, fact);
                }
                FactKind::Recovery { abandoned, recovered } => {
                    let known = objects.recoveries.entry(recovered).or_insert(abandoned);
                    *known = (*known).min(abandoned);
                }
                FactKind::Refund(refund) => {
                    keep_first(objects.refunds.entry(&refund.refund_id).or_insert(fact), fact);
                }
                FactKind::RefundFailed { refund_id, .. } => {
                    let known = objects.refund_failures.entry(refund_id).or_insert(fact);
                    if fact.moment() > known.moment() {
                        *known = fact;
                    }
                }
                FactKind::Dispute(dispute) => {
                    objects.disputes.entry(&dispute.dispute_id).or_default().push(fact);
                }
                FactKind::Context { session_id, .. } => {
                    objects.contexts.insert(session_id, fact);
                }
                FactKind::Subscription(body) => {
                    let metadata = objects.metadata_of(fact);
                    let history = objects.subscriptions.entry(&body.subscription_id).or_default();
                    history.learn(fact, metadata, body);
                }
                FactKind::Void(void) => {
                    objects.voids.insert(&void.record_id, void);
                }
                FactKind::ApiSnapshot(_)
                | FactKind::Grant(_)
                | FactKind::LicenseKey(_)
                | FactKind::PlanChange(_)
                | FactKind::Erasure { .. } => {}
            }
        }
        let charge = |fact: &'a Fact| match &fact.kind {
            FactKind::Charge(charge) => Some((fact, charge.as_ref())),
            _ => None,
        };
        objects.charges = charges.into_values().filter_map(charge).collect();
        objects.charges.sort_by_key(|(_, charge)| (charge.created_at, charge.payment_id.as_str()));
        objects
    }

    /// The personal data of a fact. `None`: the data is erased, or the fact is a replay of an
    /// erased object.
    pub(super) fn person<'b>(&self, fact: &'b Fact) -> Option<&'b Person> {
        let is_erased = !self.erased.is_empty()
            && match &fact.kind {
                // A later event of an erased subscription has new personal data.
                FactKind::Subscription(_) => self.erased.contains(fact.id.as_str()),
                _ => self.erased.contains(fact.object().as_str()),
            };
        fact.person.as_ref().filter(|_| !is_erased)
    }

    /// The metadata of a subscription event. If it is erased, it stays erased in later events.
    fn metadata_of(&self, fact: &'a Fact) -> Option<&'a Person> {
        let is_erased = !self.erased.is_empty() && self.erased.contains(fact.object().as_str());
        self.person(fact).filter(|_| !is_erased)
    }
}

/// Of several facts about one object, the first one counts.
fn keep_first<'a>(known: &mut &'a Fact, fact: &'a Fact) {
    if fact.rank() < known.rank() {
        *known = fact;
    }
}

impl Fact {
    /// Orders facts about one object: webhooks before API objects, then by time.
    fn rank(&self) -> (bool, Timestamp, &str) {
        (self.source == Source::Api, self.occurred_at, &self.id)
    }

    /// The time at which the state was true. An API object has only its creation time, so the time of
    /// the request counts.
    pub(super) fn moment(&self) -> (Timestamp, &str) {
        let is_api = self.source == Source::Api;
        (if is_api { self.received_at } else { self.occurred_at }, &self.id)
    }
}

/// The consent in a context.
pub(super) fn consent_of(context: &Fact) -> Consent {
    match context.kind {
        FactKind::Context { consent, .. } => consent,
        _ => Consent::NotAsked,
    }
}
