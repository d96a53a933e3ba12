//! Dodo Payments for axum 0.8.
//!
//! This crate has routes and extractors. [`dodo_core`] decides the answers, so they are the same in
//! every framework.
//!
//! ```
//! use axum::{Router, extract::Request, middleware::{Next, from_fn}, response::Response};
//! use dodo_axum::{Error, prelude::*};
//!
//! fn payments() -> Result<Router, Error> {
//!     let capture = VisitorCapture::visitors_now()
//!         .preset(Preset::Utm)
//!         .campaign_cookie(CampaignCookie::last_touch());
//!     let dodo = DodoBuilder::from_env()?.capture(capture).build()?;
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
//!         .layer(VisitorLayer::new(dodo.capture()))
//!         .layer(from_fn(sign_in)))
//! }
//!
//! /// The application's own sign-in: every endpoint reads the `SignedIn`.
//! async fn sign_in(mut request: Request, next: Next) -> Response {
//!     if let Some(user) = user_of_session(&request) {
//!         request.extensions_mut().insert(SignedIn::user(user));
//!     }
//!     next.run(request).await
//! }
//! # fn user_of_session(_: &Request) -> Option<String> { None }
//! ```
//!
//! This crate re-exports the modules of [`dodo_core`], so an application needs no other dependency.
//! To store each delivery and to attribute revenue, attach the ledger of the crate `dodo-ledger` to
//! the webhooks instead of `build()`.

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
