use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dodo_core::{
    BoxError, Client, Environment, ProductId,
    checkout::{
        DynamicCheckout, FieldSet, SessionCheckout, StaticCheckout, request::SessionRequest,
    },
};
use http::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::{ask, upstream};

fn post(body: &Value) -> Request<Bytes> {
    let request = Request::post("/api/checkout").header("content-type", "application/json");
    request.body(Bytes::from(body.to_string())).unwrap()
}

/// A body that passes, with these members besides or instead.
fn with(members: Value) -> Value {
    let mut body = json!({ "product_cart": [{ "product_id": "pdt_a", "quantity": 1 }] });
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

fn pairs(count: usize) -> Value {
    Map::from_iter((0..count).map(|n| (format!("key_{n}"), json!("x")))).into()
}

/// What a body is answered with: `""` passes, else the code and the place.
type Row = (Value, &'static str, &'static str);

#[tokio::test]
async fn bodies_at_their_limits() {
    let (client, _) = upstream(Value::Null);
    let endpoint = SessionCheckout::builder(client).build().unwrap();
    let cart = |quantity: Value| json!([{ "product_id": "pdt_a", "quantity": quantity }]);
    let invalid = "invalid_field";
    let rows: Vec<Row> = vec![
        (with(json!({})), "", ""),
        (with(json!({ "metadata": pairs(50) })), "", ""),
        (with(json!({ "metadata": pairs(51) })), invalid, "/metadata"),
        (with(json!({ "metadata": { "a": "é".repeat(500) } })), "", ""),
        (with(json!({ "metadata": { "a": "é".repeat(501) } })), invalid, "/metadata/a"),
        (with(json!({ "metadata": { "a": null } })), invalid, "/metadata/a"),
        (with(json!({ "product_cart": cart(json!(2_147_483_647)) })), "", ""),
        (
            with(json!({ "product_cart": cart(json!(2_147_483_648_i64)) })),
            invalid,
            "/product_cart/0/quantity",
        ),
        (with(json!({ "product_cart": cart(json!(0)) })), invalid, "/product_cart/0/quantity"),
        (with(json!({ "product_cart": [] })), invalid, "/product_cart"),
        (
            with(json!({ "product_cart": [{ "product_id": "pdt_a" }] })),
            "missing_field",
            "/product_cart/0/quantity",
        ),
        (json!({}), "missing_field", "/product_cart"),
        (with(json!({ "discount_codes": vec!["A"; 20] })), "", ""),
        (with(json!({ "discount_codes": vec!["A"; 21] })), invalid, "/discount_codes"),
        (with(json!({ "discount_codes": ["A", "B\u{7}"] })), invalid, "/discount_codes/1"),
        (with(json!({ "discount_codes": ["A"], "discount_code": "B" })), invalid, "/discount_code"),
        (with(json!({ "tax_id": null, "unknown": null })), "", ""),
        // The place is right after whatever came before it.
        (
            with(json!({ "billing_address": { "country": "US" }, "zzz": 1 })),
            "field_not_allowed",
            "/zzz",
        ),
        (with(json!({ "a/b~c": 1 })), "field_not_allowed", "/a~1b~0c"),
        (with(json!({ "customer": { "name": "Ann" } })), "missing_field", "/customer/email"),
        (with(json!({ "customer": { "email": "ann@example.com" } })), "", ""),
        (
            with(json!({ "customer": { "customer_id": "cus_1" } })),
            "field_not_allowed",
            "/customer/customer_id",
        ),
        (with(json!({ "confirm": true })), "field_not_allowed", "/confirm"),
        (with(json!({ "return_url": "https://shop.example/other" })), "", ""),
        (
            with(json!({ "return_url": "https://shop.example:444/" })),
            "return_url_not_allowed",
            "/return_url",
        ),
        (with(json!({ "return_url": "javascript:alert(1)" })), invalid, "/return_url"),
    ];
    for (body, code, place) in rows {
        let (status, got, at) = ask(&endpoint, post(&body)).await;
        assert_eq!((got.as_str(), at.as_str()), (code, place), "{body}");
        assert_eq!(status, if code.is_empty() { 200 } else { 400 }, "{body}");
    }
    let priced =
        with(json!({ "product_cart": [{ "product_id": "pdt_a", "quantity": 1, "amount": 1 }] }));
    let (status, code, at) = ask(&endpoint, post(&priced)).await;
    assert_eq!((status, &*code, &*at), (400, "field_not_allowed", "/product_cart/0/amount"));
}

#[tokio::test]
async fn name_is_allowed_whole_or_not_at_all() {
    let (client, _) = upstream(Value::Null);
    let trial = with(json!({ "subscription_data": { "trial_period_days": 7 } }));
    for (names, status) in [
        (vec!["trial_period_days"], 200),
        (vec!["subscription_data.trial_period_days"], 200),
        (vec!["force_3ds"], 400),
    ] {
        let endpoint = SessionCheckout::builder(client.clone()).allow_fields(&names);
        assert_eq!(ask(&endpoint.build().unwrap(), post(&trial)).await.0, status, "{names:?}");
    }
    for name in ["days", "_days", "period_days", "data.trial_period_days", "subscription_data"] {
        let endpoint = SessionCheckout::builder(client.clone()).allow_fields([name]);
        assert!(endpoint.build().is_err(), "{name}");
    }
}

#[tokio::test]
async fn express_takes_the_customer_by_mail_and_one_discount() {
    let (client, calls) = upstream(Value::Null);
    let endpoint = SessionCheckout::builder(client).express_compatible().build().unwrap();
    let body = with(json!({
        "customer": { "email": "ann@example.com", "customer_id": "cus_1" },
        "discount_codes": ["A"], "discount_code": "B",
    }));
    assert_eq!(ask(&endpoint, post(&body)).await.0, 200);
    let sent = calls.lock().unwrap().last().unwrap().1.clone();
    assert_eq!(sent["customer"], json!({ "email": "ann@example.com" }));
    assert_eq!((&sent["discount_code"], &sent["discount_codes"]), (&json!("B"), &Value::Null));
}

#[tokio::test]
async fn metadata_of_shop_keeps_its_room() {
    for (server, client_pairs, status) in [
        (49, json!({ "mine": "x" }), 200),
        (50, json!({ "key_0": "x" }), 200), // the shop's own key: no room is needed
        (50, json!({ "mine": "x" }), 400),
    ] {
        let (client, _) = upstream(Value::Null);
        let mut fields = SessionRequest::new();
        for n in 0..server {
            fields = fields.metadata(format!("key_{n}"), "x");
        }
        let endpoint = SessionCheckout::builder(client).server_fields(fields).build().unwrap();
        let body = with(json!({ "metadata": client_pairs }));
        assert_eq!(ask(&endpoint, post(&body)).await.0, status, "{server} {client_pairs}");
    }
}

#[tokio::test]
async fn product_of_url_replaces_cart() {
    let (client, calls) = upstream(Value::Null);
    let pro = ProductId::new("pdt_pro").unwrap();
    let endpoint =
        SessionCheckout::builder(client).products_by_slug("plan", [("pro", pro)]).build().unwrap();
    let mut request = post(&with(json!({})));
    *request.uri_mut() = "/api/checkout?plan=pro".parse().unwrap();
    assert_eq!(ask(&endpoint, request).await.0, 200);
    let sent = calls.lock().unwrap().last().unwrap().1.clone();
    assert_eq!(sent["product_cart"], json!([{ "product_id": "pdt_pro", "quantity": 1 }]));

    // Also where a payment takes a cart and the URL stands for one product.
    let (client, calls) = upstream(Value::Null);
    let pro = ProductId::new("pdt_pro").unwrap();
    let endpoint =
        DynamicCheckout::builder(client).products_by_slug("plan", [("pro", pro)]).build().unwrap();
    let billing = json!({ "country": "US" });
    let customer = json!({ "email": "ann@example.com" });
    let mut request = post(&with(json!({ "billing": billing, "customer": customer })));
    *request.uri_mut() = "/api/checkout?plan=pro".parse().unwrap();
    assert_eq!(ask(&endpoint, request).await.0, 502, "this upstream sends no payment link");
    let sent = calls.lock().unwrap().last().unwrap().1.clone();
    assert!(!sent.to_string().contains("pdt_a") && sent.to_string().contains("pdt_pro"), "{sent}");
}

#[tokio::test]
async fn requests_of_other_sites_and_other_types() {
    let (client, _) = upstream(Value::Null);
    let endpoint = SessionCheckout::builder(client)
        .allow_page_origins(["https://page.example"])
        .build()
        .unwrap();
    let json = ("content-type", "application/json");
    let own = ("host", "shop.example");
    for (headers, status) in [
        (vec![json], 200),
        (vec![("content-type", "application/json; charset=UTF-8")], 200),
        (vec![("content-type", "application/json; charset=latin1")], 415),
        (vec![("content-type", "application/jsonl")], 415),
        (vec![("content-type", "text/plain")], 415),
        (vec![], 415),
        (vec![json, ("content-encoding", "identity")], 200),
        (vec![json, ("content-encoding", "gzip")], 415),
        (vec![json, own, ("origin", "https://shop.example")], 200),
        (
            vec![json, own, ("origin", "https://shop.example"), ("sec-fetch-site", "same-origin")],
            200,
        ),
        (vec![json, own, ("origin", "https://shop.example"), ("sec-fetch-site", "same-site")], 403),
        (
            vec![json, own, ("origin", "https://shop.example"), ("sec-fetch-site", "cross-site")],
            403,
        ),
        (vec![json, own, ("origin", "https://evil.example")], 403),
        (vec![json, own, ("origin", "null")], 403),
        (vec![json, ("origin", "https://page.example")], 200),
        (vec![json, ("origin", "https://page.example/path")], 403),
        (vec![json, ("origin", "https://page.example"), ("origin", "https://page.example")], 403),
    ] {
        let mut request = Request::post("/api/checkout");
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::from(with(json!({})).to_string())).unwrap();
        assert_eq!(ask(&endpoint, request).await.0, status, "{headers:?}");
    }
}

