//! Each preset: cookies as its tool writes them in, exact metadata out.

use dodo_core::{
    capture::{Campaign, IdRole, Preset, VisitorCapture},
    internals::{CaptureOutcome, SkipReason},
};
use serde_json::{Value, json};

use super::{injected, object, reasons, request, with_cookies};

struct Row {
    preset: Preset,
    cookies: &'static str,
    body: Value,
    query: &'static str,
    metadata: Value,
}

fn cookie_row(preset: Preset, cookies: &'static str, metadata: Value) -> Row {
    Row { preset, cookies, body: json!({}), query: "", metadata }
}

fn body_row(preset: Preset, body: Value, metadata: Value) -> Row {
    Row { preset, cookies: "", body, query: "", metadata }
}

fn rows() -> Vec<Row> {
    use Preset as P;
    vec![
        cookie_row(
            P::VisitorsNow,
            "_ga=GA1.1.1; visitor=vst_8fk2Lq0ZpN3x; theme=dark",
            json!({"visitor": "vst_8fk2Lq0ZpN3x"}),
        ),
        body_row(
            P::Bantico,
            json!({"bantico": {"linkId": "lnk_1", "campaignId": "cmp_2", "source": "newsletter",
                "medium": "email", "content": "hero", "leadId": "lead_3"}}),
            json!({"linkId": "lnk_1", "campaignId": "cmp_2", "source": "newsletter",
                "medium": "email", "content": "hero", "leadId": "lead_3"}),
        ),
        Row {
            preset: P::Utm,
            cookies: "",
            body: json!({}),
            query: "utm_source=newsletter&utm_medium=email&utm_campaign=black%20friday&utm_term=a%2Bb&utm_content=top+banner",
            metadata: json!({"utm_source": "newsletter", "utm_medium": "email",
                "utm_campaign": "black friday", "utm_term": "a+b", "utm_content": "top banner"}),
        },
        cookie_row(
            P::DataFast,
            "datafast_visitor_id=9f1c2d3e-4b5a-4c6d-8e7f-001122334455; datafast_session_id=s0a1b2c3-4d5e-6f70-8192-a3b4c5d6e7f8",
            json!({"datafast_visitor_id": "9f1c2d3e-4b5a-4c6d-8e7f-001122334455",
                "datafast_session_id": "s0a1b2c3-4d5e-6f70-8192-a3b4c5d6e7f8"}),
        ),
        cookie_row(P::Dub, "dub_id=d6yN4XqQ8m1jVb2C", json!({"dub_click_id": "d6yN4XqQ8m1jVb2C"})),
        cookie_row(
            P::Affonso,
            "affonso_referral=ref_cm3k1",
            json!({"affonso_referral": "ref_cm3k1"}),
        ),
        cookie_row(
            P::Tolt,
            "tolt_referral=3f1a6e0c-5a54-4c8e; tolt_data=%7B%7D",
            json!({"tolt_referral": "3f1a6e0c-5a54-4c8e"}),
        ),
        body_row(P::Rekomi, json!({"rekomi_ref": "rk_1a2b"}), json!({"rekomi_ref": "rk_1a2b"})),
        cookie_row(
            P::FirstPromoter,
            "_fprom_tid=c5e1a0b2-77; _fprom_ref=john42",
            json!({"fprom_tid": "c5e1a0b2-77", "fprom_ref": "john42"}),
        ),
        body_row(
            P::Rewardful,
            json!({"rewardful_referral": "8a7c1f5e-6bd1"}),
            json!({"rewardful_referral": "8a7c1f5e-6bd1"}),
        ),
        cookie_row(
            P::PostHog,
            "ph_phc_AbC123xyz_posthog=%7B%22distinct_id%22%3A%220193a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b%22%2C%22%24sesid%22%3A%5B1732100000000%2C%22s%22%2C1732090000000%5D%7D",
            json!({"posthog_person_distinct_id": "0193a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"}),
        ),
        cookie_row(
            P::Segment,
            "ajs_anonymous_id=%229c3f2b1a-0d4e-4f5a-b6c7-d8e9f0a1b2c3%22; ajs_user_id=%22u_77%22",
            json!({"segment_anonymous_id": "9c3f2b1a-0d4e-4f5a-b6c7-d8e9f0a1b2c3"}),
        ),
        cookie_row(
            P::Segment,
            "ajs_anonymous_id=9c3f2b1a-0d4e-4f5a-b6c7-d8e9f0a1b2c3",
            json!({"segment_anonymous_id": "9c3f2b1a-0d4e-4f5a-b6c7-d8e9f0a1b2c3"}),
        ),
        cookie_row(
            P::RudderStack,
            // base64 of "\"1f4e8f6c-4a3b-4d8e-9b1a-2c3d4e5f6a7b\""; the = are percent-encoded.
            "rl_anonymous_id=RS_ENC_v3_IjFmNGU4ZjZjLTRhM2ItNGQ4ZS05YjFhLTJjM2Q0ZTVmNmE3YiI%3D",
            json!({"rudder_anonymous_id": "1f4e8f6c-4a3b-4d8e-9b1a-2c3d4e5f6a7b"}),
        ),
        cookie_row(
            P::Ga4,
            "_ga=GA1.1.1034567890.1700000000; _ga_ABC123DEF4=GS2.1.s1732100000$o5$g1$t1732100500$j60$l0$h0",
            json!({"ga_client_id": "1034567890.1700000000", "ga_session_id": "1732100000"}),
        ),
        cookie_row(
            P::Ga4,
            "_ga_ABC123DEF4=GS1.1.1732100000.5.1.1732100500.60.0.0; _ga=GA1.2.1034567890.1700000000",
            json!({"ga_client_id": "1034567890.1700000000", "ga_session_id": "1732100000"}),
        ),
        cookie_row(
            P::Ga4,
            "_ga=GA1%2E1%2E1034567890%2E1700000000; _ga_ABC123DEF4=GS2.1.s1732100000%24o5%24g1%24t1732100500",
            json!({"ga_client_id": "1034567890.1700000000", "ga_session_id": "1732100000"}),
        ),
        cookie_row(
            P::PostHog,
            "ph_phc_x_posthog=%7B%22distinct_id%22%3A%22ada%40example.com%22%7D",
            json!({"posthog_person_distinct_id": "ada@example.com"}),
        ),
        cookie_row(
            P::Meta,
            "_fbp=fb.1.1732100000000.1098115397; _fbc=fb.1.1732100000000.IwAR2F4-dbP0l7Mn1IawQQGCINEz7PYXQvwjNwB_qa2ofrHyiLjcbCRxTDMgk",
            json!({"fbp": "fb.1.1732100000000.1098115397",
                "fbc": "fb.1.1732100000000.IwAR2F4-dbP0l7Mn1IawQQGCINEz7PYXQvwjNwB_qa2ofrHyiLjcbCRxTDMgk"}),
        ),
        cookie_row(
            P::Flowsery,
            "_fs_vid=fv_1; _fs_sid=fs_2",
            json!({"fs_visitor_id": "fv_1", "fs_session_id": "fs_2"}),
        ),
        cookie_row(P::Zori, "zori_visitor_id=zv_1", json!({"zori_visitor_id": "zv_1"})),
        body_row(
            P::Metrivo,
            json!({"metrivo_visitor_id": "mv_1", "metrivo_session_id": "ms_2"}),
            json!({"metrivo_visitor_id": "mv_1", "metrivo_session_id": "ms_2"}),
        ),
        body_row(
            P::Databuddy,
            json!({"databuddy_anonymous_id": "anon_1", "databuddy_session_id": "sess_2"}),
            json!({"databuddy_anonymous_id": "anon_1", "databuddy_session_id": "sess_2"}),
        ),
        body_row(
            P::OpenPanel,
            json!({"openpanel_device_id": "dev_1"}),
            json!({"openpanel_device_id": "dev_1"}),
        ),
    ]
}

