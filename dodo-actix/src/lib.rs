//! Dodo Payments for actix-web 4.
//!
//! Routes, extractors and a middleware, no policy: what a route answers is decided in [`dodo_core`],
//! so it is the same in every framework.
//!
//! ```
//! use actix_web::web::ServiceConfig;
//! use dodo_actix::{checkout_handler, customer_portal, webhooks};
//! use dodo_core::{
//!     Client, CustomerPortal, Error, Webhooks,
//!     checkout::{SessionCheckout, StaticCheckout},
//!     endpoint::Endpoint,
//! };
//!
//! /// Make `hooks` once, for all workers.
//! fn payments(config: &mut ServiceConfig, dodo: Client, hooks: Webhooks) -> Result<(), Error> {
//!     let portal = CustomerPortal::builder(dodo.clone()).build()?;
//!     let session = SessionCheckout::builder(dodo.clone()).build()?;
//!     let checkout = StaticCheckout::builder(dodo.clone()).build()?.or(session);
//!     config
//!         .route("/api/checkout", checkout_handler(checkout))
//!         .route("/api/portal", customer_portal(portal))
//!         .route("/api/webhook", webhooks(hooks));
//!     Ok(())
//! }
//! ```
//!
//! [`Visitors`] captures visitors. The application's own middleware says who is signed in, by
//! [`sign_in`](SignIn::sign_in).

mod convert;
mod extensions;
mod rejection;
mod routes;
mod visitor;
mod webhook;

pub use self::{
    extensions::{DodoExtensions, SignIn},
    rejection::Rejection,
    routes::{checkout_handler, customer_portal, mount, webhooks},
    visitor::{Visitor, Visitors, VisitorsService},
    webhook::{VerifiedWebhook, WebhookEvent},
};
