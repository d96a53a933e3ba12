use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    EventKind,
    capture::{Campaign, consent::Consent},
    money::{Currency, Money},
};

/// One change of money or of a subscription, with its attribution.
///
/// Count each [`id`](Self::id) once: the number and the order of deliveries have no effect. A
/// record that `serde` has written stays readable, because new fields have defaults.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AttributionRecord {
    /// The business key: `charge:pay_x`, `refund:ref_x`, `dispute:dp_x:loss`,
    /// `dispute:dp_x:reversal`, `subscription:sub_x:started`, `subscription:sub_x:cancelled`,
    /// `identify:pay_x`. Under 100 characters.
    pub id: String,
    /// The `webhook-id` of the event.
    pub webhook_id: String,
    /// The type of the event.
    pub event_type: EventKind,
    /// The time of the event.
    pub occurred_at: Timestamp,
    /// The time at which the delivery was received.
    pub received_at: Timestamp,
    /// Whether real money moved.
    pub live: bool,
    /// The merchant.
    pub business_id: String,
    /// The brand.
    #[serde(default)]
    pub brand_id: Option<String>,
    /// The kind of the record.
    pub kind: RecordKind,
    /// The basis of `kind`.
    #[serde(default)]
    pub basis: ClassificationBasis,
    /// Whether the charge is for a change of plan.
    #[serde(default)]
    pub plan_change: bool,
    /// Whether the charge was made through the API.
    #[serde(default)]
    pub on_demand: bool,
    /// The payment that was charged, refunded or disputed. Empty on subscription records.
    #[serde(default)]
    pub payment_id: String,
    /// The refund.
    #[serde(default)]
    pub refund_id: Option<String>,
    /// The dispute.
    #[serde(default)]
    pub dispute_id: Option<String>,
    /// The subscriptions.
    #[serde(default)]
    pub subscription_ids: Vec<String>,
    /// The checkout session.
    #[serde(default)]
    pub checkout_session_id: Option<String>,
    /// The invoice.
    #[serde(default)]
    pub invoice_id: Option<String>,
    /// The customer.
    #[serde(default)]
    pub customer_id: Option<String>,
    /// The products.
    #[serde(default)]
    pub product_ids: Vec<String>,
    /// The time at which the payment, refund, dispute or subscription was made. Charges are in this
    /// order, not in the order of arrival.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// 0 for an original charge, from 1 for retries of a renewal.
    #[serde(default)]
    pub retry_attempt: i64,
    /// The money that moved. `None`: unknown, or not revenue. Never a guess.
    #[serde(default)]
    pub money: Option<Money>,
    /// The amount of a refund without a currency, in minor units of the payment's currency. `money`
    /// is then `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated_amount: Option<i64>,
    /// The amount that Dodo Payments credits to the merchant.
    #[serde(default)]
    pub settlement: Option<Money>,
    /// The visitor.
    #[serde(default)]
    pub visitor: Option<Attributed<String>>,
    /// The campaign that brought the visitor.
    #[serde(default)]
    pub campaign: Option<Attributed<Campaign>>,
    /// Ids of other tools, by their metadata key: `datafast_visitor_id`, `dub_click_id`, ...
    #[serde(default)]
    pub tool_ids: BTreeMap<String, String>,
    /// The application's own user.
    #[serde(default)]
    pub user_id: Option<String>,
    /// SHA-256 of the trimmed, lower-case e-mail address; in JSON a hex string. Still personal data.
    #[serde(default, with = "super::hash")]
    pub email_sha256: Option<[u8; 32]>,
    /// E-mail and name, for sinks that identify. Not shown by `Debug`.
    #[serde(default)]
    pub contact: Option<Contact>,
    /// The payment method: `card`, ...
    #[serde(default)]
    pub payment_method: Option<String>,
    /// The terms, on subscription records.
    #[serde(default)]
    pub subscription: Option<SubscriptionTerms>,
    /// The consent of the visitor.
    #[serde(default)]
    pub consent: Consent,
    /// The flags of the record.
    #[serde(default)]
    pub flags: RecordFlags,
}

impl AttributionRecord {
    /// Returns an empty record, for tests and stores.
    #[must_use]
    pub fn new(id: impl Into<String>, kind: RecordKind, occurred_at: Timestamp) -> Self {
        Self {
            id: id.into(),
            webhook_id: String::new(),
            event_type: EventKind::Other("".into()),
            occurred_at,
            received_at: occurred_at,
            live: false,
            business_id: String::new(),
            brand_id: None,
            kind,
            basis: ClassificationBasis::default(),
            plan_change: false,
            on_demand: false,
            payment_id: String::new(),
            refund_id: None,
            dispute_id: None,
            subscription_ids: Vec::new(),
            checkout_session_id: None,
            invoice_id: None,
            customer_id: None,
            product_ids: Vec::new(),
            created_at: None,
            retry_attempt: 0,
            money: None,
            stated_amount: None,
            settlement: None,
            visitor: None,
            campaign: None,
            tool_ids: BTreeMap::new(),
            user_id: None,
            email_sha256: None,
            contact: None,
            payment_method: None,
            subscription: None,
            consent: Consent::default(),
            flags: RecordFlags::default(),
        }
    }

