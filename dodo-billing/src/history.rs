//! The facts of one owner, sorted, and grouped by the object that they describe.
//!
//! The order of the input has no effect after this module. A repeated fact also has no effect:
//! payments, refunds and grants have ids, and a repeated observation has the same content.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{
    fact::{AppDecision, BillingFact, BillingFactKind, GrantFact, LicenseFact},
    payment::{Payment, PaymentSteps},
    rules::Rules,
    subscription::Observation,
};

/// Facts by object. Each list is in time order.
#[derive(Default)]
pub(crate) struct History<'a> {
    pub(crate) observations: BTreeMap<&'a str, Vec<Observation<'a>>>,
    pub(crate) payments: BTreeMap<&'a str, Payment<'a>>,
    /// The payments of each subscription.
    payments_of: BTreeMap<&'a str, Vec<&'a str>>,
    pub(crate) grants: BTreeMap<&'a str, Vec<(Timestamp, &'a GrantFact)>>,
    pub(crate) licenses: BTreeMap<&'a str, Vec<(Timestamp, &'a LicenseFact)>>,
    /// The last decision about each grant of the app.
    pub(crate) app_grants: BTreeMap<&'a str, &'a AppDecision>,
    /// The time at which the app ended the access of a subscription.
    pub(crate) ended_by_app: BTreeMap<&'a str, Timestamp>,
    pub(crate) blocked: Option<Timestamp>,
}

impl<'a> History<'a> {
    pub(crate) fn new(facts: &'a [BillingFact], rules: &Rules) -> Self {
        let mut history = Self::default();
        let mut steps: BTreeMap<&str, PaymentSteps<'_>> = BTreeMap::new();
        let mut facts: Vec<_> = facts.iter().collect();
        facts.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        for fact in facts {
            match &fact.kind {
                BillingFactKind::Subscription { body, .. } | BillingFactKind::Snapshot { body } => {
                    let list = history.observations.entry(&body.subscription_id).or_default();
                    list.extend(Observation::from_fact(fact));
                }
                BillingFactKind::Payment(payment) => {
                    steps.entry(&payment.payment_id).or_default().states.push(payment);
                }
                BillingFactKind::Refund { payment_id, .. } => {
                    steps.entry(payment_id).or_default().refunds.push(fact);
                }
                BillingFactKind::Dispute { payment_id, .. } => {
                    steps.entry(payment_id).or_default().disputes.push(fact);
                }
                BillingFactKind::Grant(grant) => {
                    history.grants.entry(&grant.grant_id).or_default().push((fact.at, grant));
                }
                BillingFactKind::License(license) => {
                    let list = history.licenses.entry(&license.license_key_id).or_default();
                    list.push((fact.at, license));
                }
                BillingFactKind::Decision(decision) => history.decide(fact.at, decision),
            }
        }
        for observations in history.observations.values_mut() {
            observations.sort_by(|a, b| a.order().cmp(&b.order()));
        }
        let payments = steps.into_iter();
        history.payments =
            payments.filter_map(|(id, steps)| Some((id, steps.payment(id, rules)?))).collect();
        for payment in history.payments.values() {
            for id in &payment.subscription_ids {
                history.payments_of.entry(id).or_default().push(payment.id);
            }
        }
        history
    }

    fn decide(&mut self, at: Timestamp, decision: &'a AppDecision) {
        match decision {
            AppDecision::GrantPlan { grant_id, .. } | AppDecision::WithdrawGrant { grant_id } => {
                self.app_grants.insert(grant_id, decision);
            }
            AppDecision::Block => self.blocked = Some(at),
            AppDecision::Unblock => self.blocked = None,
            AppDecision::EndAccess { subscription_id } => {
                self.ended_by_app.insert(subscription_id, at);
            }
        }
    }

    /// Every subscription that a fact names, sorted.
    pub(crate) fn subscription_ids(&self) -> BTreeSet<&'a str> {
        self.observations.keys().chain(self.payments_of.keys()).copied().collect()
    }

    pub(crate) fn payments_of(&self, subscription_id: &str) -> Vec<&Payment<'a>> {
        let ids = self.payments_of.get(subscription_id).into_iter().flatten();
        ids.filter_map(|id| self.payments.get(id)).collect()
    }
}
