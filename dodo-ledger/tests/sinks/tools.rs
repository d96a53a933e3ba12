//! What DataFast, Dub, PostHog and Google Analytics are sent, against their documented formats.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use dodo_core::{
    attribution::{Attributed, AttributionRecord, AttributionStep, RecordKind},
    capture::{Campaign, consent::Consent},
    client::{ReqwestTransport, Transport},
};
use dodo_ledger::{
    SendOutcome, Sink,
    sink::{DataFast, Dub, Ga4, PostHog, Segment},
};
use http::{Request, Response};
use serde_json::{Value, json};

use crate::{
    charge, refund,
    server::{Mood, Server},
    tell,
};

const KEY: &str = "key-canary";

fn transport() -> ReqwestTransport {
    ReqwestTransport::new(Duration::from_secs(5), None).unwrap()
}

fn datafast(server: &Server) -> DataFast {
    DataFast::with_transport(&server.url, KEY, transport()).unwrap()
}

fn dub(server: &Server) -> Dub {
    Dub::with_transport(&server.url, KEY, transport()).unwrap()
}

fn posthog(server: &Server) -> PostHog {
    PostHog::with_transport(&server.url, KEY, transport()).unwrap()
}

fn ga4(server: &Server) -> Ga4 {
    Ga4::with_transport(&server.url, "G-1", KEY, transport()).unwrap()
}

/// A record with the ids that the capture presets put into metadata.
fn with_ids(mut record: AttributionRecord) -> AttributionRecord {
    for (name, id) in [
        ("datafast_visitor_id", "df-1"),
        ("dub_click_id", "clk_1"),
        ("dub_external_id", "user_1"),
        ("posthog_person_distinct_id", "ph-1"),
        ("ga_client_id", "123.456"),
        ("ga_session_id", "789"),
    ] {
        record.tool_ids.insert(name.to_owned(), id.to_owned());
    }
    record.product_ids = vec!["pdt_1".to_owned()];
    record
}

fn renewal(id: &str) -> AttributionRecord {
    let mut record = with_ids(charge(id));
    record.kind = RecordKind::SubscriptionRenewal;
    record.subscription_ids = vec!["sub_1".to_owned()];
    record
}

/// A full reversal of a payment, by a refund or a dispute.
fn full_refund() -> AttributionRecord {
    let mut record = with_ids(refund("ref_1", "pay_1"));
    record.kind = RecordKind::Refund { partial: false };
    record
}

fn lost_dispute() -> AttributionRecord {
    let mut record = with_ids(refund("ref_1", "pay_1"));
    record.id = "dispute:dp_1:loss".to_owned();
    record.kind = RecordKind::DisputeLoss { rdr: false };
    (record.refund_id, record.dispute_id) = (None, Some("dp_1".to_owned()));
    record
}

fn bodies(server: &Server) -> Vec<Value> {
    server.log().iter().map(super::server::Received::json).collect()
}

#[tokio::test]
async fn datafast_receives_payments_and_refunds() {
    let server = Server::start().await;
    let sink = datafast(&server);
    let records = vec![renewal("pay_1"), with_ids(refund("ref_1", "pay_1")), lost_dispute()];
    assert_eq!(
        tell(&sink, records).await,
        [SendOutcome::Accepted, SendOutcome::Accepted, SendOutcome::Accepted]
    );
    let request = &server.log()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/api/v1/payments"));
    assert_eq!(request.headers["authorization"], "Bearer key-canary");
    let person = json!({
        "currency": "USD", "datafast_visitor_id": "df-1", "email": "ann@example.com", "name": "Ann",
        "customer_id": "cus_1", "timestamp": "2026-11-20T10:00:00Z",
    });
    let with = |fields: Value| {
        let mut all = person.as_object().unwrap().clone();
        all.extend(fields.as_object().unwrap().clone());
        Value::Object(all)
    };
    assert_eq!(
        bodies(&server),
        [
            with(json!({
                "amount": 17.0, "transaction_id": "pay_1", "renewal": true, "refunded": false,
            })),
            with(json!({
                "amount": 4.25, "transaction_id": "ref_1", "renewal": false, "refunded": true,
            })),
            with(json!({
                "amount": 4.25, "transaction_id": "dp_1", "renewal": false, "refunded": true,
            })),
        ]
    );
}