#[tokio::test]
async fn any_return_origin_is_still_a_safe_one() {
    let (client, _) = upstream(Value::Null);
    let endpoint = SessionCheckout::builder(client).allow_any_return_origin().build().unwrap();
    for (url, status) in [
        ("https://elsewhere.example/x", 200),
        ("http://localhost:3000/", 200),
        ("http://elsewhere.example/", 400),
    ] {
        let body = with(json!({ "return_url": url }));
        assert_eq!(ask(&endpoint, post(&body)).await.0, status, "{url}");
    }
}

#[tokio::test]
async fn parameters_of_static_links() {
    let (client, _) = upstream(Value::Null);
    let endpoint = StaticCheckout::builder(client).build().unwrap();
    for (query, status, code) in [
        ("productId=pdt_a", 200, ""),
        ("productId=pdt_a&quantity=1", 200, ""),
        ("productId=pdt_a&quantity=0", 400, "invalid_parameter"),
        ("productId=pdt_a&quantity=1&quantity=2", 400, "duplicate_parameter"),
        ("productId=pdt_a&paymentAmount=1", 400, "field_not_allowed"),
    ] {
        let request = Request::get(format!("/api/checkout?{query}")).body(Bytes::new()).unwrap();
        let (got, at, _) = ask(&endpoint, request).await;
        assert_eq!((got, at.as_str()), (status, code), "{query}");
    }
}

