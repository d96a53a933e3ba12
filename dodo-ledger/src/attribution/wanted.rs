//! What a booking will look at, as far as its evidence tells, so that a store can read it in one go.

use std::collections::BTreeSet;

use super::{
    entry::{Link, charge_id},
    evidence::{Evidence, SubscriptionStep, What},
    facts::key,
    known::context_key,
};

/// What the booking of some evidence will look at. A guess that saves time: what is not in it is read
/// when it is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Keys of entries.
    pub entries: BTreeSet<String>,
    /// What neighbours are found by.
    pub links: BTreeSet<Link>,
    /// Keys of facts.
    pub facts: BTreeSet<String>,
}

impl Wanted {
    /// Adds what the booking of this evidence will look at.
    pub fn add(&mut self, evidence: &Evidence) {
        // Bookings do not search by session or address.
        let neighbours = |link: &Link| !matches!(link, Link::Session(_) | Link::Email(_));
        if !matches!(evidence.what, What::Attempt(_)) {
            self.links.extend(evidence.links().into_iter().filter(neighbours));
            let email = evidence.party.email_sha256.as_ref().map(Link::email);
            self.facts.extend(email.map(|link| key("email", link.value())));
        }
        let facts = &mut self.facts;
        match &evidence.what {
            What::Charge(charge) => {
                self.entries.insert(charge_id(&charge.payment_id));
                facts.insert(key("recovered", &charge.payment_id));
                facts.extend(charge.checkout_session_id.as_deref().map(context_key));
                facts.extend(charge.subscription_ids.iter().map(|id| key("subscription", id)));
            }
            What::Attempt(attempt) => {
                facts.insert(key("attempt", &attempt.payment_id));
                facts.insert(key("recovered_by", &attempt.payment_id));
            }
            What::Recovered { payment_id, recovered_payment_id } => {
                self.entries.insert(charge_id(recovered_payment_id));
                facts.insert(key("recovered", recovered_payment_id));
                facts.insert(key("recovered_by", payment_id));
                facts.insert(key("attempt", payment_id));
            }
            What::Refund(refund) => {
                self.entries.insert(format!("refund:{}", refund.refund_id));
                self.entries.insert(charge_id(&refund.payment_id));
                facts.insert(key("refund_failed", &refund.refund_id));
            }
            What::RefundFailed { refund_id, payment_id } => {
                self.entries.insert(charge_id(payment_id));
                facts.insert(key("refund_failed", refund_id));
            }
            What::Dispute(dispute) => {
                for end in ["loss", "reversal"] {
                    self.entries.insert(format!("dispute:{}:{end}", dispute.dispute_id));
                }
                self.entries.insert(charge_id(&dispute.payment_id));
                facts.insert(key("dispute", &dispute.dispute_id));
            }
            What::Subscription(subscription) => {
                let id = &subscription.subscription_id;
                facts.insert(key("subscription", id));
                match subscription.step {
                    SubscriptionStep::Started => {
                        self.entries.insert(format!("subscription:{id}:started"));
                    }
                    SubscriptionStep::Ended => {
                        self.entries.insert(format!("subscription:{id}:cancelled"));
                    }
                    SubscriptionStep::PlanChanged | SubscriptionStep::Other => {}
                }
            }
        }
    }
}
