//! Laws that hold for any request.

use dodo_core::{
    capture::{
        CampaignCookie, Captured, Preset, VisitorCapture,
        consent::{Cookiebot, OneTrust, Tcf},
    },
    internals::{CaptureOutcome, ClientMetadata},
};
use http::{HeaderValue, Request};
use proptest::prelude::*;
use serde_json::{Map, Value};

fn everything() -> VisitorCapture {
    let cookie = CampaignCookie::last_touch().signed_with([7; 32]).unwrap();
    let all = Preset::ALL.iter().fold(VisitorCapture::new(), |all, preset| all.preset(*preset));
    all.campaign_cookie(cookie).user_id(|_| Some("user".into()))
}

fn gated() -> VisitorCapture {
    everything().consent(
        dodo_core::capture::consent::AnyGate::new(OneTrust::analytics())
            .or(Cookiebot::statistics())
            .or(Tcf::storage()),
    )
}

/// Bytes that a header can hold, and among them what tools write.
fn cookie_header() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        prop::sample::select(
            Preset::ALL
                .iter()
                .flat_map(|p| p.fields())
                .filter_map(|f| f.cookie)
                .collect::<Vec<_>>()
        )
        .prop_map(|name| name.replace('*', "x").into_bytes()),
        prop::sample::select(vec![
            "OptanonConsent",
            "CookieConsent",
            "euconsent-v2",
            "dodo_campaign"
        ])
        .prop_map(|name| name.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[ -~]{0,40}".prop_map(String::into_bytes),
        "(GA1\\.[0-9]\\.[0-9]{0,5}\\.[0-9]{0,5}|GS[12]\\.[0-9]\\.s?[0-9]{0,6}[$.]|RS_ENC_v3_[A-Za-z0-9+/=]{0,20}|%[0-9a-f]{2}|\\{stamp:'[a-z,]*',statistics:true\\}|groups=C0002:1|-1)"
            .prop_map(String::into_bytes),
        "[a-zé]{490,520}".prop_map(String::into_bytes),
    ];
    let pair = (name, value, prop::bool::ANY).prop_map(|(name, value, has_equals)| {
        let equals: &[u8] = if has_equals { b"=" } else { b"" };
        [&name, equals, &value].concat()
    });
    prop::collection::vec(pair, 0..12).prop_map(|pairs| pairs.join(&b"; "[..]))
}

fn metadata() -> impl Strategy<Value = Map<String, Value>> {
    let key = prop_oneof![
        prop::sample::select(
            Preset::ALL
                .iter()
                .flat_map(|p| p.fields())
                .map(|f| f.key.to_owned())
                .collect::<Vec<_>>()
        ),
        "[A-Za-z0-9_-]{1,40}",
    ];
    let value =
        prop_oneof![any::<i64>().prop_map(Value::from), "[ -~]{0,20}".prop_map(Value::from)];
    prop::collection::btree_map(key, value, 0..50).prop_map(|map| map.into_iter().collect())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[a-z]{495,505}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let key = prop_oneof![
            Just("bantico".to_owned()),
            Just("linkId".to_owned()),
            Just("source".to_owned()),
            Just("rekomi_ref".to_owned()),
            ".{0,8}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn read(capture: &VisitorCapture, cookies: &[u8], query: &str, body: Value) -> Captured {
    let mut request = Request::get(format!("/checkout?{query}")).header("host", "shop.example");
    if let Ok(cookies) = HeaderValue::from_bytes(cookies) {
        request = request.header("cookie", cookies);
    }
    let parts = request.body(()).unwrap().into_parts().0;
    let mut captured = capture.capture(&parts).0;
    if let Value::Object(mut body) = body {
        captured.take_from_body(&mut body);
        assert!(!body.contains_key("bantico"));
    }
    captured
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_a_browser_sends_dodo_gets_metadata_it_takes(
        cookies in cookie_header(),
        query in "(utm_(source|medium)=[a-zA-Z0-9%+&=]{0,30}&?|gclid=[a-z%0-9]{0,10}&?){0,5}",
        body in json(),
        server in metadata(),
        client in metadata(),
        lenient in any::<bool>(),
        with_gates in any::<bool>(),
    ) {
        let capture = if with_gates { gated() } else { everything() };
        let captured = read(&capture, &cookies, &query, body);
        let policy = if lenient { ClientMetadata::Lenient } else { ClientMetadata::Strict };
        let merged = captured.inject(&server, client.clone(), policy);

        // The values of the app are unchanged.
        for (key, value) in &server {
            prop_assert_eq!(merged.get(key), Some(value));
        }
        // Whatever else is there is the client's own or a value within the limits.
        let mut added = 0;
        for (key, value) in merged.iter().filter(|(key, _)| !server.contains_key(*key)) {
            if client.get(key) == Some(value) {
                continue;
            }
            added += 1;
            let text = value.as_str().unwrap();
            prop_assert!(!text.trim().is_empty() && text.chars().count() <= 500);
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert!(key.len() <= 40);
        }
        // The capture never fills more than fifty pairs.
        prop_assert!(added == 0 || merged.len() <= 50 || client.keys().any(|k| merged.contains_key(k)));
        prop_assert!(merged.len() <= 50.max(server.len() + client.len()));
        if !captured.consent().allows() {
            prop_assert_eq!(added, 0);
        }
        // A key without a value is explained.
        for explained in captured.trace().values {
            let left_out = matches!(explained.outcome, CaptureOutcome::LeftOut(_));
            prop_assert_eq!(left_out, explained.value.is_none(), "{:?}", explained);
        }
    }

    #[test]
    fn any_consent_cookie_is_decided_without_a_panic(value in prop::collection::vec(any::<u8>(), 0..200)) {
        for name in ["OptanonConsent", "CookieConsent", "euconsent-v2"] {
            let cookies = [name.as_bytes(), b"=", &value].concat();
            let captured = read(&gated(), &cookies, "", Value::Null);
            prop_assert_eq!(captured.visitor().is_some(), false);
        }
    }

    #[test]
    fn forged_campaign_cookie_is_never_believed(
        payload in "[A-Za-z0-9_-]{0,80}",
        signature in "[A-Za-z0-9_-]{0,50}",
    ) {
        let cookies = format!("dodo_campaign={payload}.{signature}");
        let captured = read(&everything(), cookies.as_bytes(), "", Value::Null);
        prop_assert!(captured.campaign().is_none());
    }
}
