//! What an app does with a running subscription: another plan, a charge, another payment method.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Answer, Json,
    body::{self, Body},
    checkouts::quantity,
    prepared,
};
use crate::{
    Error,
    app::App,
    flow::{
        method,
        subscription::{self, PlanChange, Proration},
    },
    money::MAX_AMOUNT,
};

/// The body of POST /subscriptions/{id}/change-plan.
#[derive(Debug, Deserialize)]
pub(crate) struct ChangePlan {
    product_id: String,
    quantity: i64,
    proration_billing_mode: Proration,
    effective_at: Option<EffectiveAt>,
    on_payment_failure: Option<OnFailure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EffectiveAt {
    Immediately,
    NextBillingDate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OnFailure {
    PreventChange,
    ApplyChange,
}

impl ChangePlan {
    fn read(&self) -> Result<PlanChange, Error> {
        Ok(PlanChange {
            product_id: self.product_id.clone(),
            quantity: quantity("quantity", self.quantity)?,
            proration: self.proration_billing_mode,
            apply_on_failure: self.on_payment_failure == Some(OnFailure::ApplyChange),
        })
    }
}

/// POST /subscriptions/{id}/change-plan
pub(crate) async fn change_plan(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(body): Body<ChangePlan>,
) -> Answer {
    let change = body.read()?;
    app.change(|world| {
        let payment_id = match body.effective_at {
            Some(EffectiveAt::NextBillingDate) => {
                subscription::schedule_change(world, &id, &change)?;
                None
            }
            _ => subscription::change_plan(world, &id, &change)?,
        };
        Ok(Json(json!({
            "client_secret": null,
            "expires_on": null,
            "payment_id": payment_id,
            "payment_link": null,
        })))
    })
}

/// POST /subscriptions/{id}/change-plan/preview
pub(crate) async fn preview_plan(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(body): Body<ChangePlan>,
) -> Answer {
    let change = body.read()?;
    app.with(|world| {
        let price = subscription::change_price(world, &id, &change)?;
        let current = world.subscriptions.find(&id)?;
        let due = crate::flow::renewal::taxed(current, price);
        Ok(Json(json!({
            "immediate_charge": {
                "effective_at": crate::clock::rfc3339(world.now()),
                "line_items": [],
                "summary": {
                    "currency": current.currency,
                    "customer_credits": 0,
                    "settlement_amount": due.total,
                    "settlement_currency": current.currency,
                    "tax": due.tax,
                    "total_amount": due.total,
                },
            },
            "new_plan": current.json(world),
        })))
    })
}

/// DELETE /subscriptions/{id}/change-plan/scheduled
pub(crate) async fn unschedule(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.change(|world| {
        subscription::unschedule(world, &id)?;
        Ok(Json(json!({})))
    })
}

/// The body of POST /subscriptions/{id}/charge.
#[derive(Debug, Deserialize)]
pub(crate) struct ChargeBody {
    product_price: i64,
    metadata: Option<Map<String, Value>>,
}

/// POST /subscriptions/{id}/charge
pub(crate) async fn charge(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(body): Body<ChargeBody>,
) -> Answer {
    if !(1..=MAX_AMOUNT).contains(&body.product_price) {
        return Err(Error::invalid("product_price is at least 1, and not absurdly large"));
    }
    let metadata = body.metadata.map(|metadata| body::metadata(Some(metadata))).transpose()?;
    app.change(|world| {
        let id = subscription::charge_on_demand(world, &id, body.product_price, metadata)?;
        Ok(Json(json!({ "payment_id": id })))
    })
}

/// The body of POST /subscriptions/{id}/update-payment-method.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum UpdateMethod {
    New { return_url: Option<String> },
    Existing { payment_method_id: String },
}

/// POST /subscriptions/{id}/update-payment-method
pub(crate) async fn update_method(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(body): Body<UpdateMethod>,
) -> Answer {
    app.change(|world| {
        if world.subscriptions.find(&id)?.is_over() {
            return Err(Error::conflict(
                "SUBSCRIPTION_INACTIVE",
                "the subscription is over already",
            ));
        }
        let link = match body {
            UpdateMethod::New { return_url } => {
                let mut session = prepared::method_page(world, &id)?;
                session.return_url = body::web_url("return_url", return_url)?;
                let link = session.url(world);
                world.sessions.insert(session);
                Some(link)
            }
            UpdateMethod::Existing { payment_method_id } => {
                let customer_id = &world.subscriptions.find(&id)?.customer_id;
                let known = world.payment_method(customer_id, &payment_method_id).cloned();
                let known = known.ok_or_else(|| Error::not_found("payment method"))?;
                method::attach(world, &id, known)?;
                None
            }
        };
        Ok(Json(json!({
            "client_secret": null,
            "expires_on": null,
            "payment_id": null,
            "payment_link": link,
        })))
    })
}
