//! What must hold for every request of a browser. As `checks`, run by the fuzz targets and over the
//! seeds.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use dodo_core::{
    BoxError, Client, Environment,
    capture::{
        CampaignCookie, Preset, VisitorCapture, VisitorId,
        consent::{AnyGate, Cookiebot, OneTrust, Tcf},
    },
    checkout::{SessionCheckout, StaticCheckout},
    endpoint::Endpoint,
    internals::{CaptureOutcome, ClientMetadata, SkipReason},
};
use http::{HeaderValue, Request, Response};
use serde_json::{Map, Value, json};

/// A request's `Cookie` and query on a line each, then the body of its checkout.
pub(crate) fn cookies(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let (cookies, query, body) = (next(), next(), next());
    // What cannot be a header or a URI never arrives.
    let Ok(header) = HeaderValue::from_bytes(cookies) else { return };
    let Ok(uri) = http::Uri::try_from([b"/checkout?", query].concat()) else { return };
    let request = Request::get(uri).header("cookie", header).header("accept", "text/html");
    let parts = request.body(()).expect("every part was checked").into_parts().0;

    let all = Preset::ALL.iter().fold(VisitorCapture::new(), |all, preset| all.preset(*preset));
    let cookie = CampaignCookie::last_touch().signed_with([7; 32]).expect("the key is long enough");
    let open = all.campaign_cookie(cookie);
    let gate = AnyGate::new(OneTrust::analytics()).or(Cookiebot::statistics()).or(Tcf::storage());
    for capture in [open.clone().consent(gate), open] {
        let (mut captured, set_cookie) = capture.capture(&parts);
        assert!(set_cookie.is_none_or(|cookie| cookie.len() < 4096));
        if let Ok(mut body) = serde_json::from_slice(body) {
            captured.take_from_body(&mut body);
            assert!(!body.contains_key("bantico"));
        }
        let server = Map::from_iter([("visitor".to_owned(), json!("app"))]);
        let metadata = captured.inject(&server, Map::new(), ClientMetadata::Lenient);
        assert_eq!(metadata.get("visitor"), Some(&json!("app")));
        assert!(metadata.len() <= 50);
        assert!(captured.consent().allows() || metadata.len() == 1);
        for (key, value) in metadata {
            let value = value.as_str().expect("captured values are text");
            assert!(key.len() <= 40 && VisitorId::new(value).is_ok(), "{key}");
        }
        for traced in captured.trace().values {
            let is_absent = traced.outcome == CaptureOutcome::LeftOut(SkipReason::Absent);
            assert!(traced.origin.is_some() != is_absent);
        }
    }
    let visitor = VisitorCapture::visitors_now().capture(&parts).0;
    assert_eq!(visitor.visitor().map(VisitorId::as_str), expected(cookies).as_deref());
}

/// The visitor of visitors.now, by the rules written down a second time.
fn expected(cookies: &[u8]) -> Option<String> {
    let mut end = 0;
    for pair in cookies.split(|byte| *byte == b';').take(500) {
        end += pair.len() + 1;
        if end > 64 * 1024 {
            return None;
        }
        let Ok(pair) = std::str::from_utf8(pair) else { continue };
        let Some(at) = pair.find('=') else { continue };
        let mut value = pair[at + 1..].trim();
        if value.len() >= 2 && value.starts_with('"') && value.ends_with('"') {
            value = &value[1..value.len() - 1];
        }
        let word = value.trim();
        let is_usable = !word.is_empty()
            && word != "null"
            && word != "undefined"
            && value.chars().count() <= 500
            && !value.contains(|c: char| c.is_control() || c == '\u{fffd}');
        if pair[..at].trim() == "visitor" && is_usable {
            return Some(value.to_owned());
        }
    }
    None
}

/// A `return_url` from a browser: where it is let through, another parser sees an allowed origin too.
pub(crate) fn return_url(data: &[u8]) {
    let Ok(url) = std::str::from_utf8(data) else { return };
    let (client, calls) = dodo();
    let endpoint = SessionCheckout::builder(client)
        .return_url("https://shop.example/thanks")
        .allow_return_origins(["https://app.shop.example:8443"])
        .build()
        .expect("a checkout");
    let cart = json!([{"product_id": "pdt_1", "quantity": 1}]);
    let body = json!({"product_cart": cart, "return_url": url}).to_string();
    let request = Request::post("/").header("content-type", "application/json");
    let response = answer(&endpoint, request.body(body.into()).expect("a request"));
    if response.status() != 200 {
        assert_eq!((response.status().as_u16(), calls.lock().expect("calls").len()), (400, 0));
        return;
    }
    let seen = url::Url::parse(url).expect("an accepted URL is a URL");
    let origin = seen.origin().ascii_serialization();
    assert!(
        ["https://shop.example", "https://app.shop.example:8443"].contains(&origin.as_str()),
        "{url} leads to {origin}"
    );
    assert!(seen.username().is_empty() && seen.password().is_none());
    assert_eq!(calls.lock().expect("calls")[0].1["return_url"], url);
}

/// An id from a browser: it stays one segment of one path, or nothing is asked at all.
pub(crate) fn ids(data: &[u8]) {
    let Ok(id) = std::str::from_utf8(data) else { return };
    let (client, calls) = dodo();
    let query =
        form_urlencoded::Serializer::new(String::new()).append_pair("productId", id).finish();
    let Ok(uri) = http::Uri::try_from(format!("/buy?{query}")) else { return };
    let request = Request::get(uri).body(Bytes::new()).expect("a request");
    let response = answer(&StaticCheckout::builder(client).build().expect("a checkout"), request);
    let is_id = (1..=64).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    assert_eq!(response.status() == 200, is_id, "{id:?}");
    let calls = calls.lock().expect("calls");
    let paths: Vec<&str> = calls.iter().map(|(path, _)| path.as_str()).collect();
    if !is_id {
        assert!(paths.is_empty());
        return;
    }
    assert_eq!(paths, [format!("/products/{id}")]);
    let link: Value = serde_json::from_slice(response.body()).expect("the answer is JSON");
    let link = url::Url::parse(link["checkout_url"].as_str().expect("a link")).expect("a URL");
    let segments: Vec<_> = link.path_segments().expect("a path").collect();
    assert_eq!((link.host_str(), segments), (Some("checkout.dodopayments.com"), vec!["buy", id]));
}

type Calls = Arc<Mutex<Vec<(String, Value)>>>;

/// A client of a Dodo that answers at once, and the list of its calls.
fn dodo() -> (Client, Calls) {
    let calls = Calls::default();
    let seen = Arc::clone(&calls);
    let transport = move |request: Request<Bytes>| {
        let body = serde_json::from_slice(request.body()).unwrap_or_default();
        seen.lock().expect("calls").push((request.uri().path().to_owned(), body));
        let answer = json!({
            "session_id": "cks_1",
            "checkout_url": "https://checkout.dodopayments.com/session/cks_1",
            "product_id": "pdt_1",
            "is_recurring": false,
        });
        std::future::ready(Ok::<_, BoxError>(Response::new(Bytes::from(answer.to_string()))))
    };
    let client = Client::builder("sk_test", Environment::Live)
        .with_transport(transport)
        .build()
        .expect("a client");
    (client, calls)
}

/// Nothing waits here, so one poll is enough and no runtime is needed.
fn answer(endpoint: &impl Endpoint, request: Request<Bytes>) -> Response<Bytes> {
    let mut answer = pin!(endpoint.handle(request));
    match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(response) => response,
        Poll::Pending => panic!("the answer waits for something"),
    }
}
