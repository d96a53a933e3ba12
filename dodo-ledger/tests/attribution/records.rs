//! What a record keeps of its delivery, of its payment and of its subscription: every field, one record
//! of each kind.

use dodo_ledger::attribution::Rules;
use serde_json::{Value, json};

use crate::{
    payloads::{charged, day, dispute, refund, refunded, subscription},
    world::{Act, World, bind},
};

fn story() -> Vec<Act> {
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
fn told(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, told(value)));
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
    let found: Vec<Value> =
        records.0.values().map(|record| told(serde_json::to_value(record).unwrap())).collect();
    for (found, expected) in found.iter().zip(&expected) {
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(found.get(name), Some(value), "{name} of {}", expected["id"]);
        }
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}
