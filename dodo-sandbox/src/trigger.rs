//! Makes an event of any type happen: acted out where the sandbox can, from a sample elsewhere.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::{
    Error,
    app::App,
    cards,
    contract::contract,
    journal::Op,
    local::{Local, text},
};

/// An event that was made to happen.
#[derive(Debug)]
pub(crate) struct Triggered {
    pub(crate) webhook_id: String,
    /// Whether the account's objects changed as for a real event.
    pub(crate) acted: bool,
}

/// The data of events that the sandbox does not act out.
const SAMPLES: [(&str, &str); 15] = [
    ("credit.added", include_str!("../samples/credit.added.json")),
    ("credit.balance_low", include_str!("../samples/credit.balance_low.json")),
    ("credit.deducted", include_str!("../samples/credit.deducted.json")),
    ("credit.expired", include_str!("../samples/credit.expired.json")),
    ("credit.manual_adjustment", include_str!("../samples/credit.manual_adjustment.json")),
    ("credit.overage_charged", include_str!("../samples/credit.overage_charged.json")),
    ("credit.overage_reset", include_str!("../samples/credit.overage_reset.json")),
    ("credit.rolled_over", include_str!("../samples/credit.rolled_over.json")),
    ("credit.rollover_forfeited", include_str!("../samples/credit.rollover_forfeited.json")),
    ("entitlement_grant.failed", include_str!("../samples/entitlement_grant.failed.json")),
    ("payout.created", include_str!("../samples/payout.created.json")),
    ("payout.failed", include_str!("../samples/payout.failed.json")),
    ("payout.in_progress", include_str!("../samples/payout.in_progress.json")),
    ("payout.on_hold", include_str!("../samples/payout.on_hold.json")),
    ("payout.success", include_str!("../samples/payout.success.json")),
];

/// Triggers an event. The overrides replace values of its body by their path.
///
/// # Errors
/// 422 for an unknown type; the error of a step that the account does not allow.
pub(crate) async fn trigger(
    app: &Arc<App>,
    kind: &str,
    overrides: Vec<(String, Value)>,
) -> Result<Triggered, Error> {
    let Some(kind) = contract().event_types().find(|name| *name == kind) else {
        return Err(Error::invalid("type: an event of this name does not exist"));
    };
    let local = Local::new(app);
    let sample = SAMPLES.iter().find(|(name, _)| *name == kind);
    // The worker may send the event before a step returns, so the overrides come first.
    let override_with = |overrides| {
        let op = Op::Override { kind: kind.to_owned(), overrides };
        app.record(op.clone(), |state| op.apply(state));
    };
    override_with(overrides);
    let result = match sample {
        Some((_, sample)) => {
            let sample: Value = serde_json::from_str(sample).unwrap_or_default();
            let data = sample.get("data").cloned().unwrap_or_default();
            let body = json!({ "type": kind, "data": data });
            local.json("POST", "/__sandbox/events", body).await.map(drop)
        }
        None => act_out(&local, kind).await,
    };
    override_with(Vec::new());
    result?;
    let newest = app.with(|state| {
        let newest = state.events.iter().rev().find(|event| event.kind == kind);
        newest.map(|event| event.id.clone())
    });
    let webhook_id = newest.ok_or_else(|| {
        Error::conflict("NOT_EMITTED", "the behavior of this account does not send this event")
    })?;
    Ok(Triggered { webhook_id, acted: sample.is_none() })
}

/// The products that triggers sell.
const ONCE: &str = "pdt_sandbox_once";
const MONTHLY: &str = "pdt_sandbox_monthly";
const LARGER: &str = "pdt_sandbox_larger";
const LICENSED: &str = "pdt_sandbox_licensed";

async fn buy(local: &Local, product: &str, card: &str) -> Result<String, Error> {
    let session = checkout(local, product).await?;
    Ok(local.pay(&session, card).await?.0)
}

async fn checkout(local: &Local, product: &str) -> Result<String, Error> {
    let (name, price, every) = match product {
        MONTHLY => ("Sandbox subscription", 1900, Some("Month")),
        LARGER => ("Larger sandbox subscription", 4900, Some("Month")),
        LICENSED => ("Sandbox license", 9900, None),
        _ => ("Sandbox product", 2900, None),
    };
    let product_body = json!({
        "product_id": product, "name": name, "currency": "USD", "price": price, "every": every,
        "license_key": product == LICENSED,
    });
    local.json("POST", "/__sandbox/products", product_body).await?;
    local
        .checkout(json!({
            "product_cart": [{ "product_id": product, "quantity": 1 }],
            "customer": { "email": "trigger@example.com", "name": "Trigger Example" },
            "billing_address": { "country": "US" },
        }))
        .await
}

/// The id of a new active subscription.
async fn subscribe(local: &Local) -> Result<String, Error> {
    let payment = buy(local, MONTHLY, cards::OK).await?;
    let payment = local.json("GET", &format!("/payments/{payment}"), Value::Null).await?;
    Ok(text(&payment, "subscription_id").to_owned())
}

