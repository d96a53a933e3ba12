//! The REST API, row by row.

use dodo_sandbox::{Product, Sandbox, cards};
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::support::{api, http, session};

async fn sandbox() -> Sandbox {
    Sandbox::builder()
        .clock_rate(0.0)
        .product(Product::one_time("pdt_book", "Book", "USD", 2000))
        .product(Product::one_time("pdt_poster", "Poster", "JPY", 4800))
        .product(Product::one_time("pdt_tip", "Tip", "USD", 100).pay_what_you_want(500))
        .product(Product::one_time("pdt_house", "House", "USD", 2_000_000_000))
        .product(Product::monthly("pdt_pro", "Pro", "USD", 1900))
        .product(Product::monthly("pdt_yen", "Yen", "JPY", 1900))
        .start()
        .await
        .unwrap()
}

/// Something bought: a one-time payment and a subscription.
struct Bought {
    sandbox: Sandbox,
    payment: String,
    subscription: String,
    customer: String,
}

impl Bought {
    async fn new() -> Self {
        let sandbox = sandbox().await;
        let buy = async |product: &str| {
            let body = json!({
                "product_cart": [{ "product_id": product, "quantity": 1 }],
                "billing_address": { "country": "US" },
            });
            let id = session(&sandbox, body).await;
            sandbox.pay_session(&id, cards::OK).unwrap().payment_id
        };
        let payment = buy("pdt_book").await;
        let first = buy("pdt_pro").await;
        let (_, first) = api(&sandbox, "GET", &format!("/payments/{first}"), None).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (subscription, customer) =
            (text(&first["subscription_id"]), text(&first["customer"]["customer_id"]));
        Self { sandbox, payment, subscription, customer }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("PAY", &self.payment)
            .replace("SUB", &self.subscription)
            .replace("CUS", &self.customer)
    }

    fn fill_json(&self, body: &Value) -> Value {
        serde_json::from_str(&self.fill(&body.to_string())).unwrap()
    }
}

fn cart(product: &str) -> Value {
    json!([{ "product_id": product, "quantity": 1 }])
}

fn metadata(pairs: usize) -> Map<String, Value> {
    (0..pairs).map(|n| (format!("k{n}"), json!("v"))).collect()
}

#[tokio::test]
async fn every_read_answers_with_the_object_or_404() {
    let bought = Bought::new().await;
    for (path, key) in [
        ("/products/pdt_book", "product_id"),
        ("/products/pdt_pro", "product_id"),
        ("/payments/PAY", "payment_id"),
        ("/payments/PAY/line-items", "items"),
        ("/subscriptions/SUB", "subscription_id"),
        ("/subscriptions/SUB/usage-history", "items"),
        ("/customers/CUS", "customer_id"),
    ] {
        let (status, body) = api(&bought.sandbox, "GET", &bought.fill(path), None).await;
        assert_eq!(status, 200, "{path}: {body}");
        assert!(!body[key].is_null(), "{path}: {body}");
    }
    for path in [
        "/products/x",
        "/payments/x",
        "/payments/x/line-items",
        "/subscriptions/x",
        "/subscriptions/x/usage-history",
        "/customers/x",
        "/refunds/x",
        "/disputes/x",
        "/checkouts/x",
        "/events/x",
        "/webhooks/x",
        "/webhooks/x/secret",
        "/webhooks/x/headers",
        "/nowhere",
    ] {
        let (status, body) = api(&bought.sandbox, "GET", path, None).await;
        assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("NOT_FOUND")), "{path}");
        assert!(body["message"].is_string(), "{path}");
    }
}

