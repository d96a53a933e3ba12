use serde::{Deserialize, Serialize};

use super::{
    BillingAddress, CreditEntitlementItem, CustomFieldResponse, Customer, Discount,
    MeterCreditItem, MeterItem,
    values::{BillingInterval, CancellationFeedback, SubscriptionStatus},
};
use crate::{
    event::{Date, Metadata, fields, scalar},
    money::Currency,
};

/// A subscription, as `subscription.*` events carry it.
///
/// `subscription_id` is required. It says nothing about money that moved: a charge is a payment, with
/// an event of its own.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Subscription {
    /// `sub_...`.
    #[serde(deserialize_with = "fields::id")]
    pub subscription_id: String,
    /// State at the time of delivery.
    pub status: Option<SubscriptionStatus>,
    /// The plan.
    pub product_id: Option<String>,
    /// Units of the plan.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub quantity: Option<i64>,
    /// One renewal before tax, in minor units of `currency`.
    #[serde(default, deserialize_with = "fields::optional_price")]
    pub recurring_pre_tax_amount: Option<i64>,
    /// The currency.
    pub currency: Option<Currency>,
    /// Whether the amount includes tax.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub tax_inclusive: bool,
    /// The buyer.
    #[serde(default, deserialize_with = "fields::object")]
    pub customer: Customer,
    /// The billing address.
    #[serde(default, deserialize_with = "fields::object")]
    pub billing: BillingAddress,
    /// The metadata of the checkout or of the subscription.
    #[serde(default, deserialize_with = "scalar::metadata")]
    pub metadata: Metadata,
    /// The brand.
    pub brand_id: Option<String>,
    /// The merchant.
    pub business_id: Option<String>,
    /// The payment of a renewal. Since October 2026.
    pub payment_id: Option<String>,
    /// The time of creation.
    pub created_at: Option<Date>,
    /// The start of the current period.
    pub previous_billing_date: Option<Date>,
    /// The end of the current period.
    pub next_billing_date: Option<Date>,
    /// The end of the term.
    pub expires_at: Option<Date>,
    /// 0: no trial.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub trial_period_days: Option<i64>,
    /// A paid trial, per unit, in minor units.
    #[serde(default, deserialize_with = "fields::optional_price")]
    pub trial_amount: Option<i64>,
    /// The number of intervals between two charges.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub payment_frequency_count: Option<i64>,
    /// The interval.
    pub payment_frequency_interval: Option<BillingInterval>,
    /// The term, in intervals.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub subscription_period_count: Option<i64>,
    /// The interval of the term.
    pub subscription_period_interval: Option<BillingInterval>,
    /// Charged through the API only.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub on_demand: bool,
    /// Whether a method is on file. `None`: the body does not say.
    pub has_payment_method: Option<bool>,
    /// The method of renewals.
    pub payment_method_id: Option<String>,
    /// Whether the subscription ends with this period.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub cancel_at_next_billing_date: bool,
    /// The time of the cancellation.
    pub cancelled_at: Option<Date>,
    /// The actor that canceled. Since October 2026.
    #[serde(default, deserialize_with = "fields::optional_object")]
    pub cancelled_by: Option<CancelledBy>,
    /// The chosen reason.
    pub cancellation_feedback: Option<CancellationFeedback>,
    /// The reason in words.
    pub cancellation_comment: Option<String>,
    /// The start of the pause.
    pub paused_at: Option<Date>,
    /// The end of the grace period of a failed charge.
    pub past_due_ends_at: Option<Date>,
    /// A scheduled plan change.
    #[serde(default, deserialize_with = "fields::optional_object")]
    pub scheduled_change: Option<ScheduledPlanChange>,
    /// Add-ons.
    #[serde(default, deserialize_with = "fields::objects")]
    pub addons: Vec<AddonItem>,
    /// Usage meters.
    #[serde(default, deserialize_with = "fields::objects")]
    pub meters: Vec<MeterItem>,
    /// Credits that come with it.
    #[serde(default, deserialize_with = "fields::objects")]
    pub credit_entitlement_cart: Vec<CreditEntitlementItem>,
    /// Meters that use credits.
    #[serde(default, deserialize_with = "fields::objects")]
    pub meter_credit_entitlement_cart: Vec<MeterCreditItem>,
    /// Discounts that were applied.
    #[serde(default, deserialize_with = "fields::objects")]
    pub discounts: Vec<Discount>,
    /// Deprecated: the only discount.
    pub discount_id: Option<String>,
    /// Deprecated.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub discount_cycles_remaining: Option<i64>,
    /// Answers of the customer.
    #[serde(default, deserialize_with = "fields::objects")]
    pub custom_field_responses: Vec<CustomFieldResponse>,
    /// Legal name of a business customer.
    pub customer_business_name: Option<String>,
    /// Tax id of a business customer.
    pub tax_id: Option<String>,
    /// `Subscription`.
    pub payload_type: Option<String>,
}

/// An add-on of a subscription.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddonItem {
    /// `adn_...`.
    pub addon_id: String,
    /// Its name, in a scheduled change.
    pub name: Option<String>,
    /// The quantity.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub quantity: Option<i64>,
}

/// A scheduled plan change.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScheduledPlanChange {
    /// The change.
    pub id: Option<String>,
    /// The new plan.
    pub product_id: Option<String>,
    /// Its name.
    pub product_name: Option<String>,
    /// Its description.
    pub product_description: Option<String>,
    /// Units of the new plan.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub quantity: Option<i64>,
    /// Its add-ons.
    #[serde(default, deserialize_with = "fields::objects")]
    pub addons: Vec<AddonItem>,
    /// The time of the request.
    pub created_at: Option<Date>,
    /// The time of the change.
    pub effective_at: Option<Date>,
}

/// The actor that canceled a subscription.
///
/// `Debug` shows the kind of actor only.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CancelledBy {
    /// Customer, merchant, ...
    pub actor_type: Option<String>,
    /// Personal data.
    pub email: Option<String>,
    /// Personal data.
    pub name: Option<String>,
}
