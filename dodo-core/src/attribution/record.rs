use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    EventKind,
    capture::{Campaign, consent::Consent},
    money::{Currency, Money},
};

/// One thing that happened to money or to a subscription, and who brought it.
///
/// Numbers count once per [`id`](Self::id), whatever was delivered how often and in which order. Read
/// back what was written with `serde`; new fields have defaults.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AttributionRecord {
    /// The business key: `charge:pay_x`, `refund:ref_x`, `dispute:dp_x:loss`,
    /// `dispute:dp_x:reversal`, `subscription:sub_x:started`, `subscription:sub_x:cancelled`,
    /// `identify:pay_x`. Under 100 characters.
    pub id: String,
    /// The delivery that showed it.
    pub webhook_id: String,
    /// The event that showed it.
    pub event_type: EventKind,
    /// When it happened, as the event says.
    pub occurred_at: Timestamp,
    /// When the delivery was received.
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
    /// How sure `kind` is.
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
    /// When the payment, refund, dispute or subscription was made. By this, not by arrival, charges
    /// are ordered.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// 0 for an original charge, from 1 for retries of a renewal.
    #[serde(default)]
    pub retry_attempt: i64,
    /// What moved. `None`: unknown, or nothing that counts as revenue. Never a guess.
    #[serde(default)]
    pub money: Option<Money>,
    /// Of a refund that says how much but not in which currency: the amount, in minor units of the
    /// payment's. `money` is `None` then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated_amount: Option<i64>,
    /// What the merchant is credited with.
    #[serde(default)]
    pub settlement: Option<Money>,
    /// Who came.
    #[serde(default)]
    pub visitor: Option<Attributed<String>>,
    /// What brought them.
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
    /// How it was paid: `card`, ...
    #[serde(default)]
    pub payment_method: Option<String>,
    /// The terms, on subscription records.
    #[serde(default)]
    pub subscription: Option<SubscriptionTerms>,
    /// What the visitor agreed to.
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

/// What a record is.
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
        /// Whether some is left.
        partial: bool,
    },
    /// A refund that was booked failed after all: the money is back.
    RefundReversal,
    /// A dispute took the money.
    DisputeLoss {
        /// Whether Visa's Rapid Dispute Resolution did.
        rdr: bool,
    },
    /// A loss that was booked came back.
    DisputeReversal,
    /// Nothing that counts as revenue.
    NonRevenue {
        /// Why.
        reason: NonRevenueReason,
    },
    /// A subscription became active. No money: the charge is a payment.
    SubscriptionStarted,
    /// A subscription was cancelled.
    SubscriptionCancelled,
    /// Who a paying visitor is.
    Identify,
}

impl RecordKind {
    /// Whether it counts in revenue, as plus or minus.
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

    /// Whether it is a charge that counts.
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
    /// A trial or a full discount: nothing was charged.
    Free,
    /// A refund failed. Reverses the refund with the same id, if it was booked.
    RefundFailed,
    /// A dispute was won. Reverses the loss with the same id, if it was booked.
    DisputeClosed,
}

/// How the kind of a charge was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClassificationBasis {
    /// The `charge_type` of Dodo Payments.
    ChargeType,
    /// There is, or is not, an earlier paid charge.
    History,
    /// Only renewals are retried.
    RetryAttempt,
    /// The subscription is older than its first period.
    SubscriptionAge,
    /// It starts several subscriptions.
    MultiFlag,
    /// The event itself leaves no choice: a one-time payment, a refund, a dispute.
    Event,
    /// No other basis exists.
    #[default]
    Assumed,
}

/// A value, and where it was found. `Debug` does not show the value.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attributed<T> {
    /// The value.
    pub value: T,
    /// The step that found it.
    pub step: AttributionStep,
    /// The id of the object it was found in.
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

/// The steps that look for visitor and campaign. The first that finds something wins; the order is
/// the order here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttributionStep {
    /// The metadata of the event's own object.
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
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent marks, each set by a rule of its own"
)]
pub struct RecordFlags {
    /// The kind changed when more became known, such as an earlier charge that arrived later.
    pub reclassified: bool,
    /// The payment is not known yet.
    pub parent_missing: bool,
    /// The refund is in another currency than the payment.
    pub currency_mismatch: bool,
    /// The refund's own metadata names another visitor than the payment's.
    pub differs_from_payment: bool,
    /// Two visitors share the e-mail address.
    pub ambiguous: bool,
    /// More came back than was paid; the excess is left out.
    pub clamped: bool,
    /// The event does not say the amount.
    pub amount_unknown: bool,
    /// The tax in a refund is not known, so `net` is `gross`.
    pub net_is_gross: bool,
    /// The reversal was reversed: a refund failed later, or a lost dispute was won.
    pub reversed: bool,
}

/// Who a customer is. `Debug` shows nothing of it.
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

/// What a subscription costs and when.
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
    /// Charged every so many intervals.
    pub payment_frequency_count: Option<i64>,
    /// 0: no trial.
    pub trial_period_days: Option<i64>,
    /// When the current period ends.
    pub next_billing_date: Option<Timestamp>,
    /// When it was cancelled.
    pub cancelled_at: Option<Timestamp>,
    /// Whether it ends with this period.
    pub cancel_at_next_billing_date: bool,
}
