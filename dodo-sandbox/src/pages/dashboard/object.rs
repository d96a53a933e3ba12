//! The page of one object: its JSON, the objects and events that belong to it, and its buttons.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::{
    super::{Esc, Page, status_badge},
    activity, block, link, overview, page, pretty, section, table,
};
use crate::{Error, app::App, state::World};

/// The number of events that are searched for an object.
const EVENTS: usize = 2_000;

/// An object of the account.
struct Object {
    title: &'static str,
    json: Value,
    status: Option<String>,
    actions: String,
    related: Vec<String>,
}

/// Whether an object's page exists.
pub(super) fn exists(world: &World, id: &str) -> bool {
    find(world, id).is_some()
}

fn find(world: &World, id: &str) -> Option<Object> {
    let path = format!("/dashboard/objects/{id}");
    let mut object = Object {
        title: "",
        json: Value::Null,
        status: None,
        actions: String::new(),
        related: Vec::new(),
    };
    if let Some(payment) = world.payments.get(id) {
        object.title = "Payment";
        object.json = payment.json(world);
        object.actions = overview::payment_actions(world, payment, &path);
        object.related.push(payment.customer_id.clone());
        object.related.extend(payment.subscription_ids.iter().cloned());
        object.related.extend(payment.lines.iter().map(|line| line.product_id.clone()));
        let refunds = world.refunds.iter().filter(|refund| refund.payment_id == id);
        object.related.extend(refunds.map(|refund| refund.id.clone()));
        let disputes = world.disputes.iter().filter(|dispute| dispute.payment_id == id);
        object.related.extend(disputes.map(|dispute| dispute.id.clone()));
    } else if let Some(subscription) = world.subscriptions.get(id) {
        object.title = "Subscription";
        object.json = subscription.json(world);
        object.actions = overview::subscription_actions(subscription, &path);
        object.related.extend([subscription.customer_id.clone(), subscription.product_id.clone()]);
        let own = |payment: &&crate::state::payment::Payment| {
            payment.subscription_ids.iter().any(|own| own == id)
        };
        object.related.extend(world.payments.iter().filter(own).map(|payment| payment.id.clone()));
    } else if let Some(refund) = world.refunds.get(id) {
        object.title = "Refund";
        object.json = refund.json(world);
        object.related.extend([refund.payment_id.clone(), refund.customer_id.clone()]);
    } else if let Some(dispute) = world.disputes.get(id) {
        object.title = "Dispute";
        object.json = dispute.json(world);
        object.related.extend([dispute.payment_id.clone(), dispute.customer_id.clone()]);
    } else if let Some(customer) = world.customers.get(id) {
        object.title = "Customer";
        object.json = customer.json(&world.business_id);
        let own = world.subscriptions.iter().filter(|own| own.customer_id == id);
        object.related.extend(own.map(|own| own.id.clone()));
        let own = world.payments.iter().filter(|own| own.customer_id == id);
        object.related.extend(own.map(|own| own.id.clone()));
    } else if let Some(product) = world.products.get(id) {
        object.title = "Product";
        object.json = product.json(&world.business_id, &world.brand_id);
    } else if let Some(license) = world.licenses.get(id) {
        object.title = "License key";
        object.json = license.json(world);
    } else if let Some(grant) = world.grants.get(id) {
        object.title = "Entitlement grant";
        object.json = grant.json(world);
    } else {
        return None;
    }
    object.status = object.json.get("status").and_then(Value::as_str).map(str::to_owned);
    Some(object)
}

/// GET /dashboard/objects/{id}
pub(super) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    app.with(|world| {
        let Some(object) = find(world, &id) else {
            return Page::error(&Error::not_found("object")).into_response();
        };
        let status = object.status.as_deref().map_or(String::new(), status_badge);
        let rows: Vec<Vec<String>> = object
            .related
            .iter()
            .filter_map(|id| {
                let other = find(world, id)?;
                let status = other.status.as_deref().map_or(String::new(), status_badge);
                Some(vec![other.title.to_owned(), link(id), status])
            })
            .collect();
        let quoted = format!("\"{id}\"");
        let own = world.events.iter().rev().take(EVENTS).filter(|event| {
            activity::subject_id(&event.subject) == Some(&id)
                || crate::events::render(world, event).contains(&quoted)
        });
        let events = activity::event_rows(world, own.take(super::ROWS));
        let live = format!(
            "{}{}{}{}",
            section(
                "Details",
                &format!(
                    "<div class=\"actions\"><code>{}</code> {status}{}</div>",
                    Esc(&id),
                    object.actions
                ),
            ),
            table("Related objects", &["Kind", "Id", "Status"], &rows),
            table("Events", &activity::EVENT_HEADS, &events),
            section("JSON", &block(object.title, pretty(&object.json.to_string()))),
        );
        page(&app, world, "", object.title, "", &live).into_response()
    })
}
