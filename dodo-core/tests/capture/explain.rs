//! The answer to "why has this payment no visitor?".

use std::sync::{Arc, Mutex};

use dodo_core::{
    capture::{CaptureTrace, Preset, VisitorCapture},
    internals::{CaptureOutcome, ClientMetadata, SkipReason},
};
use serde_json::{Map, json};

use super::{injected, object, request, with_cookies};

/// What the observer saw of one checkout.
fn explained(capture: VisitorCapture, cookies: &str, client: serde_json::Value) -> CaptureTrace {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let capture = capture.on_trace({
        let seen = Arc::clone(&seen);
        move |explanation: &CaptureTrace| seen.lock().unwrap().push(explanation.clone())
    });
    let captured = with_cookies(&capture, cookies);
    let server = object(json!({"datafast_visitor_id": "app"}));
    let _metadata = captured.inject(&server, object(client), ClientMetadata::Strict);
    let mut seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    seen.remove(0)
}

#[test]
fn every_key_says_what_became_of_it() {
    let capture = VisitorCapture::visitors_now()
        .preset(Preset::DataFast)
        .preset(Preset::Segment)
        .preset(Preset::Zori);
    let cookies =
        "visitor=vst_8fk2Lq0ZpN3x; datafast_visitor_id=df1; ajs_user_id=u1; zori_visitor_id=null";
    let explanation = explained(capture, cookies, json!({"visitor": "evil", "other": 1}));
    let outcomes: Vec<_> =
        explanation.values.iter().map(|v| (v.key.as_str(), v.tool, v.outcome)).collect();
    use CaptureOutcome::{Injected, LeftOut};
    assert_eq!(
        outcomes,
        [
            ("visitor", "visitors.now", Injected),
            ("datafast_visitor_id", "DataFast", LeftOut(SkipReason::SetByApp)),
            ("datafast_session_id", "DataFast", LeftOut(SkipReason::Absent)),
            ("segment_anonymous_id", "Segment", LeftOut(SkipReason::Absent)),
            ("segment_user_id", "Segment", LeftOut(SkipReason::Personal)),
            ("zori_visitor_id", "Zori", LeftOut(SkipReason::Placeholder)),
        ]
    );
    let dropped = [("visitor".to_owned(), SkipReason::FromClient)];
    assert_eq!(explanation.dropped_from_client, dropped);
}

#[test]
fn values_are_masked_unless_they_are_asked_for_by_name() {
    let cookies = "visitor=canary_visitor_id; zori_visitor_id=canary_zori; partner=short";
    let capture = || {
        VisitorCapture::visitors_now()
            .preset(Preset::Zori)
            .cookie("partner")
            .into_metadata("partner")
    };
    let masked = serde_json::to_value(explained(capture(), cookies, json!({}))).unwrap();
    assert!(!masked.to_string().contains("canary"), "{masked}");
    assert_eq!(masked["values"][0]["value"], "can… (17 characters)");
    assert_eq!(masked["values"][2]["value"], "… (5 characters)");

    let revealed = explained(capture().unmask("visitor"), cookies, json!({}));
    let values: Vec<_> = revealed.values.iter().filter_map(|v| v.value.as_deref()).collect();
    assert_eq!(values, ["canary_visitor_id", "… (11 characters)", "… (5 characters)"]);
}

#[test]
fn debug_shows_no_text_of_the_visitor() {
    let capture = VisitorCapture::new().preset(Preset::Utm).unmask("utm_source");
    let parts = request(
        "/users/canary?utm_source=canary",
        &[("referer", "https://canary.example/"), ("accept", "text/html")],
    );
    let trace = capture.capture(&parts).0.trace();
    assert_eq!(trace.landing_path.as_deref(), Some("/users/canary"));
    assert_eq!(trace.referrer_host.as_deref(), Some("canary.example"));
    assert_eq!(trace.values[0].value.as_deref(), Some("canary"));
    let shown = format!("{trace:?}");
    assert!(!shown.contains("canary") && shown.contains("landing_path: true"), "{shown}");
}

#[test]
fn trace_is_json_for_app() {
    let capture = VisitorCapture::new().preset(Preset::Utm).body("b").into_metadata("utm_source");
    let parts = request(
        "/p?utm_source=query",
        &[("sec-gpc", "0"), ("accept", "text/html"), ("user-agent", "curl/8")],
    );
    let mut captured = capture.capture(&parts).0;
    captured.take_from_body(&mut object(json!({"b": "body"})));
    let explanation = serde_json::to_value(captured.trace()).unwrap();
    assert_eq!(explanation["consent"], "not_asked");
    assert_eq!(explanation["landing_path"], "/p");
    assert_eq!(explanation["device"], "bot");
    assert_eq!(
        explanation["values"][0],
        json!({"key": "utm_source", "tool": "UTM", "outcome": "found", "origin": "body",
            "value": "… (4 characters)", "instead_of": [["query", "superseded"]]})
    );
    assert_eq!(explanation["values"][1]["outcome"], json!({"left_out": "absent"}));
}

#[test]
fn denial_names_its_gate() {
    let capture =
        VisitorCapture::visitors_now().consent(dodo_core::capture::consent::OneTrust::analytics());
    let gpc = request("/", &[("sec-gpc", "1")]);
    assert_eq!(capture.capture(&gpc).0.trace().decided_by.as_deref(), Some("Sec-GPC"));
    let silent = request("/", &[]);
    assert_eq!(capture.capture(&silent).0.trace().decided_by.as_deref(), Some("OneTrust"));
}

#[test]
fn panic_of_observer_does_not_fail_checkout() {
    let capture = VisitorCapture::visitors_now().on_trace(|_| panic!("broken observer"));
    let captured = with_cookies(&capture, "visitor=v1");
    assert_eq!(injected(&captured), json!({"visitor": "v1"}));
    assert_eq!(captured.inject(&Map::new(), Map::new(), ClientMetadata::Lenient).len(), 1);
}
