//! Changes of a running subscription by the app: another plan, a charge, another payment method.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    call::{Call, Reply},
    list::Listed,
    order, orders,
};
use crate::{
    Error,
    clock::rfc3339,
    flow::{
        method,
        plan::{self, PlanChange},
        renewal, subscription, usage,
    },
    state::SandboxState,
};

fn read(call: &Call) -> Result<(PlanChange, bool), Error> {
    let mut change: PlanChange = call.body()?;
    let many = call.body.get("discount_codes").filter(|codes| !codes.is_null());
    let many = many.map(|_| std::mem::take(&mut change.discount_codes));
    change.discount_codes = order::codes(call.text("discount_code").map(str::to_owned), many)?;
    change.apply_on_failure = call.text("on_payment_failure") == Some("apply_change");
    Ok((change, call.body.get("cancel_scheduled_change_plan") == Some(&Value::Bool(true))))
}

pub(super) fn change_plan(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let (change, replace) = read(call)?;
    let id = call.id();
    if replace && state.subscriptions.find(id)?.scheduled.is_some() {
        plan::unschedule(state, id)?;
    }
    let payment_id = match call.text("effective_at") {
        Some("next_billing_date") => {
            plan::schedule_change(state, id, change)?;
            None
        }
        _ => plan::change_plan(state, id, &change)?,
    };
    Ok(Reply::Json(json!({ "payment_id": payment_id })))
}

pub(super) fn preview_plan(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let (change, _) = read(call)?;
    let price = plan::change_price(state, call.id(), &change)?;
    let current = state.subscriptions.find(call.id())?;
    let due = renewal::taxed(current, price);
    let product = state.products.find(&change.product_id)?;
    let mut planned = current.clone();
    planned.set_plan(product, change.quantity, plan::plan_amount(state, current, &change)?);
    planned.addons.clone_from(&change.addons);
    let period = (current.previous_billing, current.next_billing);
    let used = usage::in_period(state, current, period);
    let mut items = vec![json!({
        "type": "subscription",
        "id": current.id,
        "product_id": product.id,
        "name": product.name,
        "currency": current.currency,
        "quantity": change.quantity,
        "unit_price": product.unit_price(),
        "proration_factor": 1,
        "tax": due.tax,
        "tax_inclusive": product.tax_inclusive,
        "tax_rate": 0,
    })];
    items
        .extend(used.iter().map(|usage| usage.line_item(&current.currency, current.tax_inclusive)));
    Ok(Reply::Json(json!({
        "immediate_charge": {
            "effective_at": rfc3339(state.now()),
            "line_items": items,
            "summary": {
                "currency": current.currency,
                "customer_credits": 0,
                "customer_credits_currency": current.currency,
                "settlement_amount": due.total,
                "settlement_currency": current.currency,
                "tax": due.tax,
                "total_amount": due.total,
            },
        },
        "new_plan": planned.json(state),
    })))
}

pub(super) fn charge(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let price = call.body.get("product_price").and_then(Value::as_i64).unwrap_or(0);
    let currency = &state.subscriptions.find(call.id())?.currency;
    if call.text("product_currency").is_some_and(|own| own != currency) {
        return Err(Error::unprocessable(
            "UNSUPPORTED_CURRENCY",
            "product_currency: the subscription has another currency",
        ));
    }
    let metadata = call.body.get("metadata").and_then(Value::as_object).cloned();
    let about = call.text("product_description").map(str::to_owned);
    let id = subscription::charge_on_demand(state, call.id(), price, metadata, about)?;
    Ok(Reply::Json(json!({ "payment_id": id })))
}

/// The body of POST /subscriptions/{id}/update-payment-method.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum UpdateMethod {
    New { return_url: Option<String> },
    Existing { payment_method_id: String },
}

pub(super) fn update_method(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let body: UpdateMethod = call.body()?;
    if state.subscriptions.find(call.id())?.is_over() {
        return Err(Error::conflict("SUBSCRIPTION_INACTIVE", "the subscription has ended"));
    }
    let link = match body {
        UpdateMethod::New { return_url } => {
            Some(orders::method_page(state, call.id(), return_url)?)
        }
        UpdateMethod::Existing { payment_method_id } => {
            let customer_id = &state.subscriptions.find(call.id())?.customer_id;
            let known = state.payment_method(customer_id, &payment_method_id).cloned();
            let known = known.ok_or_else(|| Error::not_found("payment method"))?;
            method::attach(state, call.id(), known)?;
            None
        }
    };
    Ok(Reply::Json(json!({ "payment_link": link })))
}
