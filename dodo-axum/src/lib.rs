//! Dodo Payments for axum 0.8.
//!
//! Routes and extractors, no policy: what a route answers is decided in [`dodo_core`], so it is the
//! same in every framework.

mod rejection;
mod routes;
mod visitor;
mod webhook;

pub use dodo_core::VisitorLayer;

pub use self::{
    rejection::Rejection,
    routes::{checkout_handler, customer_portal, webhooks},
    visitor::Visitor,
    webhook::{VerifiedWebhook, WebhookEvent},
};
