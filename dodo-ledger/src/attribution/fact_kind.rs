//! The books of a fact: one kind for each type of event, API object or call of the application.

use dodo_core::{
    attribution::SubscriptionTerms,
    capture::consent::Consent,
    event::{
        ChargeType, Decimal, GrantStatus, Integration, LicenseKeyStatus, RevocationReason,
        SubscriptionStatus,
    },
    money::Currency,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::ObjectId;

/// The books of a fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// `payment.succeeded`.
    Charge(Box<Charge>),
    /// Any other `payment.*`: failed, canceled or processing.
    FailedPayment(Box<FailedPayment>),
    /// `abandoned_checkout.recovered`.
    Recovery {
        /// The abandoned payment.
        abandoned: String,
        /// The payment that completed the checkout.
        recovered: String,
    },
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
    Subscription(Box<Subscription>),
    /// The visit that the route captured when it created the checkout session.
    Context {
        /// `cks_...`.
        session_id: String,
        /// The consent of the visitor. It outlives an erasure.
        consent: Consent,
    },
    /// Any `entitlement_grant.*`.
    Grant(Box<Grant>),
    /// `license_key.created`.
    LicenseKey(Box<LicenseKey>),
    /// The application asked Dodo Payments to change a plan.
    PlanChange(Box<PlanChange>),
    /// A subscription as the API showed it.
    ApiSnapshot(Box<Subscription>),
    /// An operator set a record to zero.
    Void(Void),
    /// The personal data of these objects was erased and must not return.
    Erasure {
        /// The erased objects, and the ids of erased subscription events.
        objects: Vec<ObjectId>,
    },
}

/// A payment that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Charge {
    /// `pay_...`.
    pub payment_id: String,
    /// The time of the payment. It orders the charges of a subscription and of a customer.
    pub created_at: Timestamp,
    /// Minor units with tax.
    pub total: i64,
    /// Minor units.
    pub tax: Option<i64>,
    /// The currency of the customer.
    pub currency: Currency,
    /// The credit by Dodo Payments: amount, tax, currency.
    pub settlement: Option<(i64, Option<i64>, Currency)>,
    /// Every subscription that the payment starts or pays for.
    pub subscription_ids: Vec<String>,
    /// The payment starts several subscriptions.
    pub multi_subscription: bool,
    /// The payment changes the payment method.
    pub card_update: bool,
    /// The number of the retry of a failed renewal. 0: no retry.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_attempt: i64,
    /// The statement of Dodo Payments, if the payload has it.
    pub charge_type: Option<ChargeType>,
    /// `cks_...`.
    pub session_id: Option<String>,
    /// `inv_...`.
    pub invoice_id: Option<String>,
    /// The bought items. Empty for most subscription payments.
    pub items: Vec<Item>,
    /// The periods that the payment pays for.
    pub service_periods: Vec<ServicePeriod>,
    /// The payment includes usage.
    pub includes_usage: bool,
    /// Card, bank transfer and so on.
    pub payment_method: Option<String>,
    /// The billing country, two letters.
    pub country: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// One item of a cart, or one add-on of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Item {
    /// `pdt_...` or `adn_...`.
    pub id: String,
    /// Units. `None`: the payload does not name a number.
    pub quantity: Option<i64>,
}

/// A period of one subscription that a payment pays for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServicePeriod {
    /// `sub_...`.
    pub subscription_id: String,
    /// The start.
    pub starts_at: Option<Timestamp>,
    /// The end.
    pub ends_at: Option<Timestamp>,
}

/// A payment that did not succeed, or not yet. The type of the event tells which.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailedPayment {
    /// `pay_...`.
    pub payment_id: String,
    /// The time of the payment.
    pub created_at: Timestamp,
    /// Minor units with tax.
    pub total: i64,
    /// The currency of the customer.
    pub currency: Currency,
    /// Every subscription that the payment is for.
    pub subscription_ids: Vec<String>,
    /// The payment changes the payment method.
    pub card_update: bool,
    /// The number of the retry of a failed renewal. 0: no retry.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_attempt: i64,
    /// `cks_...`.
    pub session_id: Option<String>,
    /// The items.
    pub items: Vec<Item>,
    /// The reason code.
    pub error_code: Option<String>,
}

/// A refund that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refund {
    /// `ref_...`.
    pub refund_id: String,
    /// The refunded payment.
    pub payment_id: String,
    /// Minor units, positive.
    pub amount: Option<i64>,
    /// `None`: the currency of the payment.
    pub currency: Option<Currency>,
    /// A part of the payment remains.
    pub partial: bool,
}

/// One step of a dispute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dispute {
    /// `dp_...`.
    pub dispute_id: String,
    /// The disputed payment.
    pub payment_id: String,
    /// The step.
    pub step: DisputeStep,
    /// The amount as Dodo Payments wrote it.
    #[serde(default)]
    pub amount: Option<Decimal>,
    /// `None`: the currency of the payment.
    #[serde(default)]
    pub currency: Option<Currency>,
    /// Rapid Dispute Resolution of Visa returned the money.
    #[serde(default)]
    pub rdr: bool,
}

