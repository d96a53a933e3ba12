//! Subscriptions: reading, changing, and the older way to start one.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    call::{Call, Reply},
    customers::CUSTOMERS,
    list::page,
    order, orders, plans,
    resource::Resource,
    rules::{Rule, at_least},
};
use crate::{
    Error,
    flow::{allowance, complete, plan, subscription, usage},
    state::{
        SandboxState,
        address::Address,
        product::{Period, RenewalInterval},
        subscription::Subscription,
    },
};

pub(crate) static SUBSCRIPTIONS: Resource<Subscription> = Resource {
    name: "subscription",
    path: "/subscriptions",
    payload_type: "Subscription",
    rules: &[
        order::RULES,
        &[
            ("pause", Rule::Absent("send status paused instead")),
            ("product_price", at_least(1)),
            ("collect_via_payment_link", Rule::Absent("the sandbox charges the saved method")),
            (
                "customer_balance_config.*",
                Rule::Absent("the sandbox takes no money from wallets for payments"),
            ),
            ("credit_entitlement_cart.credits_amount", Rule::Credits),
            ("credit_entitlement_cart.overage_limit", Rule::Credits),
        ],
    ],
    filters: &[
        ("brand_id", |state, own, wanted| state.brand_of(&own.product_id) == wanted),
        ("cancel_at_next_billing_date", |_, own, wanted| {
            own.cancel_at_next_billing.to_string() == wanted
        }),
        ("customer_id", |_, own, wanted| own.customer_id == wanted),
        ("product_id", |_, own, wanted| own.product_id == wanted),
        ("status", |_, own, wanted| own.status == wanted),
    ],
    routes: &[
        ("POST /subscriptions", create),
        ("PATCH /subscriptions/{}", patch),
        ("GET /subscriptions/{}/usage-history", usage_history),
        ("GET /subscriptions/{}/credit-usage", credit_usage),
        ("POST /subscriptions/{}/change-plan", plans::change_plan),
        ("POST /subscriptions/{}/change-plan/preview", plans::preview_plan),
        ("DELETE /subscriptions/{}/change-plan/scheduled", |state, call| {
            plan::unschedule(state, call.id())?;
            Ok(Reply::Empty)
        }),
        ("POST /subscriptions/{}/charge", plans::charge),
        ("POST /subscriptions/{}/update-payment-method", plans::update_method),
    ],
    ..Resource::PLAIN
};

/// The tolerance for a new billing date in the past.
const PAST_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The body of PATCH /subscriptions/{id}.
#[derive(Debug, Default, Deserialize)]
struct Patch {
    status: Option<String>,
    cancel_at_next_billing_date: Option<bool>,
    cancel_reason: Option<String>,
    credit_entitlement_cart: Option<Vec<Value>>,
    cancellation_feedback: Option<String>,
    cancellation_comment: Option<String>,
    metadata: Option<Map<String, Value>>,
    billing: Option<Address>,
    tax_id: Option<String>,
    customer_business_name: Option<String>,
    customer_name: Option<String>,
    next_billing_date: Option<Timestamp>,
    disable_on_demand: Option<DisableOnDemand>,
    subscription_period_count: Option<u32>,
    subscription_period_interval: Option<RenewalInterval>,
}

#[derive(Debug, Deserialize)]
struct DisableOnDemand {
    next_billing_date: Timestamp,
}

fn patch(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let fields = call.body.values().filter(|value| !value.is_null()).count();
    let patch: Patch = call.body()?;
    let id = call.id();
    state.subscriptions.find(id)?;
    match patch.status.as_deref() {
        Some("paused" | "active") if fields > 1 => {
            return Err(Error::invalid("status: send paused and active alone"));
        }
        Some("paused") => subscription::pause(state, id)?,
        Some("active") => subscription::resume(state, id)?,
        None | Some("cancelled") => change(state, id, patch)?,
        Some(_) => return Err(Error::invalid("status: cancelled, paused or active")),
    }
    Ok(Reply::Json(state.json(&SUBSCRIPTIONS, id)))
}

