//! The page of one object: its JSON, the objects and events that belong to it, and its buttons.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::{
    super::{Escaped, Page, status_badge},
    activity, block, link, overview, page, pretty, section, table,
};
use crate::{
    Error,
    api::{
        RESOURCES,
        customers::CUSTOMERS,
        refunds::{DISPUTES, REFUNDS},
        resource::Definition,
    },
    app::App,
    state::SandboxState,
};

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
pub(super) fn exists(state: &SandboxState, id: &str) -> bool {
    find(state, id).is_some()
}

fn find(state: &SandboxState, id: &str) -> Option<Object> {
    let path = format!("/dashboard/objects/{id}");
    let mut object = Object {
        title: "",
        json: Value::Null,
        status: None,
        actions: String::new(),
        related: Vec::new(),
    };
    if let Some(payment) = state.payments.get(id) {
        object.title = "Payment";
        object.actions = overview::payment_actions(state, payment, &path);
        object.related.push(payment.customer_id.clone());
        object.related.extend(payment.subscription_ids.iter().cloned());
        object.related.extend(payment.lines.iter().map(|line| line.product_id.clone()));
        for resource in [&REFUNDS, &DISPUTES] {
            object
                .related
                .extend(state.matching(resource, "payment_id", id).map(|own| own.id.clone()));
        }
    } else if let Some(subscription) = state.subscriptions.get(id) {
        object.title = "Subscription";
        object.actions = overview::subscription_actions(subscription, &path);
        object.related.extend([subscription.customer_id.clone(), subscription.product_id.clone()]);
        let own = |payment: &&crate::state::payment::Payment| {
            payment.subscription_ids.iter().any(|own| own == id)
        };
        object.related.extend(state.payments.iter().filter(own).map(|payment| payment.id.clone()));
    } else if state.get(&CUSTOMERS, id).is_some() {
        object.title = "Customer";
        let own = state.subscriptions.iter().filter(|own| own.customer_id == id);
        object.related.extend(own.map(|own| own.id.clone()));
        let own = state.payments.iter().filter(|own| own.customer_id == id);
        object.related.extend(own.map(|own| own.id.clone()));
    }
    let found = |own: &&dyn Definition| Some((own.name(), own.details(state, id)?));
    let (name, json) = RESOURCES.iter().find_map(found)?;
    object.json = json;
    if object.title.is_empty() {
        object.title = name;
        for field in ["payment_id", "customer_id", "subscription_id", "product_id"] {
            object
                .related
                .extend(object.json.get(field).and_then(Value::as_str).map(str::to_owned));
        }
    }
    object.status = object.json.get("status").and_then(Value::as_str).map(str::to_owned);
    Some(object)
}

/// GET /dashboard/objects/{id}
pub(super) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    app.with(|state| {
        let Some(object) = find(state, &id) else {
            return Page::error(&Error::not_found("object")).into_response();
        };
        let status = object.status.as_deref().map_or(String::new(), status_badge);
        let rows: Vec<Vec<String>> = object
            .related
            .iter()
            .filter_map(|id| {
                let other = find(state, id)?;
                let status = other.status.as_deref().map_or(String::new(), status_badge);
                Some(vec![other.title.to_owned(), link(id), status])
            })
            .collect();
        let quoted = format!("\"{id}\"");
        let own = state.events.iter().rev().take(EVENTS).filter(|event| {
            activity::subject_id(&event.subject) == Some(&id)
                || crate::events::render(state, event).contains(&quoted)
        });
        let events = activity::event_rows(state, own.take(super::ROWS));
        let live = format!(
            "{}{}{}{}",
            section(
                "Details",
                &format!(
                    "<div class=\"actions\"><code>{}</code> {status}{}</div>",
                    Escaped(&id),
                    object.actions
                ),
            ),
            table("Related objects", &["Kind", "Id", "Status"], &rows),
            table("Events", &activity::EVENT_HEADS, &events),
            section("JSON", &block(object.title, pretty(&object.json.to_string()))),
        );
        page(&app, state, "", object.title, "", &live).into_response()
    })
}
