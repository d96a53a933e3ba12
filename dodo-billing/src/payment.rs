//! One payment from all its facts, and the reversal of its money.

use std::collections::{BTreeMap, BTreeSet};

use dodo_core::{
    attribution::DisputePolicy,
    event::{DisputeStatus, PaymentStatus, RefundStatus},
};
use jiff::Timestamp;

use crate::{
    fact::{BillingFact, BillingFactKind, BoughtItem, PaymentFact},
    reason::ReasonCode,
    rules::{PartialRefund, Rules},
};

/// A payment.
pub(crate) struct Payment<'a> {
    pub(crate) id: &'a str,
    pub(crate) paid_at: Timestamp,
    pub(crate) amount: i64,
    pub(crate) subscription_ids: BTreeSet<&'a str>,
    pub(crate) items: &'a [BoughtItem],
    pub(crate) service_periods: BTreeMap<&'a str, Timestamp>,
    card_update: bool,
    succeeded: bool,
    processing: bool,
    /// The time at which all money was returned, and the reason.
    pub(crate) reversed: Option<(Timestamp, ReasonCode)>,
    /// A part of the money was returned.
    pub(crate) partly_refunded: bool,
}

impl Payment<'_> {
    /// The payment took money, or confirmed a price of 0.
    pub(crate) fn is_charge(&self) -> bool {
        self.succeeded && !self.card_update
    }

    /// The payment has no result yet.
    pub(crate) fn is_processing(&self) -> bool {
        self.processing
    }
}

/// The facts of one payment, each list in time order.
#[derive(Default)]
pub(crate) struct PaymentSteps<'a> {
    pub(crate) states: Vec<&'a PaymentFact>,
    pub(crate) refunds: Vec<&'a BillingFact>,
    pub(crate) disputes: Vec<&'a BillingFact>,
}

impl<'a> PaymentSteps<'a> {
    /// `None`: refunds and disputes without their payment change nothing.
    pub(crate) fn payment(&self, id: &'a str, rules: &Rules) -> Option<Payment<'a>> {
        let last = *self.states.last()?;
        // A later failure or cancellation of a payment that succeeded changes nothing.
        let success = self.states.iter().find(|state| state.status == PaymentStatus::Succeeded);
        let state = *success.unwrap_or(&last);
        let items = self.states.iter().map(|state| &*state.items).find(|items| !items.is_empty());
        let periods = self.states.iter().flat_map(|state| &state.service_periods);
        let subscriptions = self.states.iter().flat_map(|state| &state.subscription_ids);
        let refunded = self.refunded(state.amount, rules);
        let reversals = [refunded, self.disputed(rules)];
        Some(Payment {
            id,
            paid_at: state.paid_at,
            amount: state.amount,
            subscription_ids: subscriptions.map(String::as_str).collect(),
            items: items.unwrap_or_default(),
            service_periods: periods.map(|(id, end)| (id.as_str(), *end)).collect(),
            card_update: state.card_update,
            succeeded: success.is_some(),
            processing: success.is_none() && last.status == PaymentStatus::Processing,
            reversed: reversals.into_iter().flatten().min_by_key(|(at, _)| *at),
            partly_refunded: refunded.is_none() && !self.succeeded_refunds().is_empty(),
        })
    }

    /// The time at which refunds added up to the payment.
    fn refunded(&self, paid: i64, rules: &Rules) -> Option<(Timestamp, ReasonCode)> {
        let mut rest = i128::from(paid);
        for (at, amount, partial) in self.succeeded_refunds() {
            rest = match amount {
                Some(amount) if partial => rest - i128::from(amount),
                _ => 0,
            };
            if rest <= 0 || rules.partial_refund == PartialRefund::End {
                return Some((at, ReasonCode::Refunded));
            }
        }
        None
    }

    /// Time, amount and `partial` of each refund that succeeded and did not fail later.
    fn succeeded_refunds(&self) -> Vec<(Timestamp, Option<i64>, bool)> {
        let mut by_id: BTreeMap<&str, (Timestamp, Option<i64>, bool)> = BTreeMap::new();
        for fact in &self.refunds {
            let BillingFactKind::Refund { refund_id, status, amount, partial, .. } = &fact.kind
            else {
                continue;
            };
            match status {
                RefundStatus::Succeeded => {
                    by_id.entry(refund_id).or_insert((fact.at, *amount, *partial));
                }
                RefundStatus::Failed if by_id.get(&**refund_id).is_some_and(|r| r.0 < fact.at) => {
                    by_id.remove(&**refund_id);
                }
                _ => {}
            }
        }
        let mut refunds: Vec<_> = by_id.into_values().collect();
        refunds.sort_by_key(|(at, ..)| *at);
        refunds
    }

    /// The time of the first loss that no later step reversed.
    fn disputed(&self, rules: &Rules) -> Option<(Timestamp, ReasonCode)> {
        let mut lost: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for fact in in_dispute_order(&self.disputes) {
            let BillingFactKind::Dispute { dispute_id, status, .. } = &fact.kind else { continue };
            let is_loss = match status {
                DisputeStatus::Lost | DisputeStatus::Accepted | DisputeStatus::Expired => true,
                DisputeStatus::Opened | DisputeStatus::Challenged => {
                    rules.disputes == DisputePolicy::OnOpen
                }
                DisputeStatus::Won | DisputeStatus::Cancelled => {
                    lost.remove(&**dispute_id);
                    false
                }
                _ => false,
            };
            if is_loss {
                lost.entry(dispute_id).or_insert(fact.at);
            }
        }
        lost.into_values().min().map(|at| (at, ReasonCode::Disputed))
    }
}

/// By time. A win comes after a loss of the same instant: nothing is lost after it was won.
fn in_dispute_order<'a>(facts: &[&'a BillingFact]) -> Vec<&'a BillingFact> {
    let is_win = |fact: &BillingFact| {
        matches!(
            &fact.kind,
            BillingFactKind::Dispute { status: DisputeStatus::Won | DisputeStatus::Cancelled, .. }
        )
    };
    let mut facts = facts.to_vec();
    facts.sort_by(|a, b| (a.at, is_win(a), &a.id).cmp(&(b.at, is_win(b), &b.id)));
    facts
}
