//! Requests of an attacker who wants goods without payment, or the account of another customer.
//!
//! All go to the routes with default settings. None of them may reach Dodo with what the attacker
//! wants: most do not reach it at all.

use http::Method;
use serde_json::{Value, json};

use super::{hostile_urls::HOSTILE_URLS, merged};
use crate::{case::Case, server::CUSTOMER_HEADER, stub::Call};

/// In every value that an attacker would like Dodo to see.
pub const CANARY: &str = "cnr7";

const SESSION: &str = "/strict/api/checkout/session";
const DYNAMIC: &str = "/strict/api/checkout/dynamic";
const STATIC: &str = "/strict/api/checkout/static";
const PORTAL: &str = "/api/me/portal";
const QUERY_PORTAL: &str = "/api/customer-portal";

fn cart() -> Value {
    json!({ "product_cart": [{ "product_id": "pdt_a", "quantity": 1 }] })
}

/// All attacks. Each must be refused, and Dodo must not be asked.
pub fn refused() -> Vec<Case> {
    [mass_assignment(), redirects(), foreign_pages(), traversals(), strangers(), smuggling()]
        .concat()
}

/// Fields that decide what is owed and whose account is used.
#[rustfmt::skip]
fn mass_assignment() -> Vec<Case> {
    let item = |over: Value| json!({"product_cart": [merged(&json!({"product_id": "pdt_a", "quantity": 1}), &over)]});
    let mut all = Vec::new();
    for over in [
        item(json!({"amount": 1})), item(json!({"amount": 0})), item(json!({"price": 1})),
        item(json!({"discount": 100})), item(json!({"Amount": 1})),
        item(json!({"credit_entitlements": [{"credit_entitlement_id": CANARY, "credits_amount": "999999"}]})),
        json!({"subscription_data": {"trial_period_days": 10_000}}),
        json!({"subscription_data": {"on_demand": {"mandate_only": true}}}),
        json!({"subscription_data": {"on_demand": {"mandate_only": false, "product_price": 0}}}),
        json!({"subscription_data": {"price": 0}}),
        json!({"customer": {"customer_id": "cus_cnr7"}}),
        json!({"customer": {"customer_id": "cus_cnr7", "email": "a@b.co"}}),
        json!({"customer": {"email": "a@b.co", "is_admin": true}}),
        json!({"payment_method_id": "pm_cnr7"}), json!({"confirm": true}),
        json!({"payment_method_id": "pm_cnr7", "confirm": true, "customer": {"customer_id": "cus_cnr7"}}),
        json!({"show_saved_payment_methods": true}), json!({"force_3ds": false}),
        json!({"mandate_min_amount_inr_paise": 1}), json!({"product_collection_id": "col_cnr7"}),
        json!({"feature_flags": {"require_tax_id": false}}), json!({"feature_flags": {"allow_customer_editing_email": true}}),
        json!({"custom_fields": []}), json!({"customization": {"theme_config": {"font_primary_url": "https://cnr7.example/f"}}}),
        json!({"total_amount": 1}), json!({"currency": "USD"}), json!({"discount_id": "dsc_cnr7"}),
        json!({"tax_inclusive": true}), json!({"brand_id": CANARY}), json!({"business_id": CANARY}),
        json!({"status": "succeeded"}), json!({"payment_link": false}), json!({"billing": {"country": "US"}}),
        json!({"trial_period_days": 10_000}), json!({"on_demand": {"mandate_only": true}}),
        json!({"__proto__": {"confirm": true}}), json!({"constructor": {"prototype": {"confirm": true}}}),
        json!({"Confirm": true}), json!({"confirm ": true}), json!({"con\u{0}firm": true}), json!({"": 1}),
    ] {
        let body = merged(&cart(), &over).to_string();
        let case = Case::post(format!("session {over}"), SESSION, body);
        all.push(case.problem(400, "field_not_allowed").upstream([]));
    }
    let buyer = json!({"billing": {"country": "US"}, "customer": {"email": "a@b.co"}, "product_id": "pdt_sub_1"});
    for over in [
        json!({"trial_period_days": 10_000}), json!({"on_demand": {"mandate_only": true}}),
        json!({"customer": {"customer_id": "cus_cnr7"}}), json!({"payment_method_id": "pm_cnr7"}),
        json!({"product_cart": [{"product_id": "pdt_a", "quantity": 1, "amount": 1}]}),
        json!({"one_time_product_cart": [{"product_id": "pdt_a", "quantity": 1, "amount": 1}]}),
        json!({"show_saved_payment_methods": true}), json!({"force_3ds": false}), json!({"confirm": true}),
        json!({"adaptive_currency_fees_inclusive": true}), json!({"discount_id": "dsc_cnr7"}),
        json!({"recurring_pre_tax_amount": 1}), json!({"subscription_period_count": 100}),
    ] {
        let case = Case::post(format!("link {over}"), DYNAMIC, merged(&buyer, &over).to_string());
        all.push(case.problem(400, "field_not_allowed").upstream([]));
    }
    let target = format!("{STATIC}?productId=pdt_a&paymentAmount=1");
    all.push(Case::get("static amount", &target).problem(400, "field_not_allowed").upstream([]));
    all
}

