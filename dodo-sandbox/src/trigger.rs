//! Triggers an event of any type, by the requests that lead to it.

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

/// Triggers an event, and returns its `webhook-id`. The overrides replace values of its body by their
/// path.
///
/// # Errors
/// 422 for an unknown type; the error of a step that the account does not allow.
pub(crate) async fn trigger(
    app: &Arc<App>,
    kind: &str,
    overrides: Vec<(String, Value)>,
) -> Result<String, Error> {
    let Some(kind) = contract().event_types().find(|name| *name == kind) else {
        return Err(unknown(kind));
    };
    let local = Local::new(app);
    // The worker may send the event before a step returns, so the overrides come first.
    let override_with = |overrides| {
        let op = Op::Override { kind: kind.to_owned(), overrides };
        app.record(op.clone(), |state| op.apply(state));
    };
    override_with(overrides);
    let before = app.with(|state| state.events.added());
    let result = act_out(&local, kind).await;
    override_with(Vec::new());
    result?;
    let newest = app.with(|state| {
        let new = state.events.added().saturating_sub(before);
        let mut new = state.events.iter().rev().take(usize::try_from(new).unwrap_or(usize::MAX));
        new.find(|event| event.kind == kind).map(|event| event.id.clone())
    });
    newest.ok_or_else(|| {
        Error::conflict("NOT_EMITTED", "the behavior of this account does not send this event")
    })
}

/// The refusal of an unknown type, with the types that begin like it.
pub(crate) fn unknown(kind: &str) -> Error {
    let group = kind.split('.').next().unwrap_or_default();
    let all: Vec<&str> = contract().event_types().collect();
    let like = all.iter().copied().filter(|own| own.split('.').next() == Some(group));
    let mut like: Vec<&str> = like.collect();
    if like.is_empty() {
        like = all;
    }
    Error::invalid(format!("type: no event has this name. Names are {}", like.join(", ")))
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
    order(local, product).await
}

/// The id of a new session for this product.
async fn order(local: &Local, product: &str) -> Result<String, Error> {
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
        "entitlement_grant.failed" => fail_grant(local).await?,
        _ => match kind.split_once('.') {
            Some(("credit", name)) => use_credits(local, name).await?,
            Some(("payout", status)) => {
                buy(local, ONCE, cards::OK).await?;
                let payout = local.json("POST", "/__sandbox/payouts", Value::Null).await?;
                if status != "created" {
                    let body = json!({ "status": status });
                    control(local, "payouts", text(&payout, "payout_id"), "resolve", body).await?;
                }
            }
            Some(("dispute", outcome)) => {
                let payment = buy(local, ONCE, cards::OK).await?;
                let dispute = control(local, "payments", &payment, "dispute", json!({})).await?;
                if outcome != "opened" {
                    let id = text(&dispute, "dispute_id");
                    control(local, "disputes", id, "resolve", json!({ "outcome": outcome }))
                        .await?;
                }
            }
            _ => drop(buy(local, ONCE, cards::OK).await?),
        },
    }
    Ok(())
}

/// Creates a subscription product with these fields, and returns the payment of its first sale.
async fn sell_plan(local: &Local, fields: Value, price: Value) -> Result<Value, Error> {
    let mut plan = json!({
        "name": "Sandbox plan",
        "tax_category": "saas",
        "price": {
            "currency": "USD",
            "discount": 0,
            "payment_frequency_count": 1,
            "payment_frequency_interval": "Month",
            "purchasing_power_parity": false,
            "subscription_period_count": 10,
            "subscription_period_interval": "Year",
        },
    });
    if let (Some(plan), Value::Object(fields)) = (plan.as_object_mut(), fields) {
        plan.extend(fields);
    }
    if let (Some(own), Value::Object(price)) =
        (plan.get_mut("price").and_then(Value::as_object_mut), price)
    {
        own.extend(price);
    }
    let product = local.json("POST", "/products", plan).await?;
    let session = order(local, text(&product, "product_id")).await?;
    let (payment, _) = local.pay(&session, cards::OK).await?;
    local.json("GET", &format!("/payments/{payment}"), Value::Null).await
}

/// The integration refuses the delivery of a purchase.
async fn fail_grant(local: &Local) -> Result<(), Error> {
    let body = json!({
        "name": "Chat",
        "integration_type": "discord",
        "integration_config": { "guild_id": "guild_1" },
    });
    let entitlement = local.json("POST", "/entitlements", body).await?;
    let id = text(&entitlement, "id");
    let attached = json!({ "entitlements": [{ "entitlement_id": id }] });
    sell_plan(local, attached, json!({ "type": "recurring_price", "price": 1900 })).await?;
    let grants = local.json("GET", &format!("/entitlements/{id}/grants"), Value::Null).await?;
    let grant = grants.pointer("/items/0").map_or("", |grant| text(grant, "id"));
    control(local, "grants", grant, "resolve", json!({ "delivered": false })).await.map(drop)
}

/// Sells 100 credits a month, and uses or corrects them until the event happens.
async fn use_credits(local: &Local, name: &str) -> Result<(), Error> {
    let credit = json!({
        "name": "Sandbox credits",
        "unit": "credit",
        "precision": 0,
        "overage_behavior": "invoice_at_billing",
        "overage_enabled": true,
        "price_per_unit": "3",
        "rollover_enabled": name != "expired",
        "rollover_percentage": 50,
    });
    let credit = local.json("POST", "/credit-entitlements", credit).await?;
    let credit = text(&credit, "id");
    let meter = json!({
        "name": "Sandbox usage",
        "event_name": credit,
        "measurement_unit": "credit",
        "aggregation": { "type": "sum", "key": "units" },
    });
    let meter = local.json("POST", "/meters", meter).await?;
    let granted = json!({
        "credit_entitlements": [{
            "credit_entitlement_id": credit,
            "credits_amount": "100",
            "low_balance_threshold_percent": 20,
        }],
    });
    let price = json!({
        "type": "usage_based_price",
        "fixed_price": 1900,
        "meters": [{
            "meter_id": text(&meter, "id"),
            "credit_entitlement_id": credit,
            "meter_units_per_credit": "1",
        }],
    });
    let sale = sell_plan(local, granted, price).await?;
    let customer = sale.pointer("/customer").map_or("", |customer| text(customer, "customer_id"));
    if name == "manual_adjustment" {
        let path = format!("/credit-entitlements/{credit}/balances/{customer}/ledger-entries");
        let body = json!({ "amount": "5", "entry_type": "debit" });
        return local.json("POST", &path, body).await.map(drop);
    }
    let used = match name {
        "added" | "expired" => 0,
        "overage_charged" | "overage_reset" => 110,
        _ => 85,
    };
    if used > 0 {
        let event = json!({
            "event_id": format!("{credit}_usage"),
            "customer_id": customer,
            "event_name": credit,
            "metadata": { "units": used },
        });
        local.json("POST", "/events/ingest", json!({ "events": [event] })).await?;
    }
    if !matches!(name, "added" | "deducted" | "balance_low") {
        let id = text(&sale, "subscription_id");
        control(local, "subscriptions", id, "renew", json!({})).await?;
    }
    Ok(())
}