    /// The business key.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Shows kind and money, without personal data.
impl fmt::Debug for AttributionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttributionRecord")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("basis", &self.basis)
            .field("money", &self.money)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

/// The kind of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecordKind {
    /// A payment without a subscription.
    OneTime,
    /// The first paid charge of a subscription.
    SubscriptionNew,
    /// A later charge of a subscription.
    SubscriptionRenewal,
    /// A refund or a lost dispute.
    Refund {
        /// Whether a part of the payment remains.
        partial: bool,
    },
    /// A booked refund failed later. The money is restored.
    RefundReversal,
    /// The merchant lost a dispute.
    DisputeLoss {
        /// Whether Visa's Rapid Dispute Resolution decided it.
        rdr: bool,
    },
    /// A booked loss was reversed.
    DisputeReversal,
    /// A charge or event that is not revenue.
    NonRevenue {
        /// The reason.
        reason: NonRevenueReason,
    },
    /// A subscription became active. It has no money, because its charge is a payment with a record
    /// of its own.
    SubscriptionStarted,
    /// A subscription was cancelled.
    SubscriptionCancelled,
    /// The identity of a paying visitor.
    Identify,
}

impl RecordKind {
    /// Whether the record counts in revenue, positive or negative.
    #[must_use]
    pub const fn is_revenue(&self) -> bool {
        match self {
            Self::OneTime
            | Self::SubscriptionNew
            | Self::SubscriptionRenewal
            | Self::Refund { .. }
            | Self::RefundReversal
            | Self::DisputeLoss { .. }
            | Self::DisputeReversal => true,
            Self::NonRevenue { .. }
            | Self::SubscriptionStarted
            | Self::SubscriptionCancelled
            | Self::Identify => false,
        }
    }

    /// Whether the record is a charge that counts.
    #[must_use]
    pub const fn is_charge(&self) -> bool {
        matches!(self, Self::OneTime | Self::SubscriptionNew | Self::SubscriptionRenewal)
    }

    /// The name without details, such as `subscription_new`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::OneTime => "one_time",
            Self::SubscriptionNew => "subscription_new",
            Self::SubscriptionRenewal => "subscription_renewal",
            Self::Refund { .. } => "refund",
            Self::RefundReversal => "refund_reversal",
            Self::DisputeLoss { .. } => "dispute_loss",
            Self::DisputeReversal => "dispute_reversal",
            Self::NonRevenue { .. } => "non_revenue",
            Self::SubscriptionStarted => "subscription_started",
            Self::SubscriptionCancelled => "subscription_cancelled",
            Self::Identify => "identify",
        }
    }
}

/// The reason why a record is not revenue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NonRevenueReason {
    /// A card was checked or changed.
    Setup,
    /// A trial or a full discount: the amount is 0.
    Free,
    /// A refund failed. Reverses the refund with the same id, if it was booked.
    RefundFailed,
    /// A dispute was won. Reverses the loss with the same id, if it was booked.
    DisputeClosed,
}

/// The basis on which the kind of a charge was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClassificationBasis {
    /// The `charge_type` of Dodo Payments.
    ChargeType,
    /// An earlier paid charge exists, or is known not to exist.
    History,
    /// Only renewals are retried.
    RetryAttempt,
    /// The subscription is older than its first period.
    SubscriptionAge,
    /// It starts several subscriptions.
    MultiFlag,
    /// The event alone decides: a one-time payment, a refund, a dispute.
    Event,
    /// No other basis exists.
    #[default]
    Assumed,
}

/// A value and its origin. `Debug` does not show the value.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attributed<T> {
    /// The value.
    pub value: T,
    /// The step that found it.
    pub step: AttributionStep,
    /// The id of the object with the value.
    pub from: String,
}

impl<T> fmt::Debug for Attributed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved")
            .field("step", &self.step)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// The attribution steps for visitor and campaign, in their order. The first step with a result
/// wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttributionStep {
    /// The metadata of the object of the event.
    EventMetadata,
    /// The record of the payment that is refunded or disputed.
    PaymentRecord,
    /// The checkout context, stored under the session id.
    CheckoutContext,
    /// An earlier record of the subscription, or its metadata.
    SubscriptionRecord,
    /// The abandoned checkout that this payment recovered.
    RecoveredFrom,
    /// The customer's metadata, or their latest record.
    CustomerRecord,
    /// A visitor who was identified with the same e-mail address.
    EmailMatch,
}

/// The flags of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent flags, each set by its own rule")]
pub struct RecordFlags {
    /// The kind changed after a later event, for example after an earlier charge that arrived
    /// later.
    pub reclassified: bool,
    /// The payment is not known yet.
    pub parent_missing: bool,
    /// The refund is in another currency than the payment.
    pub currency_mismatch: bool,
    /// The refund's own metadata names another visitor than the payment's.
    pub differs_from_payment: bool,
    /// Two visitors share the e-mail address.
    pub ambiguous: bool,
    /// The reversals exceed the payment. The record does not count the excess.
    pub clamped: bool,
    /// The event has no amount.
    pub amount_unknown: bool,
    /// The tax in a refund is not known, so `net` is `gross`.
    pub net_is_gross: bool,
    /// The reversal was reversed: a refund failed later, or a lost dispute was won.
    pub reversed: bool,
}

/// The name and the address of a customer. `Debug` does not show them.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Contact {
    /// The e-mail address.
    pub email: Option<String>,
    /// The name.
    pub name: Option<String>,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact { .. }")
    }
}

/// The price and the dates of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SubscriptionTerms {
    /// One renewal before tax, in minor units.
    pub recurring_pre_tax_amount: Option<i64>,
    /// The currency.
    pub currency: Option<Currency>,
    /// `Day`, `Week`, `Month` or `Year`.
    pub payment_frequency_interval: Option<String>,
    /// The number of intervals between two charges.
    pub payment_frequency_count: Option<i64>,
    /// 0: no trial.
    pub trial_period_days: Option<i64>,
    /// The end of the current period.
    pub next_billing_date: Option<Timestamp>,
    /// The time of the cancellation.
    pub cancelled_at: Option<Timestamp>,
    /// Whether the subscription ends with this period.
    pub cancel_at_next_billing_date: bool,
}