/// Every hostile URL, as every field that leads somewhere.
fn redirects() -> Vec<Case> {
    let mut all = Vec::new();
    for url in HOSTILE_URLS {
        for name in ["return_url", "cancel_url"] {
            let body = merged(&cart(), &json!({ name: url })).to_string();
            let case = Case::post(format!("session {name} {url:?}"), SESSION, body);
            all.push(case.status(400).at(&format!("/{name}")).upstream([]));
        }
        let body = json!({"billing": {"country": "US"}, "customer": {"email": "a@b.co"}, "product_id": "pdt_a", "return_url": url});
        let case = Case::post(format!("link return_url {url:?}"), DYNAMIC, body.to_string());
        all.push(case.status(400).at("/return_url").upstream([]));
        if !url.is_empty() {
            let query: String =
                percent_encoding::utf8_percent_encode(url, percent_encoding::NON_ALPHANUMERIC)
                    .to_string();
            let target = format!("{STATIC}?productId=pdt_a&redirect_url={query}");
            all.push(
                Case::get(format!("static redirect_url {url:?}"), &target)
                    .status(400)
                    .at("redirect_url")
                    .upstream([]),
            );
        }
    }
    all
}

/// Pages of others that make a visitor's browser ask.
fn foreign_pages() -> Vec<Case> {
    let mut all = Vec::new();
    let good = cart().to_string();
    for (name, headers) in [
        ("another site", vec![("origin", "https://evil.example")]),
        ("a sandboxed frame", vec![("origin", "null")]),
        (
            "another scheme, as the browser says",
            vec![("origin", "http://merchant.example"), ("sec-fetch-site", "cross-site")],
        ),
        ("another site, without an origin", vec![("sec-fetch-site", "cross-site")]),
        ("another port", vec![("origin", "https://merchant.example:8443")]),
        (
            "a subdomain",
            vec![("origin", "https://sub.merchant.example"), ("sec-fetch-site", "same-site")],
        ),
        ("a suffix", vec![("origin", "https://merchant.example.evil.example")]),
        ("a prefix", vec![("origin", "https://evilmerchant.example")]),
        (
            "two origins",
            vec![("origin", "https://merchant.example"), ("origin", "https://evil.example")],
        ),
        ("a list of origins", vec![("origin", "https://merchant.example https://evil.example")]),
        ("an origin with a path", vec![("origin", "https://merchant.example/x")]),
        ("no origin at all", vec![("origin", "")]),
        (
            "as the browser says",
            vec![("origin", "https://merchant.example"), ("sec-fetch-site", "cross-site")],
        ),
        ("a user name", vec![("origin", "https://merchant.example@evil.example")]),
        (
            "a host that follows",
            vec![("origin", "https://evil.example"), ("x-forwarded-host", "evil.example")],
        ),
    ] {
        let mut case = Case::post(name, SESSION, good.clone());
        for (header, value) in headers {
            case = case.header(header, value);
        }
        all.push(case.problem(403, "origin_not_allowed").upstream([]));
    }
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
    {
        let case = Case::new(format!("a form as {kind:?}"), Method::POST, SESSION);
        let case = case.header("content-type", kind).header("origin", "https://evil.example");
        all.push(case.body(good.as_bytes()).problem(415, "unsupported_media_type").upstream([]));
    }
    for (path, method) in [
        (SESSION, Method::GET),
        (DYNAMIC, Method::GET),
        (SESSION, Method::HEAD),
        (PORTAL, Method::HEAD),
        (PORTAL, Method::POST),
        (QUERY_PORTAL, Method::POST),
    ] {
        let target = format!("{path}?customer_id=cus_cnr7&productId=pdt_a");
        let case = Case::new(format!("{method} {path}"), method, &target);
        all.push(case.header(CUSTOMER_HEADER, "cus_me").status(405).upstream([]));
    }
    all
}

