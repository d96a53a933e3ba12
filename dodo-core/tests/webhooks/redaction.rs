//! `Debug` shows no personal data and no secret, neither of customers nor of merchants. Each text of
//! each sample is replaced by a mark, as far as the type still reads it.

use std::{collections::BTreeSet, fmt::Debug, fs, path::PathBuf};

use dodo_core::{
    EventKind,
    attribution::{Attributed, AttributionRecord, Contact},
    capture::Campaign,
    client::CatalogProduct,
    endpoint::Endpoint,
    event::{
        AddonItem, BillingAddress, CancelledBy, CartItem, CreditEntitlementItem,
        CustomFieldResponse, Customer, DigitalDelivery, DigitalFile, Discount, DisputeItem,
        GrantedFeature, GrantedLicenseKey, Metadata, MeterCreditItem, MeterItem, PayloadType,
        RefundItem, ScheduledPlanChange, ServicePeriod,
    },
    testing::{EventBuilder, signed_request},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::support::{Log, key, noting, samples};

const MARK: &str = "canary@example.com";

type Show = fn(&Value) -> Option<String>;

/// Reads a `T` and shows it. `None` if this is not a `T`.
fn show<T: DeserializeOwned + Debug>(value: &Value) -> Option<String> {
    T::deserialize(value).ok().map(|read| format!("{read:?}"))
}

/// Reads a `T` and returns the number of marks in it.
fn marks<T: DeserializeOwned + Serialize>(value: &Value) -> usize {
    let read = T::deserialize(value).unwrap();
    serde_json::to_string(&read).unwrap().matches(MARK).count()
}

macro_rules! parts {
    ($($name:ident)*) => {
        /// The types that payloads consist of.
        const PARTS: &[(&str, Show, fn(&Value) -> usize)] =
            &[$( (stringify!($name), show::<$name>, marks::<$name>) ),*];
    };
}

parts! {
    AddonItem BillingAddress CancelledBy CartItem CreditEntitlementItem CustomFieldResponse Customer
    DigitalDelivery DigitalFile Discount DisputeItem GrantedFeature GrantedLicenseKey MeterCreditItem
    MeterItem RefundItem ScheduledPlanChange ServicePeriod
}

/// Ids that Dodo Payments makes, and words without a person.
fn may_be_shown(key: &str) -> bool {
    let of_person = ["lead_id", "user_id", "visitor_id", "tax_id"].contains(&key);
    let of_object = key == "id" || key.ends_with("_id") || key == "from";
    (of_object && !of_person) || ["country", "actor_type", "currency"].contains(&key)
}

/// The pointers of all texts below `value`, but for those that may be shown.
fn texts(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(pointer.to_owned()),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                texts(item, &format!("{pointer}/{index}"), found);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                if !may_be_shown(key) {
                    texts(member, &format!("{pointer}/{key}"), found);
                }
            }
        }
        _ => {}
    }
}

/// Puts the mark for each text, as long as the value can be read.
fn mark(value: &mut Value, can_be_read: impl Fn(&Value) -> bool) {
    let mut pointers = Vec::new();
    texts(value, "", &mut pointers);
    for pointer in pointers {
        let text = std::mem::replace(value.pointer_mut(&pointer).unwrap(), MARK.into());
        if !can_be_read(value) {
            *value.pointer_mut(&pointer).unwrap() = text;
        }
    }
}

/// Every object in `value`.
fn objects(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| objects(item, found)),
        Value::Object(members) => {
            found.push(value.clone());
            members.values().for_each(|member| objects(member, found));
        }
        _ => {}
    }
}

/// Objects of fields that are newer than the samples.
fn newer() -> Value {
    json!([
        { "actor_type": "customer", "email": "x", "name": "x" },
        { "adn": 1, "addon_id": "adn_1", "name": "x" },
        { "id": "spc_1", "product_id": "pdt_1", "product_name": "x", "product_description": "x" },
        { "subscription_id": "sub_1", "proration_factor": "0.5" },
        { "key": "x", "value": "x" },
        { "files": [{ "filename": "x", "download_url": "x" }], "external_url": "x" },
        { "product_id": "pdt_1", "name": "x" },
        { "meter_id": "mtr_1", "name": "x", "description": "x", "meter_name": "x" },
        { "discount_id": "dsc_1", "code": "x", "name": "x", "metadata": { "note": "x" } },
        { "refund_id": "ref_1", "reason": "x" },
        { "dispute_id": "dp_1", "remarks": "x" },
        { "credit_entitlement_id": "cde_1", "credit_entitlement_name": "x", "unit": "x" },
        { "feature_id": "f_1", "feature_type": "x" },
    ])
}

