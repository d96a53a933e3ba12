//! The license keys of an owner. Their keys are not stored: a hash finds the owner of a key.

use dodo_core::{Error, client::LicenseInstance};
use sha2::{Digest as _, Sha256};

use super::{conflict, not_found};
use crate::{fact::BillingFactKind, license::LicenseAccess, owner_handle::Owner};

/// The code of Dodo Payments for a key without a free activation.
const LIMIT_REACHED: &str = "LICENSE_KEY_LIMIT_REACHED";

impl Owner {
    /// Activates a license key of the owner, such as for one device.
    ///
    /// # Errors
    /// - [`NotFound`](dodo_core::ErrorKind::NotFound) `license_not_found`, also for a key of another owner.
    /// - [`Conflict`](dodo_core::ErrorKind::Conflict) `license_not_valid`: the key is disabled or expired, or its
    ///   purchase ended. `activation_limit`: no activation is left.
    /// - Those of [`access`](Self::access) and of
    ///   [`activate_license`](dodo_core::Client::activate_license).
    pub async fn activate_license(&self, key: &str, name: &str) -> Result<LicenseInstance, Error> {
        let key = key.trim();
        if !self.license_of(key).await?.is_valid {
            return Err(conflict("license_not_valid", "the license key gives no access now"));
        }
        self.billing.client().activate_license(key, name).await.map_err(|error| {
            if error.dodo_code() == Some(LIMIT_REACHED) {
                return conflict("activation_limit", "no activation of the license key is left");
            }
            error
        })
    }

    /// Whether a license key of the owner, or an instance of it, is valid: for Dodo Payments, and because its
    /// purchase gives access.
    ///
    /// # Errors
    /// [`NotFound`](dodo_core::ErrorKind::NotFound) `license_not_found`, also for a key of another owner; those of
    /// [`access`](Self::access) and of [`validate_license`](dodo_core::Client::validate_license).
    pub async fn validate_license(&self, key: &str, instance: Option<&str>) -> Result<bool, Error> {
        let key = key.trim();
        let license = self.license_of(key).await?;
        Ok(license.is_valid && self.billing.client().validate_license(key, instance).await?)
    }

    /// Removes an instance of a license key of the owner.
    ///
    /// # Errors
    /// [`NotFound`](dodo_core::ErrorKind::NotFound) `license_not_found`, also for a key of another owner and for an
    /// unknown instance; those of [`access`](Self::access) and of
    /// [`deactivate_license`](dodo_core::Client::deactivate_license).
    pub async fn deactivate_license(&self, key: &str, instance: &str) -> Result<(), Error> {
        let key = key.trim();
        self.license_of(key).await?;
        self.billing.client().deactivate_license(key, instance).await
    }

    /// The license of a key, if it is of this owner. No request goes to Dodo Payments.
    async fn license_of(&self, key: &str) -> Result<LicenseAccess, Error> {
        let hash: [u8; 32] = Sha256::digest(key).into();
        let facts = self.facts().await?;
        let mut ids = facts.iter().filter_map(|fact| match &fact.kind {
            BillingFactKind::License(key) if key.key_sha256 == Some(hash) => {
                Some(&key.license_key_id)
            }
            _ => None,
        });
        let access = crate::derive(&facts, self.billing.plans(), self.billing.now());
        let license = ids
            .find_map(|id| access.licenses().iter().find(|license| license.license_key_id == *id));
        license
            .cloned()
            .ok_or_else(|| not_found("license_not_found", "there is no such license key"))
    }
}
