//! Outages on demand.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};

use crate::app::App;

/// The faults that are set.
#[derive(Debug, Default)]
pub(crate) struct Faults {}

/// Answers wrongly where that was asked for.
pub(crate) async fn layer(State(_app): State<Arc<App>>, request: Request, next: Next) -> Response {
    next.run(request).await
}
