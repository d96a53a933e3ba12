//! Credits: units of a merchant's own, not money.

use serde::{Deserialize, Serialize};

use super::values::{BillingInterval, CreditTransaction};
use crate::{
    event::{Date, Decimal, Metadata, fields, scalar},
    money::Currency,
};

/// A movement of credits, as `credit.*` events carry it.
///
/// `id` is required. Amounts are credits, not money.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CreditLedgerEntry {
    /// `cle_...`.
    #[serde(deserialize_with = "fields::id")]
    pub id: String,
    /// The type of the movement.
    pub transaction_type: Option<CreditTransaction>,
    /// Whether credits were added.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub is_credit: bool,
    /// Credits.
    pub amount: Option<Decimal>,
    /// Balance before.
    pub balance_before: Option<Decimal>,
    /// Balance after.
    pub balance_after: Option<Decimal>,
    /// Overage before.
    pub overage_before: Option<Decimal>,
    /// Overage after.
    pub overage_after: Option<Decimal>,
    /// The kind of credit.
    pub credit_entitlement_id: Option<String>,
    /// The grant that was touched.
    pub grant_id: Option<String>,
    /// The owner.
    pub customer_id: Option<String>,
    /// The object that caused it.
    pub reference_id: Option<String>,
    /// The type of that object.
    pub reference_type: Option<String>,
    /// Text.
    pub description: Option<String>,
    /// The entry's metadata.
    #[serde(default, deserialize_with = "scalar::metadata")]
    pub metadata: Metadata,
    /// The merchant.
    pub business_id: Option<String>,
    /// The brand.
    pub brand_id: Option<String>,
    /// The time of the movement.
    pub created_at: Option<Date>,
    /// `CreditLedgerEntry`.
    pub payload_type: Option<String>,
}

/// A balance under its threshold, as `credit.balance_low` carries it.
///
/// Required is `customer_id`: the payload has no id of its own.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CreditBalanceLow {
    /// The owner.
    #[serde(deserialize_with = "fields::id")]
    pub customer_id: String,
    /// The subscription.
    pub subscription_id: Option<String>,
    /// The kind of credit.
    pub credit_entitlement_id: Option<String>,
    /// Its name.
    pub credit_entitlement_name: Option<String>,
    /// Credits left.
    pub available_balance: Option<Decimal>,
    /// Credits per cycle.
    pub subscription_credits_amount: Option<Decimal>,
    /// The threshold, in credits.
    pub threshold_amount: Option<Decimal>,
    /// The threshold, in percent.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub threshold_percent: Option<i64>,
    /// The brand.
    pub brand_id: Option<String>,
    /// `CreditBalanceLow`.
    pub payload_type: Option<String>,
}

/// Credits that come with a subscription.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CreditEntitlementItem {
    /// `cde_...`.
    pub credit_entitlement_id: String,
    /// Its name.
    pub credit_entitlement_name: Option<String>,
    /// The product.
    pub product_id: Option<String>,
    /// The name of one credit.
    pub unit: Option<String>,
    /// Credits per cycle.
    pub credits_amount: Option<Decimal>,
    /// Credits left.
    pub remaining_balance: Option<Decimal>,
    /// Credits used beyond.
    pub overage_balance: Option<Decimal>,
    /// Whether more may be used.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub overage_enabled: bool,
    /// The treatment of the overage.
    pub overage_behavior: Option<String>,
    /// The largest overage.
    pub overage_limit: Option<Decimal>,
    /// The time at which credits expire.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub expires_after_days: Option<i64>,
    /// When `credit.balance_low` is sent.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub low_balance_threshold_percent: Option<i64>,
    /// Whether unused credits are kept.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub rollover_enabled: bool,
    /// The kept share of the unused credits, in percent.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub rollover_percentage: Option<i64>,
    /// The largest number of rollovers.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub max_rollover_count: Option<i64>,
    /// The number of intervals.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub rollover_timeframe_count: Option<i64>,
    /// The interval.
    pub rollover_timeframe_interval: Option<BillingInterval>,
}

/// A usage meter of a subscription.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MeterItem {
    /// `mtr_...`.
    pub meter_id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// The currency of the price.
    pub currency: Option<Currency>,
    /// Major units, as decimal text.
    pub price_per_unit: Option<Decimal>,
    /// Free units.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub free_threshold: Option<i64>,
    /// The counted unit.
    pub measurement_unit: Option<String>,
}

/// A meter that uses credits.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MeterCreditItem {
    /// `mtr_...`.
    pub meter_id: String,
    /// Its name.
    pub meter_name: Option<String>,
    /// The kind of credit.
    pub credit_entitlement_id: Option<String>,
    /// The number of units for one credit.
    pub meter_units_per_credit: Option<Decimal>,
    /// The product.
    pub product_id: Option<String>,
}
