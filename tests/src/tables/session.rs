//! `POST /api/checkout/session`.

use serde_json::{Value, json};

use super::{CREATE_FAILURES, Want, merged};
use crate::{case::Case, conformance::RETURN_URL, stub::Call};

const EXPRESS: &str = "/api/checkout/session";
const STRICT: &str = "/strict/api/checkout/session";

fn base() -> Value {
    json!({ "product_cart": [{ "product_id": "pdt_a", "quantity": 1 }] })
}

fn upstream(over: &Value) -> Call {
    let with_return = merged(&json!({ "return_url": RETURN_URL }), &base());
    Call::post("/checkouts", merged(&with_return, over))
}

fn cart(item: Value) -> Value {
    json!({ "product_cart": [merged(&json!({ "product_id": "pdt_a", "quantity": 1 }), &item)] })
}

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (name, patch, want) in rows() {
        for (strict, path) in [(false, EXPRESS), (true, STRICT)] {
            let mut body = base().as_object().cloned().unwrap_or_default();
            body.extend(patch.as_object().cloned().unwrap_or_default());
            let case = Case::post(format!("{path}: {name}"), path, Value::from(body).to_string());
            all.push(want.on(case, strict, &patch, opened));
        }
    }
    all.extend(bodies());
    all.extend(failures());
    all
}

/// What a checkout is that goes to Dodo.
fn opened(case: Case, over: &Value) -> Case {
    let url = "https://test.checkout.dodopayments.com/session/cks_1";
    let answer = json!({ "checkout_url": url, "session_id": "cks_1" });
    case.status(200).answer(answer).upstream([upstream(over)])
}

