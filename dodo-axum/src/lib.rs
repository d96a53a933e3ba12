//! Dodo Payments for axum 0.8.
//!
//! Routes and extractors, no policy: what a route answers is decided in [`dodo_core`], so it is the
//! same in every framework.

mod routes;

pub use self::routes::{checkout_handler, customer_portal, webhooks};
