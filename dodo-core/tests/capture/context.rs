//! The checkout context.

use dodo_core::capture::{CheckoutContext, DeviceClass, Preset, VisitorCapture};
use serde_json::json;

use super::request;

fn captured(uri: &str, headers: &[(&str, &str)]) -> CheckoutContext {
    let capture = VisitorCapture::visitors_now().preset(Preset::Utm).preset(Preset::Ga4);
    capture.capture(&request(uri, headers)).0.context()
}

#[test]
fn landing_has_referrer_of_visitor() {
    let context = captured(
        "/pricing?utm_source=google&gclid=g1&msclkid=m1&secret=s",
        &[
            ("accept", "text/html,application/xhtml+xml"),
            ("referer", "https://www.Google.com:443/search?q=private"),
            ("user-agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)"),
            ("cookie", "visitor=v1; _ga=GA1.1.1034567890.1700000000"),
        ],
    );
    assert_eq!(context.landing_path.as_deref(), Some("/pricing"));
    assert_eq!(context.referrer_host.as_deref(), Some("www.google.com"));
    assert_eq!(context.device, DeviceClass::Mobile);
    assert_eq!(json!(context.click_ids), json!({"gclid": "g1", "msclkid": "m1"}));
    assert_eq!(context.campaign.unwrap().source.as_deref(), Some("google"));
    assert_eq!(
        json!(context.tool_ids),
        json!({"visitor": "v1", "ga_client_id": "1034567890.1700000000"})
    );
}

#[test]
fn checkout_call_has_page_that_made_it() {
    let context = captured(
        "/api/checkout",
        &[("referer", "https://shop.example/pricing?gclid=g1"), ("sec-fetch-dest", "empty")],
    );
    assert_eq!(context.landing_path.as_deref(), Some("/pricing"));
    assert_eq!(context.referrer_host, None, "the shop does not refer to itself");
    assert_eq!(json!(context.click_ids), json!({"gclid": "g1"}));
}

#[test]
fn without_a_page_there_is_no_landing() {
    for headers in [
        &[][..],
        &[("accept", "*/*")],
        &[("accept", "text/html"), ("sec-fetch-dest", "image")],
        &[("accept", "text/html"), ("sec-purpose", "prefetch;prerender")],
        &[("accept", "text/html"), ("purpose", "prefetch")],
    ] {
        assert_eq!(captured("/logo", headers).landing_path, None, "{headers:?}");
    }
    let document = captured("/logo", &[("accept", "*/*"), ("sec-fetch-dest", "document")]);
    assert_eq!(document.landing_path.as_deref(), Some("/logo"));
}

#[test]
fn too_much_is_left_out_not_cut() {
    let path = format!("/{}", "p".repeat(200));
    let uri = format!("{path}?gclid={}&fbclid=ok&ttclid=%0A", "g".repeat(201));
    let referer = format!("https://{}.example/", "r".repeat(250));
    let context = captured(&uri, &[("accept", "text/html"), ("referer", &referer)]);
    assert_eq!((context.landing_path, context.referrer_host), (None, None));
    assert_eq!(json!(context.click_ids), json!({"fbclid": "ok"}));
}

#[test]
fn app_chooses_its_click_ids() {
    let capture = VisitorCapture::new().click_ids(["promo"]);
    let captured = capture.capture(&request("/?promo=p&gclid=g", &[])).0;
    assert_eq!(json!(captured.context().click_ids), json!({"promo": "p"}));
}

#[test]
fn context_survives_store_and_older_form_is_read() {
    let context = captured(
        "/?utm_source=s&gclid=g",
        &[("cookie", "visitor=v1"), ("accept", "text/html"), ("user-agent", "curl/8")],
    );
    let json = serde_json::to_string(&context).unwrap();
    assert_eq!(serde_json::from_str::<CheckoutContext>(&json).unwrap(), context);
    let sparse = r#"{"captured_at":"2026-11-20T12:00:00Z","field_of_the_future":1}"#;
    let context: CheckoutContext = serde_json::from_str(sparse).unwrap();
    assert_eq!((context.visitor, context.device), (None, DeviceClass::Unknown));
}

#[test]
fn nothing_personal_is_shown_by_debug() {
    let capture =
        VisitorCapture::visitors_now().preset(Preset::Utm).user_id(|_| Some("canary_user".into()));
    let parts = request(
        "/canary?utm_source=canary_source&gclid=canary_click",
        &[
            ("cookie", "visitor=canary_visitor"),
            ("accept", "text/html"),
            ("referer", "https://canary.example/"),
        ],
    );
    let captured = capture.capture(&parts).0;
    assert!(captured.visitor().is_some() && captured.campaign().is_some());
    for shown in [format!("{captured:?}"), format!("{:?}", captured.context())] {
        assert!(!shown.contains("canary"), "{shown}");
    }
}

mod stores {
    use std::sync::{Arc, Mutex};

    use dodo_core::{
        BoxError,
        capture::{CheckoutContext, CheckoutContextStore, VisitorCapture},
    };

    #[derive(Default)]
    struct Remembers(Mutex<Vec<String>>);

    impl CheckoutContextStore for Remembers {
        async fn store(&self, session_id: &str, _: &CheckoutContext) -> Result<(), BoxError> {
            self.0.lock().unwrap().push(session_id.to_owned());
            Ok(())
        }
    }

    async fn bind(store: impl CheckoutContextStore) -> Result<(), BoxError> {
        let parts = super::request("/", &[]);
        store.store("cks_1", &VisitorCapture::new().capture(&parts).0.context()).await
    }

    #[tokio::test]
    async fn shared_store_and_closure_are_stores() {
        let store = Arc::new(Remembers::default());
        bind(Arc::clone(&store)).await.unwrap();
        assert_eq!(*store.0.lock().unwrap(), ["cks_1"]);

        let refused = bind(|id: String, _: CheckoutContext| async move {
            Err::<(), _>(std::io::Error::other(id))
        });
        assert_eq!(refused.await.unwrap_err().to_string(), "cks_1");
    }
}