/// The meaning of a `dispute.*` event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStep {
    /// `opened`: Dodo Payments holds the money.
    Opened,
    /// `challenged`: the decision is open.
    Challenged,
    /// `lost`, `accepted`, `expired`: the cardholder gets the money.
    Lost,
    /// `won`, `cancelled`: the merchant keeps the money.
    Won,
}

/// The body of a `subscription.*` event, or of an API object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subscription {
    /// `sub_...`.
    pub subscription_id: String,
    /// The status of the body, which can be newer than the event.
    pub status: Option<SubscriptionStatus>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// Price, interval, trial, next billing date and cancellation.
    pub terms: SubscriptionTerms,
    /// The application charges it through the API.
    pub on_demand: bool,
    /// The plan.
    pub product_id: Option<String>,
    /// Units of the plan.
    pub quantity: Option<i64>,
    /// The add-ons.
    pub addons: Vec<Item>,
    /// The start of the current period.
    pub previous_billing_date: Option<Timestamp>,
    /// The end of the term.
    pub expires_at: Option<Timestamp>,
    /// The start of a pause.
    pub paused_at: Option<Timestamp>,
    /// The end of the retry window of Dodo Payments.
    pub past_due_ends_at: Option<Timestamp>,
    /// The body says that a payment method exists.
    pub has_payment_method: bool,
    /// The body says that no payment method exists. Both are `false` if the body does not say.
    pub lacks_payment_method: bool,
    /// The kind of actor that canceled: `customer`, `merchant` and others.
    pub cancelled_by: Option<String>,
    /// The plan change that Dodo Payments will make.
    pub scheduled_change: Option<ScheduledChange>,
}

/// A plan change that Dodo Payments will make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScheduledChange {
    /// The new plan.
    pub product_id: Option<String>,
    /// Units of the new plan.
    pub quantity: Option<i64>,
    /// The new add-ons.
    pub addons: Vec<Item>,
    /// The time of the change.
    pub effective_at: Option<Timestamp>,
}

/// One step of an entitlement grant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grant {
    /// The id of the grant.
    pub grant_id: String,
    /// The entitlement.
    pub entitlement_id: Option<String>,
    /// The status of the body.
    pub status: Option<GrantStatus>,
    /// The kind of entitlement: `feature_flag`, `license_key` and others.
    pub integration: Option<Integration>,
    /// The payment that brought the grant.
    pub payment_id: Option<String>,
    /// The subscription that brought the grant.
    pub subscription_id: Option<String>,
    /// The granted feature.
    pub feature_id: Option<String>,
    /// The type of the feature.
    pub feature_type: Option<String>,
    /// The granted license key.
    pub license_key: Option<GrantedKey>,
    /// The reason of a revocation.
    pub revocation_reason: Option<RevocationReason>,
    /// The time of the revocation.
    pub revoked_at: Option<Timestamp>,
    /// The time of the delivery.
    pub delivered_at: Option<Timestamp>,
}

/// The license key of a grant, without the key itself: that is a secret of the customer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GrantedKey {
    /// The id of the license key.
    pub license_key_id: Option<String>,
    /// The status of the license key.
    pub status: Option<LicenseKeyStatus>,
    /// The end of its validity.
    pub expires_at: Option<Timestamp>,
    /// The largest number of activations.
    pub activations_limit: Option<i64>,
}

/// A license key, without the key itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LicenseKey {
    /// The id of the license key.
    pub license_key_id: String,
    /// SHA-256 of the key.
    #[serde(with = "super::hash::optional", skip_serializing_if = "Option::is_none")]
    pub key_sha256: Option<[u8; 32]>,
    /// The last four characters of a key of at least 12 characters.
    pub key_end: Option<String>,
    /// The status.
    pub status: Option<LicenseKeyStatus>,
    /// The product.
    pub product_id: Option<String>,
    /// The payment that brought the key.
    pub payment_id: Option<String>,
    /// The subscription that brought the key.
    pub subscription_id: Option<String>,
    /// The end of its validity.
    pub expires_at: Option<Timestamp>,
    /// The largest number of activations.
    pub activations_limit: Option<i64>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
}

/// A plan change that the application requested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanChange {
    /// `sub_...`.
    pub subscription_id: String,
    /// The requested plan.
    pub product_id: Option<String>,
    /// Units of the requested plan.
    pub quantity: Option<i64>,
    /// The requested add-ons.
    pub addons: Vec<Item>,
    /// The requested time. `None`: now.
    pub effective_at: Option<Timestamp>,
}

/// An operator set a record to zero. The record stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Void {
    /// The key of the record, such as `charge:pay_x`.
    pub record_id: String,
    /// The payment of the record. It leads to the group.
    pub payment_id: String,
    /// The reason that the operator named.
    pub reason: String,
}
