//! Dodo Payments for axum 0.8.
//!
//! Routes and extractors, no policy: what a route answers is decided in [`dodo_core`], so it is the
//! same in every framework.
//!
//! ```
//! use axum::Router;
//! use dodo_axum::{VisitorLayer, checkout_handler, customer_portal, webhooks};
//! use dodo_core::{
//!     Client, CustomerPortal, Error, Webhooks,
//!     capture::VisitorCapture,
//!     checkout::{SessionCheckout, StaticCheckout},
//!     endpoint::Endpoint,
//! };
//!
//! fn payments(dodo: Client, hooks: Webhooks) -> Result<Router, Error> {
//!     let portal = CustomerPortal::builder(dodo.clone()).build()?;
//!     let session = SessionCheckout::builder(dodo.clone()).build()?;
//!     let checkout = StaticCheckout::builder(dodo.clone()).build()?.or(session);
//!     Ok(Router::new()
//!         .route("/api/checkout", checkout_handler(checkout))
//!         .route("/api/portal", customer_portal(portal))
//!         .route("/api/webhook", webhooks(hooks))
//!         .layer(VisitorLayer::new(VisitorCapture::visitors_now())))
//! }
//! ```
//!
//! The application's own sign-in puts a [`SignedIn`](dodo_core::SignedIn) into the request's
//! extensions.

mod rejection;
mod routes;
mod visitor;
mod webhook;

pub use self::{
    rejection::Rejection,
    routes::{checkout_handler, customer_portal, mount, webhooks},
    visitor::{Visitor, VisitorLayer},
    webhook::{VerifiedWebhook, WebhookEvent},
};
