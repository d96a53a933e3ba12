use serde::{Deserialize, Serialize};

use super::values::{AbandonmentReason, RecoveryStatus};
use crate::event::{Date, fields};

/// A checkout that was left, as `abandoned_checkout.*` events carry it.
///
/// `payment_id` is required. There is no amount and no metadata: they are on the payment.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AbandonedCheckout {
    /// The payment that was left.
    #[serde(deserialize_with = "fields::id")]
    pub payment_id: String,
    /// The payment that succeeded later.
    pub recovered_payment_id: Option<String>,
    /// State of the recovery.
    pub status: Option<RecoveryStatus>,
    /// The reason.
    pub abandonment_reason: Option<AbandonmentReason>,
    /// The time at which Dodo Payments noticed it.
    pub abandoned_at: Option<Date>,
    /// The customer.
    pub customer_id: Option<String>,
    /// The brand.
    pub brand_id: Option<String>,
    /// `AbandonedCheckout`.
    pub payload_type: Option<String>,
}
