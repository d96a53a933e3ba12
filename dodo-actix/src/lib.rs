//! Dodo Payments for actix-web 4.
//!
//! This crate has routes, extractors and a middleware. [`dodo_core`] decides the answers, so they
//! are the same in every framework.
//!
//! ```
//! use actix_web::web::ServiceConfig;
//! use dodo_actix::{Error, prelude::*};
//!
//! /// Make `hooks` once, for all workers.
//! fn payments(config: &mut ServiceConfig, dodo: &Dodo, hooks: Webhooks) -> Result<(), Error> {
//!     let checkout = dodo.static_checkout().build()?.or(dodo.session_checkout().build()?);
//!     config
//!         .route("/api/checkout", checkout_handler(checkout))
//!         .route("/api/portal", customer_portal(dodo.portal().build()?))
//!         .route("/api/webhook", webhooks(hooks));
//!     Ok(())
//! }
//! ```
//!
//! [`VisitorMiddleware`] captures visitors: give it [`Dodo::capture`]. The application's own middleware
//! names the signed-in user by [`sign_in`](SignIn::sign_in). This crate re-exports the modules of
//! [`dodo_core`], so an application needs no other dependency. To store each delivery and to attribute
//! revenue, attach the ledger of the crate `dodo-ledger` to the webhooks instead of `build()`.

mod convert;
mod delivery;
mod extensions;
mod rejection;
mod routes;
mod visitor;

pub use self::{
    delivery::{VerifiedWebhook, WebhookEvent},
    extensions::{DodoExtensions, SignIn},
    rejection::Rejection,
    routes::{checkout_handler, customer_portal, mount, webhooks},
    visitor::{Visitor, VisitorMiddleware, VisitorMiddlewareService},
};

pub use dodo_core::{
    BoxError, Client, CustomerId, CustomerPortal, Dodo, Environment, Error, ErrorKind, Event,
    EventKind, ProductId, RequestHead, SignedIn, WebhookKey, Webhooks, attribution, capture,
    checkout, client, endpoint, env, event, log, money, portal, testing, webhook,
};

/// The names of a first program: `use dodo_actix::prelude::*`.
pub mod prelude {
    #[doc(no_inline)]
    pub use dodo_core::prelude::*;

    #[doc(no_inline)]
    pub use crate::{
        DodoExtensions, Rejection, SignIn, VerifiedWebhook, Visitor, VisitorMiddleware,
        WebhookEvent, checkout_handler, customer_portal, mount, webhooks,
    };
}
