//! Dodo Payments for actix-web 4.
//!
//! Routes, extractors and a middleware, no policy: what a route answers is decided in [`dodo_core`],
//! so it is the same in every framework.
//!
//! ```
//! use actix_web::web::ServiceConfig;
//! use dodo_actix::{checkout_handler, customer_portal, webhooks};
//! use dodo_core::{
//!     Client, CustomerPortal, Endpoint, Error, Webhooks,
//!     checkout::{SessionCheckout, StaticCheckout},
//! };
//!
//! /// Make `hooks` once, for all workers.
//! fn payments(config: &mut ServiceConfig, dodo: Client, hooks: Webhooks) -> Result<(), Error> {
//!     let session = SessionCheckout::builder(dodo.clone()).build()?;
//!     let checkout = StaticCheckout::builder(dodo.clone()).build()?.or(session);
//!     config
//!         .route("/api/checkout", checkout_handler(checkout))
//!         .route("/api/portal", customer_portal(CustomerPortal::for_signed_in(dodo)))
//!         .route("/api/webhook", webhooks(hooks));
//!     Ok(())
//! }
//! ```
//!
//! [`Visitors`] captures who visits. The application's own sign-in puts a
//! [`SignedIn`](dodo_core::SignedIn) into
//! [`dodo_extensions_mut`](DodoExtensions::dodo_extensions_mut).

mod convert;
mod extensions;
mod rejection;
mod routes;
mod visitor;
mod webhook;

pub use self::{
    extensions::DodoExtensions,
    rejection::Rejection,
    routes::{checkout_handler, customer_portal, webhooks},
    visitor::{Visitor, Visitors, VisitorsService},
    webhook::{VerifiedWebhook, WebhookEvent},
};
