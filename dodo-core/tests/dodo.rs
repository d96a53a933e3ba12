//! One object that every endpoint is made from.

use bytes::Bytes;
use dodo_core::{
    BoxError, Client, Dodo, Environment,
    capture::{CampaignCookie, Preset, VisitorCapture},
    client::DodoBuilder,
};
use http::{Request, Response};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn builder() -> DodoBuilder {
    Dodo::builder("sk_canary", KEY, Environment::Test).client(|client| {
        client.transport(|_: Request<Bytes>| async {
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
        let mut builder = builder().capture(capture.keep_campaign(CampaignCookie::last_touch()));
        if let Some(public) = public {
            builder = builder.public_url(public);
        }
        let parts = Request::get("/?utm_source=letter")
            .header("host", host)
            .header("referer", referer)
            .header("accept", "text/html")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        let (captured, cookie) = builder.build().unwrap().capture().begin(&parts);
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
