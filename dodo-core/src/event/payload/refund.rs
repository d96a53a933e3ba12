use serde::{Deserialize, Serialize};

use super::{Customer, values::RefundStatus};
use crate::{
    event::{Date, Metadata, fields, scalar},
    money::Currency,
};

/// A refund, as `refund.*` events carry it.
///
/// `refund_id` is required.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refund {
    /// `ref_...`.
    #[serde(deserialize_with = "fields::id")]
    pub refund_id: String,
    /// The refunded payment.
    pub payment_id: Option<String>,
    /// Minor units of `currency`. May be absent, also for a full refund.
    #[serde(default, deserialize_with = "fields::optional_amount")]
    pub amount: Option<i64>,
    /// The currency of `amount`.
    pub currency: Option<Currency>,
    /// Whether money is left on the payment.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub is_partial: bool,
    /// State at the time of delivery.
    pub status: Option<RefundStatus>,
    /// Free text.
    pub reason: Option<String>,
    /// The buyer.
    #[serde(default, deserialize_with = "fields::object")]
    pub customer: Customer,
    /// The refund's own metadata, not the payment's.
    #[serde(default, deserialize_with = "scalar::metadata")]
    pub metadata: Metadata,
    /// The merchant.
    pub business_id: Option<String>,
    /// The brand.
    pub brand_id: Option<String>,
    /// The time of creation.
    pub created_at: Option<Date>,
    /// The card network's reference. Since October 2026.
    pub network_reference: Option<String>,
    /// The type of the reference.
    pub network_reference_type: Option<String>,
    /// The time of the last change of the reference.
    pub network_reference_updated_at: Option<Date>,
    /// `Refund`.
    pub payload_type: Option<String>,
}
