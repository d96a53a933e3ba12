//! Dodo Payments for actix-web 4.
//!
//! Routes, extractors and a middleware, no policy: what a route answers is decided in [`dodo_core`],
//! so it is the same in every framework.

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