#[tokio::test]
async fn datafast_can_omit_names() {
    let server = Server::start().await;
    tell(&datafast(&server).without_personal_data(), vec![with_ids(charge("pay_1"))]).await;
    let sent = String::from_utf8(server.log()[0].body.clone()).unwrap();
    assert!(sent.contains("df-1"), "{sent}");
    assert!(!sent.contains("ann@example.com") && !sent.contains("Ann"), "{sent}");
}

#[tokio::test]
async fn dub_receives_sales_of_its_links() {
    let server = Server::start().await;
    let sink = dub(&server);
    assert!(!sink.accepts(&charge("pay_1")), "no Dub link brought it");
    let mut by_click = with_ids(charge("pay_2"));
    by_click.tool_ids.remove("dub_external_id");
    tell(&sink, vec![renewal("pay_1"), by_click]).await;
    let request = &server.log()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/track/sale"));
    assert_eq!(request.headers["authorization"], "Bearer key-canary");
    assert_eq!(
        bodies(&server),
        [
            json!({
                "customerExternalId": "user_1", "clickId": "clk_1", "amount": 1700,
                "currency": "usd", "eventName": "Renewal", "paymentProcessor": "custom",
                "invoiceId": "pay_1",
                "metadata": { "kind": "subscription_renewal", "subscription_id": "sub_1" },
            }),
            json!({
                "customerExternalId": "cus_1", "clickId": "clk_1", "amount": 1700,
                "currency": "usd", "eventName": "Purchase", "paymentProcessor": "custom",
                "invoiceId": "pay_2", "metadata": { "kind": "one_time" },
            }),
        ]
    );
}