#[tokio::test]
async fn refused_requests_have_a_status_and_a_code() {
    let bought = Bought::new().await;
    let sell = |product: &str, extra: Value| {
        let mut body = json!({ "product_cart": cart(product) });
        body.as_object_mut().unwrap().append(&mut extra.as_object().unwrap().clone());
        body
    };
    let invalid = "INVALID_REQUEST_BODY";
    let rows: Vec<(&str, &str, Value, u16, &str)> = vec![
        ("POST", "/checkouts", json!({}), 422, invalid),
        ("POST", "/checkouts", json!([]), 422, invalid),
        ("POST", "/checkouts", json!({ "product_cart": [] }), 422, "PRODUCT_CART_EMTPY"),
        ("POST", "/checkouts", sell("pdt_nothing", json!({})), 404, "NOT_FOUND"),
        (
            "POST",
            "/checkouts",
            json!({ "product_cart": [{ "product_id": "pdt_book" }] }),
            422,
            invalid,
        ),
        (
            "POST",
            "/checkouts",
            json!({ "product_cart": [{ "product_id": "pdt_book", "quantity": 0 }] }),
            422,
            invalid,
        ),
        (
            "POST",
            "/checkouts",
            json!({ "product_cart": [{ "product_id": "pdt_book", "quantity": "1" }] }),
            422,
            invalid,
        ),
        (
            "POST",
            "/checkouts",
            json!({ "product_cart": [cart("pdt_book")[0], cart("pdt_poster")[0]] }),
            422,
            "UNSUPPORTED_BILLING_CURRENCY",
        ),
        (
            "POST",
            "/checkouts",
            json!({ "product_cart": [{ "product_id": "pdt_tip", "quantity": 1, "amount": 99 }] }),
            422,
            "REQUEST_AMOUNT_BELOW_MINIMUM",
        ),
        (
            "POST",
            "/checkouts",
            sell("pdt_book", json!({ "metadata": metadata(51) })),
            422,
            "MAXIMUM_KEYS_REACHED",
        ),
        ("POST", "/checkouts", sell("pdt_book", json!({ "metadata": { "a b": 1 } })), 422, invalid),
        ("POST", "/checkouts", sell("pdt_book", json!({ "metadata": { "a": [] } })), 422, invalid),
        (
            "POST",
            "/checkouts",
            sell("pdt_book", json!({ "metadata": { "a": "x".repeat(501) } })),
            422,
            invalid,
        ),
        (
            "POST",
            "/checkouts",
            sell("pdt_book", json!({ "return_url": "javascript:alert(1)" })),
            422,
            invalid,
        ),
        (
            "POST",
            "/checkouts",
            sell("pdt_book", json!({ "billing_address": { "country": "Germany" } })),
            422,
            invalid,
        ),
        (
            "POST",
            "/checkouts",
            sell("pdt_book", json!({ "billing_currency": "usd" })),
            422,
            invalid,
        ),
        ("POST", "/checkouts", sell("pdt_book", json!({ "customer": {} })), 422, invalid),
        (
            "POST",
            "/checkouts",
            sell("pdt_book", json!({ "customer": { "customer_id": "cus_x" } })),
            404,
            "NOT_FOUND",
        ),
        (
            "POST",
            "/checkouts",
            sell("pdt_book", json!({ "discount_codes": ["NO"] })),
            422,
            "INVALID_DISCOUNT_CODE",
        ),
        (
            "POST",
            "/checkouts",
            sell("pdt_book", json!({ "discount_codes": ["A"], "discount_code": "B" })),
            422,
            invalid,
        ),
        ("POST", "/checkouts", sell("pdt_book", json!({ "tax_id": "DE1" })), 422, invalid),
        (
            "POST",
            "/checkouts",
            sell("pdt_pro", json!({ "subscription_data": { "trial_period_days": 10_001 } })),
            422,
            invalid,
        ),
        ("POST", "/checkouts/preview", json!({ "product_cart": [] }), 422, "PRODUCT_CART_EMTPY"),
        ("POST", "/payments", json!({ "product_cart": cart("pdt_book") }), 422, invalid),
        (
            "POST",
            "/payments",
            json!({
                "billing": { "country": "US" }, "customer": { "email": "a@b.c" },
                "product_cart": cart("pdt_tip"),
            }),
            422,
            "PAY_AS_YOU_WANT_AMOUNT_REQUIRED",
        ),
        (
            "POST",
            "/subscriptions",
            json!({
                "billing": { "country": "US" }, "customer": { "email": "a@b.c" },
                "product_id": "pdt_book", "quantity": 1,
            }),
            422,
            invalid,
        ),
        ("PATCH", "/subscriptions/x", json!({}), 404, "NOT_FOUND"),
        ("PATCH", "/subscriptions/SUB", json!({ "status": "pause" }), 422, invalid),
        ("PATCH", "/subscriptions/SUB", json!({ "pause": {} }), 422, invalid),
        ("PATCH", "/subscriptions/SUB", json!({ "status": "paused", "tax_id": "x" }), 422, invalid),
        (
            "PATCH",
            "/subscriptions/SUB",
            json!({ "status": "active" }),
            409,
            "SUBSCRIPTION_INACTIVE",
        ),
        ("PATCH", "/subscriptions/SUB", json!({ "next_billing_date": "soon" }), 422, invalid),
        (
            "PATCH",
            "/subscriptions/SUB",
            json!({ "next_billing_date": "2020-01-01T00:00:00Z" }),
            422,
            invalid,
        ),
        (
            "POST",
            "/subscriptions/SUB/charge",
            json!({ "product_price": 5 }),
            409,
            "SUBSCRIPTION_NOT_ON_DEMAND",
        ),
        ("POST", "/subscriptions/SUB/charge", json!({ "product_price": 0 }), 422, invalid),
        (
            "POST",
            "/subscriptions/SUB/change-plan",
            json!({ "product_id": "pdt_yen", "quantity": 1, "proration_billing_mode": "do_not_bill" }),
            422,
            "UNSUPPORTED_CURRENCY",
        ),
        (
            "POST",
            "/subscriptions/SUB/change-plan",
            json!({ "product_id": "pdt_book", "quantity": 1, "proration_billing_mode": "do_not_bill" }),
            422,
            invalid,
        ),
        ("DELETE", "/subscriptions/SUB/change-plan/scheduled", Value::Null, 404, "NOT_FOUND"),
        (
            "POST",
            "/subscriptions/SUB/update-payment-method",
            json!({ "type": "existing", "payment_method_id": "pm_x" }),
            404,
            "NOT_FOUND",
        ),
        ("POST", "/refunds", json!({ "payment_id": "pay_x" }), 404, "NOT_FOUND"),
        (
            "POST",
            "/refunds",
            json!({ "payment_id": "PAY", "items": [{ "item_id": "x" }] }),
            404,
            "NOT_FOUND",
        ),
        (
            "POST",
            "/refunds",
            json!({ "payment_id": "PAY", "reason": "x".repeat(3001) }),
            422,
            invalid,
        ),
        ("POST", "/customers", json!({ "email": "nobody", "name": "N" }), 422, invalid),
        ("POST", "/customers", json!({ "email": "a@b.c" }), 422, invalid),
        ("PATCH", "/customers/CUS", json!({ "name": " " }), 422, invalid),
        ("POST", "/customers/x/customer-portal/session", Value::Null, 404, "NOT_FOUND"),
        (
            "POST",
            "/customers/CUS/customer-portal/session?send_email=maybe",
            Value::Null,
            422,
            "INVALID_REQUEST_PARAMETERS",
        ),
        ("POST", "/webhooks", json!({ "url": "ftp://x" }), 422, invalid),
        (
            "POST",
            "/webhooks",
            json!({ "url": "http://x", "filter_types": ["payment.done"] }),
            422,
            invalid,
        ),
        (
            "POST",
            "/webhooks",
            json!({ "url": "http://x", "headers": { "webhook-id": "1" } }),
            422,
            invalid,
        ),
        ("POST", "/events/ingest", json!({ "events": [] }), 422, invalid),
        ("GET", "/payments?page_size=0", Value::Null, 422, "INVALID_REQUEST_PARAMETERS"),
        ("GET", "/payments?page_size=101", Value::Null, 422, "INVALID_REQUEST_PARAMETERS"),
        ("GET", "/payments?page_number=-1", Value::Null, 422, "INVALID_REQUEST_PARAMETERS"),
        (
            "GET",
            "/payments?created_at_gte=yesterday",
            Value::Null,
            422,
            "INVALID_REQUEST_PARAMETERS",
        ),
        ("DELETE", "/products", Value::Null, 405, "METHOD_NOT_ALLOWED"),
    ];
    for (method, path, body, status, code) in rows {
        let sent = (!body.is_null()).then(|| bought.fill_json(&body));
        let (got, answer) = api(&bought.sandbox, method, &bought.fill(path), sent).await;
        let row = format!("{method} {path} {body}: {answer}");
        assert_eq!((got.as_u16(), answer["code"].as_str()), (status, Some(code)), "{row}");
        assert!(answer["message"].is_string(), "{row}");
    }
}

