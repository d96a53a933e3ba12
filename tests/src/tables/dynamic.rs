//! `POST /api/checkout/dynamic`.

use serde_json::{Value, json};

use super::{CREATE_FAILURES, Want, merged};
use crate::{case::Case, conformance::RETURN_URL, stub::Call};

const EXPRESS: &str = "/api/checkout/dynamic";
const STRICT: &str = "/strict/api/checkout/dynamic";

fn buyer() -> Value {
    json!({
        "billing": { "country": "US", "city": "Texas", "state": "Texas", "street": "56, hhh", "zipcode": "560000" },
        "customer": { "email": "test@example.com", "name": "test" },
    })
}

/// What every create carries.
fn always() -> Value {
    merged(&buyer(), &json!({ "payment_link": true, "return_url": RETURN_URL }))
}

fn payment(over: &Value) -> Vec<Call> {
    let cart = json!({ "product_cart": [{ "product_id": "pdt_a", "quantity": 1 }] });
    let body = merged(&merged(&always(), &cart), over);
    vec![Call::get("/products/pdt_a"), Call::post("/payments", body)]
}

fn subscription(over: &Value) -> Vec<Call> {
    let product = json!({ "product_id": "pdt_sub_1", "quantity": 1 });
    let body = merged(&merged(&always(), &product), over);
    vec![Call::get("/products/pdt_sub_1"), Call::post("/subscriptions", body)]
}

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let one_time = json!({ "product_cart": [{ "product_id": "pdt_a", "quantity": 1 }] });
    let recurring = json!({ "product_id": "pdt_sub_1", "quantity": 1 });
    for (strict, path) in [(false, EXPRESS), (true, STRICT)] {
        for (name, patch, want) in payments() {
            let case = post(path, name, &one_time, &patch);
            let sent = |case, over: &_| opened(case, payment(over), "pay_link_1");
            all.push(want.on(case, strict, &patch, sent));
        }
        for (name, patch, want) in subscriptions() {
            let case = post(path, name, &recurring, &patch);
            let sent = |case, over: &_| opened(case, subscription(over), "sub_link_1");
            all.push(want.on(case, strict, &patch, sent));
        }
    }
    all.extend(products());
    all.extend(failures());
    all
}

fn post(path: &str, name: &str, product: &Value, patch: &Value) -> Case {
    let mut body = merged(&buyer(), product).as_object().cloned().unwrap_or_default();
    body.extend(patch.as_object().cloned().unwrap_or_default());
    Case::post(format!("{path}: {name}"), path, Value::from(body).to_string())
}

/// What a checkout is that goes to Dodo.
fn opened(case: Case, upstream: Vec<Call>, link: &str) -> Case {
    let url = format!("https://test.checkout.dodopayments.com/{link}");
    case.status(200).answer(json!({ "checkout_url": url })).upstream(upstream)
}

