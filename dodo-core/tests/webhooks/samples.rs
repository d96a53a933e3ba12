use std::collections::BTreeSet;

use dodo_core::{
    EventKind,
    endpoint::Endpoint,
    event::{Payload, Timestamp},
    testing::signed_request,
};
use serde_json::Value;

use crate::support::{Log, key, noting, samples};

/// Walks both trees: whatever the sample says, the struct says too.
fn compare(at: &str, sample: &Value, read: &Value, missing: &mut Vec<String>) {
    match (sample, read) {
        (Value::Object(sample), Value::Object(read)) => {
            for (key, value) in sample {
                let at = format!("{at}/{key}");
                match read.get(key) {
                    Some(read) => compare(&at, value, read, missing),
                    None => missing.push(format!("{at} was dropped")),
                }
            }
        }
        (Value::Array(sample), Value::Array(read)) if sample.len() == read.len() => {
            for (index, (sample, read)) in sample.iter().zip(read).enumerate() {
                compare(&format!("{at}/{index}"), sample, read, missing);
            }
        }
        // An absent list or object is an empty one.
        (Value::Null, Value::Array(read)) if read.is_empty() => {}
        (Value::Null, Value::Object(read)) if read.is_empty() => {}
        (sample, read) if sample == read => {}
        (Value::String(sample), Value::String(read)) if same_moment(sample, read) => {}
        (sample, read) => missing.push(format!("{at}: {sample} became {read}")),
    }
}

fn same_moment(a: &str, b: &str) -> bool {
    matches!((a.parse::<Timestamp>(), b.parse::<Timestamp>()), (Ok(a), Ok(b)) if a == b)
}

#[tokio::test]
async fn every_sample_reaches_its_callback_with_every_field() {
    let log = Log::default();
    let hooks = noting(&log);
    let mut kinds = BTreeSet::new();
    for (name, text) in samples() {
        let body: Value = serde_json::from_str(&text).unwrap();
        let answer = hooks.handle(signed_request(&key(), "msg_1", text)).await;
        assert_eq!(answer.status(), 200, "{name}");
        let seen = log.lock().unwrap().pop().unwrap_or_else(|| panic!("{name}: no callback"));
        assert_eq!(seen.kind.as_str(), body["type"], "{name}");
        assert_eq!(seen.warnings, [], "{name}");
        let mut missing = Vec::new();
        compare("", &body["data"], &seen.data, &mut missing);
        assert_eq!(missing, Vec::<String>::new(), "{name}");
        kinds.insert(seen.kind);
    }
    assert_eq!(kinds.len(), EventKind::ALL.len(), "a kind has no sample");
}

/// The samples are older than the newest fields; these are all that the reference names.
#[test]
fn newest_fields_are_read() {
    let payment = r#"{
        "payment_id":"pay_1","total_amount":1,"currency":"EUR","charge_type":"renewal",
        "includes_usage":true,"card_exp_month":"04","card_exp_year":"2031",
        "three_ds_flow":"challenge","three_ds_status":"authenticated","three_ds_version":"2.2.0",
        "service_periods":[{"subscription_id":"sub_1","starts_at":"2026-11-01T00:00:00Z",
            "ends_at":"2026-12-01T00:00:00Z","proration_factor":"0.5"}],
        "refunds":[{"refund_id":"ref_1","network_reference":"123",
            "network_reference_type":"acquirer_reference_number",
            "network_reference_updated_at":"2026-11-01T00:00:00Z"}]
    }"#;
    let subscription = r#"{
        "subscription_id":"sub_1","past_due_ends_at":"2026-11-01T00:00:00Z","payment_id":"pay_1",
        "cancelled_by":{"actor_type":"customer","email":"a@example.com","name":"A"},
        "scheduled_change":{"id":"spc_1","product_id":"pdt_1","quantity":1,
            "product_description":"d","product_name":"n","created_at":"2026-11-01T00:00:00Z",
            "effective_at":"2026-12-01T00:00:00Z",
            "addons":[{"addon_id":"adn_1","name":"a","quantity":2}]}
    }"#;
    let refund = r#"{"refund_id":"ref_1","network_reference":"1",
        "network_reference_type":"other","network_reference_updated_at":"2026-11-01T00:00:00Z"}"#;
    let grant = r#"{"id":"entg_1","feature":{"feature_id":"f","feature_type":"boolean"},
        "digital_product_delivery":{"files":[{"download_url":"https://x.example/f","expires_in":60,
            "file_id":"df_1","filename":"a.pdf","content_type":"application/pdf","file_size":12}],
            "external_url":"https://x.example","instructions":"open"},
        "revocation_reason":"SubscriptionPaused"}"#;
    read::<dodo_core::event::Payment>(payment);
    read::<dodo_core::event::Subscription>(subscription);
    read::<dodo_core::event::Refund>(refund);
    read::<dodo_core::event::EntitlementGrant>(grant);
}

fn read<T: Payload>(json: &str) {
    let (payload, warnings) = T::from_json(json).unwrap();
    assert_eq!(warnings, []);
    let mut missing = Vec::new();
    let again = serde_json::to_value(&payload).unwrap();
    compare("", &serde_json::from_str(json).unwrap(), &again, &mut missing);
    assert_eq!(missing, Vec::<String>::new());
}
