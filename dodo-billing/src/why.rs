//! The facts behind an answer, as sentences.

use std::fmt;

use jiff::Timestamp;

use crate::{
    access::Access,
    fact::{AppDecision, BillingFact, BillingFactKind as Kind, SubscriptionBody},
    reason::date,
};

/// The access of an owner and the facts behind it. [`Owner::why`](crate::Owner::why) makes it. `Display`
/// prints one fact in a line, then the reason of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Why {
    /// The answer.
    pub access: Access,
    /// The facts, the oldest first.
    pub facts: Vec<WhyFact>,
}

/// A fact as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WhyFact {
    /// The time at which it happened.
    pub at: Timestamp,
    /// The `webhook-id` of the event, or the id that the ledger gave to an answer of the API or a decision.
    pub id: String,
    /// One sentence.
    pub text: String,
}

impl Why {
    pub(crate) fn new(access: Access, mut facts: Vec<BillingFact>) -> Self {
        facts.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        let facts = facts.into_iter().map(|fact| {
            let text = text(&fact.kind);
            WhyFact { at: fact.at, id: fact.id, text }
        });
        Self { access, facts: facts.collect() }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fact in &self.facts {
            writeln!(f, "{} {} ({})", fact.at, fact.text, fact.id)?;
        }
        write!(f, "{}: {}", self.access.state(), self.access.reason())?;
        match self.access.next_change() {
            Some(at) => write!(f, " The answer changes at {at} if nothing else happens."),
            None => Ok(()),
        }
    }
}

fn text(kind: &Kind) -> String {
    match kind {
        Kind::Subscription { event, body, .. } => {
            format!("{} of {}.", event.as_str(), subscription(body))
        }
        Kind::Snapshot { body } => format!("Dodo Payments showed {}.", subscription(body)),
        Kind::Payment(payment) => {
            let of = payment.subscription_ids.iter().map(|id| format!(" for {id}"));
            let of: String = of.collect();
            let (id, amount, status) =
                (&payment.payment_id, payment.amount, payment.status.as_str());
            format!("Payment {id} of {amount} minor units{of}: {status}.")
        }
        Kind::Refund { refund_id, payment_id, status, amount, .. } => {
            let amount = amount.map_or("the rest".to_owned(), |a| format!("{a} minor units"));
            format!("Refund {refund_id} of {amount} of {payment_id}: {}.", status.as_str())
        }
        Kind::Dispute { dispute_id, payment_id, status } => {
            format!("Dispute {dispute_id} about {payment_id}: {}.", status.as_str())
        }
        Kind::Grant(grant) => {
            let status = grant.status.as_ref().map_or("unknown", |status| status.as_str());
            let why = grant.revocation_reason.as_ref();
            let why = why.map(|why| format!(" ({})", why.as_str())).unwrap_or_default();
            format!("Grant {}: {status}{why}.", grant.grant_id)
        }
        Kind::License(key) => {
            let status = key.status.as_ref().map_or("active", |status| status.as_str());
            format!("License key {}: {status}.", key.license_key_id)
        }
        Kind::Decision(decision) => decided(decision),
    }
}

fn subscription(body: &SubscriptionBody) -> String {
    let id = &body.subscription_id;
    let status = body.status.as_ref().map_or("without a status", |status| status.as_str());
    let product = body.product_id.as_deref().unwrap_or("an unknown product");
    let quantity = body.quantity.unwrap_or(1);
    let until = body.next_billing_date.map(|at| format!(", next billing date {}", date(at)));
    let flag = if body.cancel_at_next_billing_date { ", cancels at that date" } else { "" };
    format!("{id}: {status}, {quantity} x {product}{}{flag}", until.unwrap_or_default())
}

fn decided(decision: &AppDecision) -> String {
    match decision {
        AppDecision::GrantPlan { grant_id, plan, until, why } => {
            let until = until.map(|at| format!(" until {}", date(at))).unwrap_or_default();
            format!("The application granted {plan}{until} as {grant_id}: {why}.")
        }
        AppDecision::WithdrawGrant { grant_id } => {
            format!("The application withdrew the grant {grant_id}.")
        }
        AppDecision::Block => "The application blocked the owner.".to_owned(),
        AppDecision::Unblock => "The application removed the block.".to_owned(),
        AppDecision::EndAccess { subscription_id } => {
            format!("The application ended the access of {subscription_id}.")
        }
    }
}
