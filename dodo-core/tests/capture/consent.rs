//! Gates: the signals of browsers, and the resulting consent.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use dodo_core::capture::{
    Preset, VisitorCapture,
    consent::{AllGates, AnyGate, Consent, ConsentGate, Cookiebot, OneTrust, Tcf},
};
use http::request::Parts;
use serde_json::json;

use super::{injected, reasons, request};

fn decided(gate: &impl ConsentGate, cookies: &str) -> Consent {
    gate.decide(&request("/", &[("cookie", cookies)]))
}

fn says(consent: Consent) -> impl ConsentGate {
    move |_: &Parts| consent
}

#[test]
fn capture_is_on_without_gate() {
    let captured =
        VisitorCapture::visitors_now().capture(&request("/", &[("cookie", "visitor=v1")])).0;
    assert_eq!(captured.consent(), Consent::NotAsked);
    assert_eq!(injected(&captured), json!({"visitor": "v1"}));
}

#[test]
fn global_privacy_control_denies_by_default() {
    for (header, consent) in [
        ("1", Consent::Denied),
        (" 1 ", Consent::Denied),
        ("1, 1", Consent::Denied),
        ("0,1", Consent::Denied),
        ("0", Consent::NotAsked),
        ("11", Consent::NotAsked),
        ("true", Consent::NotAsked),
        ("", Consent::NotAsked),
    ] {
        let parts = request("/", &[("cookie", "visitor=v1"), ("sec-gpc", header)]);
        let captured = VisitorCapture::visitors_now().capture(&parts).0;
        assert_eq!(captured.consent(), consent, "{header:?}");
        assert_eq!(captured.visitor().is_some(), consent.allows(), "{header:?}");
    }
    let twice = request("/", &[("cookie", "visitor=v1"), ("sec-gpc", "0"), ("sec-gpc", "1")]);
    assert_eq!(VisitorCapture::visitors_now().capture(&twice).0.consent(), Consent::Denied);
    let ignores = VisitorCapture::visitors_now().ignore_global_privacy_control();
    let parts = request("/", &[("cookie", "visitor=v1"), ("sec-gpc", "1")]);
    assert_eq!(injected(&ignores.capture(&parts).0), json!({"visitor": "v1"}));
}

#[test]
fn no_gate_overrules_global_privacy_control() {
    let capture = VisitorCapture::visitors_now().consent(says(Consent::Granted));
    let parts = request("/", &[("cookie", "visitor=v1"), ("sec-gpc", "1")]);
    assert_eq!(capture.capture(&parts).0.consent(), Consent::Denied);
}

#[test]
fn denial_keeps_no_data_of_visitor() {
    let capture = VisitorCapture::visitors_now()
        .preset(Preset::Utm)
        .preset(Preset::Bantico)
        .preset(Preset::Dub)
        .user_id(|_| Some("user_7".into()))
        .consent(says(Consent::Denied));
    let uri = "/pricing?utm_source=newsletter&gclid=g1";
    let headers = [("cookie", "visitor=v1"), ("accept", "text/html"), ("user-agent", "iPhone")];
    let mut captured = capture.capture(&request(uri, &headers)).0;
    let mut body = serde_json::Map::new();
    body.insert("bantico".into(), json!({"linkId": "l1"}));
    captured.take_from_body(&mut body);

    assert!(body.is_empty(), "the tool's object leaves the body all the same");
    assert_eq!(injected(&captured), json!({}));
    assert_eq!((captured.visitor(), captured.campaign()), (None, None));
    let context = captured.context();
    assert_eq!((context.visitor, context.campaign), (None, None));
    assert!(context.tool_ids.is_empty() && context.click_ids.is_empty());
    // What says nothing about who it is stays, and what the app knows without any tracking.
    assert_eq!(context.user_id.as_deref(), Some("user_7"));
    assert_eq!(context.landing_path.as_deref(), Some("/pricing"));
    assert_eq!(context.consent, Consent::Denied);
    let denied = ["visitor", "utm_source", "linkId", "dub_external_id"];
    for (key, reason) in reasons(&captured) {
        let expected = if denied.contains(&key.as_str()) { "consent_denied" } else { "absent" };
        assert_eq!(reason, expected, "{key}");
    }
}

