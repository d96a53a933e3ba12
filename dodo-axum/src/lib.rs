//! Dodo Payments for axum 0.8.
//!
//! This crate has routes and extractors. [`dodo_core`] decides the answers, so they are the same in
//! every framework.
//!
//! ```
//! use axum::Router;
//! use dodo_axum::{Error, prelude::*};
//!
//! fn payments(dodo: &Dodo) -> Result<Router, Error> {
//!     let checkout = dodo.static_checkout().build()?.or(dodo.session_checkout().build()?);
//!     let hooks = dodo
//!         .webhooks()
//!         .on_payment_succeeded(|event| async move {
//!             println!("{} is paid", event.data.payment_id);
//!         })
//!         .build()?;
//!     Ok(Router::new()
//!         .route("/api/checkout", checkout_handler(checkout))
//!         .route("/api/portal", customer_portal(dodo.portal().build()?))
//!         .route("/api/webhook", webhooks(hooks))
//!         .layer(VisitorLayer::new(dodo.capture())))
//! }
//! ```
//!
//! This crate re-exports the modules of [`dodo_core`], so an application needs no other dependency.
//!
//! The application's own sign-in puts a [`SignedIn`] into the request's
//! extensions.

mod delivery;
mod rejection;
mod routes;
mod visitor;

pub use self::{
    delivery::{VerifiedWebhook, WebhookEvent},
    rejection::Rejection,
    routes::{checkout_handler, customer_portal, mount, webhooks},
    visitor::{Visitor, VisitorLayer},
};

pub use dodo_core::{
    BoxError, Client, CustomerId, CustomerPortal, Dodo, Environment, Error, ErrorKind, Event,
    EventKind, ProductId, RequestHead, SignedIn, WebhookKey, Webhooks, attribution, capture,
    checkout, client, endpoint, env, event, log, money, portal, testing, webhook,
};

/// The names of a first program: `use dodo_axum::prelude::*`.
pub mod prelude {
    #[doc(no_inline)]
    pub use dodo_core::prelude::*;

    #[doc(no_inline)]
    pub use crate::{
        Rejection, VerifiedWebhook, Visitor, VisitorLayer, WebhookEvent, checkout_handler,
        customer_portal, mount, webhooks,
    };
}
