//! A checkout route behind a rate limit for each client address. The webhook route has no limit:
//! Dodo Payments retries the deliveries that you refuse.

mod limit;

use std::net::SocketAddr;

use axum::{Router, middleware::from_fn_with_state};
use dodo_axum::{checkout_handler, webhooks};
use dodo_core::{BoxError, Dodo};
pub use governor::Quota;
use tokio::net::TcpListener;

/// Serves checkout and webhook. Each client address has its own quota of checkouts.
///
/// # Errors
/// If an option of a route is unusable, or the listener fails.
pub async fn serve(listener: TcpListener, dodo: &Dodo, quota: Quota) -> Result<(), BoxError> {
    let limits = limit::limits(quota);
    let checkout = checkout_handler(dodo.session_checkout().build()?)
        .layer(from_fn_with_state(limits, limit::limit));
    let app = Router::new()
        .route("/api/checkout", checkout)
        .route("/api/webhook", webhooks(dodo.webhooks().build()?));
    // `limit` reads the address of the connection, which only this kind of service knows.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, app).await?)
}
