//! Money that goes back: refunds and disputes.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{World, table::Row};
use crate::{api::list::Listed, clock::rfc3339};

/// A refund.
#[derive(Clone, Debug)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) payment_id: String,
    pub(crate) customer_id: String,
    pub(crate) status: &'static str,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) is_partial: bool,
    /// What it gives back of each item of the payment.
    pub(crate) parts: Vec<(String, i64)>,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) created_at: Timestamp,
}

impl Row for Refund {
    const NAME: &'static str = "refund";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Refund {
    /// With all fields that any answer or webhook has.
    pub(crate) fn json(&self, world: &World) -> Value {
        json!({
            "amount": self.amount,
            "brand_id": world.brand_id,
            "business_id": world.business_id,
            "created_at": rfc3339(self.created_at),
            "currency": self.currency,
            "customer": world.customer_json(&self.customer_id),
            "is_partial": self.is_partial,
            "metadata": self.metadata,
            "payment_id": self.payment_id,
            "reason": self.reason,
            "refund_id": self.id,
            "status": self.status,
        })
    }
}

impl Listed for Refund {
    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn json(&self, world: &World) -> Value {
        self.json(world)
    }

    fn matches(&self, world: &World, name: &str, wanted: &str) -> bool {
        match name {
            "customer_id" => wanted == self.customer_id,
            "status" => wanted == self.status,
            _ => {
                let payment = world.payments.get(&self.payment_id);
                payment.is_some_and(|p| p.subscription_ids.iter().any(|own| own == wanted))
            }
        }
    }
}

/// A dispute: the cardholder asks the bank for the money.
#[derive(Clone, Debug)]
pub(crate) struct Dispute {
    pub(crate) id: String,
    pub(crate) payment_id: String,
    pub(crate) customer_id: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) stage: &'static str,
    pub(crate) status: &'static str,
    pub(crate) by_rdr: bool,
    pub(crate) reason: Option<String>,
    pub(crate) remarks: Option<String>,
    pub(crate) created_at: Timestamp,
}

impl Row for Dispute {
    const NAME: &'static str = "dispute";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Dispute {
    /// With all fields that any answer or webhook has.
    pub(crate) fn json(&self, world: &World) -> Value {
        json!({
            "amount": self.amount.to_string(),
            "brand_id": world.brand_id,
            "business_id": world.business_id,
            "created_at": format!("{:.3}", self.created_at),
            "currency": self.currency,
            "customer": world.customer_json(&self.customer_id),
            "customer_id": self.customer_id,
            "dispute_id": self.id,
            "dispute_stage": self.stage,
            "dispute_status": self.status,
            "is_resolved_by_rdr": self.by_rdr,
            "payment_id": self.payment_id,
            "payment_provider": "dodo",
            "reason": self.reason,
            "remarks": self.remarks,
        })
    }
}

impl Listed for Dispute {
    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn json(&self, world: &World) -> Value {
        self.json(world)
    }
}
