//! The goods of a purchase: license keys, and the grants that carry them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{World, table::Row};
use crate::{api::list::Listed, clock::rfc3339};

/// A license key.
#[derive(Clone, Debug)]
pub(crate) struct License {
    pub(crate) id: String,
    pub(crate) key: String,
    /// `active` or `disabled`; an active key shows as `expired` after its end.
    pub(crate) status: &'static str,
    pub(crate) source: &'static str,
    pub(crate) product_id: String,
    pub(crate) customer_id: String,
    pub(crate) payment_id: Option<String>,
    pub(crate) subscription_id: Option<String>,
    pub(crate) activations_limit: Option<u32>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
}

impl Row for License {
    const NAME: &'static str = "license key";
    fn id(&self) -> &str {
        &self.id
    }
}

impl License {
    /// `active`, `disabled` or `expired`.
    pub(crate) fn status(&self, world: &World) -> &'static str {
        match self.expires_at.is_some_and(|end| world.now() >= end) {
            true if self.status == "active" => "expired",
            _ => self.status,
        }
    }

    /// The number of its instances.
    pub(crate) fn instances(&self, world: &World) -> usize {
        let own = |instance: &&super::object::Object| {
            instance.text("license_key_id") == Some(self.id.as_str())
        };
        world.objects.all("/license_key_instances").filter(own).count()
    }

    /// With all fields that any answer or webhook has.
    pub(crate) fn json(&self, world: &World) -> Value {
        json!({
            "activations_limit": self.activations_limit,
            "brand_id": world.brand_id,
            "business_id": world.business_id,
            "created_at": rfc3339(self.created_at),
            "customer_id": self.customer_id,
            "expires_at": self.expires_at.map(rfc3339),
            "id": self.id,
            "instances_count": self.instances(world),
            "key": self.key,
            "payment_id": self.payment_id,
            "product_id": self.product_id,
            "source": self.source,
            "status": self.status(world),
            "subscription_id": self.subscription_id,
        })
    }
}

impl Listed for License {
    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn json(&self, world: &World) -> Value {
        self.json(world)
    }
}

/// A state of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantStatus {
    Pending,
    Delivered,
    Failed,
    Revoked,
}

/// A customer's right to a part of a purchase.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) entitlement_id: String,
    /// Such as `license_key` or `discord`.
    pub(crate) integration: String,
    pub(crate) status: GrantStatus,
    pub(crate) license_id: Option<String>,
    pub(crate) customer_id: String,
    pub(crate) payment_id: Option<String>,
    pub(crate) subscription_id: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) delivered_at: Option<Timestamp>,
    pub(crate) revoked: Option<(&'static str, Timestamp)>,
    /// The code and the text of a failed delivery.
    pub(crate) error: Option<(&'static str, &'static str)>,
    pub(crate) metadata: Map<String, Value>,
}

impl Row for Grant {
    const NAME: &'static str = "grant";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Grant {
    /// With all fields that any answer or webhook has.
    pub(crate) fn json(&self, world: &World) -> Value {
        let license = self.license_id.as_ref().and_then(|id| world.licenses.get(id));
        let entitlement = world.objects.find("/entitlements", &self.entitlement_id).ok();
        let config = entitlement.and_then(|entitlement| entitlement.get("integration_config"));
        json!({
            "brand_id": world.brand_id,
            "business_id": world.business_id,
            "created_at": rfc3339(self.created_at),
            "customer_id": self.customer_id,
            "delivered_at": self.delivered_at.map(rfc3339),
            "digital_product_delivery": config.and_then(|config| config.get("digital_files")),
            "entitlement_id": self.entitlement_id,
            "error_code": self.error.map(|(code, _)| code),
            "error_message": self.error.map(|(_, message)| message),
            "feature": config.filter(|_| self.integration == "feature_flag"),
            "id": self.id,
            "integration_type": self.integration,
            "license_key": license.map(|license| {
                json!({
                    "activations_limit": license.activations_limit,
                    "activations_used": license.instances(world),
                    "expires_at": license.expires_at.map(rfc3339),
                    "id": license.id,
                    "key": license.key,
                    "status": license.status(world),
                })
            }),
            "metadata": self.metadata,
            "oauth_url": (self.status == GrantStatus::Pending && self.license_id.is_none())
                .then(|| world.url(&["oauth", &self.id])),
            "payment_id": self.payment_id,
            "revocation_reason": self.revoked.map(|(reason, _)| reason),
            "revoked_at": self.revoked.map(|(_, at)| rfc3339(at)),
            "status": format!("{:?}", self.status),
            "subscription_id": self.subscription_id,
            "updated_at": rfc3339(self.updated_at),
        })
    }
}

impl Listed for Grant {
    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn json(&self, world: &World) -> Value {
        self.json(world)
    }
}