#[test]
fn each_preset_reads_what_its_tool_writes() {
    for row in rows() {
        let name = row.preset.name();
        let capture = VisitorCapture::new().preset(row.preset);
        let uri = format!("/checkout?{}", row.query);
        let mut captured = capture.capture(&request(&uri, &[("cookie", row.cookies)])).0;
        let mut body = object(row.body);
        captured.take_from_body(&mut body);
        assert_eq!(injected(&captured), row.metadata, "{name}");
        assert!(body.is_empty(), "{name} leaves {body:?} in the body");
    }
}

#[test]
fn every_preset_has_a_row_above() {
    let rows = rows();
    for preset in Preset::ALL {
        assert!(rows.iter().any(|row| row.preset == *preset), "{}", preset.name());
    }
}

#[test]
fn presets_report_absent_values_of_empty_request() {
    for preset in Preset::ALL {
        let captured = with_cookies(&VisitorCapture::new().preset(*preset), "other=1");
        assert_eq!(injected(&captured), json!({}), "{}", preset.name());
        let reasons = reasons(&captured);
        assert_eq!(reasons.len(), preset.fields().len(), "{}", preset.name());
        assert!(reasons.iter().all(|(_, reason)| *reason == "absent"), "{reasons:?}");
    }
}

#[test]
fn cookies_that_no_tool_would_write_are_left_out_with_a_reason() {
    let long = "x".repeat(501);
    for (preset, cookies, expected) in [
        (Preset::VisitorsNow, "visitor=", SkipReason::Empty),
        (Preset::VisitorsNow, "visitor=\"\"", SkipReason::Empty),
        (Preset::VisitorsNow, "visitor=undefined", SkipReason::Placeholder),
        (Preset::VisitorsNow, "visitor=null", SkipReason::Placeholder),
        (Preset::VisitorsNow, &format!("visitor={long}"), SkipReason::TooLong),
        (Preset::VisitorsNow, "visitor=a\tb", SkipReason::ControlCharacter),
        (Preset::PostHog, "ph_x_posthog=%7B%22distinct_id%22%3A7%7D", SkipReason::Undecodable),
        (Preset::PostHog, "ph_x_posthog=%7B%22other%22%3A1%7D", SkipReason::Undecodable),
        (Preset::PostHog, "ph_x_posthog=%7Bbroken", SkipReason::Undecodable),
        (Preset::PostHog, "ph_x_posthog=%ff%fe", SkipReason::Undecodable),
        (Preset::PostHog, "ph_x_posthog=%7B%22distinct_id%22%3A%22%22%7D", SkipReason::Empty),
        (Preset::Segment, "ajs_anonymous_id=%22%22", SkipReason::Empty),
        (Preset::Segment, "ajs_anonymous_id=null", SkipReason::Placeholder),
        (Preset::Segment, "ajs_anonymous_id=%22a%0Ab%22", SkipReason::ControlCharacter),
        (Preset::Segment, "ajs_anonymous_id=%E2%28%A1", SkipReason::Undecodable),
        (Preset::RudderStack, "rl_anonymous_id=RudderEncrypt%3AU2Fsd", SkipReason::Undecodable),
        (Preset::RudderStack, "rl_anonymous_id=RS_ENC_v3_!!!", SkipReason::Undecodable),
        (Preset::RudderStack, "rl_anonymous_id=RS_ENC_v3_e30", SkipReason::Undecodable), // {}
        (Preset::RudderStack, "rl_anonymous_id=RS_ENC_v3_IiI", SkipReason::Empty),       // ""
        (Preset::Ga4, "_ga=1034567890", SkipReason::Undecodable),
        (Preset::Ga4, "_ga=GA1.1.abc.1700000000", SkipReason::Undecodable),
        (Preset::Ga4, "_ga=GA1.1..", SkipReason::Undecodable),
        (Preset::Ga4, "_ga=1.2.3.4", SkipReason::Undecodable),
    ] {
        let captured = with_cookies(&VisitorCapture::new().preset(preset), cookies);
        assert_eq!(injected(&captured), json!({}), "{cookies}");
        let first = captured.trace().values.into_iter().next().unwrap();
        let expected = CaptureOutcome::LeftOut(expected);
        assert_eq!(first.outcome, expected, "{} {cookies}", preset.name());
    }
}

