//! Who wins: server code, then the capture, then the client.

use dodo_core::{
    capture::{Preset, VisitorCapture},
    internals::ClientMetadata,
};
use serde_json::{Value, json};

use super::{injected, object, request, with_cookies};

fn merged(
    captured: &dodo_core::capture::Captured,
    server: Value,
    client: Value,
    policy: ClientMetadata,
) -> Value {
    Value::Object(captured.inject(&object(server), object(client), policy))
}

#[test]
fn precedence() {
    use ClientMetadata::{Lenient, Strict};
    let capture = VisitorCapture::visitors_now();
    let (found, nothing) = (with_cookies(&capture, "visitor=cookie"), with_cookies(&capture, ""));
    for (captured, server, client, policy, expected) in [
        // What the app set stays, whatever else there is.
        (
            &found,
            json!({"visitor": "app"}),
            json!({"visitor": "client"}),
            Strict,
            json!({"visitor": "app"}),
        ),
        (
            &found,
            json!({"visitor": "app"}),
            json!({"visitor": "client"}),
            Lenient,
            json!({"visitor": "app"}),
        ),
        (&nothing, json!({"visitor": "app"}), json!({}), Strict, json!({"visitor": "app"})),
        (&nothing, json!({"visitor": 7}), json!({}), Strict, json!({"visitor": 7})),
        // Captured values replace those of the client.
        (&found, json!({}), json!({"visitor": "client"}), Strict, json!({"visitor": "cookie"})),
        (&found, json!({}), json!({"visitor": "client"}), Lenient, json!({"visitor": "cookie"})),
        // Nothing captured: the policy decides about the client's word.
        (&nothing, json!({}), json!({"visitor": "client"}), Strict, json!({})),
        (&nothing, json!({}), json!({"visitor": "client"}), Lenient, json!({"visitor": "client"})),
        // Keys outside of all presets belong to the client. The app also overrides them.
        (
            &found,
            json!({"a": 1}),
            json!({"a": 2, "b": 3}),
            Strict,
            json!({"a": 1, "b": 3, "visitor": "cookie"}),
        ),
    ] {
        let label = format!("{server} {client} {policy:?}");
        assert_eq!(merged(captured, server, client, policy), expected, "{label}");
    }
}

#[test]
fn without_consent_a_client_cannot_bring_the_visitor_back() {
    let capture = VisitorCapture::visitors_now();
    let denied = capture.capture(&request("/", &[("cookie", "visitor=v1"), ("sec-gpc", "1")])).0;
    for policy in [ClientMetadata::Strict, ClientMetadata::Lenient] {
        let metadata = merged(&denied, json!({"order": "o1"}), json!({"visitor": "v1"}), policy);
        assert_eq!(metadata, json!({"order": "o1"}), "{policy:?}");
    }
    // Server code decides for itself.
    let metadata = merged(&denied, json!({"visitor": "v1"}), json!({}), ClientMetadata::Strict);
    assert_eq!(metadata, json!({"visitor": "v1"}));
}

#[test]
fn id_comes_from_cookie_then_body_then_query() {
    let capture = VisitorCapture::visitors_now()
        .body("visitor")
        .into_metadata("visitor")
        .query("v")
        .into_metadata("visitor");
    for (cookie, body, uri, expected) in [
        ("visitor=c", json!({"visitor": "b"}), "/?v=q", Some("c")),
        ("", json!({"visitor": "b"}), "/?v=q", Some("b")),
        ("", json!({}), "/?v=q", Some("q")),
        ("visitor=undefined", json!({"visitor": ""}), "/?v=q", Some("q")),
        ("", json!({}), "/", None),
    ] {
        let mut captured = capture.capture(&request(uri, &[("cookie", cookie)])).0;
        captured.take_from_body(&mut object(body));
        assert_eq!(captured.visitor().map(|v| v.as_str()), expected, "{cookie} {uri}");
    }
}

#[test]
fn two_links_are_never_mixed() {
    let capture = VisitorCapture::new()
        .preset(Preset::Bantico)
        .cookie("b_link")
        .into_metadata("linkId")
        .cookie("b_source")
        .into_metadata("source")
        .cookie("b_medium")
        .into_metadata("medium");
    let mut captured = with_cookies(&capture, "b_link=old; b_source=old; b_medium=old");
    captured.take_from_body(&mut object(json!({"bantico": {"linkId": "new", "source": "new"}})));
    // The cookie's medium belongs to the old link and stays away.
    assert_eq!(injected(&captured), json!({"linkId": "new", "source": "new"}));
    assert_eq!(captured.campaign().unwrap().medium, None);
}

