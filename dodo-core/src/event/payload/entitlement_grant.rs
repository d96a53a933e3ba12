use serde::{Deserialize, Serialize};

use super::values::{GrantStatus, Integration, LicenseKeyStatus, RevocationReason};
use crate::event::{Date, Metadata, fields, scalar};

/// Something a customer may use, as `entitlement_grant.*` events carry it.
///
/// `id` is required.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EntitlementGrant {
    /// `entg_...`.
    #[serde(deserialize_with = "fields::id")]
    pub id: String,
    /// The entitlement.
    pub entitlement_id: Option<String>,
    /// State at the time of delivery.
    pub status: Option<GrantStatus>,
    /// The granted integration.
    pub integration_type: Option<Integration>,
    /// The owner.
    pub customer_id: Option<String>,
    /// The payment that bought it.
    pub payment_id: Option<String>,
    /// The subscription that holds it.
    pub subscription_id: Option<String>,
    /// The key, for license keys.
    #[serde(default, deserialize_with = "fields::optional_object")]
    pub license_key: Option<GrantedLicenseKey>,
    /// The files, for downloads.
    #[serde(default, deserialize_with = "fields::optional_object")]
    pub digital_product_delivery: Option<DigitalDelivery>,
    /// The feature, for feature flags.
    #[serde(default, deserialize_with = "fields::optional_object")]
    pub feature: Option<GrantedFeature>,
    /// The page on which the customer agrees: a secret.
    pub oauth_url: Option<String>,
    /// Until when.
    pub oauth_expires_at: Option<Date>,
    /// The reason of the failure.
    pub error_code: Option<String>,
    /// The reason as a sentence.
    pub error_message: Option<String>,
    /// The reason of the revocation.
    pub revocation_reason: Option<RevocationReason>,
    /// The time of the revocation.
    pub revoked_at: Option<Date>,
    /// The time of the delivery.
    pub delivered_at: Option<Date>,
    /// The grant's metadata.
    #[serde(default, deserialize_with = "scalar::metadata")]
    pub metadata: Metadata,
    /// The merchant.
    pub business_id: Option<String>,
    /// The brand.
    pub brand_id: Option<String>,
    /// The time of creation.
    pub created_at: Option<Date>,
    /// The time of the last change.
    pub updated_at: Option<Date>,
    /// `EntitlementGrant`.
    pub payload_type: Option<String>,
}

/// A license key in a grant. `Debug` does not show the key.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GrantedLicenseKey {
    /// `lic_...`.
    pub id: Option<String>,
    /// The key itself: a secret.
    pub key: Option<String>,
    /// Its state.
    pub status: Option<LicenseKeyStatus>,
    /// Absent: unlimited.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub activations_limit: Option<i64>,
    /// Active instances.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub activations_used: Option<i64>,
    /// Absent: never.
    pub expires_at: Option<Date>,
}

/// A feature in a grant.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GrantedFeature {
    /// The feature.
    pub feature_id: Option<String>,
    /// Its kind.
    pub feature_type: Option<String>,
}

/// Files in a grant. `Debug` does not show the links.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DigitalDelivery {
    /// The files.
    #[serde(default, deserialize_with = "fields::objects")]
    pub files: Vec<DigitalFile>,
    /// A link instead.
    pub external_url: Option<String>,
    /// Instructions for the files.
    pub instructions: Option<String>,
}

/// A file to download. `Debug` does not show the link.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DigitalFile {
    /// The file.
    pub file_id: Option<String>,
    /// Its name.
    pub filename: Option<String>,
    /// A download link. Anyone who has it can use it.
    pub download_url: Option<String>,
    /// The lifetime of the link in seconds.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub expires_in: Option<i64>,
    /// Its media type.
    pub content_type: Option<String>,
    /// Bytes.
    #[serde(default, deserialize_with = "fields::optional_integer")]
    pub file_size: Option<i64>,
}
