//! The input of [`derive`](crate::derive()): facts about one owner, as typed values.
//!
//! A fact comes from a webhook, from an API response, or from the app. Ids and times are those of Dodo
//! Payments. The ledger stores more than this; a mapping from its timeline fills these values.

use dodo_core::{
    EventKind,
    event::{
        BillingInterval, DisputeStatus, GrantStatus, LicenseKeyStatus, PaymentStatus, RefundStatus,
        RevocationReason, SubscriptionStatus,
    },
    money::Currency,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One fact that access depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingFact {
    /// The `webhook-id`, or the id that the ledger gave to an API object or a decision of the app.
    pub id: String,
    /// The `timestamp` of the event, the `Date` of the API response, or the time of the decision.
    pub at: Timestamp,
    /// The content.
    pub kind: BillingFactKind,
}

/// The content of a [`BillingFact`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BillingFactKind {
    /// A `subscription.*` event.
    Subscription {
        /// The type of the event.
        event: EventKind,
        /// The signed `webhook-timestamp` of the attempt that brought the body. Default: the time of the
        /// fact. Dodo Payments renders the body at each attempt, so the body can be newer than the event.
        attempt_at: Option<Timestamp>,
        /// The body.
        body: Box<SubscriptionBody>,
    },
    /// A subscription in an API response.
    Snapshot {
        /// The object.
        body: Box<SubscriptionBody>,
    },
    /// A payment, from an event or an API response.
    Payment(Box<PaymentFact>),
    /// A refund, from an event or an API response.
    Refund {
        /// `ref_...`.
        refund_id: String,
        /// The refunded payment.
        payment_id: String,
        /// The status. Only `succeeded` returns money.
        status: RefundStatus,
        /// Minor units in the currency of the payment. `None`: the rest of the payment.
        amount: Option<i64>,
        /// A part of the payment remains. `false`: the rest of the payment is refunded.
        partial: bool,
    },
    /// One step of a dispute.
    Dispute {
        /// `dp_...`.
        dispute_id: String,
        /// The disputed payment.
        payment_id: String,
        /// The step.
        status: DisputeStatus,
    },
    /// One step of an entitlement grant.
    Grant(Box<GrantFact>),
    /// A license key.
    License(Box<LicenseFact>),
    /// A decision of the app.
    Decision(AppDecision),
}

/// The body of a subscription in an event or an API response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionBody {
    /// `sub_...`.
    pub subscription_id: String,
    /// The status of the body, which can be newer than the event.
    pub status: Option<SubscriptionStatus>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// `pdt_...`.
    pub product_id: Option<String>,
    /// Units of the product. Default: 1.
    pub quantity: Option<u32>,
    /// The add-ons.
    pub addons: Vec<BoughtItem>,
    /// The end of the current period.
    pub next_billing_date: Option<Timestamp>,
    /// The start of the current period.
    pub previous_billing_date: Option<Timestamp>,
    /// The time of the cancellation.
    pub cancelled_at: Option<Timestamp>,
    /// The subscription ends with the current period.
    pub cancel_at_next_billing_date: bool,
    /// The start of a pause.
    pub paused_at: Option<Timestamp>,
    /// The end of the grace period of Dodo Payments. API responses do not have it.
    pub past_due_ends_at: Option<Timestamp>,
    /// The end of the term of the subscription.
    pub expires_at: Option<Timestamp>,
    /// Days of trial. 0: no trial.
    pub trial_period_days: Option<u32>,
    /// One renewal before tax, in minor units of `currency`.
    pub renewal_amount: Option<i64>,
    /// The currency.
    pub currency: Option<Currency>,
    /// The time between two charges.
    pub interval: Option<BillingPeriod>,
    /// The app charges the subscription through the API, so it has no billing date.
    pub on_demand: bool,
    /// A payment method is stored. `None`: unknown.
    pub has_payment_method: Option<bool>,
    /// The plan change that Dodo Payments will make.
    pub scheduled_change: Option<PlannedChange>,
}

/// The time between two charges of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingPeriod {
    /// Day, week, month or year.
    pub unit: BillingInterval,
    /// The number of units.
    pub count: u16,
}

/// An item of a cart, or an add-on of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoughtItem {
    /// `pdt_...` or `adn_...`.
    pub product_id: String,
    /// Units.
    pub quantity: u32,
}

/// A plan change that Dodo Payments will make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedChange {
    /// The new product.
    pub product_id: String,
    /// Units of the new product.
    pub quantity: u32,
    /// The time of the change.
    pub effective_at: Timestamp,
}

/// A payment in an event or an API response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentFact {
    /// `pay_...`.
    pub payment_id: String,
    /// The status. A payment that succeeded once stays succeeded.
    pub status: PaymentStatus,
    /// The `created_at` of the payment. It orders the charges of a subscription.
    pub paid_at: Timestamp,
    /// Minor units with tax.
    pub amount: i64,
    /// Every subscription that the payment starts or pays for.
    pub subscription_ids: Vec<String>,
    /// The payment changes the payment method.
    pub card_update: bool,
    /// The items of the payment, or of its checkout session.
    pub items: Vec<BoughtItem>,
    /// The end of the period that the payment pays for, by subscription.
    pub service_periods: Vec<(String, Timestamp)>,
}

/// One step of an entitlement grant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantFact {
    /// The id of the grant.
    pub grant_id: String,
    /// The status. Only `Delivered` grants.
    pub status: Option<GrantStatus>,
    /// The `feature_id` of a `feature_flag` grant.
    pub feature: Option<String>,
    /// The license key of a `license_key` grant.
    pub license_key_id: Option<String>,
    /// The payment that brought the grant.
    pub payment_id: Option<String>,
    /// The subscription that brought the grant.
    pub subscription_id: Option<String>,
    /// The reason of a revocation.
    pub revocation_reason: Option<RevocationReason>,
}

/// A license key, without the key itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LicenseFact {
    /// The id of the license key.
    pub license_key_id: String,
    /// SHA-256 of the key.
    pub key_sha256: Option<[u8; 32]>,
    /// The last four characters of the key.
    pub key_end: Option<String>,
    /// The status. Default: active.
    pub status: Option<LicenseKeyStatus>,
    /// The product.
    pub product_id: Option<String>,
    /// The payment that brought the key.
    pub payment_id: Option<String>,
    /// The subscription that brought the key.
    pub subscription_id: Option<String>,
    /// The end of its validity.
    pub expires_at: Option<Timestamp>,
}

/// A decision of the app about an owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AppDecision {
    /// The app grants a plan without a purchase.
    GrantPlan {
        /// The id of the grant.
        grant_id: String,
        /// The name of the plan.
        plan: String,
        /// The end. `None`: no end.
        until: Option<Timestamp>,
        /// The reason, as the owner may read it.
        why: String,
    },
    /// The app ends one of its own grants.
    WithdrawGrant {
        /// The id of the grant.
        grant_id: String,
    },
    /// The app denies the owner all access.
    Block,
    /// The app removes a block.
    Unblock,
    /// The app cancels a subscription now and ends its access, although it is paid.
    EndAccess {
        /// `sub_...`.
        subscription_id: String,
    },
}
