//! The captured values of a visitor, and those that reach a payment.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod campaign_cookie;
mod checkout;
mod consent;
mod context;
mod cookies;
mod device;
mod docs;
mod explain;
mod injection;
mod layer;
mod logs;
mod presets;
mod properties;
mod values;

use dodo_core::{
    capture::{Captured, VisitorCapture},
    internals::{CaptureOutcome, ClientMetadata},
};
use http::{Request, request::Parts};
use serde_json::{Map, Value};

/// A GET of a page with these headers.
fn request(uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::get(uri).header("host", "shop.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// What a capture finds in a checkout request with these cookies.
fn with_cookies(capture: &VisitorCapture, cookies: &str) -> Captured {
    capture.capture(&request("/api/checkout", &[("cookie", cookies)])).0
}

/// The metadata for Dodo Payments if only the capture sets it.
fn injected(captured: &Captured) -> Value {
    Value::Object(captured.inject(&Map::new(), Map::new(), ClientMetadata::Strict))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

/// The reasons by key, for the keys that have no value.
fn reasons(captured: &Captured) -> Vec<(String, &'static str)> {
    let values = captured.trace().values.into_iter();
    let left_out = values.filter_map(|value| match value.outcome {
        CaptureOutcome::LeftOut(reason) => Some((value.key, reason.as_str())),
        _ => None,
    });
    left_out.collect()
}
