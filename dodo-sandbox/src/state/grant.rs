//! What a purchase hands out: license keys and the grants that carry them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{World, table::Row};
use crate::clock::rfc3339;

/// A license key.
#[derive(Clone, Debug)]
pub(crate) struct License {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) status: &'static str,
    pub(crate) product_id: String,
    pub(crate) customer_id: String,
    pub(crate) payment_id: Option<String>,
    pub(crate) subscription_id: Option<String>,
    pub(crate) activations_limit: Option<u32>,
    pub(crate) created_at: Timestamp,
}

impl Row for License {
    const NAME: &'static str = "license key";
    fn id(&self) -> &str {
        &self.id
    }
}

impl License {
    /// As the API and the webhooks show it, without `payload_type`.
    pub(crate) fn json(&self, world: &World) -> Value {
        json!({
            "activations_limit": self.activations_limit,
            "brand_id": world.brand_id,
            "business_id": world.business_id,
            "created_at": rfc3339(self.created_at),
            "customer_id": self.customer_id,
            "expires_at": null,
            "id": self.id,
            "instances_count": 0,
            "key": self.key,
            "payment_id": self.payment_id,
            "product_id": self.product_id,
            "source": "auto",
            "status": self.status,
            "subscription_id": self.subscription_id,
        })
    }
}

/// A customer's right to something they bought; the sandbox grants license keys.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) entitlement_id: String,
    pub(crate) license_id: String,
    pub(crate) customer_id: String,
    pub(crate) payment_id: Option<String>,
    pub(crate) subscription_id: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) revoked: Option<(&'static str, Timestamp)>,
}

impl Row for Grant {
    const NAME: &'static str = "grant";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Grant {
    /// As the webhooks show it, without `payload_type`.
    pub(crate) fn json(&self, world: &World) -> Value {
        let license = world.licenses.get(&self.license_id).map(|license| {
            json!({
                "activations_limit": license.activations_limit,
                "activations_used": 0,
                "expires_at": null,
                "id": license.id,
                "key": license.key,
                "status": license.status,
            })
        });
        json!({
            "brand_id": world.brand_id,
            "business_id": world.business_id,
            "created_at": rfc3339(self.created_at),
            "customer_id": self.customer_id,
            "delivered_at": rfc3339(self.created_at),
            "digital_product_delivery": null,
            "entitlement_id": self.entitlement_id,
            "error_code": null,
            "error_message": null,
            "feature": null,
            "id": self.id,
            "integration_type": "license_key",
            "license_key": license,
            "metadata": {},
            "oauth_expires_at": null,
            "oauth_url": null,
            "payment_id": self.payment_id,
            "revocation_reason": self.revoked.map(|(reason, _)| reason),
            "revoked_at": self.revoked.map(|(_, at)| rfc3339(at)),
            "status": if self.revoked.is_some() { "Revoked" } else { "Delivered" },
            "subscription_id": self.subscription_id,
            "updated_at": rfc3339(self.updated_at),
        })
    }
}