#[test]
fn ga4_sessions_of_unknown_versions_are_undecodable() {
    for cookies in ["_ga_X=GS3.1.s1", "_ga_X=GS1.1.abc.1", "_ga_X=GS2.1.o5$g1", "_ga_X=", "_ga_X=."]
    {
        let captured = with_cookies(&VisitorCapture::new().preset(Preset::Ga4), cookies);
        assert_eq!(injected(&captured), json!({}), "{cookies}");
    }
}

#[test]
fn no_bantico_cookie_is_read_until_the_app_names_one() {
    assert!(Preset::Bantico.fields().iter().all(|field| field.cookie.is_none()));
    let capture =
        VisitorCapture::new().preset(Preset::Bantico).cookie("_btc_link").into_metadata("linkId");
    let captured = with_cookies(&capture, "_btc_link=lnk_9");
    assert_eq!(injected(&captured), json!({"linkId": "lnk_9"}));
    assert_eq!(captured.campaign().and_then(|c| c.link_id.as_deref()), Some("lnk_9"));
    // Whichever is said first.
    let capture =
        VisitorCapture::new().cookie("_btc_link").into_metadata("linkId").preset(Preset::Bantico);
    let captured = with_cookies(&capture, "_btc_link=lnk_9");
    assert_eq!(captured.campaign().and_then(|c| c.link_id.as_deref()), Some("lnk_9"));
}

