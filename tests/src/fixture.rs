//! A shop with everything the conformance application leaves out: middleware that captures visitors
//! and signs in, two endpoints on one path, handlers with extractors.

use std::time::Duration;

use dodo_core::{
    BoxError, Client, CustomerId, CustomerPortal, Environment, Error, ErrorKind, Event,
    RequestHead, WebhookKey, Webhooks,
    capture::{CampaignCookie, Preset, VisitorCapture},
    checkout::{DynamicCheckout, SessionCheckout, StaticCheckout},
    endpoint::Endpoint,
    event::Payment,
};

use crate::{
    conformance::{API_KEY, RETURN_URL},
    delivery::KEY,
    hooks,
    record::Recorder,
    server::{Application, Middleware, Mount},
    subject::Surroundings,
};

/// A client for the stub: no product cache, no retries, short deadlines.
///
/// # Panics
/// If the address cannot be used.
#[must_use]
pub fn client(upstream: &str) -> Client {
    Client::builder(API_KEY, Environment::Live)
        .return_url(RETURN_URL)
        .base_url(upstream)
        .product_cache_ttl(Duration::ZERO)
        .max_retries(0)
        .timeout(Duration::from_millis(500))
        .build()
        .expect("a client for the stub")
}

/// The shop.
#[derive(Clone, Debug)]
pub struct Shop {
    client: Client,
    hooks: Webhooks,
    lenient_hooks: Webhooks,
}

impl Shop {
    /// Calls the upstream that surrounds it.
    #[must_use]
    pub fn surrounded(surroundings: Surroundings) -> Self {
        let Surroundings { upstream, recorder } = surroundings;
        let builder = || hooks::recording(Webhooks::builder(key()), recorder.clone());
        let hooks = builder()
            .on_payment_failed(async |event| Err(format!("no mail to {}", event.id).into()))
            .on_payment_failed(again)
            .on_payment_cancelled(async |_| -> Result<(), BoxError> { panic!("a bug") })
            .on_payment_processing(async |_| std::future::pending::<Result<(), BoxError>>().await)
            .callback_timeout(Duration::from_millis(50))
            .on_payment_succeeded(again)
            .attribution_sink(hooks::sink(recorder.clone()))
            .build()
            .expect("hooks");
        let lenient_hooks =
            builder().on_unreadable(hooks::unreadable).body_limit(1024).build().expect("hooks");
        Self { client: client(&upstream), hooks, lenient_hooks }
    }
}

impl Application for Shop {
    fn mount(&self, mount: &mut impl Mount) {
        let client = || self.client.clone();
        let link = StaticCheckout::builder(client()).build().expect("a static checkout");
        let session = SessionCheckout::builder(client()).build().expect("a session checkout");
        mount.checkout("/checkout", link.or(session));
        let impatient = SessionCheckout::builder(client()).error_page("/oops");
        let impatient = impatient.body_timeout(Duration::from_millis(50)).build();
        mount.checkout("/checkout/impatient", impatient.expect("a session checkout"));
        let dynamic = DynamicCheckout::builder(client()).build().expect("a dynamic checkout");
        mount.checkout("/checkout/dynamic", dynamic);
        let portal = || CustomerPortal::builder(client());
        mount.portal("/portal", portal().build().expect("a portal"));
        mount.portal("/portal/broken", portal().customer(broken).build().expect("a portal"));
        let refusing = portal().customer(refuses).error_page("/oops").build().expect("a portal");
        mount.portal("/portal/refuses", refusing);
        mount.portal("/portal/panics", portal().customer(panics).build().expect("a portal"));
        mount.webhooks("/webhook", self.hooks.clone());
        mount.webhooks("/webhook/lenient", self.lenient_hooks.clone());
        mount.verified_page("/page/verified", key());
        mount.payment_page("/page/payment", key());
        mount.visitor_page("/page/visitor");
        mount.optional_visitor_page("/page/optional");
    }

    fn middleware(&self) -> Middleware {
        let capture = VisitorCapture::visitors_now()
            .preset(Preset::Bantico)
            .preset(Preset::Utm)
            .campaign_cookie(CampaignCookie::last_touch());
        Middleware { capture: Some(capture), sign_in: true }
    }
}

fn key() -> WebhookKey {
    WebhookKey::new(KEY, Environment::Live).expect("a key")
}

/// A second callback of one type.
async fn again(event: Event<Payment, Recorder>) -> Result<(), BoxError> {
    hooks::record("again", &event);
    Ok(())
}

async fn broken(_: RequestHead) -> Result<Option<CustomerId>, BoxError> {
    Err("the session store at 10.0.0.9 is down".into())
}

async fn refuses(_: RequestHead) -> Result<Option<CustomerId>, BoxError> {
    Err(Error::new(ErrorKind::OriginNotAllowed, "not from here").into())
}

async fn panics(_: RequestHead) -> Result<Option<CustomerId>, BoxError> {
    panic!("a bug in the application")
}
