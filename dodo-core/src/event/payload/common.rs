//! Parts that several payloads share.

use serde::{Deserialize, Serialize};

use super::values::{DiscountKind, RefundStatus};
use crate::{
    event::{Date, Metadata, fields, scalar},
    money::Currency,
};

/// The billing address.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BillingAddress {
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// The city.
    pub city: Option<String>,
    /// The state or region.
    pub state: Option<String>,
    /// Street and number.
    pub street: Option<String>,
    /// Text: leading zeros count.
    pub zipcode: Option<String>,
}

/// The buyer, as events carry it.
///
/// `Debug` shows the id only.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Customer {
    /// `cus_...`.
    pub customer_id: Option<String>,
    /// Personal data.
    pub email: Option<String>,
    /// Personal data.
    pub name: Option<String>,
    /// Personal data.
    pub phone_number: Option<String>,
    /// The customer's own metadata, not the payment's.
    #[serde(default, deserialize_with = "scalar::metadata")]
    pub metadata: Metadata,
}

/// A product in a one-time payment.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CartItem {
    /// `pdt_...`.
    pub product_id: String,
    /// The quantity.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub quantity: Option<i64>,
}

/// A customer's answer to a question of the checkout page.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CustomFieldResponse {
    /// The question's key.
    pub key: String,
    /// The answer.
    pub value: Option<String>,
}

/// A discount that was applied.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Discount {
    /// `dsc_...`.
    pub discount_id: String,
    /// The code that the customer entered.
    pub code: Option<String>,
    /// Label.
    pub name: Option<String>,
    /// The type of `amount`.
    #[serde(rename = "type")]
    pub kind: Option<DiscountKind>,
    /// Basis points (540 is 5.4 %), or minor units for a flat discount.
    #[serde(default, deserialize_with = "fields::optional_amount")]
    pub amount: Option<i64>,
    /// The merchant.
    pub business_id: Option<String>,
    /// The time of creation.
    pub created_at: Option<Date>,
    /// The end.
    pub expires_at: Option<Date>,
    /// Billing cycles left.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub cycles_remaining: Option<i64>,
    /// Billing cycles it holds for.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub subscription_cycles: Option<i64>,
    /// Order among stacked discounts, from 0.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub position: Option<i64>,
    /// Whether it survives a plan change.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub preserve_on_plan_change: bool,
    /// Products it is limited to.
    #[serde(default, deserialize_with = "fields::list")]
    pub restricted_to: Vec<String>,
    /// Redemptions so far.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub times_used: Option<i64>,
    /// Redemptions allowed.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub usage_limit: Option<i64>,
    /// The discount's own metadata.
    #[serde(default, deserialize_with = "scalar::metadata")]
    pub metadata: Metadata,
}

/// A refund in the list of a payment. `Debug` shows the id only.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RefundItem {
    /// `ref_...`.
    pub refund_id: String,
    /// The refunded payment.
    pub payment_id: Option<String>,
    /// The merchant.
    pub business_id: Option<String>,
    /// The time of creation.
    pub created_at: Option<Date>,
    /// Minor units.
    #[serde(default, deserialize_with = "fields::optional_amount")]
    pub amount: Option<i64>,
    /// The currency of `amount`.
    pub currency: Option<Currency>,
    /// Whether money is left on the payment.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub is_partial: bool,
    /// Free text.
    pub reason: Option<String>,
    /// Its state.
    pub status: Option<RefundStatus>,
    /// The card network's reference.
    pub network_reference: Option<String>,
    /// The type of the reference.
    pub network_reference_type: Option<String>,
    /// The time of the last change of the reference.
    pub network_reference_updated_at: Option<Date>,
}
