//! The application that black-box checks talk to: every endpoint, once with the behavior of
//! `@dodopayments/express` and once, under `/strict`, with the defaults.

mod served;

use std::{future::ready, sync::Arc};

use dodo_core::{
    Client, CustomerId, CustomerPortal, Environment, Error, RequestHead, SignedIn, WebhookKey,
    Webhooks,
    attribution::MetadataMapping,
    capture::{Preset, VisitorCapture},
    checkout::{CheckoutBuilder, CheckoutKind, DynamicCheckout, SessionCheckout, StaticCheckout},
    webhook::{Given, WebhooksBuilder},
};
use dodo_ledger::{Ledger, Workers};
use serde_json::{Value, json};

use crate::{
    delivery::KEY,
    fixture, hooks,
    record::Recorder,
    server::{Application, CUSTOMER_HEADER, Middleware, Mount, Shown, USER_HEADER},
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
    ledger: Option<Ledger>,
    takes_unreadable: bool,
}

impl Conformance {
    /// Reads environment, addresses and webhook key from the environment.
    ///
    /// # Errors
    /// If one of them cannot be used.
    pub fn from_env() -> Result<Self, Error> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let key = WebhookKey::from_env()?;
        // Checks from outside count calls: no product is remembered.
        let mut client = Client::builder(API_KEY, key.environment())
            .return_url(RETURN_URL)
            .product_cache_ttl(std::time::Duration::ZERO);
        if let Some(url) = variable("DODO_PAYMENTS_BASE_URL") {
            client = client.base_url(url);
        }
        if let Some(url) = variable("DODO_PAYMENTS_CHECKOUT_URL") {
            client = client.checkout_url(url);
        }
        if let Some(url) = variable("DODO_PUBLIC_URL") {
            client = client.public_url(url);
        }
        Self::new(client.build()?, key, Recorder::default(), false)
    }

    /// Takes the deliveries of `/api/webhook` into a durable inbox and books what they prove. The
    /// workers run as long as the handle is kept.
    pub fn with_ledger(self, ledger: Ledger) -> (Self, Workers) {
        let key = self.hooks.key().clone();
        let (hooks, workers) = ledger
            .attach(recording(key, self.recorder.clone(), self.takes_unreadable))
            .expect("the webhooks have no inbox");
        (Self { hooks, ledger: Some(ledger), ..self }, workers)
    }

    /// Registers a callback for events that cannot be read. Call it before
    /// [`with_ledger`](Self::with_ledger).
    ///
    /// # Errors
    /// If the hooks cannot be built.
    pub fn with_unreadable_callback(self) -> Result<Self, Error> {
        let key = self.hooks.key().clone();
        Self::new(self.client, key, self.recorder, true)
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
        let key = WebhookKey::new(KEY, Environment::Live).expect("a key");
        Self::new(client, key, surroundings.recorder, false).expect("an application")
    }

    fn new(
        client: Client,
        key: WebhookKey,
        recorder: Recorder,
        takes_unreadable: bool,
    ) -> Result<Self, Error> {
        let hooks = recording(key.clone(), recorder.clone(), takes_unreadable).build()?;
        let idle_hooks = hooks::idle(Webhooks::builder(key))?;
        Ok(Self { client, hooks, idle_hooks, recorder, ledger: None, takes_unreadable })
    }
}

/// The webhooks read the metadata of the capture of the application, as those of `Dodo` do. The routes
/// of Express pass keys of Bantico on, and the ledger does not read them.
fn recording(
    key: WebhookKey,
    recorder: Recorder,
    takes_unreadable: bool,
) -> WebhooksBuilder<Recorder, Given<Recorder>> {
    let options = MetadataMapping::default().captured_by(&served::capture());
    let hooks = hooks::recording(Webhooks::builder(key), recorder).metadata_mapping(options);
    if takes_unreadable { hooks.on_unreadable(hooks::unreadable) } else { hooks }
}

impl Application for Conformance {
    fn middleware(&self) -> Middleware {
        Middleware { capture: None, sign_in: true }
    }

    fn mount(&self, mount: &mut impl Mount) {
        let client = || self.client.clone();
        let capture = || VisitorCapture::visitors_now().preset(Preset::Bantico);
        let link = || StaticCheckout::builder(client()).capture(capture());
        let dynamic = || DynamicCheckout::builder(client()).capture(capture());
        let session = || SessionCheckout::builder(client()).capture(capture());
        mount.checkout(
            "/api/checkout/static",
            built(link().express_compatible().allow_any_return_origin()),
        );
        mount.checkout(
            "/api/checkout/dynamic",
            built(dynamic().express_compatible().allow_any_return_origin()),
        );
        mount.checkout(
            "/api/checkout/session",
            built(session().express_compatible().allow_any_return_origin()),
        );
        mount.checkout("/strict/api/checkout/static", built(link()));
        mount.checkout("/strict/api/checkout/dynamic", built(dynamic()));
        mount.checkout("/strict/api/checkout/session", built(session()));

        served::mount(mount, &self.client, self.ledger.as_ref());

        let by_query = CustomerPortal::builder(client()).unprotected_from_query().build();
        mount.portal("/api/customer-portal", by_query.expect("a portal"));
        let of_user = CustomerPortal::builder(client()).customer(user_of_headers).build();
        mount.portal("/api/me/portal", of_user.expect("a portal"));

        mount.webhooks("/api/webhook", self.hooks.clone());
        mount.webhooks("/api/webhook-bench", self.idle_hooks.clone());

        let recorder = self.recorder.clone();
        let callbacks = move || -> Shown { Box::pin(ready(json!(recorder.take()))) };
        mount.control("/__callbacks", Arc::new(callbacks));
        if let Some(ledger) = self.ledger.clone() {
            let records = move || -> Shown { Box::pin(all_records(ledger.clone())) };
            mount.control("/__ledger", Arc::new(records));
        }
    }
}

pub(crate) fn built<C: CheckoutKind>(builder: CheckoutBuilder<C>) -> C {
    builder.build().expect("the options of a conformance route")
}

/// Every record of the ledger, of live and of test mode, in the order of the ledger.
async fn all_records(ledger: Ledger) -> Value {
    let mut records = Vec::new();
    for query in [ledger.records(), ledger.records().test_mode()] {
        match query.fetch().await {
            Ok(found) => records.extend(found),
            Err(error) => return json!({"error": error.to_string()}),
        }
    }
    json!(records)
}

async fn user_of_headers(head: RequestHead) -> Result<Option<SignedIn>, Error> {
    let customer = head.header(CUSTOMER_HEADER).map(CustomerId::new).transpose()?;
    let user = head.header(USER_HEADER).map(SignedIn::user);
    Ok(match (user, customer) {
        (Some(user), Some(customer)) => Some(user.customer(customer)),
        (user, customer) => user.or_else(|| customer.map(SignedIn::new)),
    })
}
