//! Sales that nearly got away: abandoned checkouts and dunning.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{World, table::Row};
use crate::clock::rfc3339;

/// A checkout that was started and not finished. Known by the payment that did not succeed.
#[derive(Clone, Debug)]
pub(crate) struct Abandoned {
    pub(crate) payment_id: String,
    pub(crate) customer_id: String,
    pub(crate) reason: &'static str,
    pub(crate) at: Timestamp,
    pub(crate) recovered_payment_id: Option<String>,
}

impl Row for Abandoned {
    const NAME: &'static str = "abandoned checkout";
    fn id(&self) -> &str {
        &self.payment_id
    }
}

impl Abandoned {
    /// As the webhooks show it, without `payload_type`.
    pub(crate) fn json(&self, world: &World) -> Value {
        let recovered = self.recovered_payment_id.is_some();
        json!({
            "abandoned_at": rfc3339(self.at),
            "abandonment_reason": self.reason,
            "brand_id": world.brand_id,
            "customer_id": self.customer_id,
            "payment_id": self.payment_id,
            "recovered_payment_id": self.recovered_payment_id,
            "status": if recovered { "recovered" } else { "abandoned" },
        })
    }
}

/// A sequence of reminders to a customer whose subscription stopped being paid.
#[derive(Clone, Debug)]
pub(crate) struct Dunning {
    pub(crate) id: String,
    pub(crate) subscription_id: String,
    pub(crate) customer_id: String,
    pub(crate) trigger: &'static str,
    pub(crate) payment_id: Option<String>,
    pub(crate) created_at: Timestamp,
}

impl Row for Dunning {
    const NAME: &'static str = "dunning attempt";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Dunning {
    /// As the webhooks show it, without `payload_type`.
    pub(crate) fn json(&self, world: &World) -> Value {
        let recovered = self.payment_id.is_some();
        json!({
            "brand_id": world.brand_id,
            "created_at": rfc3339(self.created_at),
            "customer_id": self.customer_id,
            "payment_id": self.payment_id,
            "status": if recovered { "recovered" } else { "recovering" },
            "subscription_id": self.subscription_id,
            "trigger_state": self.trigger,
        })
    }
}
