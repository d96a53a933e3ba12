//! Which values may travel, and the limits of metadata.

use dodo_core::{
    capture::{Preset, VisitorCapture, VisitorId},
    internals::ClientMetadata,
};
use serde_json::{Map, Value, json};

use super::{injected, object, reasons, request, with_cookies};

#[test]
fn visitor_id_is_opaque_but_bounded() {
    let longest = "é".repeat(500);
    for good in ["a", "0193a1b2-c3d4", "GA1.1.2", "with space", "emoji 🦤", longest.as_str()] {
        assert_eq!(VisitorId::new(good).unwrap().as_str(), good);
    }
    for (bad, reason) in [
        ("", "empty"),
        (" \u{a0}", "empty"),
        ("undefined", "placeholder"),
        (" null ", "placeholder"),
        ("NaN", "placeholder"),
        ("None", "placeholder"),
        ("{}", "placeholder"),
        ("[object Object]", "placeholder"),
        ("[object Promise]", "placeholder"),
        ("%5Bobject%20Object%5D", "placeholder"),
        ("%22%22", "placeholder"),
        ("Undefined", "placeholder"),
        ("NULL", "placeholder"),
        ("NONE", "placeholder"),
        ("%5Bobject+Object%5D", "placeholder"),
        ("a\r\nb", "control_character"),
        ("a\u{85}b", "control_character"),
        ("a\u{fffd}b", "undecodable"),
    ] {
        assert_eq!(VisitorId::new(bad).unwrap_err().code(), reason, "{bad:?}");
    }
    assert_eq!(VisitorId::new("é".repeat(501)).unwrap_err().code(), "too_long");
}

#[test]
fn visitor_survives_serde_and_hides_in_debug() {
    let visitor = VisitorId::new("vst_canary").unwrap();
    let json = serde_json::to_string(&visitor).unwrap();
    assert_eq!(json, "\"vst_canary\"");
    assert_eq!(serde_json::from_str::<VisitorId>(&json).unwrap(), visitor);
    assert!(serde_json::from_str::<VisitorId>("\"\"").is_err());
    assert!(!format!("{visitor:?}").contains("canary"));
}

#[test]
fn no_cookie_no_key() {
    let captured = with_cookies(&VisitorCapture::visitors_now(), "theme=dark");
    assert_eq!(injected(&captured), json!({}));
    assert_eq!(reasons(&captured), [("visitor".to_owned(), "absent")]);
    assert_eq!(captured.visitor(), None);
}

#[test]
fn cookie_of_4_kb_is_omitted_whole() {
    let cookies = format!("visitor={}", "v".repeat(4096));
    let captured = with_cookies(&VisitorCapture::visitors_now(), &cookies);
    assert_eq!(injected(&captured), json!({}));
    assert_eq!(reasons(&captured), [("visitor".to_owned(), "too_long")]);
}

#[test]
fn line_breaks_are_rejected_in_every_encoding() {
    let capture = VisitorCapture::new().query("v").into_metadata("visitor");
    let captured = capture.capture(&request("/?v=a%0D%0ASet-Cookie:x", &[])).0;
    assert_eq!(injected(&captured), json!({}));
    assert_eq!(reasons(&captured), [("visitor".to_owned(), "control_character")]);
}

#[test]
fn invalid_key_is_omitted_and_the_rest_is_injected() {
    let long = "k".repeat(41);
    let capture = VisitorCapture::visitors_now()
        .cookie("a")
        .into_metadata("has space")
        .cookie("b")
        .into_metadata(long)
        .cookie("c")
        .into_metadata("")
        .cookie("d")
        .into_metadata("k".repeat(40));
    let captured = with_cookies(&capture, "a=1; b=2; c=3; d=4; visitor=v1");
    let mut expected = object(json!({"visitor": "v1"}));
    expected.insert("k".repeat(40), "4".into());
    assert_eq!(injected(&captured), Value::Object(expected));
}

fn pairs(count: usize) -> Map<String, Value> {
    (0..count).map(|n| (format!("key_{n:02}"), json!(n))).collect()
}

#[test]
fn captured_values_come_before_pairs_of_the_client() {
    let capture = VisitorCapture::new().preset(Preset::Utm).preset(Preset::VisitorsNow);
    let uri = "/checkout?utm_source=newsletter";
    let captured = capture.capture(&request(uri, &[("cookie", "visitor=v1")])).0;
    for (server, client, expected) in [
        (50, 0, vec![]),
        (0, 50, vec!["utm_source", "visitor"]),
        (49, 0, vec!["visitor"]),
        (49, 1, vec!["visitor"]),
        (48, 0, vec!["utm_source", "visitor"]),
        (20, 29, vec!["utm_source", "visitor"]),
    ] {
        let metadata = captured.inject(&pairs(server), pairs(client), ClientMetadata::Strict);
        let added: Vec<_> = metadata.keys().filter(|key| !key.starts_with("key_")).collect();
        assert_eq!(added, expected, "{server} by the app, {client} by the client");
        assert!(metadata.len() <= 50);
    }
}

#[test]
fn email_goes_to_context_and_not_to_metadata() {
    let captured = with_cookies(&VisitorCapture::visitors_now(), "visitor=ada@example.com");
    assert_eq!(injected(&captured), json!({}));
    assert_eq!(captured.context().visitor.unwrap().as_str(), "ada@example.com");
    let handle = with_cookies(&VisitorCapture::visitors_now(), "visitor=@ada");
    assert_eq!(injected(&handle), json!({"visitor": "@ada"}));
}