/// A renewal that is declined.
async fn fail_renewal(local: &Local) -> Result<String, Error> {
    let id = subscribe(local).await?;
    let decline = json!({ "code": "INSUFFICIENT_FUNDS", "times": 1 });
    local.json("POST", "/__sandbox/decline", decline).await?;
    control(local, "subscriptions", &id, "renew", json!({})).await?;
    Ok(id)
}

async fn control(
    local: &Local,
    kind: &str,
    id: &str,
    action: &str,
    body: Value,
) -> Result<Value, Error> {
    local.json("POST", &format!("/__sandbox/{kind}/{id}/{action}"), body).await
}

/// Runs the steps that lead to an event, with the behavior that the event needs.
async fn act_out(local: &Local, kind: &str) -> Result<(), Error> {
    let needed = match kind {
        "refund.failed" => json!({ "refund_outcome": "failed" }),
        "refund.succeeded" | "entitlement_grant.revoked" => {
            json!({ "refund_outcome": "succeeded" })
        }
        "subscription.on_hold" => json!({ "grace_days": null }),
        "subscription.past_due" => json!({ "grace_days": 3 }),
        "dunning.started" | "dunning.recovered" => json!({ "dunning": true }),
        "entitlement_grant.delivered" => json!({ "delivered_after_created": true }),
        "subscription.updated" => json!({ "updated_events": true }),
        _ => json!({}),
    };
    let behavior = local.json("GET", "/__sandbox/behavior", Value::Null).await?;
    let mut changed: Map<String, Value> = behavior.as_object().cloned().unwrap_or_default();
    changed.extend(needed.as_object().cloned().unwrap_or_default());
    local.json("PUT", "/__sandbox/behavior", Value::Object(changed)).await?;
    let result = steps(local, kind).await;
    local.json("PUT", "/__sandbox/behavior", behavior).await?;
    result
}

async fn steps(local: &Local, kind: &str) -> Result<(), Error> {
    match kind {
        "payment.failed" => drop(buy(local, ONCE, cards::DECLINED).await?),
        "payment.processing" => drop(buy(local, ONCE, cards::PROCESSING_INDIA).await?),
        "payment.cancelled" | "abandoned_checkout.detected" | "abandoned_checkout.recovered" => {
            let session = checkout(local, ONCE).await?;
            let payment = control(local, "sessions", &session, "abandon", json!({})).await?;
            if kind == "abandoned_checkout.recovered" {
                let payment = text(&payment, "payment_id");
                let link = control(local, "payments", payment, "recovery-link", json!({})).await?;
                local.pay(text(&link, "session_id"), cards::OK).await?;
            }
        }
        "refund.succeeded" | "refund.failed" => {
            let payment = buy(local, ONCE, cards::OK).await?;
            control(local, "payments", &payment, "refund", json!({})).await?;
        }
        "entitlement_grant.revoked" => {
            let payment = buy(local, LICENSED, cards::OK).await?;
            control(local, "payments", &payment, "refund", json!({})).await?;
        }
        "license_key.created" | "entitlement_grant.created" | "entitlement_grant.delivered" => {
            buy(local, LICENSED, cards::OK).await?;
        }
        "subscription.active" | "subscription.updated" => drop(subscribe(local).await?),
        "subscription.failed" => drop(buy(local, MONTHLY, cards::DECLINED).await?),
        "subscription.renewed" => {
            let id = subscribe(local).await?;
            control(local, "subscriptions", &id, "renew", json!({})).await?;
        }
        "subscription.on_hold" | "subscription.past_due" | "dunning.started" => {
            fail_renewal(local).await?;
        }
        "dunning.recovered" => {
            let id = fail_renewal(local).await?;
            local.new_card(&id, cards::OK).await?;
        }
        "subscription.update_payment_method" => {
            let id = subscribe(local).await?;
            local.new_card(&id, cards::OK_MASTERCARD).await?;
        }
        "subscription.paused" | "subscription.unpaused" => {
            let id = subscribe(local).await?;
            let path = format!("/subscriptions/{id}");
            local.json("PATCH", &path, json!({ "status": "paused" })).await?;
            if kind == "subscription.unpaused" {
                local.json("PATCH", &path, json!({ "status": "active" })).await?;
            }
        }
        "subscription.cancelled" | "subscription.expired" => {
            let id = subscribe(local).await?;
            let action = if kind == "subscription.expired" { "expire" } else { "cancel" };
            control(local, "subscriptions", &id, action, json!({})).await?;
        }
        "subscription.plan_changed" => {
            checkout(local, LARGER).await?; // Makes the product.
            let id = subscribe(local).await?;
            let change = json!({
                "product_id": LARGER, "quantity": 1,
                "proration_billing_mode": "full_immediately",
            });
            local.json("POST", &format!("/subscriptions/{id}/change-plan"), change).await?;
        }
        _ => match kind.strip_prefix("dispute.") {
            None => drop(buy(local, ONCE, cards::OK).await?),
            Some(outcome) => {
                let payment = buy(local, ONCE, cards::OK).await?;
                let dispute = control(local, "payments", &payment, "dispute", json!({})).await?;
                if outcome != "opened" {
                    let id = text(&dispute, "dispute_id");
                    control(local, "disputes", id, "resolve", json!({ "outcome": outcome }))
                        .await?;
                }
            }
        },
    }
    Ok(())
}