#[tokio::test]
async fn dub_refund_reverses_the_commission() {
    for gone in [full_refund(), lost_dispute()] {
        let server = Server::start().await;
        server.say(r#"[{"id":"cm_1","status":"pending"},{"id":"cm_2","status":"refunded"}]"#);
        assert_eq!(tell(&dub(&server), vec![gone]).await, [SendOutcome::Accepted]);
        let seen: Vec<(String, String)> =
            server.log().into_iter().map(|request| (request.method, request.path)).collect();
        let expected = [("GET", "/commissions?invoiceId=pay_1"), ("PATCH", "/commissions/cm_1")];
        assert_eq!(seen, expected.map(|(method, path)| (method.to_owned(), path.to_owned())));
        assert_eq!(server.log()[1].json(), json!({ "status": "refunded" }));
    }
}

#[tokio::test]
async fn dub_is_asked_again_until_it_knows_the_sale() {
    let server = Server::start().await;
    server.say("[]");
    let told = tell(&dub(&server), vec![full_refund()]).await;
    assert!(matches!(told[0], SendOutcome::Retry { after: None, .. }), "{told:?}");
}

#[tokio::test]
async fn dub_has_no_word_for_everything() {
    let server = Server::start().await;
    let sink = dub(&server);
    let mut dinars = with_ids(charge("pay_1"));
    dinars.money = Some(dodo_core::money::Money::new(1500, None, "KWD".parse().unwrap()));
    let mut yen = with_ids(charge("pay_1"));
    yen.money = Some(dodo_core::money::Money::new(500, None, "JPY".parse().unwrap()));
    assert!(!sink.accepts(&dinars), "three decimals");
    assert!(sink.accepts(&yen));
    assert!(!sink.accepts(&with_ids(refund("ref_1", "pay_1"))), "a part of it");
    // An id that would lead elsewhere goes nowhere.
    let mut strange = full_refund();
    strange.payment_id = "pay_1&status=paid".to_owned();
    assert!(matches!(tell(&sink, vec![strange]).await[0], SendOutcome::Rejected { .. }));
    server.say("no list");
    assert!(matches!(tell(&sink, vec![full_refund()]).await[0], SendOutcome::Rejected { .. }));
    assert_eq!(server.log().len(), 1);
}

#[tokio::test]
async fn posthog_receives_a_batch() {
    let server = Server::start().await;
    let mut bought = renewal("pay_1");
    let mut campaign = Campaign::default();
    (campaign.source, campaign.medium) = (Some("news".to_owned()), Some("email".to_owned()));
    campaign.campaign_id = Some("launch".to_owned());
    bought.campaign = Some(Attributed {
        value: campaign,
        step: AttributionStep::CheckoutContext,
        from: "cks_1".into(),
    });
    let mut back = with_ids(refund("ref_1", "pay_1"));
    back.id = "refund:ref_1:reversal".to_owned();
    back.kind = RecordKind::RefundReversal;
    back.money = back.money.map(dodo_core::money::Money::negated);
    let mut nobody = charge("pay_2");
    (nobody.customer_id, nobody.visitor) = (None, None);
    let records = vec![bought, with_ids(refund("ref_1", "pay_1")), back, nobody];
    assert_eq!(tell(&posthog(&server), records).await, [const { SendOutcome::Accepted }; 4]);

    assert_eq!(server.log().len(), 1);
    assert_eq!(server.log()[0].path, "/batch/");
    let body = &bodies(&server)[0];
    assert_eq!(body["api_key"], KEY);
    let uuids: Vec<&str> = body["batch"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["uuid"].as_str().unwrap())
        .collect();
    assert_eq!(uuids[0], "f0cb44a7-89bc-8192-8dd3-1e463a0bab52");
    assert!(uuids.iter().all(|uuid| uuids.iter().filter(|other| other == &uuid).count() == 1));
    let properties: Vec<&Value> = (0..4).map(|n| &body["batch"][n]["properties"]).collect();
    let first = &body["batch"][0];
    assert_eq!(
        (&first["event"], &first["distinct_id"], &first["timestamp"]),
        (&json!("purchase"), &json!("ph-1"), &json!("2026-11-20T10:00:00Z"))
    );
    assert_eq!(
        properties[0],
        &json!({
            "revenue": 1700, "currency": "USD", "product": "pdt_1", "subscription": "sub_1",
            "kind": "subscription_renewal", "payment_id": "pay_1", "visitor": "v1",
            "utm_source": "news", "utm_medium": "email", "utm_campaign": "launch",
            "$geoip_disable": true,
        })
    );
    assert_eq!(
        (&body["batch"][1]["event"], &properties[1]["revenue"]),
        (&json!("refund"), &json!(-425))
    );
    assert_eq!(body["batch"][2]["event"], "refund_reversed");
    assert_eq!(properties[2]["revenue"], 425);
    assert_eq!(body["batch"][3]["distinct_id"], "charge:pay_2");
    assert_eq!(properties[3]["$process_person_profile"], false);
}

#[tokio::test]
async fn unreadable_posthog_event_does_not_fail_the_batch() {
    let server = Server::start().await;
    server.set(Mood::Status(400, None));
    let told = tell(&posthog(&server), vec![charge("pay_1"), charge("pay_2")]).await;
    assert!(told.iter().all(|told| matches!(told, SendOutcome::Rejected { .. })));
    let sizes: Vec<usize> =
        bodies(&server).iter().map(|body| body["batch"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [2, 1, 1]);
}

#[tokio::test]
async fn google_receives_records_by_client() {
    let server = Server::start().await;
    let sink = ga4(&server);
    assert!(!sink.accepts(&charge("pay_1")), "without a client id Google makes up a visitor");
    let now = jiff::Timestamp::now();
    let (mut bought, mut back) = (renewal("pay_1"), with_ids(refund("ref_1", "pay_1")));
    (bought.occurred_at, back.occurred_at) = (now, now);
    assert_eq!(
        tell(&sink, vec![bought, back]).await,
        [SendOutcome::Accepted, SendOutcome::Accepted]
    );
    assert_eq!(server.log()[0].path, "/mp/collect?measurement_id=G-1&api_secret=key-canary");
    let event = |name: &str, value: f64, tax: f64| {
        json!({
            "client_id": "123.456", "timestamp_micros": now.as_microsecond(),
            "events": [{ "name": name, "params": {
                "transaction_id": "pay_1", "currency": "USD", "value": value, "tax": tax,
                "items": [{ "item_id": "pdt_1" }], "session_id": "789", "engagement_time_msec": 1,
            } }],
        })
    };
    assert_eq!(bodies(&server), [event("purchase", 17.0, 3.0), event("refund", 4.25, 0.75)]);
}

#[tokio::test]
async fn google_gets_no_time_that_it_drops() {
    let server = Server::start().await;
    let mut old = with_ids(charge("pay_1"));
    old.occurred_at = "2020-01-01T00:00:00Z".parse().unwrap();
    let before = jiff::Timestamp::now();
    tell(&ga4(&server), vec![old]).await;
    let told = bodies(&server)[0]["timestamp_micros"].as_i64().unwrap();
    let hours = (before.as_microsecond() - told) / 3_600_000_000;
    assert!((70..72).contains(&hours), "{hours} hours ago");
    // What may have arrived is not sent again.
    assert_eq!(ga4(&server).dedup_window(), Some(Duration::ZERO));
}

type Change = fn(&mut AttributionRecord);

/// What holds for each of the four.
async fn keeps_the_house_rules(server: &Server, sink: impl Sink + std::fmt::Debug) {
    let name = sink.name().to_owned();
    let record = with_ids(charge("pay_1"));
    assert!(sink.accepts(&record), "{name}");
    let with = |change: Change| {
        let mut record = record.clone();
        change(&mut record);
        record
    };
    let not_for_it: [(&str, Change); 5] = [
        ("consent denied", |record| record.consent = Consent::Denied),
        ("test mode", |record| record.live = false),
        ("amount unknown", |record| record.money = None),
        ("a subscription", |record| record.kind = RecordKind::SubscriptionStarted),
        ("clamped to nothing", |record| {
            record.money =
                Some(dodo_core::money::Money::new(0, None, dodo_core::money::Currency::USD));
        }),
    ];
    for (why, change) in not_for_it {
        assert!(!sink.accepts(&with(change)), "{name}: {why}");
    }
    let shown = format!("{sink:?}");
    assert!(shown.contains(&name) && !shown.contains(KEY), "{shown}");

    for (mood, becomes) in [
        (Mood::Cut, "Unknown"),
        (Mood::Status(503, Some(9)), "Retry { after: Some(9s)"),
        (Mood::Status(502, None), "Unknown { after: None"),
        (Mood::Status(504, Some(9)), "Unknown { after: Some(9s)"),
        (Mood::Status(429, None), "Retry { after: None"),
        (Mood::Status(401, None), "Rejected"),
        (Mood::Status(422, None), "Rejected"),
        (Mood::Status(302, None), "Rejected"),
    ] {
        server.set(mood);
        let told = format!("{:?}", tell(&sink, vec![record.clone()]).await[0]);
        assert!(told.starts_with(becomes), "{name}: {mood:?} became {told}");
        assert!(!told.contains(KEY));
    }
    server.set(Mood::Well);
}

#[tokio::test]
async fn every_tool_keeps_the_house_rules() {
    let server = Server::start().await;
    keeps_the_house_rules(&server, datafast(&server)).await;
    keeps_the_house_rules(&server, dub(&server)).await;
    keeps_the_house_rules(&server, posthog(&server)).await;
    keeps_the_house_rules(&server, ga4(&server)).await;
}

#[test]
fn bad_settings_are_refused_at_once() {
    for key in ["", "a key", "kéy", "a\nb"] {
        let url = "https://example.com";
        assert!(DataFast::with_transport(url, key, transport()).is_err(), "{key:?}");
        assert!(Dub::with_transport(url, key, transport()).is_err(), "{key:?}");
        assert!(PostHog::with_transport(url, key, transport()).is_err(), "{key:?}");
        assert!(Ga4::with_transport(url, "G-1", key, transport()).is_err(), "{key:?}");
        assert!(Ga4::with_transport(url, key, KEY, transport()).is_err(), "{key:?}");
    }
    assert!(Ga4::with_transport("https://example.com", "G-1", "a&b", transport()).is_err());
    for url in ["http://example.com", "", "ftp://example.com"] {
        assert!(DataFast::with_transport(url, KEY, transport()).is_err(), "{url:?}");
        assert!(Dub::with_transport(url, KEY, transport()).is_err(), "{url:?}");
        assert!(PostHog::with_transport(url, KEY, transport()).is_err(), "{url:?}");
        assert!(Ga4::with_transport(url, "G-1", KEY, transport()).is_err(), "{url:?}");
    }
}

/// A service that takes its time, and cannot read a request that holds one of these; and how often it
/// was asked.
fn picky(time: Duration, unreadable: &'static str) -> (impl Transport + Clone, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let transport = move |request: Request<Bytes>| {
        let count = count.clone();
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(time).await;
            let bad = String::from_utf8_lossy(request.body()).contains(unreadable);
            let status = if bad { 400 } else { 200 };
            Response::builder().status(status).body(Bytes::new())
        }
    };
    (transport, asked)
}