#[test]
fn bantico_sample_omits_empty_texts() {
    let mut captured = with_cookies(&VisitorCapture::new().preset(Preset::Bantico), "");
    let mut body =
        object(json!({"bantico": {"linkId": "", "source": "x", "medium": null, "evil": 1},
        "product_cart": []}));
    captured.take_from_body(&mut body);
    assert_eq!(injected(&captured), json!({"source": "x"}));
    assert_eq!(Value::Object(body), json!({"product_cart": []}));
    let campaign = captured.campaign().unwrap();
    assert_eq!((campaign.source.as_deref(), campaign.link_id.as_deref()), (Some("x"), None));
}

#[test]
fn bantico_of_wrong_type_is_removed_and_skipped() {
    for wrong in [json!("x"), json!([1]), json!(7), json!(null)] {
        let mut captured = with_cookies(&VisitorCapture::new().preset(Preset::Bantico), "");
        let mut body = object(json!({"bantico": wrong}));
        captured.take_from_body(&mut body);
        assert!(body.is_empty(), "{wrong}");
        assert_eq!(injected(&captured), json!({}), "{wrong}");
        let expected = if wrong.is_null() { "absent" } else { "wrong_type" };
        assert!(reasons(&captured).iter().all(|(_, reason)| *reason == expected), "{wrong}");
    }
}

#[test]
fn body_numbers_and_booleans_become_text() {
    let mut captured = with_cookies(&VisitorCapture::new().preset(Preset::Bantico), "");
    captured.take_from_body(&mut object(
        json!({"bantico": {"linkId": 12345, "campaignId": true, "source": {"a": 1}, "medium": ["x"]}}),
    ));
    assert_eq!(injected(&captured), json!({"linkId": "12345", "campaignId": "true"}));
}

