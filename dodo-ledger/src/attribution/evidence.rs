//! What one delivery proves, without anything else being known.
//!
//! Evidence never changes after it was written down. Records are derived from all evidence there is,
//! so that the same deliveries give the same records in whatever order they come.

use std::collections::BTreeMap;

use dodo_core::{
    EventKind,
    attribution::{Contact, SubscriptionTerms},
    capture::Campaign,
    event::ChargeType,
    internals::{ChargeFacts, ChargeHistory},
    money::Currency,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{facts::SubscriptionFacts, standing::Said};

/// The evidence of one delivery, or of one object that [`reconcile`](crate::Ledger::reconcile) found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Where it comes from.
    pub origin: Origin,
    /// Who paid.
    pub party: Party,
    /// What the object's own metadata says.
    pub own: Findings,
    /// What the customer's metadata says.
    pub customer: Findings,
    /// What happened.
    pub what: What,
    /// The customer asked to be forgotten: who it was is erased, and stays so.
    #[serde(default)]
    pub forgotten: bool,
}

/// Where evidence comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Found by asking the API, not delivered. A delivery about the same object replaces it.
    pub asked: bool,
    /// When it happened: the envelope's timestamp.
    pub occurred_at: Timestamp,
    /// The `webhook-id`; for what the API was asked, the id of the object.
    pub webhook_id: String,
    /// The envelope's `type`.
    pub event_type: EventKind,
    /// When it came here.
    pub received_at: Timestamp,
    /// Whether it is real money.
    pub live: bool,
    /// The merchant.
    pub business_id: String,
    /// The brand, if the object names one.
    pub brand_id: Option<String>,
}

impl Origin {
    /// What orders two deliveries about one object: the first one that happened is kept.
    #[must_use]
    pub fn rank(&self) -> (bool, Timestamp, &str) {
        (self.asked, self.occurred_at, &self.webhook_id)
    }

    /// What orders two things that happened to one object: when they did. Of what was asked for only the
    /// time at which its object was made is known; it stood when it was asked.
    #[must_use]
    pub fn moment(&self) -> (Timestamp, &str) {
        let at = if self.asked { self.received_at } else { self.occurred_at };
        (at, &self.webhook_id)
    }
}

/// Who paid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// `cus_...`.
    pub customer_id: Option<String>,
    /// SHA-256 of the trimmed, lower-case e-mail address.
    pub email_sha256: Option<[u8; 32]>,
    /// Address and name, for sinks that identify.
    pub contact: Option<Contact>,
}

/// What metadata says about where a customer came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    /// The visitor.
    pub visitor: Option<String>,
    /// The campaign, never empty.
    pub campaign: Option<Campaign>,
    /// Ids of other tools, by metadata key.
    pub tool_ids: BTreeMap<String, String>,
    /// The application's own user.
    pub user_id: Option<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// `payment.succeeded`.
    Charge(Charge),
    /// Another `payment.*`: no money, but it may say who the customer of a later recovery is.
    Attempt(Attempt),
    /// `refund.succeeded`.
    Refund(Refund),
    /// `refund.failed`.
    RefundFailed {
        /// `ref_...`.
        refund_id: String,
        /// `pay_...`.
        payment_id: String,
    },
    /// Any `dispute.*`.
    Dispute(Dispute),
    /// Any `subscription.*`.
    Subscription(Subscription),
    /// `abandoned_checkout.recovered`.
    Recovered {
        /// The payment that was given up.
        payment_id: String,
        /// The one that was made instead.
        recovered_payment_id: String,
    },
}

