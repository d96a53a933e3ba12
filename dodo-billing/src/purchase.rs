//! One-time purchases: the items of payments that do not belong to a subscription.

use jiff::Timestamp;

use crate::{
    fact::BoughtItem,
    payment::Payment,
    plans::Plans,
    reason::{ReasonCode as Code, date},
    source::{AccessSource, SourceKind},
    state::AccessState as State,
    subscription::{SubscriptionFold, find},
    until::{Until, later},
};

/// One item of a payment that succeeded.
pub(crate) struct Purchase<'a> {
    payment_id: &'a str,
    paid_at: Timestamp,
    reversed: Option<(Timestamp, Code)>,
    item: &'a BoughtItem,
    /// The end of the term of the product.
    pub(crate) ends_at: Option<Timestamp>,
}

impl<'a> Purchase<'a> {
    /// The purchases of a payment. `subscriptions` is sorted by id.
    pub(crate) fn from_payment(
        payment: &Payment<'a>,
        subscriptions: &[SubscriptionFold<'_>],
        plans: &Plans,
    ) -> Vec<Self> {
        if !payment.is_charge() {
            return Vec::new();
        }
        let bought = |item: &&BoughtItem| {
            let product = &*item.product_id;
            let sold = plans.sold(product);
            if payment.subscription_ids.is_empty() {
                return sold.is_none_or(|sold| !sold.is_addon);
            }
            let mut of_payment = payment.subscription_ids.iter();
            let explained =
                of_payment.any(|id| find(subscriptions, id).is_some_and(|s| s.explains(product)));
            sold.is_some_and(|sold| !sold.is_addon) && !explained
        };
        let purchase = |item: &'a BoughtItem| {
            let term = plans.sold(&item.product_id).and_then(|sold| sold.term);
            let ends_at = term.map(|term| later(payment.paid_at, term));
            let (payment_id, paid_at, reversed) = (payment.id, payment.paid_at, payment.reversed);
            Self { payment_id, paid_at, reversed, item, ends_at }
        };
        payment.items.iter().filter(bought).map(purchase).collect()
    }

    /// The purchase at a time.
    pub(crate) fn source(&self, plans: &Plans, now: Timestamp) -> AccessSource {
        let bought = date(self.paid_at);
        let (state, until, ended_at, reason) = match (self.reversed, self.ends_at) {
            (Some((at, code)), _) => {
                let what = if code == Code::Disputed { "disputed" } else { "refunded" };
                let text = format!("Bought on {bought}, {what} on {}.", date(at));
                (State::Ended, None, Some(at), code.because(text))
            }
            (None, Some(end)) if now >= end => {
                let text = format!("Bought on {bought}. It ended on {}.", date(end));
                (State::Ended, None, Some(end), Code::Expired.because(text))
            }
            (None, Some(end)) => {
                let text = format!("Bought on {bought}. It ends on {}.", date(end));
                (State::Active, Some(Until::At(end)), None, Code::Paid.because(text))
            }
            (None, None) => {
                let text = format!("Bought on {bought}. It has no end date.");
                (State::Active, Some(Until::NoEnd), None, Code::Paid.because(text))
            }
        };
        let kind = SourceKind::Purchase(self.payment_id.to_owned());
        AccessSource {
            product: Some(self.item.product_id.clone()),
            plan: plans.plan_of(&self.item.product_id).map(str::to_owned),
            quantity: self.item.quantity,
            until,
            ended_at,
            ..AccessSource::new(kind, state, reason)
        }
    }
}
