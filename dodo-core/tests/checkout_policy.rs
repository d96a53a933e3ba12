//! Laws of the field policy, for any JSON body.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use dodo_core::{
    BoxError, Client, Environment,
    checkout::{self, FieldRule, SessionCheckout},
    endpoint::Endpoint,
};
use http::{Request, Response};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());

const RETURN_URL: &str = "https://shop.example/done";

static FIELDS: LazyLock<Vec<FieldRule>> = LazyLock::new(|| checkout::fields().collect());

/// Whether a field of a session may come from a client: it is known, and neither it nor what it is in
/// is guarded.
fn is_free(path: &str) -> bool {
    let row = |path: &str| FIELDS.iter().find(|f| f.session && f.path == path);
    let ends = path.match_indices(['.', '[']).map(|(at, _)| at).chain([path.len()]);
    row(path).is_some()
        && ends.into_iter().all(|end| row(&path[..end]).is_none_or(|f| f.guarded.is_none()))
}

/// Every value of a document that holds no others, with its path and its JSON Pointer.
fn leaves(value: &Value, path: &str, pointer: &str, out: &mut Vec<(String, String, Value)>) {
    match value {
        Value::Object(members) if !members.is_empty() && !is_open(path) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(member, &path, &format!("{pointer}/{name}"), out);
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (index, element) in elements.iter().enumerate() {
                leaves(element, &format!("{path}[]"), &format!("{pointer}/{index}"), out);
            }
        }
        leaf => out.push((path.to_owned(), pointer.to_owned(), leaf.clone())),
    }
}

/// Objects whose members have no names in the table.
fn is_open(path: &str) -> bool {
    matches!(
        path,
        "metadata" | "customization.theme_config.light" | "customization.theme_config.dark"
    )
}

/// The body that goes upstream, if one does, and the answer's status.
fn send(express: bool, body: &Value) -> (u16, Option<Value>) {
    let seen = Arc::new(Mutex::new(None));
    let keep = seen.clone();
    let client = Client::builder("sk_test", Environment::Live)
        .return_url(RETURN_URL)
        .with_transport(move |request: Request<Bytes>| {
            *keep.lock().unwrap() = serde_json::from_slice(request.body()).ok();
            let answer =
                json!({"session_id": "cks_1", "checkout_url": "https://checkout.example/"});
            async move { Ok::<_, BoxError>(Response::new(Bytes::from(answer.to_string()))) }
        })
        .build()
        .unwrap();
    let mut endpoint = SessionCheckout::builder(client);
    if express {
        endpoint = endpoint.express_compatible();
    }
    let endpoint = endpoint.build().unwrap();
    let request = Request::post("/")
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_string()))
        .unwrap();
    let answer = RUNTIME.block_on(endpoint.handle(request));
    let body = seen.lock().unwrap().take();
    (answer.status().as_u16(), body)
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name(), inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// A name out of the table, or any.
fn name() -> impl Strategy<Value = String> {
    let known: Vec<String> = FIELDS
        .iter()
        .filter_map(|f| f.path.rsplit('.').next())
        .map(|name| name.trim_end_matches("[]").to_owned())
        .collect();
    prop_oneof![4 => prop::sample::select(known), 1 => "[a-zA-Z_~/]{1,8}"]
}

/// Bodies that get far: a good cart, good values under many names, and a few wild ones.
fn plausible() -> impl Strategy<Value = Value> {
    let good = prop::sample::subsequence(good_members(), 0..=good_members().len());
    let wild = prop::collection::btree_map(name(), any_json(), 0..2);
    (good, wild).prop_map(|(good, wild)| {
        let mut body = Map::new();
        body.insert("product_cart".into(), json!([{"product_id": "pdt_a", "quantity": 2}]));
        body.extend(good.into_iter().map(|(name, value)| (name.to_owned(), value)));
        body.extend(wild);
        body.into()
    })
}

