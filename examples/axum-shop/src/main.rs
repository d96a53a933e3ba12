//! The example shop on axum: `cargo run -p axum-shop`.

mod pages;

use std::{io, net::TcpListener, process::ExitCode};

use axum::{Router, middleware::from_fn_with_state};
use dodo_axum::{VisitorLayer, mount, webhooks};
use dodo_core::Webhooks;
use shop::Shop;

#[tokio::main]
async fn main() -> ExitCode {
    shop::run("axum", serve).await
}

async fn serve(listener: TcpListener, shop: Shop, hooks: Webhooks) -> io::Result<()> {
    let dashboard = shop.dashboard().map_err(io::Error::other)?;
    let router = Router::new()
        .nest("/billing", mount(shop.billing_endpoints()))
        .nest("/revenue", mount(dashboard))
        .route("/api/webhook", webhooks(hooks))
        .fallback(pages::pages)
        .layer(from_fn_with_state(shop.clone(), pages::sign_in))
        .layer(VisitorLayer::new(shop.capture()))
        .layer(from_fn_with_state(shop.clone(), pages::own_hosts))
        .with_state(shop);
    // Enough on a loopback port. `axum::serve` has no timeout for the head of a request: in front of an
    // open port put a proxy, or serve with hyper and its `header_read_timeout`.
    let listener = tokio::net::TcpListener::from_std(listener)?;
    axum::serve(listener, router).with_graceful_shutdown(shop::stopped()).await
}