type Rows = Vec<(&'static str, Value, Want)>;

#[rustfmt::skip]
fn payments() -> Rows {
    use Want::{Guarded, Invalid, Missing, Sent, SentAs, Unknown};
    let same = || json!({});
    let item = |item: Value| json!({"product_cart": [merged(&json!({"product_id": "pdt_a", "quantity": 1}), &item)]});
    vec![
        ("one-time", json!({}), Sent),
        ("product and cart", json!({"product_id": "pdt_a"}), SentAs(same())),
        ("two items", json!({"product_cart": [{"product_id": "pdt_a", "quantity": 1}, {"product_id": "pdt_b", "quantity": 2}]}), Sent),
        ("amount", item(json!({"amount": 500})), Guarded("/product_cart/0/amount")),
        ("quantity 0", item(json!({"quantity": 0})), Invalid("/product_cart/0/quantity")),
        ("quantity -3", item(json!({"quantity": -3})), Invalid("/product_cart/0/quantity")),
        ("empty cart", json!({"product_cart": []}), Invalid("/product_cart")),
        ("no billing", json!({"billing": null}), Missing("/billing")),
        ("billing without country", json!({"billing": {"city": "X"}}), Missing("/billing/country")),
        ("billing with the country only", json!({"billing": {"country": "DE"}}), Sent),
        ("country Wonderland", json!({"billing": {"country": "Wonderland"}}), Invalid("/billing/country")),
        ("billing, unknown field", json!({"billing": {"country": "DE", "planet": "Mars"}}), Unknown("/billing/planet", json!({"billing": {"country": "DE"}}))),
        ("no customer", json!({"customer": null}), Missing("/customer")),
        ("customer empty", json!({"customer": {}}), Missing("/customer/email")),
        ("customer by id", json!({"customer": {"customer_id": "cus_1"}}), Guarded("/customer/customer_id")),
        ("phone number", json!({"customer": {"email": "a@b.co", "phone_number": "+1"}}), Sent),
        ("address nope", json!({"customer": {"email": "nope"}}), Invalid("/customer/email")),
        ("metadata", json!({"metadata": {"a": "b", "n": 1, "t": false}}), Sent),
        ("metadata null", json!({"metadata": null}), SentAs(same())),
        ("metadata list value", json!({"metadata": {"a": []}}), Invalid("/metadata/a")),
        ("discount code", json!({"discount_code": "SAVE"}), Sent),
        ("discount codes", json!({"discount_codes": ["A", "B"]}), Sent),
        ("currency", json!({"billing_currency": "USD"}), Sent),
        ("currency $", json!({"billing_currency": "$"}), Invalid("/billing_currency")),
        ("payment methods", json!({"allowed_payment_method_types": ["credit", "debit"]}), Sent),
        ("payment_link false", json!({"payment_link": false}), SentAs(same())),
        ("show saved, false", json!({"show_saved_payment_methods": false}), Guarded("/show_saved_payment_methods")),
        ("saved method", json!({"payment_method_id": "pm_1"}), Guarded("/payment_method_id")),
        ("3-D Secure", json!({"force_3ds": true}), Guarded("/force_3ds")),
        ("fees", json!({"adaptive_currency_fees_inclusive": true}), Guarded("/adaptive_currency_fees_inclusive")),
        ("tax id, business, link", json!({"tax_id": "DE1", "customer_business_name": "Acme", "short_link": true, "redirect_immediately": true, "require_phone_number": true}), Sent),
        ("return URL of ours", json!({"return_url": "https://merchant.example/r"}), Sent),
        ("return URL is script", json!({"return_url": "javascript:alert(1)"}), Invalid("/return_url")),
        ("addons are for subscriptions", json!({"addons": [{"addon_id": "adn_1", "quantity": 1}]}), SentAs(same())),
        ("discount_id", json!({"discount_id": "dsc_1"}), Unknown("/discount_id", same())),
        ("unknown", json!({"unknown": 1}), Unknown("/unknown", same())),
    ]
}

#[rustfmt::skip]
fn subscriptions() -> Rows {
    use Want::{Guarded, Invalid, Sent, SentAs, Unknown};
    let same = || json!({});
    vec![
        ("subscription", json!({}), Sent),
        ("subscription, no quantity", json!({"quantity": null}), SentAs(same())),
        ("subscription of 2", json!({"quantity": 2}), Sent),
        ("subscription of -1", json!({"quantity": -1}), Invalid("/quantity")),
        ("subscription of 2.5", json!({"quantity": 2.5}), Invalid("/quantity")),
        ("cart is for payments", json!({"product_cart": [{"product_id": "pdt_a", "quantity": 9}]}), SentAs(same())),
        ("one-time cart", json!({"one_time_product_cart": [{"product_id": "pdt_a", "quantity": 1}]}), Sent),
        ("one-time amount", json!({"one_time_product_cart": [{"product_id": "pdt_a", "quantity": 1, "amount": 1}]}), Guarded("/one_time_product_cart/0/amount")),
        ("trial", json!({"trial_period_days": 10}), Guarded("/trial_period_days")),
        ("trial of 0 days", json!({"trial_period_days": 0}), Guarded("/trial_period_days")),
        ("addons", json!({"addons": [{"addon_id": "adn_1", "quantity": 2}]}), Sent),
        ("addon is wrong", json!({"addons": [{"addon_id": "adn_1", "quantity": 0}]}), Invalid("/addons/0/quantity")),
        ("on demand", json!({"on_demand": {"mandate_only": true}}), Guarded("/on_demand")),
        ("mandate amount", json!({"mandate_min_amount_inr_paise": 1}), Guarded("/mandate_min_amount_inr_paise")),
        ("field of sessions only", json!({"subscription_data": {"trial_period_days": 1}}), Unknown("/subscription_data", same())),
    ]
}

/// Which product is looked up, and what becomes of it.
fn products() -> Vec<Case> {
    let body = |over: Value| merged(&buyer(), &over).to_string();
    let item = |id: &str| json!([{ "product_id": id, "quantity": 1 }]);
    vec![
        Case::post("product_id alone", STRICT, body(json!({ "product_id": "pdt_a" })))
            .status(200)
            .upstream(payment(&json!({}))),
        Case::post(
            "product_id and quantity",
            STRICT,
            body(json!({ "product_id": "pdt_a", "quantity": 3 })),
        )
        .status(200)
        .upstream(payment(&json!({ "product_cart": [{ "product_id": "pdt_a", "quantity": 3 }] }))),
        Case::post("no product", STRICT, body(json!({})))
            .problem(400, "missing_field")
            .at("/product_id")
            .upstream([]),
        Case::post(
            "subscription in the cart",
            STRICT,
            body(json!({ "product_cart": item("pdt_sub_1") })),
        )
        .problem(400, "missing_field")
        .at("/product_id")
        .upstream([Call::get("/products/pdt_sub_1")]),
        Case::post("unknown product", STRICT, body(json!({ "product_id": "pdt_missing" })))
            .problem(404, "product_not_found")
            .upstream([Call::get("/products/pdt_missing")]),
        Case::post("product of another path", STRICT, body(json!({ "product_id": "../payments" })))
            .problem(400, "invalid_field")
            .at("/product_id")
            .upstream([]),
    ]
}

/// What Dodo does wrong, at the look-up and at the create.
fn failures() -> Vec<Case> {
    let mut all = Vec::new();
    let look_up = [
        ("fail401", 502, "credentials_refused"),
        ("fail404", 404, "product_not_found"),
        ("fail422", 422, "rejected_by_dodo"),
        ("fail429", 503, "rate_limited"),
        ("fail500", 502, "upstream_failed"),
        ("reset", 502, "upstream_failed"),
        ("badjson", 502, "upstream_failed"),
        ("text", 502, "upstream_failed"),
        ("empty", 502, "upstream_failed"),
        ("hang", 504, "upstream_timeout"),
    ];
    for (marker, status, code) in look_up {
        let id = format!("pdt_{marker}");
        let body = merged(&buyer(), &json!({ "product_id": id })).to_string();
        let case = Case::post(format!("look-up: {marker}"), STRICT, body);
        all.push(case.problem(status, code).upstream([Call::get(&format!("/products/{id}"))]));
    }
    for (marker, status, code) in CREATE_FAILURES {
        if matches!(*marker, "badlink" | "jslink" | "nolink") {
            continue;
        }
        let id = format!("pdt_post_{marker}");
        let over = json!({ "product_cart": [{ "product_id": id, "quantity": 1 }] });
        let case =
            Case::post(format!("create: {marker}"), STRICT, merged(&buyer(), &over).to_string());
        let calls = [
            Call::get(&format!("/products/{id}")),
            Call::post("/payments", merged(&always(), &over)),
        ];
        all.push(case.problem(*status, code).upstream(calls));
    }
    for marker in ["badlink", "jslink", "nolink"] {
        let id = format!("pdt_sub_post_{marker}");
        let over = json!({ "product_id": id, "quantity": 1 });
        let case =
            Case::post(format!("link: {marker}"), STRICT, merged(&buyer(), &over).to_string());
        let calls = [
            Call::get(&format!("/products/{id}")),
            Call::post("/subscriptions", merged(&always(), &over)),
        ];
        all.push(case.problem(502, "upstream_failed").upstream(calls));
    }
    all
}