#[rustfmt::skip]
fn rows() -> Vec<(&'static str, Value, Want)> {
    use Want::{Guarded, Invalid, Missing, Sent, SentAs, Unknown};
    let same = || json!({});
    vec![
        ("nothing else", json!({}), Sent),
        ("two products", json!({"product_cart": [{"product_id": "pdt_a", "quantity": 1}, {"product_id": "pdt_b", "quantity": 2}]}), Sent),
        ("quantity 2.0", cart(json!({"quantity": 2.0})), SentAs(cart(json!({"quantity": 2})))),
        ("quantity 0", cart(json!({"quantity": 0})), Invalid("/product_cart/0/quantity")),
        ("quantity -3", cart(json!({"quantity": -3})), Invalid("/product_cart/0/quantity")),
        ("quantity 1.5", cart(json!({"quantity": 1.5})), Invalid("/product_cart/0/quantity")),
        ("quantity as text", cart(json!({"quantity": "1"})), Invalid("/product_cart/0/quantity")),
        ("quantity 1e15", cart(json!({"quantity": 1e15})), Invalid("/product_cart/0/quantity")),
        ("quantity true", cart(json!({"quantity": true})), Invalid("/product_cart/0/quantity")),
        ("no quantity", json!({"product_cart": [{"product_id": "pdt_a"}]}), Missing("/product_cart/0/quantity")),
        ("no product", json!({"product_cart": [{"quantity": 1}]}), Missing("/product_cart/0/product_id")),
        ("product with a slash", cart(json!({"product_id": "../x"})), Invalid("/product_cart/0/product_id")),
        ("product is a number", cart(json!({"product_id": 5})), Invalid("/product_cart/0/product_id")),
        ("cart is empty", json!({"product_cart": []}), Invalid("/product_cart")),
        ("cart is an object", json!({"product_cart": {}}), Invalid("/product_cart")),
        ("cart of 21", json!({"product_cart": vec![json!({"product_id": "pdt_a", "quantity": 1}); 21]}), Invalid("/product_cart")),
        ("item is text", json!({"product_cart": ["pdt_a"]}), Invalid("/product_cart/0")),
        ("item with an unknown field", cart(json!({"price": 1})), Unknown("/product_cart/0/price", same())),
        ("amount", cart(json!({"amount": 1})), Guarded("/product_cart/0/amount")),
        ("amount null", json!({"product_cart": [{"product_id": "pdt_a", "quantity": 1, "amount": null}]}), SentAs(same())),
        ("addons", cart(json!({"addons": [{"addon_id": "adn_1", "quantity": 1}]})), Sent),
        ("addon quantity -1", cart(json!({"addons": [{"addon_id": "adn_1", "quantity": -1}]})), Invalid("/product_cart/0/addons/0/quantity")),
        ("addon without id", cart(json!({"addons": [{"quantity": 1}]})), Missing("/product_cart/0/addons/0/addon_id")),
        ("credits", cart(json!({"credit_entitlements": [{"credit_entitlement_id": "c_1", "credits_amount": "5"}]})), Guarded("/product_cart/0/credit_entitlements")),
        ("customer", json!({"customer": {"email": "a@b.co", "name": "A", "phone_number": "+1"}}), Sent),
        ("customer null", json!({"customer": null}), SentAs(same())),
        ("customer empty", json!({"customer": {}}), Missing("/customer/email")),
        ("customer is text", json!({"customer": "a@b.co"}), Invalid("/customer")),
        ("customer with a bad address", json!({"customer": {"email": "nope"}}), Invalid("/customer/email")),
        ("customer by id", json!({"customer": {"customer_id": "cus_1"}}), Guarded("/customer/customer_id")),
        ("customer, unknown field", json!({"customer": {"email": "a@b.co", "vip": true}}), Unknown("/customer/vip", json!({"customer": {"email": "a@b.co"}}))),
        ("name empty", json!({"customer": {"email": "a@b.co", "name": ""}}), Invalid("/customer/name")),
        ("address", json!({"billing_address": {"country": "DE", "city": "Köln", "state": "", "street": "A 1\nB", "zipcode": "50667"}}), Sent),
        ("address without country", json!({"billing_address": {"city": "X"}}), Missing("/billing_address/country")),
        ("country Wonderland", json!({"billing_address": {"country": "Wonderland"}}), Invalid("/billing_address/country")),
        ("country us", json!({"billing_address": {"country": "us"}}), Invalid("/billing_address/country")),
        ("zip code as number", json!({"billing_address": {"country": "US", "zipcode": 1}}), Invalid("/billing_address/zipcode")),
        ("currency", json!({"billing_currency": "EUR"}), Sent),
        ("currency euro", json!({"billing_currency": "euro"}), Invalid("/billing_currency")),
        ("metadata", json!({"metadata": {"a": "b", "n": 1, "f": 1.5, "t": true, "A-b_9": "x"}}), Sent),
        ("metadata empty", json!({"metadata": {}}), Sent),
        ("metadata null", json!({"metadata": null}), SentAs(same())),
        ("metadata value null", json!({"metadata": {"a": null}}), Invalid("/metadata/a")),
        ("metadata value object", json!({"metadata": {"a": {}}}), Invalid("/metadata/a")),
        ("metadata key with a slash", json!({"metadata": {"a/b~": "x"}}), Invalid("/metadata/a~1b~0")),
        ("metadata key of 41", json!({"metadata": {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": "x"}}), Invalid("/metadata/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")),
        ("metadata value of 501", json!({"metadata": {"a": "x".repeat(501)}}), Invalid("/metadata/a")),
        ("metadata of 51", json!({"metadata": (0..51).map(|n| (format!("k{n}"), json!("x"))).collect::<serde_json::Map<_, _>>()}), Invalid("/metadata")),
        ("metadata is a list", json!({"metadata": []}), Invalid("/metadata")),
        ("return URL of ours", json!({"return_url": "https://merchant.example/other?x=1"}), Sent),
        ("return URL null", json!({"return_url": null}), SentAs(same())),
        ("return URL empty", json!({"return_url": ""}), Invalid("/return_url")),
        ("return URL relative", json!({"return_url": "/done"}), Invalid("/return_url")),
        ("cancel URL of ours", json!({"cancel_url": "https://merchant.example/"}), Sent),
        ("cancel URL is script", json!({"cancel_url": "javascript:alert(1)"}), Invalid("/cancel_url")),
        ("discount codes", json!({"discount_codes": ["A", "B"]}), Sent),
        ("discount code", json!({"discount_code": "A"}), Sent),
        ("21 discount codes", json!({"discount_codes": vec!["A"; 21]}), Invalid("/discount_codes")),
        ("discount code empty", json!({"discount_codes": [""]}), Invalid("/discount_codes/0")),
        ("payment methods", json!({"allowed_payment_method_types": ["credit", "debit", "pix", "a_new_one"]}), Sent),
        ("payment method with invalid name", json!({"allowed_payment_method_types": ["<b>"]}), Invalid("/allowed_payment_method_types/0")),
        ("saved payment method", json!({"payment_method_id": "pm_1"}), Guarded("/payment_method_id")),
        ("confirm", json!({"confirm": true}), Guarded("/confirm")),
        ("confirm null", json!({"confirm": null}), SentAs(same())),
        ("show saved payment methods", json!({"show_saved_payment_methods": true}), Guarded("/show_saved_payment_methods")),
        ("minimal address", json!({"minimal_address": true}), Sent),
        ("short link", json!({"short_link": false}), Sent),
        ("3-D Secure", json!({"force_3ds": false}), Guarded("/force_3ds")),
        ("tax id", json!({"tax_id": "DE1", "billing_address": {"country": "DE"}}), Sent),
        ("business name", json!({"customer_business_name": "Acme"}), Sent),
        ("mandate amount", json!({"mandate_min_amount_inr_paise": 100}), Guarded("/mandate_min_amount_inr_paise")),
        ("collection", json!({"product_collection_id": "col_1", "product_cart": []}), Guarded("/product_collection_id")),
        ("custom fields", json!({"custom_fields": [{"key": "k", "label": "L", "field_type": "dropdown", "options": ["a"]}]}), Guarded("/custom_fields")),
        ("trial", json!({"subscription_data": {"trial_period_days": 14}}), Guarded("/subscription_data/trial_period_days")),
        ("trial of 0 days", json!({"subscription_data": {"trial_period_days": 0}}), Guarded("/subscription_data/trial_period_days")),
        ("on demand", json!({"subscription_data": {"on_demand": {"mandate_only": true, "product_price": 100}}}), Guarded("/subscription_data/on_demand")),
        ("subscription data without anything", json!({"subscription_data": {}}), Sent),
        ("theme", json!({"customization": {"theme": "dark", "show_order_details": false}}), Sent),
        ("theme is mark-up", json!({"customization": {"theme": "<img src=x onerror=alert(1)>"}}), Invalid("/customization/theme")),
        ("theme colors", json!({"customization": {"theme_config": {"light": {"bg_primary": "#fff"}, "radius": "4px"}}}), Sent),
        ("button of 101", json!({"customization": {"theme_config": {"pay_button_text": "x".repeat(101)}}}), Invalid("/customization/theme_config/pay_button_text")),
        ("font", json!({"customization": {"theme_config": {"font_primary_url": "https://x.example/f"}}}), Guarded("/customization/theme_config/font_primary_url")),
        ("customization null", json!({"customization": null}), SentAs(same())),
        ("feature flags", json!({"feature_flags": {"require_tax_id": false, "single_page": true}}), Guarded("/feature_flags")),
        ("unknown field", json!({"is_admin": true}), Unknown("/is_admin", same())),
        ("unknown field with a slash", json!({"a/b~c": 1}), Unknown("/a~1b~0c", same())),
        ("field of links only", json!({"trial_period_days": 5}), Unknown("/trial_period_days", same())),
        ("prototype", json!({"__proto__": {"x": 1}}), Unknown("/__proto__", same())),
    ]
}

/// Bodies that are none, and heads that are not right.
fn bodies() -> Vec<Case> {
    let good = base().to_string();
    let mut all = Vec::new();
    for path in [EXPRESS, STRICT] {
        let post = |name: &str, body: &str| Case::post(format!("{path}: {name}"), path, body);
        for (name, body) in [
            ("null", "null"),
            ("text", "\"x\""),
            ("number", "5"),
            ("list", "[]"),
            ("half", "{\"product_cart\":["),
            ("two", "{}{}"),
            ("single quotes", "{'a':1}"),
            ("trailing comma", "{\"a\":1,}"),
            ("infinity", "{\"a\":1e400}"),
            ("not UTF-8", "{\"a\":\"\u{fffd}\"}x"),
        ] {
            all.push(post(name, body).problem(400, "invalid_json").upstream([]));
        }
        let deep = "[".repeat(10_000);
        all.push(post("10,000 brackets", &deep).problem(400, "invalid_json").upstream([]));
        all.push(post("empty", "").problem(400, "missing_field").at("/product_cart").upstream([]));
        all.push(post("{}", "{}").problem(400, "missing_field").at("/product_cart").upstream([]));
        let huge = format!("{good}{}", " ".repeat(300 << 10));
        all.push(post("300 KiB", &huge).problem(413, "body_too_large").upstream([]));
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json5",
            "application/vnd.api+json",
            "application/json; charset=iso-8859-1",
            "text/plain; application/json",
            "",
        ] {
            let case = Case::new(format!("{path}: type {kind:?}"), http::Method::POST, path);
            let case = case.header("content-type", kind).body(good.as_bytes());
            all.push(case.problem(415, "unsupported_media_type").upstream([]));
        }
        let untyped = Case::new(format!("{path}: no type"), http::Method::POST, path);
        let untyped = untyped.body(good.as_bytes());
        all.push(untyped.problem(415, "unsupported_media_type").upstream([]));
        for encoding in ["gzip", "br", "zstd9"] {
            let case = post(encoding, &good).header("content-encoding", encoding);
            all.push(case.problem(415, "unsupported_media_type").upstream([]));
        }
        for kind in [
            "application/json; charset=utf-8",
            "Application/JSON;charset=\"UTF-8\"",
            "application/json; charset=utf8",
            "application/json;charset='UTF8'",
        ] {
            let case = Case::new(format!("{path}: type {kind:?}"), http::Method::POST, path);
            let case = case.header("content-type", kind).body(good.as_bytes());
            all.push(case.status(200).upstream([upstream(&json!({}))]));
        }
    }
    all
}

/// What Dodo does wrong.
fn failures() -> Vec<Case> {
    let mut all = Vec::new();
    let more = [("nosession", 502, "upstream_failed")];
    for (marker, status, code) in CREATE_FAILURES.iter().chain(&more) {
        let id = format!("pdt_{marker}");
        let body = json!({ "product_cart": [{ "product_id": id, "quantity": 1 }] });
        let case = Case::post(format!("Dodo: {marker}"), STRICT, body.to_string());
        all.push(case.problem(*status, code).upstream([upstream(&body)]));
    }
    all
}
