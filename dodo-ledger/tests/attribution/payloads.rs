//! Events as Dodo Payments sends them, made from few words.

use bytes::Bytes;
use dodo_core::webhook::VerifiedEvent;
use jiff::{Timestamp, ToSpan};
use serde_json::{Map, Value, json};

/// The day on which most stories begin.
pub(crate) const BEGIN: &str = "2026-03-01T12:00:00Z";

/// A moment so many hours after the beginning.
pub(crate) fn hour(hours: i64) -> Timestamp {
    BEGIN.parse::<Timestamp>().unwrap().checked_add(hours.hours()).unwrap()
}

/// A moment so many days after the beginning.
pub(crate) fn day(days: i64) -> Timestamp {
    hour(days * 24)
}

/// One delivery.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) body: Value,
    pub(crate) live: bool,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.id, self.body["data"])
    }
}

impl Delivery {
    pub(crate) fn event(&self) -> VerifiedEvent {
        VerifiedEvent::from_trusted_parts(
            &self.id,
            Bytes::from(self.body.to_string()),
            day(365),
            self.live,
        )
    }

    /// The same event under another `webhook-id`, as a replay from the dashboard.
    pub(crate) fn again_as(&self, id: &str) -> Self {
        Self { id: id.to_owned(), ..self.clone() }
    }

    /// Sets fields of `data`; `null` stays `null`.
    pub(crate) fn with(mut self, fields: Value) -> Self {
        let data = self.body["data"].as_object_mut().unwrap();
        data.extend(fields.as_object().unwrap().clone());
        self
    }

    /// The same payload as an event of another kind.
    pub(crate) fn of_kind(mut self, kind: &str) -> Self {
        self.id = format!("{}_{kind}", self.id);
        self.body["type"] = json!(kind);
        self
    }

    pub(crate) fn test_mode(mut self) -> Self {
        self.live = false;
        self
    }
}

fn delivery(kind: &str, at: Timestamp, mut data: Map<String, Value>, extra: Value) -> Delivery {
    data.extend(extra.as_object().unwrap().clone());
    let object = ["refund_id", "dispute_id", "payment_id", "subscription_id"]
        .into_iter()
        .find_map(|key| data.get(key).and_then(Value::as_str))
        .unwrap_or("none")
        .to_owned();
    Delivery {
        id: format!("msg_{kind}_{object}_{at}"),
        body: json!({ "business_id": "bus_1", "type": kind, "timestamp": at.to_string(), "data": data }),
        live: true,
    }
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

pub(crate) fn customer(name: &str) -> Value {
    json!({ "customer_id": format!("cus_{name}"), "email": format!(" {name}@Example.com "), "name": name })
}

/// `payment.succeeded`, made at this time and delivered two seconds later.
pub(crate) fn paid(id: &str, at: Timestamp, total: i64, extra: Value) -> Delivery {
    payment("payment.succeeded", id, at, total, extra)
}

pub(crate) fn payment(kind: &str, id: &str, at: Timestamp, total: i64, extra: Value) -> Delivery {
    let data = json!({
        "payload_type": "Payment", "payment_id": id, "created_at": at.to_string(),
        "total_amount": total, "tax": 0, "currency": "USD", "status": "succeeded",
        "customer": customer("ann"), "metadata": {}, "subscription_id": null, "subscription_ids": [],
        "retry_attempt": 0, "is_multi_subscription": false, "is_update_payment_method": false,
        "refunds": [], "disputes": [], "business_id": "bus_1", "brand_id": "brnd_1",
    });
    delivery(kind, at.checked_add(2.seconds()).unwrap(), map(data), extra)
}

/// A charge of a subscription.
pub(crate) fn charged(
    id: &str,
    subscription: &str,
    at: Timestamp,
    total: i64,
    extra: Value,
) -> Delivery {
    let ids = json!({ "subscription_id": subscription, "subscription_ids": [subscription] });
    paid(id, at, total, ids).with(extra)
}

pub(crate) fn subscription(kind: &str, id: &str, at: Timestamp, extra: Value) -> Delivery {
    let data = json!({
        "payload_type": "Subscription", "subscription_id": id, "created_at": at.to_string(),
        "customer": customer("ann"), "metadata": {}, "product_id": "pdt_plan", "currency": "USD",
        "recurring_pre_tax_amount": 2000, "trial_period_days": 0, "payment_frequency_count": 1,
        "payment_frequency_interval": "Month", "on_demand": false, "status": "active",
    });
    delivery(kind, at, map(data), extra)
}

pub(crate) fn refunded(
    id: &str,
    payment: &str,
    at: Timestamp,
    amount: Value,
    extra: Value,
) -> Delivery {
    refund("refund.succeeded", id, payment, at, amount, extra)
}

pub(crate) fn refund(
    kind: &str,
    id: &str,
    payment: &str,
    at: Timestamp,
    amount: Value,
    extra: Value,
) -> Delivery {
    let data = json!({
        "payload_type": "Refund", "refund_id": id, "payment_id": payment, "amount": amount,
        "currency": "USD", "is_partial": false, "created_at": at.to_string(),
        "customer": customer("ann"), "metadata": {}, "status": "succeeded",
    });
    delivery(kind, at, map(data), extra)
}

pub(crate) fn dispute(
    step: &str,
    id: &str,
    payment: &str,
    at: Timestamp,
    amount: Value,
    extra: Value,
) -> Delivery {
    let data = json!({
        "payload_type": "Dispute", "dispute_id": id, "payment_id": payment, "amount": amount,
        "currency": "USD", "dispute_status": format!("dispute_{step}"), "dispute_stage": "dispute",
        "customer": customer("ann"), "created_at": at.to_string(),
    });
    delivery(&format!("dispute.{step}"), at, map(data), extra)
}

pub(crate) fn recovered(abandoned: &str, recovered: &str, at: Timestamp) -> Delivery {
    let data = json!({
        "payload_type": "AbandonedCheckout", "payment_id": abandoned, "status": "recovered",
        "recovered_payment_id": recovered, "customer_id": "cus_ann", "abandoned_at": at.to_string(),
        "abandonment_reason": "checkout_incomplete",
    });
    delivery("abandoned_checkout.recovered", at, map(data), json!({}))
}

pub(crate) fn visitor(id: &str) -> Value {
    json!({ "metadata": { "visitor": id } })
}
