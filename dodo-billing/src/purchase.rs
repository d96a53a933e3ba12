//! One-time purchases: the items of payments that no subscription explains.

use jiff::Timestamp;

use crate::{
    fact::BoughtItem,
    payment::Payment,
    plans::Plans,
    reason::{ReasonCode as Code, date},
    source::{AccessSource, SourceKind},
    state::AccessState as State,
    subscription::SubscriptionFold,
    until::{Until, later},
};

/// One item of a payment that succeeded.
pub(crate) struct Purchase<'a> {
    payment: &'a Payment<'a>,
    item: &'a BoughtItem,
    /// The end of the term of the product.
    pub(crate) ends_at: Option<Timestamp>,
}

impl<'a> Purchase<'a> {
    /// The purchases of a payment.
    pub(crate) fn of(
        payment: &'a Payment<'a>,
        subscriptions: &[SubscriptionFold<'_>],
        plans: &Plans,
    ) -> Vec<Self> {
        if !payment.is_charge() {
            return Vec::new();
        }
        let bought = |item: &&BoughtItem| {
            let sold = plans.sold(&item.product_id);
            if payment.subscription_ids.is_empty() {
                return sold.is_none_or(|sold| !sold.is_addon);
            }
            let id = &*item.product_id;
            let mut subscriptions = subscriptions.iter();
            let explained =
                subscriptions.any(|s| payment.subscription_ids.contains(s.id) && s.explains(id));
            sold.is_some_and(|sold| !sold.is_addon) && !explained
        };
        let purchase = |item: &'a BoughtItem| {
            let term = plans.sold(&item.product_id).and_then(|sold| sold.term);
            Self { payment, item, ends_at: term.map(|term| later(payment.paid_at, term)) }
        };
        payment.items.iter().filter(bought).map(purchase).collect()
    }

    /// The purchase at a time.
    pub(crate) fn source(&self, plans: &Plans, now: Timestamp) -> AccessSource {
        let bought = date(self.payment.paid_at);
        let (state, until, ended_at, reason) = match (self.payment.reversed, self.ends_at) {
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
        let kind = SourceKind::Purchase(self.payment.id.to_owned());
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
