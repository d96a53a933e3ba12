use serde::{Deserialize, Serialize};

use super::values::{DunningTrigger, RecoveryStatus};
use crate::event::{Date, fields};

/// An attempt to win back a failed renewal, as `dunning.*` events carry it.
///
/// `subscription_id` is required.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DunningAttempt {
    /// The subscription.
    #[serde(deserialize_with = "fields::id")]
    pub subscription_id: String,
    /// The payment that recovered it.
    pub payment_id: Option<String>,
    /// State of the recovery.
    pub status: Option<RecoveryStatus>,
    /// The trigger.
    pub trigger_state: Option<DunningTrigger>,
    /// The customer.
    pub customer_id: Option<String>,
    /// The time of the start.
    pub created_at: Option<Date>,
    /// The brand.
    pub brand_id: Option<String>,
    /// `DunningAttempt`.
    pub payload_type: Option<String>,
}