#[test]
fn utm_fills_the_campaign() {
    let capture = VisitorCapture::new().preset(Preset::Utm);
    let uri = "/p?utm_source=s&utm_medium=m&utm_campaign=c&utm_term=t&utm_content=x";
    let captured = capture.capture(&request(uri, &[])).0;
    let mut expected = Campaign::default();
    expected.source = Some("s".into());
    expected.medium = Some("m".into());
    expected.campaign_id = Some("c".into());
    expected.term = Some("t".into());
    expected.content = Some("x".into());
    assert_eq!(captured.campaign(), Some(&expected));
}

#[test]
fn visitor_comes_from_first_preset() {
    let cookies = "visitor=v1; datafast_visitor_id=df1";
    let first = VisitorCapture::visitors_now().preset(Preset::DataFast);
    let second = VisitorCapture::new().preset(Preset::DataFast).preset(Preset::VisitorsNow);
    assert_eq!(with_cookies(&first, cookies).visitor().unwrap().as_str(), "v1");
    assert_eq!(with_cookies(&second, cookies).visitor().unwrap().as_str(), "df1");
    // The other tool's id travels all the same.
    let both = json!({"visitor": "v1", "datafast_visitor_id": "df1"});
    assert_eq!(injected(&with_cookies(&first, cookies)), both);
    assert_eq!(first.visitor_keys().collect::<Vec<_>>(), ["visitor", "datafast_visitor_id"]);
}

#[test]
fn dub_gets_the_apps_user_id() {
    let capture = VisitorCapture::new()
        .preset(Preset::Dub)
        .user_id(|request| Some(request.headers.get("x-user")?.to_str().ok()?.to_owned()));
    let captured =
        capture.capture(&request("/", &[("cookie", "dub_id=clk"), ("x-user", "user_7")])).0;
    assert_eq!(injected(&captured), json!({"dub_click_id": "clk", "dub_external_id": "user_7"}));
    assert_eq!(captured.context().user_id.as_deref(), Some("user_7"));
}

#[test]
fn ids_of_signed_in_users_in_cookies_stay_out_of_metadata() {
    let capture = VisitorCapture::new().preset(Preset::Segment);
    let captured = with_cookies(&capture, "ajs_user_id=%22ada%40example.com%22");
    assert_eq!(injected(&captured), json!({}));
    assert_eq!(captured.context().tool_ids["segment_user_id"], "ada@example.com");
}

#[test]
fn preset_keys_are_valid_and_unique() {
    let mut seen = std::collections::BTreeSet::new();
    for field in Preset::ALL.iter().flat_map(|preset| preset.fields()) {
        let key = field.key;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        assert!(key.len() <= 40 && key.bytes().all(allowed), "{key}");
        assert!(seen.insert(key), "{key} is in two presets");
        let read = field.cookie.or(field.query).or(field.body);
        assert!(read.is_some() || field.app_user, "{key} is read from nowhere");
    }
}

/// What the capture writes into metadata is what attribution reads out of it.
#[test]
fn attribution_reads_what_was_injected() {
    use dodo_core::attribution::MetadataMapping;
    for row in rows() {
        let metadata = serde_json::from_value(row.metadata.clone()).unwrap();
        let capture = VisitorCapture::new().preset(row.preset);
        let options = MetadataMapping::default().captured_by(&capture);
        let has = |role: fn(&IdRole) -> bool| row.preset.fields().iter().any(|f| role(&f.role));
        let name = row.preset.name();
        assert_eq!(
            options.campaign(&metadata).is_some(),
            has(|r| matches!(r, IdRole::Campaign(_))),
            "{name}"
        );
        assert_eq!(options.visitor(&metadata).is_some(), has(|r| *r == IdRole::Visitor), "{name}");
        let ids = options.tool_ids(&metadata);
        for field in row.preset.fields() {
            let expected = match field.role {
                IdRole::Campaign(_) => None,
                _ if field.key == "visitor" => None, // the visitor itself
                _ => row.metadata.get(field.key).and_then(Value::as_str),
            };
            assert_eq!(ids.get(field.key).map(String::as_str), expected, "{name} {}", field.key);
        }
    }
}