async fn told_by_both(
    time: Duration,
    unreadable: &'static str,
) -> Vec<(Vec<SendOutcome>, usize, Duration)> {
    let records: Vec<AttributionRecord> = (100..200).map(|n| charge(&format!("pay_{n}"))).collect();
    let url = "https://example.com";
    let mut answers = Vec::new();
    let (transport, asked) = picky(time, unreadable);
    let begun = tokio::time::Instant::now();
    let segment = Segment::with_transport(url, KEY, transport.clone()).unwrap();
    let told = tell(&segment, records.clone()).await;
    answers.push((told, asked.swap(0, Ordering::SeqCst), begun.elapsed()));
    let begun = tokio::time::Instant::now();
    let told = tell(&PostHog::with_transport(url, KEY, transport).unwrap(), records).await;
    answers.push((told, asked.load(Ordering::SeqCst), begun.elapsed()));
    answers
}

#[tokio::test]
async fn bad_record_is_found_in_few_requests() {
    for (told, asked, _) in told_by_both(Duration::ZERO, "\"pay_142\"").await {
        let refused: Vec<usize> = (0..100).filter(|n| told[*n] != SendOutcome::Accepted).collect();
        assert_eq!(refused, [42]);
        assert!(matches!(told[42], SendOutcome::Rejected { .. }));
        assert!(asked <= 15, "{asked} requests");
    }
}

/// Sent records have a result, and the rest has failed: no record that arrived is sent again.
#[tokio::test(start_paused = true)]
async fn slow_service_ends_at_the_time_limit() {
    for (told, asked, time) in told_by_both(Duration::from_secs(5), "pay_").await {
        assert!(time < Duration::from_secs(58), "{time:?}");
        assert_eq!(told.len(), 100);
        assert!(asked > 2);
        let failed =
            told.iter().filter(|told| matches!(told, SendOutcome::Retry { after: None, .. }));
        assert!(failed.count() > 0);
        assert!(
            !told
                .iter()
                .any(|told| matches!(told, SendOutcome::Unknown { .. } | SendOutcome::Accepted))
        );
    }
}