fn good_members() -> Vec<(&'static str, Value)> {
    vec![
        ("customer", json!({"email": "a@b.co", "name": "A", "customer_id": "cus_victim"})),
        ("customer", json!({"email": "a@b.co", "phone_number": null})),
        ("billing_address", json!({"country": "DE", "city": "Köln"})),
        ("metadata", json!({"a": "b", "n": 1.0, "t": true})),
        ("return_url", json!("https://shop.example/other")),
        ("return_url", json!("https://evil.example/")),
        ("subscription_data", json!({"trial_period_days": 9999})),
        ("subscription_data", json!({"on_demand": {"mandate_only": false, "product_price": 1}})),
        ("confirm", json!(true)),
        ("payment_method_id", json!("pm_victim")),
        ("feature_flags", json!({"require_tax_id": false})),
        ("customization", json!({"theme": "dark", "theme_config": {"light": {"bg": "#fff"}}})),
        ("customization", json!({"theme_config": {"font_primary_url": "https://x.example/f"}})),
        ("discount_codes", json!(["A"])),
        ("short_link", json!(true)),
        ("unknown", json!({"a": 1})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    /// Strict: whatever goes upstream is a free field, and unless it is the shop's own return URL it
    /// is what the client sent, at the same place.
    #[test]
    fn upstream_is_a_subset_of_what_the_policy_allows(body in prop_oneof![plausible(), any_json()]) {
        let (status, sent) = send(false, &body);
        prop_assert!((200..500).contains(&status), "{status}");
        prop_assert_eq!(sent.is_some(), status == 200);
        let mut all = Vec::new();
        leaves(&sent.unwrap_or_default(), "", "", &mut all);
        for (path, pointer, value) in all {
            if path.is_empty() { continue }
            prop_assert!(is_free(&path), "{path} went upstream");
            let own = path == "return_url" && value == RETURN_URL;
            let asked = body.pointer(&pointer);
            let same = asked == Some(&value)
                || asked.and_then(Value::as_f64).is_some_and(|n| Some(n) == value.as_f64());
            prop_assert!(own || same, "{pointer} is {value} upstream and {asked:?} in the request");
            if path == "return_url" {
                prop_assert!(value.as_str().is_some_and(|url| url.starts_with("https://shop.example/")));
            }
        }
    }

    /// Express: every field that goes upstream is documented; the answer is never an internal error.
    #[test]
    fn express_sends_documented_fields_only(body in prop_oneof![plausible(), any_json()]) {
        let (status, sent) = send(true, &body);
        prop_assert!((200..500).contains(&status), "{status}");
        let mut all = Vec::new();
        leaves(&sent.unwrap_or_default(), "", "", &mut all);
        for (path, _, _) in all {
            prop_assert!(path.is_empty() || FIELDS.iter().any(|f| f.session && f.path == path), "{path}");
        }
    }
}

#[test]
fn field_table_is_unique_and_lists_containers_first() {
    for (index, field) in FIELDS.iter().enumerate() {
        let before = &FIELDS[..index];
        let overlaps = |other: &&FieldRule| {
            (other.session && field.session)
                || (other.payment && field.payment)
                || (other.subscription && field.subscription)
                || (other.static_link && field.static_link)
        };
        let twin = before.iter().filter(overlaps).find(|other| other.path == field.path);
        assert!(twin.is_none(), "{} is there twice", field.path);
        if let Some((parent, _)) = field.path.rsplit_once(['.', '[']) {
            let parent = parent.trim_end_matches('.');
            let found = before.iter().filter(overlaps).any(|other| other.path == parent);
            assert!(found, "{} comes before {parent}", field.path);
        }
    }
}

#[test]
fn what_decides_about_money_and_accounts_is_guarded() {
    for path in [
        "product_cart[].amount",
        "customer.customer_id",
        "payment_method_id",
        "confirm",
        "subscription_data.trial_period_days",
        "subscription_data.on_demand",
        "trial_period_days",
        "on_demand",
        "paymentAmount",
        "one_time_product_cart[].amount",
        "force_3ds",
    ] {
        let rows: Vec<_> = FIELDS.iter().filter(|f| f.path == path).collect();
        assert!(!rows.is_empty() && rows.iter().all(|f| f.guarded.is_some()), "{path}");
    }
}