fn change(state: &mut SandboxState, id: &str, patch: Patch) -> Result<(), Error> {
    // "Now" by the caller's clock may be a little earlier than by the sandbox's.
    let earliest = state.now().checked_sub(PAST_TOLERANCE).unwrap_or(Timestamp::MIN);
    if patch.next_billing_date.is_some_and(|date| date < earliest) {
        return Err(Error::invalid("next_billing_date must not be in the past"));
    }
    let (is_cancelled, is_scheduled) =
        (patch.status.is_some(), patch.cancel_at_next_billing_date == Some(true));
    if patch.cancel_reason.is_some() && !is_cancelled && !is_scheduled {
        return Err(Error::invalid("cancel_reason needs a cancellation"));
    }
    let customer_id = state.subscriptions.find(id)?.customer_id.clone();
    let credits = patch.credit_entitlement_cart.unwrap_or_default();
    allowance::check_terms(state, id, &credits)?;
    let row = state.subscriptions.find_mut(id)?;
    if row.is_over() {
        return Err(Error::conflict("SUBSCRIPTION_INACTIVE", "the subscription is over already"));
    }
    allowance::replace_terms(&mut row.credit_terms, credits);
    row.metadata = patch.metadata.unwrap_or_else(|| std::mem::take(&mut row.metadata));
    row.billing = patch.billing.unwrap_or_else(|| std::mem::take(&mut row.billing));
    row.tax_id = patch.tax_id.or(row.tax_id.take());
    row.business_name = patch.customer_business_name.or(row.business_name.take());
    if let Some(date) = patch.next_billing_date {
        row.set_next_billing(date);
    }
    if let Some(scheduled) = patch.disable_on_demand {
        row.on_demand = false;
        row.set_next_billing(scheduled.next_billing_date);
    }
    if patch.subscription_period_count.is_some() || patch.subscription_period_interval.is_some() {
        let count = patch.subscription_period_count.unwrap_or(row.term.count);
        row.term = Period {
            count,
            interval: patch.subscription_period_interval.unwrap_or(row.term.interval),
        };
        row.expires_at = row.term.after(row.created_at);
    }
    row.cancellation_feedback = patch.cancellation_feedback.or(row.cancellation_feedback.take());
    row.cancellation_comment = patch.cancellation_comment.or(row.cancellation_comment.take());
    if let (Some(name), Ok(customer)) =
        (patch.customer_name, state.find_mut(&CUSTOMERS, &customer_id))
    {
        customer.set("name", name);
    }
    let by = match patch.cancel_reason.as_deref() {
        Some("cancelled_by_customer") => "customer",
        Some("dodo_team") => "system",
        _ => "merchant",
    };
    if patch.status.is_some() {
        return subscription::cancel(state, id, Some(by));
    }
    match patch.cancel_at_next_billing_date {
        Some(wanted) => subscription::cancel_at_period_end(state, id, wanted, by),
        None => {
            complete::updated(state, id);
            Ok(())
        }
    }
}

/// A subscription that waits for its first payment.
fn create(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let order = order::read(state, call, "lnk_")?;
    let first = order.cart.first().and_then(|item| state.products.get(&item.product_id));
    if first.is_none_or(|product| product.recurring.is_none()) {
        return Err(Error::invalid("product_id: the product is not a subscription"));
    }
    orders::create(state, call, order)
}

fn usage_history(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let subscription = state.subscriptions.find(call.id())?;
    let (from, to): (Option<Timestamp>, Option<Timestamp>) =
        (call.parse("start_date")?, call.parse("end_date")?);
    let date = |period: &Value, name: &str| period.get(name)?.as_str()?.parse::<Timestamp>().ok();
    let periods = usage::history(state, subscription, call.query("meter_id"));
    let periods = periods.into_iter().filter(|period| {
        from.is_none_or(|from| date(period, "end_date").is_some_and(|end| end > from))
            && to.is_none_or(|to| date(period, "start_date").is_some_and(|start| start < to))
    });
    page(state, call, periods, |period| period)
}

fn credit_usage(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let subscription = state.subscriptions.find(call.id())?;
    let items: Vec<_> = allowance::cart(state, subscription)
        .into_iter()
        .map(|mut item| {
            let text = |name: &str| item.get(name).cloned().unwrap_or_default();
            let (balance, overage, unit) =
                (text("remaining_balance"), text("overage_balance"), text("unit"));
            let reached = balance == "0" && text("overage_enabled") != Value::Bool(true);
            if let Some(fields) = item.as_object_mut() {
                for (name, value) in [
                    ("balance", balance),
                    ("overage", overage),
                    ("unit", unit),
                    ("limit_reached", reached.into()),
                ] {
                    fields.insert(name.to_owned(), value);
                }
            }
            item
        })
        .collect();
    Ok(Reply::Json(json!({ "subscription_id": call.id(), "items": items })))
}
