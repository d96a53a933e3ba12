//! One line of the ledger: evidence and the record that follows from it.

use dodo_core::attribution::{AttributionRecord, AttributionStep};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    evidence::{Evidence, What},
    fit,
    journey::Journey,
    report::Reason,
};

/// The key of a charge.
#[must_use]
pub fn charge_id(payment_id: &str) -> String {
    format!("charge:{}", fit::id(payment_id))
}

/// One line of the ledger, under its business key.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The business key: `charge:pay_x`, `refund:ref_x`, `dispute:dp_x:loss`.
    pub id: String,
    /// What was delivered.
    pub evidence: Evidence,
    /// What follows from it and from the history.
    pub record: AttributionRecord,
    /// What the entries after it inherit.
    pub derived: Derived,
}

/// What entries hand on along a subscription, so that each needs to look at the one before only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Derived {
    /// When the subscription began, as far as it is known.
    pub started_at: Option<Timestamp>,
    /// Whether this charge or one before it in the subscription brought money.
    pub paid: bool,
    /// Minor units that were demanded back beyond what was paid, and not booked.
    pub excess: Option<i64>,
    /// How the visitor came to the checkout.
    pub journey: Option<Journey>,
    /// Why it is not attributed. `None`: a campaign or a visit is known.
    pub reason: Option<Reason>,
}

/// The three classes of entries. Charges are derived from earlier charges, the other two from
/// charges, so that nothing is derived from itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Payments that succeeded, whether they are revenue or not.
    Charge = 0,
    /// Money that went back, and what took that back.
    Reversal = 1,
    /// Starts and ends of subscriptions, without money.
    Lifecycle = 2,
}

/// Where an entry stands in its class: by time, and where that is equal by key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// A charge: when the payment was made. Anything else: when it happened.
    pub at: Timestamp,
    /// The key of the entry.
    pub id: String,
}

/// What searches look at: an entry without what it says. In the order of positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the [`Class`].
    pub class: i64,
    /// The time of the [`Position`], in microseconds since 1970: stores keep no more.
    pub at_micros: i64,
    /// The key.
    pub id: String,
    /// [`Entry::paid`].
    pub paid: bool,
    /// [`Entry::visitor_step`].
    pub visitor_step: u8,
    /// [`Entry::campaign_step`].
    pub campaign_step: u8,
}

impl Head {
    /// What orders heads.
    #[must_use]
    pub fn place(&self) -> (i64, &str) {
        (self.at_micros, &self.id)
    }
}

/// What an entry can be found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Link {
    /// `pay_...`.
    Payment(String),
    /// `sub_...`; a charge may have several.
    Subscription(String),
    /// `cus_...`.
    Customer(String),
    /// The hash of an e-mail address.
    Email(String),
    /// `cks_...`.
    Session(String),
}

impl Link {
    /// The hash of an e-mail address as hexadecimal text.
    #[must_use]
    pub fn email(hash: &[u8; 32]) -> Self {
        Self::Email(hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// A stable letter for the kind of link, for a column.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Payment(_) => "p",
            Self::Subscription(_) => "s",
            Self::Customer(_) => "c",
            Self::Email(_) => "e",
            Self::Session(_) => "k",
        }
    }

    /// The id or hash.
    #[must_use]
    pub fn value(&self) -> &str {
        match self {
            Self::Payment(v)
            | Self::Subscription(v)
            | Self::Customer(v)
            | Self::Email(v)
            | Self::Session(v) => v,
        }
    }
}

/// The number that a store keeps for the step that found a visitor or campaign. 8 is "nothing".
#[must_use]
pub const fn step_number(step: Option<AttributionStep>) -> u8 {
    match step {
        Some(AttributionStep::EventMetadata) => 1,
        Some(AttributionStep::PaymentRecord) => 2,
        Some(AttributionStep::CheckoutContext) => 3,
        Some(AttributionStep::SubscriptionRecord) => 4,
        Some(AttributionStep::RecoveredFrom) => 5,
        Some(AttributionStep::CustomerRecord) => 6,
        Some(AttributionStep::EmailMatch) => 7,
        _ => 8,
    }
}

impl Entry {
    /// The class of the entry.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.evidence.what {
            What::Charge(_) => Class::Charge,
            What::Subscription(_) => Class::Lifecycle,
            _ => Class::Reversal,
        }
    }

    /// Where it stands in its class.
    #[must_use]
    pub fn position(&self) -> Position {
        let at = match &self.evidence.what {
            What::Charge(charge) => charge.created_at,
            _ => self.evidence.origin.occurred_at,
        };
        Position { at, id: self.id.clone() }
    }

    /// A charge that brought money: the first of these starts a subscription, later ones renew it.
    #[must_use]
    pub fn paid(&self) -> bool {
        self.class() == Class::Charge && self.record.kind.is_charge()
    }

    /// The number of the step that found the visitor, 8 for none.
    #[must_use]
    pub fn visitor_step(&self) -> u8 {
        step_number(self.record.visitor.as_ref().map(|found| found.step))
    }

    /// The number of the step that found the campaign, 8 for none.
    #[must_use]
    pub fn campaign_step(&self) -> u8 {
        step_number(self.record.campaign.as_ref().map(|found| found.step))
    }

    /// Everything that it can be found by.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        self.evidence.links()
    }

    /// What searches look at.
    #[must_use]
    pub fn head(&self) -> Head {
        let position = self.position();
        Head {
            class: self.class() as i64,
            at_micros: position.at.as_microsecond(),
            id: position.id,
            paid: self.paid(),
            visitor_step: self.visitor_step(),
            campaign_step: self.campaign_step(),
        }
    }
}

impl Evidence {
    /// Everything that its entry can be found by.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        match &self.what {
            What::Charge(charge) => {
                links.push(Link::Payment(charge.payment_id.clone()));
                links.extend(charge.subscription_ids.iter().cloned().map(Link::Subscription));
                links.extend(charge.checkout_session_id.clone().map(Link::Session));
            }
            What::Refund(refund) => links.push(Link::Payment(refund.payment_id.clone())),
            What::RefundFailed { payment_id, .. } => links.push(Link::Payment(payment_id.clone())),
            What::Dispute(dispute) => links.push(Link::Payment(dispute.payment_id.clone())),
            What::Subscription(subscription) => {
                links.push(Link::Subscription(subscription.subscription_id.clone()));
            }
            What::Attempt(_) | What::Recovered { .. } => {}
        }
        links.extend(self.party.customer_id.clone().map(Link::Customer));
        links.extend(self.party.email_sha256.as_ref().map(Link::email));
        links
    }
}
