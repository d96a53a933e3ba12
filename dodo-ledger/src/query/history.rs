//! The events of one payment or subscription, in their order.

use std::collections::BTreeSet;

use dodo_core::{EventKind, event::SubscriptionStatus, money::Currency};
use jiff::Timestamp;

use crate::{
    Ledger,
    attribution::{Fact, FactKind, Key, sanitize},
    error::Error,
};

/// One event of a payment or a subscription, without personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectEvent {
    /// The time of the event.
    pub at: Timestamp,
    /// The type of the event. `None`: the checkout session was opened.
    pub kind: Option<EventKind>,
    /// The `webhook-id`, or the id from the ledger.
    pub event_id: String,
    /// The payment of a charge, a failed payment, a refund or a dispute.
    pub payment_id: Option<String>,
    /// The status of a subscription in the event.
    pub status: Option<SubscriptionStatus>,
    /// Minor units with tax: of a payment, a refund or a renewal.
    pub amount: Option<i64>,
    /// The currency of the amount. `None`: that of the payment.
    pub currency: Option<Currency>,
    /// The number of decimals of the currency.
    pub exponent: u8,
    /// The reason code of a failed payment.
    pub error_code: Option<String>,
}

impl Ledger {
    /// Returns the events of a payment, oldest first: its checkout session, failed payments of the session,
    /// the charge, and its reversals and disputes. Empty: the ledger knows no such payment.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn payment_events(&self, payment_id: &str) -> Result<Vec<ObjectEvent>, Error> {
        let id = &*sanitize::id(payment_id);
        let facts = self.facts_with([true, false].map(|live| Key::payment(live, id))).await?;
        let session = |fact: &Fact| match &fact.kind {
            FactKind::Charge(charge) if charge.payment_id == id => charge.session_id.clone(),
            FactKind::FailedPayment(failed) if failed.payment_id == id => failed.session_id.clone(),
            _ => None,
        };
        let sessions: BTreeSet<String> = facts.iter().filter_map(session).collect();
        let is_own = |fact: &Fact| match &fact.kind {
            FactKind::Charge(charge) => charge.payment_id == id,
            FactKind::FailedPayment(failed) => {
                failed.payment_id == id
                    || failed.session_id.as_ref().is_some_and(|own| sessions.contains(own))
            }
            FactKind::Context { session_id, .. } => sessions.contains(session_id),
            FactKind::Recovery { abandoned, recovered } => abandoned == id || recovered == id,
            FactKind::Refund(refund) => refund.payment_id == id,
            FactKind::RefundFailed { payment_id, .. } => payment_id == id,
            FactKind::Dispute(dispute) => dispute.payment_id == id,
            _ => false,
        };
        Ok(facts.iter().filter(|fact| is_own(fact)).map(|fact| self.object_event(fact)).collect())
    }

    /// Returns the events of a subscription, oldest first: the events of the subscription, its
    /// payments, and their reversals. Empty: the ledger knows no such subscription.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn subscription_events(
        &self,
        subscription_id: &str,
    ) -> Result<Vec<ObjectEvent>, Error> {
        let id = &*sanitize::id(subscription_id);
        let facts = self.facts_with([true, false].map(|live| Key::subscription(live, id))).await?;
        let names = |ids: &[String]| ids.iter().any(|known| known == id);
        let payment = |fact: &Fact| match &fact.kind {
            FactKind::Charge(charge) if names(&charge.subscription_ids) => {
                Some(charge.payment_id.clone())
            }
            _ => None,
        };
        let payments: BTreeSet<String> = facts.iter().filter_map(payment).collect();
        let is_own = |fact: &Fact| match &fact.kind {
            FactKind::Subscription(subscription) => subscription.subscription_id == id,
            FactKind::Charge(charge) => names(&charge.subscription_ids),
            FactKind::FailedPayment(failed) => names(&failed.subscription_ids),
            FactKind::Refund(refund) => payments.contains(&refund.payment_id),
            FactKind::RefundFailed { payment_id, .. } => payments.contains(payment_id),
            FactKind::Dispute(dispute) => payments.contains(&dispute.payment_id),
            _ => false,
        };
        Ok(facts.iter().filter(|fact| is_own(fact)).map(|fact| self.object_event(fact)).collect())
    }

    async fn facts_with(&self, keys: [Key; 2]) -> Result<Vec<Fact>, Error> {
        let mut facts = self.shared.groups().facts(keys).await?;
        facts.sort_by(|a, b| (a.occurred_at, &a.id).cmp(&(b.occurred_at, &b.id)));
        Ok(facts)
    }

    fn object_event(&self, fact: &Fact) -> ObjectEvent {
        let (mut payment_id, mut amount, mut currency) = (None, None, None);
        let (mut status, mut error_code) = (None, None);
        match &fact.kind {
            FactKind::Charge(charge) => {
                payment_id = Some(charge.payment_id.clone());
                (amount, currency) = (Some(charge.total), Some(charge.currency));
            }
            FactKind::FailedPayment(failed) => {
                payment_id = Some(failed.payment_id.clone());
                (amount, currency) = (Some(failed.total), Some(failed.currency));
                error_code.clone_from(&failed.error_code);
            }
            FactKind::Refund(refund) => {
                payment_id = Some(refund.payment_id.clone());
                (amount, currency) = (refund.amount, refund.currency);
            }
            FactKind::RefundFailed { payment_id: id, .. } => payment_id = Some(id.clone()),
            FactKind::Dispute(dispute) => {
                payment_id = Some(dispute.payment_id.clone());
                (amount, currency) = self.disputed(dispute);
            }
            FactKind::Recovery { recovered, .. } => payment_id = Some(recovered.clone()),
            FactKind::Subscription(subscription) => {
                status.clone_from(&subscription.status);
                amount = subscription.terms.recurring_pre_tax_amount;
                currency = subscription.terms.currency;
            }
            _ => {}
        }
        let is_context = matches!(fact.kind, FactKind::Context { .. });
        ObjectEvent {
            at: fact.occurred_at,
            kind: (!is_context).then(|| fact.event_type.clone()),
            event_id: fact.id.clone(),
            payment_id,
            status,
            amount,
            currency,
            exponent: currency.map_or(0, |currency| self.shared.rules().exponent_of(currency)),
            error_code,
        }
    }
}