/// A payment that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// `pay_...`.
    pub payment_id: String,
    /// When the payment was made; orders the charges of a subscription and of a customer.
    pub created_at: Timestamp,
    /// Minor units with tax.
    pub total: i64,
    /// Minor units.
    pub tax: Option<i64>,
    /// What the customer paid in.
    pub currency: Currency,
    /// What Dodo Payments credits: amount, tax, currency.
    pub settlement: Option<(i64, Option<i64>, Currency)>,
    /// Every subscription that it started or paid for.
    pub subscription_ids: Vec<String>,
    /// It started several.
    pub multi_subscription: bool,
    /// It was made to change the payment method.
    pub card_update: bool,
    /// The number of the retry of a failed renewal; 0 is none.
    pub retry_attempt: i64,
    /// What Dodo Payments says it is, if the payload is new enough to say.
    pub charge_type: Option<ChargeType>,
    /// Whether Dodo Payments' API knows an earlier paid charge of the subscription, if it was asked.
    pub earlier_paid: Option<bool>,
    /// `cks_...`.
    pub checkout_session_id: Option<String>,
    /// `inv_...`.
    pub invoice_id: Option<String>,
    /// `pdt_...`; none for most subscription payments.
    pub product_ids: Vec<String>,
    /// Card, bank transfer and so on.
    pub payment_method: Option<String>,
}

impl Evidence {
    /// Whether other evidence of the same takes its place: what happened first is kept, and what was
    /// forgotten stays so.
    pub(super) fn gives_way_to(&self, other: &Self) -> bool {
        !self.forgotten && other.origin.rank() < self.origin.rank()
    }

    /// What Dodo Payments answered about earlier charges, if it was asked.
    pub(super) fn answer(&self) -> Option<bool> {
        match &self.what {
            What::Charge(charge) => charge.earlier_paid,
            _ => None,
        }
    }
}

impl Charge {
    /// What the payment says of itself.
    pub(super) fn facts(&self) -> ChargeFacts {
        let mut facts = ChargeFacts::default();
        facts.made_at = self.created_at;
        facts.total = self.total;
        facts.subscription_ids.clone_from(&self.subscription_ids);
        facts.multi_subscription = self.multi_subscription;
        facts.card_update = self.card_update;
        facts.retry_attempt = self.retry_attempt;
        facts.charge_type.clone_from(&self.charge_type);
        facts
    }

    /// What is known around it.
    pub(super) fn history(&self, paid_before: bool, known: &[SubscriptionFacts]) -> ChargeHistory {
        let mut history = ChargeHistory::default();
        history.paid_before = paid_before;
        let known = known.iter().filter(|facts| facts.is_known());
        history.subscriptions = known.map(|facts| facts.state_at(self.created_at)).collect();
        history.asked = self.earlier_paid;
        history
    }
}

/// A payment that did not succeed, or not yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// `pay_...`.
    pub payment_id: String,
    /// `cks_...`.
    pub checkout_session_id: Option<String>,
}

/// A refund that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// `ref_...`.
    pub refund_id: String,
    /// The refunded payment.
    pub payment_id: String,
    /// Minor units, positive.
    pub amount: Option<i64>,
    /// Absent: the payment's.
    pub currency: Option<Currency>,
    /// Not the whole payment.
    pub partial: bool,
}

/// One step of a dispute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// `dp_...`.
    pub dispute_id: String,
    /// The disputed payment.
    pub payment_id: String,
    /// What happened to it.
    pub step: DisputeStep,
    /// Minor units, positive.
    pub amount: Option<i64>,
    /// Absent: the payment's.
    pub currency: Option<Currency>,
    /// Visa's Rapid Dispute Resolution gave the money back by itself.
    pub rdr: bool,
}

/// What a `dispute.*` event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStep {
    /// `opened`: the money is held.
    Opened,
    /// `challenged`: nothing is decided.
    Challenged,
    /// `lost`, `accepted`, `expired`: the money goes back to the cardholder.
    Lost,
    /// `won`, `cancelled`: the money stays.
    Won,
}

/// The state of a subscription in one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// `sub_...`.
    pub subscription_id: String,
    /// What the event says of its life.
    pub step: SubscriptionStep,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// What it costs and when.
    pub terms: SubscriptionTerms,
    /// Charged by the API only.
    pub on_demand: bool,
    /// The plan.
    pub product_id: Option<String>,
    /// Where it stands.
    #[serde(default)]
    pub said: Said,
}

/// What a `subscription.*` event says of the subscription's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStep {
    /// `active`: it started, or came back.
    Started,
    /// `cancelled`.
    Ended,
    /// `plan_changed`.
    PlanChanged,
    /// Anything else: its facts may be new, its life goes on.
    Other,
}
