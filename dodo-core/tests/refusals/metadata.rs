//! Metadata keys that the product reads back, sent by a client under the default policy.

use bytes::Bytes;
use dodo_core::{
    EventKind,
    attribution::{AttributionRecord, MetadataMapping},
    capture::{Preset, VisitorCapture},
    checkout::{DynamicCheckout, SessionCheckout, StaticCheckout, request::SessionRequest},
    endpoint::Endpoint,
    internals::{metadata_keys, records_for_event},
    testing::EventBuilder,
};
use http::Request;
use serde_json::{Map, Value, json};

use super::upstream;

const CLIENT: &str = "of_the_client";

/// The captures that an application may have: none, each preset alone, some, all.
fn captures() -> Vec<(String, Vec<Preset>)> {
    let mut all = vec![
        ("none".to_owned(), vec![]),
        ("two".to_owned(), vec![Preset::VisitorsNow, Preset::Utm]),
        ("all".to_owned(), Preset::ALL.to_vec()),
    ];
    all.extend(Preset::ALL.iter().map(|preset| (preset.name().to_owned(), vec![*preset])));
    all
}

fn capture(presets: &[Preset]) -> VisitorCapture {
    presets.iter().fold(VisitorCapture::new(), |capture, preset| capture.preset(*preset))
}

/// The record of a payment with this metadata, as an application with this capture reads it.
fn record(metadata: &Value, capture: &VisitorCapture) -> AttributionRecord {
    let event =
        EventBuilder::new(EventKind::PaymentSucceeded).set_json("metadata", metadata.clone());
    let options = MetadataMapping::default().captured_by(capture);
    records_for_event(&event.to_verified(), &options).unwrap().remove(0)
}

/// The metadata that goes to Dodo Payments from each checkout.
async fn sent(capture: &VisitorCapture, metadata: &Map<String, Value>) -> Vec<Value> {
    let mut all = Vec::new();
    let body = json!({
        "productId": "pdt_a", "billing": { "country": "US" }, "customer": { "email": "a@b.co" },
        "metadata": metadata,
    });
    let post = |body: &Value| {
        let request = Request::post("/").header("content-type", "application/json");
        request.body(Bytes::from(body.to_string())).unwrap()
    };
    let (client, calls) = upstream(Value::Null);
    let session = SessionCheckout::builder(client).capture(capture.clone()).build().unwrap();
    let of_session = json!({ "productId": "pdt_a", "metadata": metadata });
    assert_eq!(session.handle(post(&of_session)).await.status(), 200);
    all.push(calls.lock().unwrap().last().unwrap().1["metadata"].clone());

    let (client, calls) = upstream(Value::Null);
    let dynamic = DynamicCheckout::builder(client).capture(capture.clone()).build().unwrap();
    dynamic.handle(post(&body)).await; // this upstream sends no payment link
    all.push(calls.lock().unwrap().last().unwrap().1["metadata"].clone());

    let (client, _) = upstream(Value::Null);
    let link = StaticCheckout::builder(client).capture(capture.clone()).build().unwrap();
    let mut query = form_urlencoded::Serializer::new("productId=pdt_a".to_owned());
    for (key, value) in metadata {
        query.append_pair(&format!("metadata_{key}"), value.as_str().unwrap());
    }
    let request = Request::get(format!("/?{}", query.finish())).body(Bytes::new()).unwrap();
    let answer = link.handle(request).await;
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    let (_, query) = answer["checkout_url"].as_str().unwrap().split_once('?').unwrap();
    let pairs =
        form_urlencoded::parse(query.as_bytes()).into_owned().filter_map(|(name, value)| {
            Some((name.strip_prefix("metadata_")?.to_owned(), Value::from(value)))
        });
    all.push(Value::Object(pairs.collect()));
    all
}

#[tokio::test]
async fn client_sets_no_key_that_is_read() {
    for (name, presets) in captures() {
        let capture = capture(&presets);
        for read in metadata_keys() {
            let in_use = read.preset.is_some_and(|preset| presets.contains(&preset));
            let passes = read.is_campaign() && !in_use;
            let metadata = Map::from_iter([(read.key.to_owned(), Value::from(CLIENT))]);
            for got in sent(&capture, &metadata).await {
                let case = format!("presets {name}, key {}", read.key);
                let went = got.get(read.key) == Some(&Value::from(CLIENT));
                assert_eq!(went, passes, "{case}: {got}");
                let record = record(&got, &capture);
                let shown = serde_json::to_string(&record).unwrap();
                assert!(!shown.contains(CLIENT), "{case}: the record has the value: {shown}");
            }
        }
    }
}

#[tokio::test]
async fn client_sets_no_owner() {
    let metadata = Map::from_iter([("dodo_owner".to_owned(), Value::from(CLIENT))]);
    for got in sent(&capture(&[]), &metadata).await {
        assert_eq!(got.get("dodo_owner"), None, "{got}");
    }
}

/// The table has a key for each field of a record that metadata can fill.
#[test]
fn each_key_of_the_table_is_read_where_its_preset_is_in_use() {
    for read in metadata_keys() {
        let presets: Vec<Preset> = read.preset.into_iter().collect();
        let metadata = json!({ (read.key): "value_of_a_key" });
        let shown = serde_json::to_string(&record(&metadata, &capture(&presets))).unwrap();
        assert!(shown.contains("value_of_a_key"), "{}: {shown}", read.key);
    }
}

#[tokio::test]
async fn reserved_keys_are_the_applications_under_every_policy() {
    for express in [false, true] {
        let (client, calls) = upstream(Value::Null);
        let builder = SessionCheckout::builder(client).reserve_metadata(["account"]);
        let builder = if express { builder.express_compatible() } else { builder };
        let metadata = json!({ "account": "victim", "note": "hi" });
        let body = json!({ "productId": "pdt_a", "metadata": metadata });
        let request = Request::post("/").header("content-type", "application/json");
        let request = request.body(Bytes::from(body.to_string())).unwrap();
        assert_eq!(builder.build().unwrap().handle(request).await.status(), 200);
        let sent = calls.lock().unwrap().last().unwrap().1["metadata"].clone();
        assert_eq!(sent, json!({ "note": "hi" }), "express: {express}");
    }
}

#[tokio::test]
async fn campaign_of_server_code_is_not_mixed_with_another() {
    for express in [false, true] {
        let (client, calls) = upstream(Value::Null);
        let builder = SessionCheckout::builder(client)
            .capture(VisitorCapture::visitors_now().preset(Preset::Utm))
            .server_fields(SessionRequest::new().metadata("utm_source", "partner"));
        let builder = if express { builder.express_compatible() } else { builder };
        let metadata = json!({ "utm_term": CLIENT, "note": "hi" });
        let body = json!({ "productId": "pdt_a", "metadata": metadata });
        let request = Request::post("/?utm_source=news&utm_campaign=autumn")
            .header("content-type", "application/json")
            .header("cookie", "visitor=v1")
            .body(Bytes::from(body.to_string()))
            .unwrap();
        assert_eq!(builder.build().unwrap().handle(request).await.status(), 200);
        let sent = calls.lock().unwrap().last().unwrap().1["metadata"].clone();
        let expected = json!({ "utm_source": "partner", "visitor": "v1", "note": "hi" });
        assert_eq!(sent, expected, "express: {express}");
    }
}
