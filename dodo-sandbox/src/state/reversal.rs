//! Money that goes back: refunds and disputes.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{World, table::Row};
use crate::clock::rfc3339;

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
    /// As the API and the webhooks show it, without `payload_type`.
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

    /// As a payment's `refunds` and the list GET /refunds show it.
    pub(crate) fn list_json(&self, business_id: &str) -> Value {
        json!({
            "amount": self.amount,
            "business_id": business_id,
            "created_at": rfc3339(self.created_at),
            "currency": self.currency,
            "is_partial": self.is_partial,
            "payment_id": self.payment_id,
            "reason": self.reason,
            "refund_id": self.id,
            "status": self.status,
        })
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
    /// As a payment's `disputes` and the list GET /disputes show it.
    pub(crate) fn short_json(&self, business_id: &str) -> Value {
        json!({
            "amount": self.amount.to_string(),
            "business_id": business_id,
            "created_at": format!("{:.3}", self.created_at),
            "currency": self.currency,
            "dispute_id": self.id,
            "dispute_stage": self.stage,
            "dispute_status": self.status,
            "is_resolved_by_rdr": self.by_rdr,
            "payment_id": self.payment_id,
            "remarks": self.remarks,
        })
    }

    /// As GET /disputes/{id} and the webhooks show it, without `payload_type`.
    pub(crate) fn json(&self, world: &World) -> Value {
        let mut dispute = self.short_json(&world.business_id);
        if let Some(fields) = dispute.as_object_mut() {
            for (name, value) in [
                ("brand_id", json!(world.brand_id)),
                ("customer", world.customer_json(&self.customer_id)),
                ("payment_provider", json!("dodo")),
                ("reason", json!(self.reason)),
            ] {
                fields.insert(name.to_owned(), value);
            }
        }
        dispute
    }
}
