//! Refunds and disputes.

use serde_json::json;

use super::{
    call::Reply,
    resource::Resource,
    rules::{Rule, at_least},
};
use crate::{flow::reversal, state::object::Object};

pub(crate) static REFUNDS: Resource = Resource {
    name: "refund",
    path: "/refunds",
    id: "refund_id",
    prefix: "ref_",
    payload_type: "Refund",
    computed: |state, refund| json!({ "customer": state.customer_json(refund.str("customer_id")) }),
    filters: &[("subscription_id", |state, refund: &Object, wanted| {
        let payment = state.payments.get(refund.str("payment_id"));
        payment.is_some_and(|own| own.subscription_ids.iter().any(|id| id == wanted))
    })],
    rules: &[&[("reason", Rule::Length(0, 3000)), ("items.amount", at_least(1))]],
    routes: &[("POST /refunds", |state, call| {
        let id = reversal::refund(state, call.body()?)?;
        Ok(Reply::Json(state.json(&REFUNDS, &id)))
    })],
    ..Resource::PLAIN
};

pub(crate) static DISPUTES: Resource = Resource {
    name: "dispute",
    path: "/disputes",
    id: "dispute_id",
    prefix: "dp_",
    payload_type: "Dispute",
    computed: |state, dispute| {
        json!({
            "amount": dispute.number("amount").unwrap_or(0).to_string(),
            "created_at": format!("{:.3}", dispute.created_at),
            "customer": state.customer_json(dispute.str("customer_id")),
        })
    },
    ..Resource::PLAIN
};
