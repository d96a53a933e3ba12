//! One object that every endpoint is made from.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may fail")]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dodo_core::{
    BoxError, Client, Dodo, Environment, EventKind,
    attribution::AttributionRecord,
    capture::{CampaignCookie, Preset, VisitorCapture},
    client::DodoBuilder,
    endpoint::Endpoint,
    internals::metadata_keys,
    testing::EventBuilder,
};
use http::{Request, Response};
use serde_json::{Map, Value, json};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn builder() -> DodoBuilder {
    Dodo::builder("sk_canary", KEY, Environment::Test).client(|client| {
        client.with_transport(|_: Request<Bytes>| async {
            Ok::<_, BoxError>(Response::new(Bytes::from_static(b"{}")))
        })
    })
}

/// Public address, `Host` and `Referer`; then the recorded referrer, and whether the campaign cookie
/// is `Secure`.
#[test]
fn capture_follows_the_public_address() {
    let page = "https://shop.example/?utm_source=letter";
    let other = "https://news.example/";
    for (public, host, referer, referrer_host, secure) in [
        (None, "shop.example", page, None, true),
        (None, "backend:3000", page, Some("shop.example"), true),
        (Some("https://shop.example"), "backend:3000", page, None, true),
        (Some("https://shop.example"), "backend:3000", other, Some("news.example"), true),
        (Some("https://shop.example"), "news.example", other, Some("news.example"), true),
        (Some("http://localhost:3000"), "localhost:3000", "http://localhost:3000/", None, false),
    ] {
        let capture = VisitorCapture::new().preset(Preset::Utm);
        let mut builder = builder().capture(capture.campaign_cookie(CampaignCookie::last_touch()));
        if let Some(public) = public {
            builder = builder.client(|client| client.public_url(public));
        }
        let parts = Request::get("/?utm_source=letter")
            .header("host", host)
            .header("referer", referer)
            .header("accept", "text/html")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        let (captured, cookie) = builder.build().unwrap().capture().capture(&parts);
        let context = captured.context();
        assert_eq!(context.referrer_host.as_deref(), referrer_host, "{public:?} {host} {referer}");
        let cookie = cookie.unwrap();
        assert_eq!(cookie.to_str().unwrap().contains("; Secure"), secure, "{public:?}");
    }
}

#[test]
fn debug_shows_the_mode_and_no_secret() {
    let password = "https://user:canary@gateway.example";
    let client = Client::builder("sk_canary", Environment::Test)
        .base_url(password)
        .checkout_url(password)
        .return_url(password)
        .public_url(password)
        .proxy(password);
    let dodo = builder().build().unwrap();
    for (shown, names_mode) in [
        (format!("{client:?}"), true),
        (format!("{:?}", builder().client(|c| c.base_url(password))), true),
        (format!("{dodo:?}"), true),
        (format!("{:?}", dodo.client()), true),
        (format!("{:?}", dodo.webhook_key()), true),
        (format!("{:?}", dodo.webhooks::<()>()), true),
        (format!("{:?}", dodo.session_checkout()), false),
        (format!("{:?}", dodo.portal()), false),
        (format!("{:?}", client.build().unwrap_err()), false),
    ] {
        assert!(!shown.contains("canary") && !shown.contains("MfKQ"), "{shown}");
        assert!(!names_mode || shown.contains("Test"), "{shown}");
    }
}

#[test]
fn dodo_gives_one_mode_to_client_and_key() {
    for mode in [Environment::Test, Environment::Live] {
        let dodo = Dodo::builder(" sk_a\n", format!(" {KEY}\n"), mode).build();
        let Ok(dodo) = dodo else { continue }; // without the feature `reqwest`
        assert_eq!(dodo.environment(), mode);
        assert_eq!(dodo.client().environment(), mode);
        assert_eq!(dodo.webhook_key().environment(), mode);
    }
    assert!(Dodo::builder("sk_a", "", Environment::Test).build().is_err());
}

/// The metadata that a session of this client's metadata gets, and the records of its payment.
async fn sold(
    app: Option<&VisitorCapture>,
    own: Option<&VisitorCapture>,
    metadata: &Value,
) -> (Map<String, Value>, Vec<AttributionRecord>) {
    let sent = Arc::new(Mutex::new(Value::Null));
    let call = sent.clone();
    let answer = json!({"session_id": "cks_1", "checkout_url": "https://checkout.example/cks_1"});
    let transport = move |request: Request<Bytes>| {
        *call.lock().unwrap() = serde_json::from_slice(request.body()).unwrap();
        let answer = Bytes::from(answer.to_string());
        async move { Ok::<_, BoxError>(Response::new(answer)) }
    };
    let mut dodo = Dodo::builder("sk_a", KEY, Environment::Test);
    dodo = dodo.client(|client| client.with_transport(transport));
    if let Some(capture) = app {
        dodo = dodo.capture(capture.clone());
    }
    let dodo = dodo.build().unwrap();

    let mut checkout = dodo.session_checkout();
    if let Some(capture) = own {
        checkout = checkout.capture(capture.clone());
    }
    let body = json!({ "productId": "pdt_a", "metadata": metadata }).to_string();
    let request = Request::post("/").header("content-type", "application/json").body(body.into());
    let answer = checkout.build().unwrap().handle(request.unwrap()).await;
    assert_eq!(answer.status(), 200);
    let metadata = sent.lock().unwrap()["metadata"].as_object().cloned().unwrap_or_default();

    let records = Arc::new(Mutex::new(Vec::new()));
    let kept = records.clone();
    let sink = move |record| {
        kept.lock().unwrap().push(record);
        async { Ok::<_, BoxError>(()) }
    };
    let hooks = dodo.webhooks::<()>().attribution_sink(sink).build().unwrap();
    let event =
        EventBuilder::new(EventKind::PaymentSucceeded).set_json("metadata", metadata.clone());
    let answer = hooks.handle(event.to_request(dodo.webhook_key())).await;
    assert_eq!(answer.status(), 200);
    let records = records.lock().unwrap().drain(..).collect();
    (metadata, records)
}

/// Whatever capture the application and its checkout have, one of them or none.
#[tokio::test]
async fn client_sets_no_key_that_the_webhooks_read() {
    let presets = |presets: &[Preset]| {
        presets.iter().fold(VisitorCapture::new(), |capture, preset| capture.preset(*preset))
    };
    let captures = [
        None,
        Some(VisitorCapture::new()),
        Some(VisitorCapture::new().preset(Preset::Utm)),
        Some(VisitorCapture::new().preset(Preset::Bantico)),
        Some(presets(Preset::ALL)),
    ];
    for app in &captures {
        for own in &captures {
            for read in metadata_keys() {
                let client = json!({ (read.key): "of_the_client" });
                let (metadata, records) = sold(app.as_ref(), own.as_ref(), &client).await;
                let shown = serde_json::to_string(&records).unwrap();
                let case = format!("app {app:?}, checkout {own:?}, {}: {metadata:?}", read.key);
                assert!(!records.is_empty() && !shown.contains("of_the_client"), "{case}: {shown}");
            }
        }
    }
}
