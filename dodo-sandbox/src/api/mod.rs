//! Dodo's REST API: the routes, who may call them, and how bodies and lists are read.

pub(crate) mod body;
pub(crate) mod checkouts;
pub(crate) mod common;
pub(crate) mod customers;
pub(crate) mod fault;
pub(crate) mod invoices;
pub(crate) mod list;
pub(crate) mod payments;
pub(crate) mod plans;
pub(crate) mod prepared;
pub(crate) mod products;
pub(crate) mod refunds;
pub(crate) mod subscriptions;
pub(crate) mod usage;
pub(crate) mod webhooks;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use http::{Method, StatusCode, header};
use serde_json::Value;

use crate::{Error, app::App};

/// A successful answer.
pub(crate) struct Json(pub(crate) Value);

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0.to_string()).into_response()
    }
}

/// What handlers return.
pub(crate) type Answer = Result<Json, Error>;

/// The API's routes, behind the key check and the faults.
pub(crate) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/checkouts", post(checkouts::create))
        .route("/checkouts/preview", post(checkouts::preview))
        .route("/checkouts/{id}", get(checkouts::read))
        .route("/checkout/supported_countries", get(checkouts::countries))
        .route("/products", get(products::list))
        .route("/products/{id}", get(products::read))
        .route("/payments", get(payments::list).post(payments::create))
        .route("/payments/{id}", get(payments::read))
        .route("/payments/{id}/line-items", get(payments::line_items))
        .route("/subscriptions", get(subscriptions::list).post(subscriptions::create))
        .route("/subscriptions/{id}", get(subscriptions::read).patch(subscriptions::patch))
        .route("/subscriptions/{id}/change-plan", post(plans::change_plan))
        .route("/subscriptions/{id}/change-plan/preview", post(plans::preview_plan))
        .route("/subscriptions/{id}/change-plan/scheduled", delete(plans::unschedule))
        .route("/subscriptions/{id}/charge", post(plans::charge))
        .route("/subscriptions/{id}/update-payment-method", post(plans::update_method))
        .route("/subscriptions/{id}/usage-history", get(subscriptions::usage_history))
        .route("/refunds", get(refunds::list).post(refunds::create))
        .route("/refunds/{id}", get(refunds::read))
        .route("/disputes", get(refunds::disputes))
        .route("/disputes/{id}", get(refunds::dispute))
        .route("/customers", get(customers::list).post(customers::create))
        .route("/customers/{id}", get(customers::read).patch(customers::patch))
        .route("/customers/{id}/customer-portal/session", post(customers::portal))
        .route("/invoices/payments/{id}", get(invoices::payment))
        .route("/events", get(usage::list))
        .route("/events/ingest", post(usage::ingest))
        .route("/events/{id}", get(usage::read))
        .route("/webhooks", get(webhooks::list).post(webhooks::create))
        .route(
            "/webhooks/{id}",
            get(webhooks::read).patch(webhooks::patch).delete(webhooks::delete),
        )
        .route("/webhooks/{id}/headers", get(webhooks::headers).patch(webhooks::patch_headers))
        .route("/webhooks/{id}/secret", get(webhooks::secret))
        .method_not_allowed_fallback(method_not_allowed)
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), fault::layer))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), authorize))
}

/// Lets requests with the API key pass; with the read-only key, those that change nothing.
async fn authorize(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = header.and_then(|value| value.strip_prefix("Bearer "));
    if key == Some(&app.read_only_key) && request.method() != Method::GET {
        return Error::refused(StatusCode::FORBIDDEN, "FORBIDDEN", "this API key may not write")
            .into_response();
    }
    if key == Some(&app.api_key) || key == Some(&app.read_only_key) {
        return next.run(request).await;
    }
    Error::refused(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "the API key is missing or wrong")
        .into_response()
}

pub(crate) async fn method_not_allowed() -> Error {
    Error::refused(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "method not allowed")
}

pub(crate) async fn not_found() -> Error {
    Error::not_found("route")
}