#[test]
fn first_of_two_tools_is_the_campaign() {
    let capture = VisitorCapture::new().preset(Preset::Bantico).preset(Preset::Utm);
    let mut captured = capture.capture(&request("/?utm_source=utm&utm_medium=utm", &[])).0;
    captured.take_from_body(&mut object(json!({"bantico": {"source": "bantico"}})));
    assert_eq!(
        injected(&captured),
        json!({"source": "bantico", "utm_source": "utm", "utm_medium": "utm"})
    );
    let campaign = captured.campaign().unwrap();
    assert_eq!((campaign.source.as_deref(), campaign.medium.as_deref()), (Some("bantico"), None));
}

#[test]
fn own_mappings_come_before_the_presets_source_or_instead_of_it() {
    let also = VisitorCapture::visitors_now().cookie("vid").into_metadata("visitor");
    let only = VisitorCapture::visitors_now().cookie("vid").replace_metadata("visitor");
    // For one kind of source, the app's own name comes first, in any order of the browser.
    assert_eq!(injected(&with_cookies(&also, "vid=mine")), json!({"visitor": "mine"}));
    for cookies in ["vid=mine; visitor=preset", "visitor=preset; vid=mine"] {
        assert_eq!(
            injected(&with_cookies(&also, cookies)),
            json!({"visitor": "mine"}),
            "{cookies}"
        );
    }
    assert_eq!(injected(&with_cookies(&also, "visitor=preset")), json!({"visitor": "preset"}));
    assert_eq!(
        injected(&with_cookies(&only, "visitor=preset; vid=mine")),
        json!({"visitor": "mine"})
    );
    assert_eq!(injected(&with_cookies(&only, "visitor=preset")), json!({}));
    // The key is still the visitor's.
    assert_eq!(with_cookies(&only, "vid=mine").visitor().unwrap().as_str(), "mine");
}

#[test]
fn own_field_leaves_other_fields_of_object() {
    let capture = VisitorCapture::new()
        .body("tracking.vid")
        .into_metadata("vid")
        .body("alone.x")
        .into_metadata("x");
    let mut captured = with_cookies(&capture, "");
    let mut body = object(json!({"tracking": {"vid": "v", "other": 1}, "alone": {"x": 1}, "y": 2}));
    captured.take_from_body(&mut body);
    assert_eq!(Value::Object(body), json!({"tracking": {"other": 1}, "y": 2}));
    assert_eq!(injected(&captured), json!({"vid": "v", "x": "1"}));
}

#[test]
fn query_of_page_counts_for_its_checkout() {
    let capture = VisitorCapture::new().preset(Preset::Utm);
    for (referer, expected) in [
        ("https://shop.example/pricing?utm_source=newsletter", json!({"utm_source": "newsletter"})),
        (
            "https://SHOP.example:8443/pricing?utm_source=newsletter",
            json!({"utm_source": "newsletter"}),
        ),
        ("https://elsewhere.example/?utm_source=evil", json!({})),
        ("https://shop.example.evil/?utm_source=evil", json!({})),
        ("not a url?utm_source=evil", json!({})),
        ("/pricing?utm_source=evil", json!({})),
    ] {
        let captured = capture.capture(&request("/api/checkout", &[("referer", referer)])).0;
        assert_eq!(injected(&captured), expected, "{referer}");
    }
    for (site, host, expected) in [
        ("same-origin", "app.internal", json!({"utm_source": "page"})),
        ("cross-site", "shop.example", json!({})),
        ("none", "shop.example", json!({"utm_source": "page"})),
        ("none", "app.internal", json!({})),
    ] {
        let parts = http::Request::get("/api/checkout")
            .header("host", host)
            .header("sec-fetch-site", site)
            .header("referer", "https://shop.example/?utm_source=page");
        let parts = parts.body(()).unwrap().into_parts().0;
        assert_eq!(injected(&capture.capture(&parts).0), expected, "{site} {host}");
    }
    let both = request(
        "/api/checkout?utm_source=own",
        &[("referer", "https://shop.example/?utm_source=page&utm_medium=page")],
    );
    assert_eq!(injected(&capture.capture(&both).0), json!({"utm_source": "own"}));
}

#[test]
fn long_query_is_read_to_last_whole_pair() {
    let capture = VisitorCapture::new().preset(Preset::Utm);
    for (filler, expected) in [
        (8000, json!({"utm_source": "first", "utm_medium": "0123456789"})),
        (8156, json!({"utm_source": "first"})), // the second value begins within the limit
        (9000, json!({})),
    ] {
        let uri = match filler {
            9000 => format!("/?x={}", "x".repeat(9000)) + "&utm_source=first",
            _ => format!("/?utm_source=first&x={}&utm_medium=0123456789&y=", "x".repeat(filler)),
        };
        assert_eq!(injected(&capture.capture(&request(&uri, &[])).0), expected, "{filler}");
    }
}
