use serde::{Deserialize, Serialize};

use super::values::{LicenseKeySource, LicenseKeyStatus};
use crate::event::{Date, fields};

/// A license key, as `license_key.created` carries it.
///
/// `id` is required.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LicenseKey {
    /// `lic_...`.
    #[serde(deserialize_with = "fields::id")]
    pub id: String,
    /// The key itself: a secret.
    pub key: Option<String>,
    /// State at the time of delivery.
    pub status: Option<LicenseKeyStatus>,
    /// The source of the key.
    pub source: Option<LicenseKeySource>,
    /// The product.
    pub product_id: Option<String>,
    /// The owner.
    pub customer_id: Option<String>,
    /// The payment that bought it.
    pub payment_id: Option<String>,
    /// The subscription that holds it.
    pub subscription_id: Option<String>,
    /// Absent: unlimited.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub activations_limit: Option<i64>,
    /// Active instances.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub instances_count: Option<i64>,
    /// Absent: never.
    pub expires_at: Option<Date>,
    /// The time of creation.
    pub created_at: Option<Date>,
    /// The merchant.
    pub business_id: Option<String>,
    /// The brand.
    pub brand_id: Option<String>,
    /// `LicenseKey`.
    pub payload_type: Option<String>,
}
