//! Texts of the events of payments and subscriptions.

use dodo_core::EventKind;
use dodo_ledger::query::ObjectEvent;

use super::Loader;
use crate::{format::Unit, page::Moment, question::Page};

impl Loader<'_> {
    /// An event as a line of the timeline of the object with the id `of`. `unit`: of its amount, if the
    /// event names no currency.
    pub(super) fn event_moment(&self, event: &ObjectEvent, unit: Unit, of: &str) -> Moment {
        let mut text = event.kind.as_ref().map_or_else(|| "Checkout opened".to_owned(), in_words);
        if let Some(code) = &event.error_code {
            text.push_str(&format!(": {}", code.replace('_', " ").to_lowercase()));
        }
        let unit =
            event.currency.map_or(unit, |currency| Unit { currency, exponent: event.exponent });
        let payment = event.payment_id.as_deref().filter(|payment| *payment != of);
        let is_delivery = event.kind.is_some() && self.permission.sees_operations();
        Moment {
            at: event.at,
            text,
            amount: event.amount.map(|amount| unit.show(amount.into())),
            delivery: is_delivery.then(|| event.event_id.clone()),
            link: payment.map(|id| self.question.about(Page::Payment, id)),
        }
    }
}

/// `payment.failed` is “Payment failed”.
fn in_words(kind: &EventKind) -> String {
    let text = kind.as_str().replace(['.', '_'], " ");
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}