/// Ids that try to leave their place.
fn traversals() -> Vec<Case> {
    let ids = [
        "..",
        ".",
        "../products",
        "..%2fproducts",
        "a/b",
        "a\\b",
        "cus_1/../../products",
        "cus_1?x=1",
        "cus_1#x",
        "cus_1;x",
        "cus_1 ",
        " cus_1",
        "cus_1\0",
        "cus_1\r\nX: y",
        "\u{ff0e}\u{ff0e}/x",
        "%2e%2e",
        "cus_1%00",
        "cus_\u{4e2d}",
        "<script>",
        "'; drop table customers",
        "${7*7}",
        "{{7*7}}",
        "*",
        "cus_1,cus_2",
    ];
    let mut all = Vec::new();
    for id in ids.into_iter().map(str::to_owned).chain(["x".repeat(65), "x".repeat(5000)]) {
        let encoded =
            percent_encoding::utf8_percent_encode(&id, percent_encoding::NON_ALPHANUMERIC);
        let short: String = id.chars().take(30).collect();
        let portal = format!("{QUERY_PORTAL}?customer_id={encoded}");
        all.push(
            Case::get(format!("portal {short:?}"), &portal).problem(400, "invalid_id").upstream([]),
        );
        let link = format!("{STATIC}?productId={encoded}");
        all.push(
            Case::get(format!("static {short:?}"), &link)
                .problem(400, "invalid_parameter")
                .upstream([]),
        );
        let body = json!({"product_cart": [{"product_id": id, "quantity": 1}]});
        let case = Case::post(format!("session {short:?}"), SESSION, body.to_string());
        all.push(case.problem(400, "invalid_field").upstream([]));
    }
    all
}

/// Requests without a signed-in user, or with another user.
fn strangers() -> Vec<Case> {
    let mut all = Vec::new();
    for query in
        ["", "?customer_id=cus_cnr7", "?customer_id=cus_cnr7&send_email=true", "?id=cus_cnr7"]
    {
        let case = Case::get(format!("stranger {query}"), &format!("{PORTAL}{query}"));
        all.push(case.problem(401, "not_signed_in").upstream([]));
    }
    for (header, value) in [
        ("cookie", "customer_id=cus_cnr7"),
        ("x-customer-id", "cus_cnr7"),
        ("authorization", "Bearer cus_cnr7"),
    ] {
        let case = Case::get(format!("stranger with {header}"), PORTAL).header(header, value);
        all.push(case.problem(401, "not_signed_in").upstream([]));
    }
    all
}

/// Two readings of one body.
fn smuggling() -> Vec<Case> {
    let post = |name: &str, body: &str| Case::post(name, SESSION, body);
    vec![
        post("a guarded field twice", r#"{"product_cart":[{"product_id":"pdt_a","quantity":1}],"confirm":null,"confirm":true}"#)
            .problem(400, "field_not_allowed")
            .upstream([]),
        post("an escaped name", r#"{"product_cart":[{"product_id":"pdt_a","quantity":1}],"c\u006fnfirm":true}"#)
            .problem(400, "field_not_allowed")
            .upstream([]),
        post("a comment", "{/*x*/\"product_cart\":[]}").problem(400, "invalid_json").upstream([]),
        post("a byte-order mark", "\u{feff}{\"product_cart\":[]}").problem(400, "invalid_json").upstream([]),
        post("two bodies", "{\"product_cart\":[]}{\"confirm\":true}").problem(400, "invalid_json").upstream([]),
    ]
}

/// Signed in as one, asking for another: the answer is one's own.
pub fn own_account_only() -> Vec<Case> {
    let mut mine = Call::post("/customers/cus_me/customer-portal/session", Value::Null);
    mine.query = String::new();
    [
        "?customer_id=cus_cnr7",
        "?customer_id=cus_cnr7&customer_id=cus_cnr7b",
        "?return_url=https://cnr7.example/",
    ]
    .map(|query| {
        Case::get(format!("own portal {query}"), &format!("{PORTAL}{query}"))
            .header(CUSTOMER_HEADER, "cus_me")
            .status(302)
            .upstream([mine.clone()])
    })
    .into()
}