#[test]
fn all_gates_must_grant_and_panicking_gate_denies() {
    use Consent::{Denied, Granted, NotAsked};
    for (first, second, expected) in [
        (Granted, Granted, Granted),
        (Granted, NotAsked, Granted),
        (NotAsked, Granted, Granted),
        (NotAsked, NotAsked, NotAsked),
        (Granted, Denied, Denied),
        (Denied, Granted, Denied),
    ] {
        let capture = VisitorCapture::new().consent(says(first)).consent(says(second));
        assert_eq!(
            capture.capture(&request("/", &[])).0.consent(),
            expected,
            "{first:?} {second:?}"
        );
        let all = AllGates::new(says(first)).and(says(second));
        assert_eq!(decided(&all, ""), expected, "{first:?} {second:?}");
    }
    let broken = VisitorCapture::new().consent(|_: &Parts| -> Consent { panic!("broken gate") });
    assert_eq!(broken.capture(&request("/", &[])).0.consent(), Denied);
}

#[test]
fn any_gate_is_enough_for_any() {
    use Consent::{Denied, Granted, NotAsked};
    for (first, second, expected) in [
        (Granted, Denied, Granted),
        (Denied, Granted, Granted),
        (Denied, Denied, Denied),
        (NotAsked, Denied, NotAsked),
        (NotAsked, Granted, Granted),
    ] {
        let any = AnyGate::new(says(first)).or(says(second));
        assert_eq!(decided(&any, ""), expected, "{first:?} {second:?}");
    }
}

#[test]
fn one_trust() {
    use Consent::{Denied, Granted};
    let real = |analytics: u8, targeting: u8| {
        format!(
            "OptanonConsent=isGpcEnabled=0&datestamp=Tue+Nov+17+2026+11%3A31%3A41+GMT%2B0100+(CET)\
             &version=202610.1.0&isIABGlobal=false&hosts=&consentId=0c737b02-e9a0-4211-a8f2-d5ba02e29d69\
             &interactionCount=1&landingPath=NotLandingPage\
             &groups=C0001%3A1%2CC0003%3A1%2CC0002%3A{analytics}%2CC0004%3A{targeting}&AwaitingReconsent=false"
        )
    };
    for (cookies, analytics, targeting) in [
        (real(1, 1), Granted, Granted),
        (real(1, 0), Granted, Denied),
        (real(0, 1), Denied, Granted),
        (real(0, 0), Denied, Denied),
        ("OptanonConsent=groups%3DC0001%253A1%252CC0002%253A1".into(), Granted, Denied),
        ("OptanonConsent=groups=C0002:1".into(), Granted, Denied),
        ("OptanonConsent=groups=C00020:1,XC0002:1,C0002:10".into(), Denied, Denied),
        ("OptanonConsent=groups=".into(), Denied, Denied),
        ("OptanonConsent=".into(), Denied, Denied),
        ("other=1".into(), Denied, Denied),
        (format!("{}; {}", real(1, 1), real(0, 0)), Denied, Denied),
        (format!("{}; {}", real(0, 0), real(1, 1)), Denied, Denied),
    ] {
        assert_eq!(decided(&OneTrust::analytics(), &cookies), analytics, "{cookies}");
        assert_eq!(decided(&OneTrust::targeting(), &cookies), targeting, "{cookies}");
        let both = OneTrust::analytics().and_group("C0004");
        let expected = if (analytics, targeting) == (Granted, Granted) { Granted } else { Denied };
        assert_eq!(decided(&both, &cookies), expected, "{cookies}");
    }
}

#[test]
fn cookiebot() {
    use Consent::{Denied, Granted, NotAsked};
    let real = |statistics: bool, marketing: bool| {
        format!(
            "CookieConsent={{stamp:%27G+6rYDfrzw==%27%2Cnecessary:true%2Cpreferences:false\
             %2Cstatistics:{statistics}%2Cmarketing:{marketing}%2Cmethod:%27explicit%27%2Cver:1\
             %2Cutc:1732100000000%2Cregion:%27de%27}}"
        )
    };
    for (cookies, statistics, marketing) in [
        (real(true, true), Granted, Granted),
        (real(true, false), Granted, Denied),
        (real(false, true), Denied, Granted),
        ("CookieConsent=-1".into(), NotAsked, NotAsked),
        ("CookieConsent=0".into(), Denied, Denied),
        ("CookieConsent=%ff".into(), Denied, Denied),
        ("CookieConsent={statistics:true".into(), Denied, Denied),
        // Free text cannot pretend to be a category.
        (
            "CookieConsent={stamp:%27,statistics:true,%27%2Cstatistics:false%2Cmarketing:true}"
                .into(),
            Denied,
            Granted,
        ),
        ("CookieConsent={xstatistics:true%2Cstatistics:%27true%27}".into(), Denied, Denied),
        ("other=1".into(), Denied, Denied),
    ] {
        assert_eq!(decided(&Cookiebot::statistics(), &cookies), statistics, "{cookies}");
        assert_eq!(decided(&Cookiebot::marketing(), &cookies), marketing, "{cookies}");
    }
}

