//! Subscriptions: reading, changing, and the older way to start one.

use std::{sync::Arc, time::Duration};

use axum::extract::{Path, State};
use http::Uri;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Answer, Json,
    body::{self, Body},
    checkouts::quantity,
    common::{Both, Common, Ordered},
    list::{Created, Query, page},
    prepared,
};
use crate::{
    Error,
    app::App,
    flow::{complete, subscription},
    state::{World, customer::Address, session::CartItem},
};

/// How far in the past a new billing date may be.
const PAST_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// GET /subscriptions
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let query = Query::of(&uri);
    let created = Created::of(&query)?;
    let ending: Option<bool> = query.parse("cancel_at_next_billing_date")?;
    app.with(|world| {
        let rows = world.subscriptions.iter().filter(|subscription| {
            created.covers(subscription.created_at)
                && query.matches("brand_id", Some(&world.brand_id))
                && query.matches("customer_id", Some(&subscription.customer_id))
                && query.matches("product_id", Some(&subscription.product_id))
                && query.matches("status", Some(subscription.status))
                && ending.is_none_or(|wanted| wanted == subscription.cancel_at_next_billing)
        });
        page(&query, rows, |subscription| subscription.json(world))
    })
}

/// GET /subscriptions/{id}
pub(crate) async fn read(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.with(|world| show(world, &id))
}

fn show(world: &World, id: &str) -> Answer {
    Ok(Json(world.subscriptions.find(id)?.json(world)))
}

/// The body of PATCH /subscriptions/{id}.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Patch {
    status: Option<String>,
    cancel_at_next_billing_date: Option<bool>,
    cancellation_feedback: Option<Feedback>,
    cancellation_comment: Option<String>,
    metadata: Option<Map<String, Value>>,
    billing: Option<Address>,
    tax_id: Option<String>,
    customer_business_name: Option<String>,
    next_billing_date: Option<Timestamp>,
    pause: Option<Value>,
}

/// Why a customer leaves.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Feedback {
    TooExpensive,
    MissingFeatures,
    SwitchedService,
    Unused,
    CustomerService,
    LowQuality,
    TooComplex,
    Other,
}

impl Feedback {
    const fn as_str(self) -> &'static str {
        match self {
            Self::TooExpensive => "too_expensive",
            Self::MissingFeatures => "missing_features",
            Self::SwitchedService => "switched_service",
            Self::Unused => "unused",
            Self::CustomerService => "customer_service",
            Self::LowQuality => "low_quality",
            Self::TooComplex => "too_complex",
            Self::Other => "other",
        }
    }
}

/// PATCH /subscriptions/{id}
pub(crate) async fn patch(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(body): Body<Map<String, Value>>,
) -> Answer {
    let fields = body.iter().filter(|(_, value)| !value.is_null()).count();
    let patch: Patch = serde_json::from_value(Value::Object(body))
        .map_err(|error| Error::invalid(error.to_string()))?;
    if patch.pause.is_some() {
        return Err(Error::invalid("pause: send status paused instead"));
    }
    app.change(|world| {
        world.subscriptions.find(&id)?;
        match patch.status.as_deref() {
            Some("paused" | "active") if fields > 1 => {
                return Err(Error::invalid("status: paused and active are sent alone"));
            }
            Some("paused") => subscription::pause(world, &id)?,
            Some("active") => subscription::resume(world, &id)?,
            None | Some("cancelled") => change(world, &id, patch)?,
            Some(_) => return Err(Error::invalid("status: cancelled, paused or active")),
        }
        show(world, &id)
    })
}

fn change(world: &mut World, id: &str, patch: Patch) -> Result<(), Error> {
    let metadata = patch.metadata.map(|metadata| body::metadata(Some(metadata))).transpose()?;
    if let Some(address) = &patch.billing {
        super::checkouts::country("billing", &address.country)?;
    }
    // "Now" by the caller's clock may be a little earlier than by the sandbox's.
    let earliest = world.now().checked_sub(PAST_TOLERANCE).unwrap_or(Timestamp::MIN);
    if patch.next_billing_date.is_some_and(|date| date < earliest) {
        return Err(Error::invalid("next_billing_date must not be in the past"));
    }
    let row = world.subscriptions.find_mut(id)?;
    if row.is_over() {
        return Err(Error::conflict("SUBSCRIPTION_INACTIVE", "the subscription is over already"));
    }
    row.metadata = metadata.unwrap_or_else(|| std::mem::take(&mut row.metadata));
    row.billing = patch.billing.unwrap_or_else(|| std::mem::take(&mut row.billing));
    row.tax_id = patch.tax_id.or(row.tax_id.take());
    row.business_name = patch.customer_business_name.or(row.business_name.take());
    if let Some(date) = patch.next_billing_date {
        row.set_next_billing(date);
    }
    let feedback = patch.cancellation_feedback.map(|feedback| feedback.as_str().to_owned());
    row.cancellation_feedback = feedback.or(row.cancellation_feedback.take());
    row.cancellation_comment = patch.cancellation_comment.or(row.cancellation_comment.take());
    if patch.status.is_some() {
        return subscription::cancel(world, id, Some("merchant"));
    }
    match patch.cancel_at_next_billing_date {
        Some(wanted) => subscription::cancel_at_period_end(world, id, wanted, "merchant"),
        None => {
            complete::updated(world, id);
            Ok(())
        }
    }
}

/// The body of POST /subscriptions, beside what it has in common with that of payments.
#[derive(Debug, Deserialize)]
pub(crate) struct Create {
    product_id: String,
    quantity: i64,
    trial_period_days: Option<u32>,
    on_demand: Option<Value>,
}

/// POST /subscriptions: a subscription that waits for its first payment.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Body(Both(body, common)): Body<Both<Create, Common>>,
) -> Answer {
    if body.trial_period_days.is_some_and(|days| days > 10_000) {
        return Err(Error::invalid("trial_period_days is 0 to 10000"));
    }
    let item = CartItem {
        product_id: body.product_id,
        quantity: quantity("quantity", body.quantity)?,
        amount: None,
    };
    let Ordered { mut order, customer, with_link } = common.order(vec![item])?;
    order.trial_days = body.trial_period_days;
    order.on_demand = body.on_demand.is_some_and(|on_demand| !on_demand.is_null());
    app.change(|world| {
        let product = order.cart.first().map(|item| world.products.find(&item.product_id));
        if product.transpose()?.is_some_and(|product| product.recurring.is_none()) {
            return Err(Error::invalid("product_id: the product is no subscription"));
        }
        let buyer = customer.read(world)?;
        let prepared = prepared::payment(world, order, buyer)?;
        let link = with_link.then_some(&prepared.link);
        Ok(Json(json!({
            "subscription_id": prepared.subscription_id,
            "payment_id": prepared.payment_id,
            "recurring_pre_tax_amount": prepared.recurring_amount,
            "payment_method_required": true,
            "customer": world.customer_json(&prepared.customer_id),
            "metadata": prepared.metadata,
            "addons": [],
            "client_secret": prepared.client_secret,
            "payment_link": link,
            "expires_on": link.map(|_| prepared.expires_on),
            "discount_id": null,
            "discount_ids": [],
            "one_time_product_cart": null,
            "trial_amount": prepared.trial_amount,
        })))
    })
}

/// GET /subscriptions/{id}/usage-history: the sandbox has no meters.
pub(crate) async fn usage_history(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.with(|world| {
        world.subscriptions.find(&id)?;
        Ok(Json(json!({ "items": [] })))
    })
}
