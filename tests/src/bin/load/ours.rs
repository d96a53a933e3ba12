//! The middleware, mounted as `bare` is: the same two routes and nothing else.

use dodo_core::{BoxError, Client, Environment, WebhookKey, Webhooks, checkout::SessionCheckout};
use dodo_tests::{conformance, hooks};

#[derive(Clone)]
pub(crate) struct Ours {
    hooks: Webhooks,
    checkout: SessionCheckout,
}

impl Ours {
    pub(crate) fn new(key: &str, upstream: &str) -> Result<Self, BoxError> {
        let client = Client::builder(conformance::API_KEY, Environment::Live)
            .return_url(conformance::RETURN_URL)
            .base_url(upstream)
            .build()?;
        let hooks = hooks::idle(Webhooks::builder(WebhookKey::new(key, Environment::Live)?))?;
        Ok(Self { hooks, checkout: SessionCheckout::builder(client).build()? })
    }
}

pub(crate) mod on_axum {
    use axum::Router;
    use dodo_axum::{checkout_handler, webhooks};

    use super::Ours;

    pub(crate) fn router(ours: Ours) -> Router {
        Router::new()
            .route("/api/webhook-bench", webhooks(ours.hooks))
            .route("/api/checkout/session", checkout_handler(ours.checkout))
    }
}

pub(crate) mod on_actix {
    use actix_web::web::ServiceConfig;
    use dodo_actix::{checkout_handler, webhooks};

    use super::Ours;

    pub(crate) fn routes(config: &mut ServiceConfig, ours: Ours) {
        config
            .route("/api/webhook-bench", webhooks(ours.hooks))
            .route("/api/checkout/session", checkout_handler(ours.checkout));
    }
}
