//! The application that black-box checks talk to: every endpoint, once with the behaviour of
//! `@dodopayments/express` and once, under `/strict`, with the defaults.

use std::sync::Arc;

use dodo_core::{
    Checkout, Client, CustomerId, CustomerPortal, Environment, Error, RequestHead, WebhookKey,
    Webhooks,
};
use serde_json::json;

use crate::{
    delivery::KEY,
    fixture, hooks,
    record::Recorder,
    server::{Application, CUSTOMER_HEADER, Mount},
    subject::Surroundings,
};

/// The API key of every call upstream.
pub const API_KEY: &str = "sk_test_TOKEN";
/// Where customers return to.
pub const RETURN_URL: &str = "https://merchant.example/return";

/// The application.
#[derive(Clone, Debug)]
pub struct Conformance {
    client: Client,
    hooks: Webhooks,
    idle_hooks: Webhooks,
    recorder: Recorder,
}

impl Conformance {
    /// Reads environment, addresses and webhook key from the environment.
    ///
    /// # Errors
    /// If one of them cannot be used.
    pub fn from_env() -> Result<Self, Error> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        // Checks from outside count calls: no product is remembered.
        let mut client = Client::builder(API_KEY)
            .return_url(RETURN_URL)
            .product_cache(std::time::Duration::ZERO);
        if let Some(environment) = variable("DODO_PAYMENTS_ENVIRONMENT") {
            client = client.environment(environment.parse::<Environment>()?);
        }
        if let Some(url) = variable("DODO_PAYMENTS_BASE_URL") {
            client = client.base_url(url);
        }
        if let Some(url) = variable("DODO_PAYMENTS_CHECKOUT_URL") {
            client = client.checkout_url(url);
        }
        Ok(Self::new(client.build()?, WebhookKey::from_env()?, Recorder::default()))
    }

    /// For tests: calls the stub and takes deliveries that [`delivery`](crate::delivery) signs.
    ///
    /// # Panics
    /// If the upstream cannot be used.
    #[must_use]
    pub fn surrounded(surroundings: Surroundings) -> Self {
        Self::with_client(fixture::client(&surroundings.upstream), surroundings)
    }

    /// As [`surrounded`](Self::surrounded), over a client of the test's own.
    ///
    /// # Panics
    /// If the key of deliveries cannot be used.
    #[must_use]
    pub fn with_client(client: Client, surroundings: Surroundings) -> Self {
        let key = WebhookKey::new(KEY).expect("a key");
        Self::new(client, key, surroundings.recorder)
    }

    fn new(client: Client, key: WebhookKey, recorder: Recorder) -> Self {
        let hooks = hooks::recording(Webhooks::builder(key.clone()), recorder.clone()).build();
        Self { client, hooks, idle_hooks: hooks::idle(Webhooks::builder(key)), recorder }
    }
}

impl Application for Conformance {
    fn mount(&self, mount: &mut impl Mount) {
        let client = || self.client.clone();
        mount.checkout(
            "/api/checkout/static",
            Checkout::static_link(client()).express_compatible().allow_any_return_origin(),
        );
        mount.checkout(
            "/api/checkout/dynamic",
            Checkout::dynamic(client()).express_compatible().allow_any_return_origin(),
        );
        mount.checkout(
            "/api/checkout/session",
            Checkout::session(client()).express_compatible().allow_any_return_origin(),
        );
        mount.checkout("/strict/api/checkout/static", Checkout::static_link(client()));
        mount.checkout("/strict/api/checkout/dynamic", Checkout::dynamic(client()));
        mount.checkout("/strict/api/checkout/session", Checkout::session(client()));

        let by_query = CustomerPortal::for_query_parameter_unprotected(client());
        mount.portal("/api/customer-portal", by_query);
        mount.portal("/api/me/portal", CustomerPortal::for_customer(client(), customer_of_header));

        mount.webhooks("/api/webhook", self.hooks.clone());
        mount.webhooks("/api/webhook-bench", self.idle_hooks.clone());

        let recorder = self.recorder.clone();
        mount.control("/__callbacks", Arc::new(move || json!(recorder.take())));
    }
}

async fn customer_of_header(head: RequestHead) -> Result<Option<CustomerId>, Error> {
    head.header(CUSTOMER_HEADER).map(CustomerId::new).transpose()
}