#[tokio::test]
async fn keys_are_checked_before_anything_else() {
    let sandbox = sandbox().await;
    let call = async |method: &str, key: Option<&str>| {
        let request =
            http().request(method.parse().unwrap(), format!("{}/products", sandbox.url()));
        let request = match key {
            Some(key) => request.header("authorization", key),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap()["code"].as_str().map(str::to_owned))
    };
    let key = format!("Bearer {}", sandbox.api_key());
    let read_only = format!("Bearer {}", sandbox.read_only_api_key());
    let unauthorized = (401, Some("UNAUTHORIZED".to_owned()));
    assert_eq!(call("GET", None).await, unauthorized);
    assert_eq!(call("GET", Some("Bearer wrong")).await, unauthorized);
    assert_eq!(call("GET", Some(sandbox.api_key())).await, unauthorized);
    assert_eq!(call("GET", Some(&key)).await.0, 200);
    assert_eq!(call("GET", Some(&read_only)).await.0, 200);
    assert_eq!(call("POST", Some(&read_only)).await, (403, Some("FORBIDDEN".to_owned())));
}

#[tokio::test]
async fn lists_have_pages_and_filters() {
    let bought = Bought::new().await;
    let items = async |path: &str| {
        let (status, body) = api(&bought.sandbox, "GET", &bought.fill(path), None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body["items"].as_array().unwrap().clone()
    };
    assert_eq!(items("/products").await.len(), 6);
    assert_eq!(items("/products?page_size=4").await.len(), 4);
    assert_eq!(items("/products?page_size=4&page_number=1").await.len(), 2);
    assert_eq!(items("/products?page_size=4&page_number=2").await.len(), 0);
    assert_eq!(items("/products?page_size=100&page_number=2147483647").await.len(), 0);
    assert_eq!(items("/products?recurring=true").await.len(), 2);
    for (path, count) in [
        ("/payments", 2),
        ("/payments?status=succeeded", 2),
        ("/payments?status=failed", 0),
        ("/payments?subscription_id=SUB", 1),
        ("/payments?product_id=pdt_book", 1),
        ("/payments?customer_id=CUS", 2),
        ("/payments?customer_id=other", 0),
        ("/payments?created_at_lte=2020-01-01T00:00:00Z", 0),
        ("/payments?created_at_gte=2020-01-01T00:00:00Z", 2),
        ("/subscriptions?status=active", 1),
        ("/subscriptions?cancel_at_next_billing_date=true", 0),
        ("/customers?email=ADA@example.com", 1),
        ("/customers?email=bob@example.com", 0),
        ("/refunds", 0),
        ("/disputes", 0),
        ("/events", 0),
    ] {
        assert_eq!(items(path).await.len(), count, "{path}");
    }
}

#[tokio::test]
async fn webhooks_are_listed_by_iterator() {
    let sandbox = sandbox().await;
    for n in 0..3 {
        let body =
            json!({ "url": format!("http://127.0.0.1:1/{n}"), "idempotency_key": n.to_string() });
        assert_eq!(api(&sandbox, "POST", "/webhooks", Some(body.clone())).await.0, 200);
        assert_eq!(api(&sandbox, "POST", "/webhooks", Some(body)).await.0, 409);
    }
    let (_, first) = api(&sandbox, "GET", "/webhooks?limit=2", None).await;
    assert_eq!((first["data"].as_array().unwrap().len(), &first["done"]), (2, &json!(false)));
    let next = format!("/webhooks?limit=2&iterator={}", first["iterator"].as_str().unwrap());
    let (_, second) = api(&sandbox, "GET", &next, None).await;
    assert_eq!((second["data"].as_array().unwrap().len(), &second["done"]), (1, &json!(true)));
    let path = format!("/webhooks/{}", second["data"][0]["id"].as_str().unwrap());
    let (_, patched) = api(&sandbox, "PATCH", &path, Some(json!({ "disabled": true }))).await;
    assert_eq!((&patched["disabled"], &patched["url"]), (&json!(true), &second["data"][0]["url"]));
}

#[tokio::test]
async fn old_endpoints_create_objects_first() {
    let sandbox = sandbox().await;
    let order = json!({
        "billing": { "country": "DE", "city": "Berlin" },
        "customer": { "email": "ada@example.com", "name": "Ada" },
        "metadata": { "visitor": "v_1" },
        "payment_link": true,
        "return_url": "https://shop.example/back",
    });
    let with = |extra: Value| {
        let mut body = order.clone();
        body.as_object_mut().unwrap().append(&mut extra.as_object().unwrap().clone());
        body
    };
    let page = |answer: &Value| {
        answer["payment_link"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    };

    let (_, answer) =
        api(&sandbox, "POST", "/payments", Some(with(json!({ "product_cart": cart("pdt_book") }))))
            .await;
    assert_eq!(answer["total_amount"], 2380);
    let paid = sandbox.pay_session(&page(&answer), cards::OK).unwrap();
    assert_eq!(json!(paid.payment_id), answer["payment_id"]);
    let (_, payment) = api(&sandbox, "GET", &format!("/payments/{}", paid.payment_id), None).await;
    assert_eq!(payment["status"], "succeeded");
    assert_eq!(payment["metadata"], json!({ "visitor": "v_1" }));
    assert_eq!(payment["checkout_session_id"], Value::Null);

    let body = with(json!({ "product_id": "pdt_pro", "quantity": 3, "trial_period_days": 7 }));
    let (_, answer) = api(&sandbox, "POST", "/subscriptions", Some(body)).await;
    assert_eq!(answer["recurring_pre_tax_amount"], 5700);
    let id = answer["subscription_id"].as_str().unwrap();
    let path = format!("/subscriptions/{id}");
    assert_eq!(api(&sandbox, "GET", &path, None).await.1["status"], "pending");
    let paid = sandbox.pay_session(&page(&answer), cards::OK).unwrap();
    assert!(paid.redirect.unwrap().contains(&format!("subscription_id={id}&status=active")));
    let (_, subscription) = api(&sandbox, "GET", &path, None).await;
    assert_eq!(
        (&subscription["status"], &subscription["trial_period_days"]),
        (&json!("active"), &json!(7))
    );

    let body = with(json!({ "product_cart": cart("pdt_book"), "payment_link": false }));
    let (_, answer) = api(&sandbox, "POST", "/payments", Some(body)).await;
    assert_eq!(answer["payment_link"], Value::Null);
}

#[tokio::test]
async fn refunds_by_item_add_up_and_stop_at_what_was_paid() {
    let bought = Bought::new().await;
    let (_, lines) =
        api(&bought.sandbox, "GET", &bought.fill("/payments/PAY/line-items"), None).await;
    let item = lines["items"][0]["items_id"].as_str().unwrap();
    let refund = async |amount: Value| {
        let body = json!({
            "payment_id": bought.payment,
            "items": [{ "item_id": item, "amount": amount }],
            "metadata": { "ticket": "T-1" },
        });
        let (status, answer) = api(&bought.sandbox, "POST", "/refunds", Some(body)).await;
        (status.as_u16(), answer)
    };
    let (status, first) = refund(json!(500)).await;
    assert_eq!((status, &first["is_partial"], &first["amount"]), (200, &json!(true), &json!(500)));
    assert_eq!(first["metadata"], json!({ "ticket": "T-1" }));
    assert_eq!(refund(json!(1501)).await.0, 422);
    assert_eq!(refund(json!(0)).await.0, 422);
    assert_eq!(refund(json!(-1)).await.0, 422);
    assert_eq!(refund(json!(i64::MAX)).await.0, 422);
    assert_eq!(refund(Value::Null).await.1["amount"], 1500);
    let (status, answer) = refund(json!(1)).await;
    assert_eq!((status, &answer["code"]), (409, &json!("PAYMENT_ALREADY_REFUNDED")));
    bought.sandbox.advance(std::time::Duration::from_secs(31 * 24 * 60 * 60)).unwrap();
    let (_, payments) =
        api(&bought.sandbox, "GET", &bought.fill("/payments?subscription_id=SUB"), None).await;
    let first = payments["items"].as_array().unwrap().last().unwrap()["payment_id"].clone();
    let (_, answer) =
        api(&bought.sandbox, "POST", "/refunds", Some(json!({ "payment_id": first }))).await;
    assert_eq!(answer["code"], "REFUND_WINDOW_EXPIRED");
}

#[tokio::test]
async fn usage_events_count_once() {
    let sandbox = sandbox().await;
    let event =
        |id: &str| json!({ "event_id": id, "customer_id": "cus_1", "event_name": "api.call" });
    let ingest = async |events: Value| {
        api(&sandbox, "POST", "/events/ingest", Some(json!({ "events": events }))).await
    };
    assert_eq!(ingest(json!([event("a"), event("b")])).await.1["ingested_count"], 2);
    assert_eq!(ingest(json!([event("b"), event("c")])).await.1["ingested_count"], 1);
    assert_eq!(ingest(json!([event("d"), event("d")])).await.0, 422);
    let (_, list) = api(&sandbox, "GET", "/events?customer_id=cus_1", None).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 3);
    assert_eq!(api(&sandbox, "GET", "/events/a", None).await.1["event_name"], "api.call");
}

#[tokio::test]
async fn preview_prices_and_creates_nothing() {
    let sandbox = sandbox().await;
    let body = json!({
        "product_cart": [{ "product_id": "pdt_book", "quantity": 2 }],
        "billing_address": { "country": "DE" },
    });
    let (status, preview) = api(&sandbox, "POST", "/checkouts/preview", Some(body)).await;
    assert_eq!(
        (status.as_u16(), &preview["total_price"], &preview["total_tax"]),
        (200, &json!(4760), &json!(760))
    );
    let (_, payments) = api(&sandbox, "GET", "/payments", None).await;
    assert_eq!(payments["items"], json!([]));
    let (_, countries) = api(&sandbox, "GET", "/checkout/supported_countries", None).await;
    assert!(countries.as_array().unwrap().contains(&json!("DE")));
}

#[tokio::test]
async fn taken_port_is_an_error_of_its_own_kind() {
    let first = sandbox().await;
    let port = first.url().rsplit(':').next().unwrap().parse().unwrap();
    let error = Sandbox::builder().port(port).start().await.unwrap_err();
    assert_eq!(error.kind(), dodo_sandbox::ErrorKind::PortInUse);
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

#[tokio::test]
async fn confirmed_session_has_a_payment_id() {
    let bought = Bought::new().await;
    let (_, payment) = api(&bought.sandbox, "GET", &bought.fill("/payments/PAY"), None).await;
    let create = async |extra: Value| {
        let mut body = json!({
            "product_cart": cart("pdt_book"),
            "customer": { "customer_id": bought.customer },
            "billing_address": { "country": "US" },
            "confirm": true,
        });
        body.as_object_mut().unwrap().append(&mut extra.as_object().unwrap().clone());
        api(&bought.sandbox, "POST", "/checkouts", Some(body)).await
    };
    let (_, reserved) = create(json!({})).await;
    let session_id = reserved["session_id"].as_str().unwrap();
    let paid = bought.sandbox.pay_session(session_id, cards::OK).unwrap();
    assert_eq!(json!(paid.payment_id), reserved["payment_id"]);

    let (_, at_once) = create(json!({ "payment_method_id": payment["payment_method_id"] })).await;
    assert_eq!(at_once["checkout_url"], Value::Null, "{at_once}");
    let path = format!("/payments/{}", at_once["payment_id"].as_str().unwrap());
    let (_, second) = api(&bought.sandbox, "GET", &path, None).await;
    assert_eq!(
        (&second["status"], &second["card_last_four"]),
        (&json!("succeeded"), &json!("4242"))
    );

    let (_, late) = create(json!({})).await;
    bought.sandbox.advance(std::time::Duration::from_secs(15 * 60)).unwrap();
    let error =
        bought.sandbox.pay_session(late["session_id"].as_str().unwrap(), cards::OK).unwrap_err();
    assert_eq!(error.code(), "CHECKOUT_SESSION_EXPIRED");

    assert_eq!(create(json!({ "payment_method_id": "pm_x" })).await.0, 404);
    assert_eq!(create(json!({ "billing_address": null })).await.0, 422);
    assert_eq!(create(json!({ "confirm": false, "payment_method_id": "pm_x" })).await.0, 422);
}

#[tokio::test]
async fn discounts_take_their_share_of_every_charge() {
    let sandbox = Sandbox::builder()
        .clock_rate(0.0)
        .product(Product::monthly("pdt_pro", "Pro", "USD", 2000))
        .discount("LAUNCH10", 1000)
        .start()
        .await
        .unwrap();
    let body = json!({
        "product_cart": cart("pdt_pro"),
        "discount_codes": ["launch10"],
        "billing_address": { "country": "US" },
    });
    sandbox.pay_session(&session(&sandbox, body).await, cards::OK).unwrap();
    sandbox.advance(std::time::Duration::from_secs(31 * 24 * 60 * 60)).unwrap();
    let (_, payments) = api(&sandbox, "GET", "/payments", None).await;
    let payments = payments["items"].as_array().unwrap();
    let totals: Vec<_> = payments.iter().map(|payment| payment["total_amount"].as_i64()).collect();
    assert_eq!(totals, [Some(1800), Some(1800)]);
    let path = format!("/payments/{}", payments[0]["payment_id"].as_str().unwrap());
    let (_, payment) = api(&sandbox, "GET", &path, None).await;
    let discount = &payment["discounts"][0];
    assert_eq!((&discount["code"], &discount["amount"]), (&json!("LAUNCH10"), &json!(1000)));
    assert_eq!(payment["discount_id"], discount["discount_id"]);
}

#[tokio::test]
async fn invoices_are_pdf_where_the_payment_says() {
    let bought = Bought::new().await;
    let (_, payment) = api(&bought.sandbox, "GET", &bought.fill("/payments/PAY"), None).await;
    let url = payment["invoice_url"].as_str().unwrap();
    let answer = http().get(url).bearer_auth(bought.sandbox.api_key()).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/pdf");
    let text = answer.text().await.unwrap();
    assert!(text.starts_with("%PDF-1.4") && text.contains("(Total USD 20.00)"), "{text}");
}
