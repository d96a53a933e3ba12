//! Dodo's REST API: the routes, who may call them, and how bodies and lists are read.

pub(crate) mod body;
pub(crate) mod checkouts;
pub(crate) mod customers;
pub(crate) mod fault;
pub(crate) mod list;
pub(crate) mod products;
pub(crate) mod webhooks;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
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
        .route("/checkouts/{id}", get(checkouts::read))
        .route("/products", get(products::list))
        .route("/products/{id}", get(products::read))
        .route("/customers/{id}/customer-portal/session", post(customers::portal))
        .route("/webhooks", get(webhooks::list).post(webhooks::create))
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