/// A core segment with these purposes, written bit by bit as the specification lays it out.
fn tc_string(version: u64, purposes: &[u64]) -> String {
    let mut bits = Vec::new();
    let mut put = |value: u64, width: u32| {
        bits.extend((0..width).rev().map(|bit| value >> bit & 1 == 1));
    };
    for (value, width) in [
        (version, 6),
        (17_321_000_000, 36), // created
        (17_321_000_000, 36), // last updated
        (675, 12),            // CMP
        (2, 12),
        (1, 6),
        (0b000100_001101, 12), // EN
        (48, 12),              // vendor list
        (5, 6),                // policy
        (1, 1),
        (0, 1),
        (0b100000000000, 12), // special features
    ] {
        put(value, width);
    }
    for purpose in 1..=24 {
        put(u64::from(purposes.contains(&purpose)), 1);
    }
    put(u64::MAX, 24); // legitimate interests
    put(0, 64); // and the rest
    let bytes: Vec<u8> = bits
        .chunks(8)
        .map(|bits| {
            bits.iter().enumerate().fold(0, |byte, (at, &bit)| byte | u8::from(bit) << (7 - at))
        })
        .collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn tcf() {
    use Consent::{Denied, Granted};
    let full = tc_string(2, &[1, 3, 7, 24]);
    for (value, gate, expected) in [
        (full.clone(), Tcf::storage(), Granted),
        (full.clone(), Tcf::storage().and_purpose(7), Granted),
        (full.clone(), Tcf::storage().and_purpose(24), Granted),
        (full.clone(), Tcf::storage().and_purpose(2), Denied),
        (full.clone(), Tcf::storage().and_purpose(25), Denied), // not a purpose: the bit is a legitimate interest
        (full.clone(), Tcf::storage().and_purpose(0), Denied),
        (
            format!("{full}.IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAAAgAQBAAAAAAAGBAAg"),
            Tcf::storage(),
            Granted,
        ),
        (tc_string(2, &[2, 3]), Tcf::storage(), Denied),
        (tc_string(1, &[1]), Tcf::storage(), Denied),
        (tc_string(3, &[1]), Tcf::storage(), Denied),
        (full[..25].to_owned(), Tcf::storage(), Denied), // ends before the purposes
        // The example of the specification consents to purposes 2 and 10, not to 1.
        ("COtybn4PA_zT4KjACBENAPCIAEBAAECAAIAAAAAAAAAA".into(), Tcf::storage(), Denied),
        ("not base64!".into(), Tcf::storage(), Denied),
        (String::new(), Tcf::storage(), Denied),
    ] {
        assert_eq!(decided(&gate, &format!("euconsent-v2={value}")), expected, "{value} {gate:?}");
    }
    assert_eq!(decided(&Tcf::storage(), "other=1"), Denied);
    assert_eq!(decided(&Tcf::storage().cookie("tc"), &format!("tc={full}")), Granted);
    // Purposes 2 and 10 of the specification's example, read from the bits.
    let example = "tc=COtybn4PA_zT4KjACBENAPCIAEBAAECAAIAAAAAAAAAA";
    assert_eq!(decided(&Tcf::purpose(2).and_purpose(10).cookie("tc"), example), Granted);
    assert_eq!(decided(&Tcf::purpose(3).cookie("tc"), example), Denied);
}

#[test]
fn do_not_track() {
    for (value, expected) in
        [("1", Consent::Denied), ("0", Consent::NotAsked), ("null", Consent::NotAsked)]
    {
        let parts = request("/", &[("dnt", value)]);
        assert_eq!(dodo_core::capture::consent::DoNotTrack.decide(&parts), expected, "{value}");
        let ungated = VisitorCapture::new().capture(&parts).0;
        assert_eq!(ungated.consent(), Consent::NotAsked, "only those who ask for it");
    }
}

#[test]
fn gate_without_its_cookie_denies() {
    let capture = VisitorCapture::visitors_now().consent(OneTrust::analytics());
    let captured = capture.capture(&request("/", &[("cookie", "visitor=v1")])).0;
    assert_eq!(captured.consent(), Consent::Denied);
    assert_eq!(injected(&captured), json!({}));
}
