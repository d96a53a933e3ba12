//! Refunds and disputes.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::Uri;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Answer, Json,
    body::{self, Body},
    list::{Created, Query, page},
};
use crate::{
    Error,
    app::App,
    flow::reversal::{self, RefundItem, RefundRequest},
};

/// The body of POST /refunds.
#[derive(Debug, Deserialize)]
pub(crate) struct Create {
    payment_id: String,
    items: Option<Vec<Item>>,
    metadata: Option<Map<String, Value>>,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Item {
    item_id: String,
    amount: Option<i64>,
}

/// POST /refunds
pub(crate) async fn create(State(app): State<Arc<App>>, Body(body): Body<Create>) -> Answer {
    if body.reason.as_ref().is_some_and(|reason| reason.chars().count() > 3000) {
        return Err(Error::invalid("reason: at most 3000 characters"));
    }
    let items = body.items.unwrap_or_default();
    let request = RefundRequest {
        payment_id: body.payment_id,
        items: items
            .into_iter()
            .map(|item| RefundItem { item_id: item.item_id, amount: item.amount })
            .collect(),
        reason: body.reason,
        metadata: body::metadata(body.metadata)?,
    };
    app.change(|world| {
        let id = reversal::refund(world, request)?;
        Ok(Json(world.refunds.find(&id)?.json(world)))
    })
}

/// GET /refunds
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let query = Query::of(&uri);
    let created = Created::of(&query)?;
    app.with(|world| {
        let rows = world.refunds.iter().filter(|refund| {
            let of_subscription = |id: &str| {
                let payment = world.payments.get(&refund.payment_id);
                payment.is_some_and(|p| p.subscription_ids.iter().any(|own| own == id))
            };
            created.covers(refund.created_at)
                && query.matches("customer_id", Some(&refund.customer_id))
                && query.matches("status", Some(refund.status))
                && query.get("subscription_id").is_none_or(of_subscription)
        });
        page(&query, rows, |refund| refund.list_json(&world.business_id))
    })
}

/// GET /refunds/{id}
pub(crate) async fn read(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.with(|world| Ok(Json(world.refunds.find(&id)?.json(world))))
}

/// GET /disputes
pub(crate) async fn disputes(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let query = Query::of(&uri);
    let created = Created::of(&query)?;
    app.with(|world| {
        let rows = world.disputes.iter().filter(|dispute| {
            created.covers(dispute.created_at)
                && query.matches("customer_id", Some(&dispute.customer_id))
                && query.matches("dispute_stage", Some(dispute.stage))
                && query.matches("dispute_status", Some(dispute.status))
        });
        page(&query, rows, |dispute| dispute.short_json(&world.business_id))
    })
}

/// GET /disputes/{id}
pub(crate) async fn dispute(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.with(|world| Ok(Json(world.disputes.find(&id)?.json(world))))
}
