//! What a record keeps of its delivery, of its payment and of its subscription: every field, one record
//! of each kind.

use dodo_ledger::attribution::Rules;
use serde_json::{Value, json};

use crate::{
    payloads::{charged, day, dispute, refund, refunded, subscription},
    world::{Act, World, bind},
};

pub(crate) fn story() -> Vec<Act> {
    let settled = json!({
        "settlement_amount": 1800, "settlement_tax": 270, "settlement_currency": "EUR",
        "invoice_id": "inv_1", "payment_method": "card", "tax": 300, "retry_attempt": 1,
        "checkout_session_id": "cks_1", "brand_id": "brnd_2",
        "metadata": { "visitor": "v1", "source": "news", "datafast_visitor_id": "df-1", "user_id": "42" },
    });
    let terms =
        json!({ "on_demand": true, "cancel_at_next_billing_date": true, "brand_id": "brnd_2" });
    let nobody = json!({ "customer": null });
    vec![
        bind("cks_1", json!({ "consent": "granted" })),
        subscription("subscription.active", "sub_1", day(0), terms).into(),
        charged("pay_1", "sub_1", day(0), 2000, settled).into(),
        refunded("ref_1", "pay_1", day(1), json!(500), nobody.clone())
            .with(json!({ "is_partial": true }))
            .into(),
        refund("refund.failed", "ref_1", "pay_1", day(2), json!(500), nobody).into(),
        dispute("lost", "dp_1", "pay_1", day(3), json!("400"), json!({})).into(),
    ]
}

/// Without what is null, false, zero or empty: the file says what there is.
pub(crate) fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, without_empty(value)));
            let nothing = [json!(null), json!(false), json!(0), json!(""), json!([]), json!({})];
            Value::Object(fields.filter(|(_, value)| !nothing.contains(value)).collect())
        }
        value => value,
    }
}

#[tokio::test]
async fn every_field_is_kept() {
    let records = World::in_memory(&Rules::default()).play(&story()).await;
    let expected: Vec<Value> = serde_json::from_str(include_str!("records.json")).unwrap();
    let found: Vec<Value> = records
        .0
        .values()
        .map(|record| without_empty(serde_json::to_value(record).unwrap()))
        .collect();
    for (found, expected) in found.iter().zip(&expected) {
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(found.get(name), Some(value), "{name} of {}", expected["id"]);
        }
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

/// As records were stored before.
#[test]
fn email_hash_is_hex_and_arrays_are_still_read() {
    let at = day(0);
    let mut record = dodo_core::attribution::AttributionRecord::new(
        "charge:pay_1",
        dodo_core::attribution::RecordKind::OneTime,
        at,
    );
    record.email_sha256 = dodo_core::attribution::email_sha256("ann@example.com");
    let mut stored = serde_json::to_value(&record).unwrap();
    let hex = stored["email_sha256"].as_str().unwrap().to_owned();
    assert!(hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hex}");
    let read = |stored: &Value| {
        serde_json::from_value::<dodo_core::attribution::AttributionRecord>(stored.clone())
    };
    assert_eq!(read(&stored).unwrap(), record);
    stored["email_sha256"] = json!(record.email_sha256.unwrap());
    assert_eq!(read(&stored).unwrap(), record);
    for wrong in [json!("00"), json!("x".repeat(64)), json!([1, 2])] {
        stored["email_sha256"] = wrong;
        assert!(read(&stored).is_err(), "{stored}");
    }
}