#[tokio::test]
async fn unknown_object_of_a_cart_is_named_by_its_code() {
    let cart = |customer: Value| {
        json!({
            "product_cart": [{
                "product_id": "pdt_a", "quantity": 1,
                "addons": [{ "addon_id": "adn_unknown", "quantity": 1 }],
            }],
            "customer": customer,
        })
    };
    for (customer, code, calls) in [
        (json!({ "email": "a@b.co" }), "product_not_found", &["/checkouts"][..]),
        (
            json!({ "customer_id": "cus_a" }),
            "product_not_found",
            &["/checkouts", "/customers/cus_a"],
        ),
        (
            json!({ "customer_id": "cus_no" }),
            "customer_not_found",
            &["/checkouts", "/customers/cus_no"],
        ),
    ] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let asked = seen.clone();
        let transport = move |request: Request<Bytes>| {
            let path = request.uri().path().to_owned();
            let mut answer = Response::new(Bytes::from_static(br#"{"code":"NOT_FOUND"}"#));
            if path != "/customers/cus_a" {
                *answer.status_mut() = StatusCode::NOT_FOUND;
            }
            asked.lock().unwrap().push(path);
            async move { Ok::<_, BoxError>(answer) }
        };
        let client = Client::builder("sk_test", Environment::Test).with_transport(transport);
        let checkout = SessionCheckout::builder(client.build().unwrap());
        let checkout = checkout.allow_field_set(FieldSet::ExistingCustomer).build().unwrap();
        let (status, found, _) = ask(&checkout, post(&cart(customer))).await;
        assert_eq!((status, &*found), (404, code));
        assert_eq!(*seen.lock().unwrap(), calls);
    }
}