#[test]
fn debug_of_parts_shows_no_text_of_customers_or_merchants() {
    let mut seeds = Vec::new();
    objects(&newer(), &mut seeds);
    for (_, text) in samples() {
        objects(&serde_json::from_str(&text).unwrap(), &mut seeds);
    }
    for (name, show, marks) in PARTS {
        let mut read = 0;
        for seed in seeds.iter().filter(|seed| show(seed).is_some()) {
            let mut value = seed.clone();
            mark(&mut value, |value| show(value).is_some());
            read += marks(&value);
            let shown = show(&value).unwrap();
            assert!(!shown.contains(MARK), "{name}: {shown}");
        }
        // This one has an id and a number alone.
        assert!(read > 0 || *name == "CartItem", "no sample has a text of {name}");
    }
}

#[test]
fn table_of_parts_is_complete() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/event/payload");
    let payloads = EventKind::ALL.iter().filter_map(EventKind::payload_type);
    let mut known: BTreeSet<&str> = payloads.map(PayloadType::as_str).collect();
    known.extend(PARTS.iter().map(|(name, ..)| *name));
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for name in text.lines().filter_map(|line| line.strip_prefix("pub struct ")) {
            let name = name.split([' ', '(', ';']).next().unwrap();
            assert!(known.contains(name), "{name} is not in the table");
        }
    }
}

#[tokio::test]
async fn debug_of_events_shows_no_text_of_samples() {
    let log = Log::default();
    let hooks = noting(&log);
    for (name, text) in samples() {
        let mut body: Value = serde_json::from_str(&text).unwrap();
        // What becomes unreadable by its mark is left out of the event.
        mark(&mut body["data"], |_| true);
        let request = signed_request(&key(), "msg_1", body.to_string());
        let signed = key().verify(request.headers(), request.body().clone()).unwrap();
        assert_eq!(hooks.handle(request).await.status(), 200, "{name}");
        let seen = log.lock().unwrap().pop().unwrap_or_else(|| panic!("{name}: no callback"));
        assert!(seen.shown.contains(&seen.object), "{name}: {}", seen.shown);
        let kind = EventKind::from(body["type"].as_str().unwrap());
        let data: Map<String, Value> = serde_json::from_value(body["data"].clone()).unwrap();
        let built = data
            .into_iter()
            .fold(EventBuilder::new(kind), |event, (field, value)| event.set_json(&field, value));
        for shown in [seen.shown, format!("{signed:?}"), format!("{built:?}")] {
            assert!(!shown.contains(MARK), "{name}: {shown}");
        }
    }
}

#[test]
fn debug_of_other_types_shows_no_text_of_their_values() {
    let record = json!({
        "id": "charge:pay_1", "webhook_id": "msg_1", "event_type": "payment.succeeded",
        "occurred_at": "2026-11-01T00:00:00Z", "received_at": "2026-11-01T00:00:00Z",
        "live": true, "business_id": "biz_1", "kind": { "type": "one_time" },
        "visitor": { "value": "x", "step": "event_metadata", "from": "x" },
        "campaign": { "value": { "lead_id": "x" }, "step": "event_metadata", "from": "x" },
        "tool_ids": { "datafast_visitor_id": "x" }, "contact": { "email": "x", "name": "x" },
        "payment_method": "card",
    });
    let cases: [(Show, Value); 6] = [
        (show::<AttributionRecord>, record),
        (
            show::<Campaign>,
            json!({ "source": "x", "medium": "x", "content": "x", "term": "x", "lead_id": "x" }),
        ),
        (show::<Contact>, json!({ "email": "x", "name": "x" })),
        (show::<Metadata>, json!({ "user_id": "x", "note": "x" })),
        (
            show::<CatalogProduct>,
            json!({ "product_id": "pdt_1", "name": "x", "price": { "currency": "USD" } }),
        ),
        (
            show::<Attributed<String>>,
            json!({ "value": "x", "step": "event_metadata", "from": "pay_1" }),
        ),
    ];
    for (show, mut value) in cases {
        mark(&mut value, |value| show(value).is_some());
        assert!(value.to_string().contains(MARK), "{value}");
        let shown = show(&value).unwrap();
        assert!(!shown.contains(MARK), "{shown}");
    }
}
