//! The pages that people use.

use std::time::Duration;

use dodo_sandbox::{Behavior, Product, Sandbox, cards};
use serde_json::{Value, json};

use crate::support::{api, http, pay_on_page, session};

const SCRIPT: &str = "<script>alert(1)</script>\"'&";

async fn sandbox() -> Sandbox {
    Sandbox::builder()
        .clock_rate(0.0)
        .product(Product::one_time("pdt_book", SCRIPT, "USD", 2000).description(SCRIPT))
        .product(Product::one_time("pdt_yen", "Poster", "JPY", 4800))
        .product(Product::one_time("pdt_dinar", "App", "KWD", 9500).tax_inclusive())
        .product(Product::one_time("pdt_tip", "Tip", "USD", 100).pay_what_you_want(500))
        .product(Product::monthly("pdt_pro", "Pro", "USD", 1900))
        .start()
        .await
        .unwrap()
}

async fn page(url: &str) -> String {
    let answer = http().get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{url}");
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    answer.text().await.unwrap()
}

async fn submit(url: &str, pairs: &[(&str, &str)]) -> (u16, Option<String>, String) {
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let answer = http().post(url).body(form).send().await.unwrap();
    let location = answer.headers().get("location").map(|url| url.to_str().unwrap().to_owned());
    (answer.status().as_u16(), location, answer.text().await.unwrap())
}

#[tokio::test]
async fn nothing_that_is_shown_can_be_markup() {
    let sandbox = sandbox().await;
    let body = json!({
        "product_cart": [{ "product_id": "pdt_book", "quantity": 1 }],
        "customer": { "email": "\"><script>@example.com", "name": SCRIPT },
        "billing_address": { "country": "DE", "city": SCRIPT },
        "metadata": { "visitor": SCRIPT },
        "custom_fields": [
            { "key": "k\"><script>", "label": SCRIPT, "field_type": "dropdown", "options": [SCRIPT] },
        ],
    });
    let id = session(&sandbox, body.clone()).await;
    let mut pages = vec![page(&format!("{}/session/{id}", sandbox.url())).await];
    let typed = [("email", SCRIPT), ("name", SCRIPT), ("country", SCRIPT), ("card", SCRIPT)];
    let (_, _, again) = submit(&format!("{}/session/{id}/pay", sandbox.url()), &typed).await;
    pages.push(again);
    sandbox.pay_session(&id, cards::OK).unwrap();
    let thanks = page(&format!("{}/session/{id}", sandbox.url())).await;
    assert!(thanks.contains("Thank you"), "{thanks}");
    sandbox.register_webhook("http://127.0.0.1:1/<script>").unwrap();
    sandbox.pay_session(&session(&sandbox, body).await, cards::OK).unwrap();
    sandbox.wait_until_idle().await;
    pages.push(page(sandbox.url()).await);
    let (_, customers) = api(&sandbox, "GET", "/customers", None).await;
    let customer = customers["items"][0]["customer_id"].as_str().unwrap();
    pages.push(page(&portal_of(&sandbox, customer).await).await);
    for page in pages {
        assert!(!page.contains("<script>"), "{page}");
        assert!(page.contains("&lt;script&gt;"), "{page}");
    }
}

async fn portal_of(sandbox: &Sandbox, customer: &str) -> String {
    let path =
        format!("/customers/{customer}/customer-portal/session?return_url=https://shop.example/");
    let (status, answer) = api(sandbox, "POST", &path, None).await;
    assert_eq!(status, 200, "{answer}");
    answer["link"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn totals_have_the_decimals_of_their_currency_and_tax() {
    let sandbox = sandbox().await;
    for (product, country, shown) in [
        ("pdt_yen", "US", &["JPY 4,800"][..]),
        ("pdt_yen", "JP", &["JPY 480", "JPY 5,280"]),
        ("pdt_dinar", "DE", &["Tax (included)", "KWD 1.517", "KWD 9.500"]),
        ("pdt_pro", "DE", &["USD 3.61", "USD 22.61", "every month"]),
    ] {
        let body = json!({
            "product_cart": [{ "product_id": product, "quantity": 1 }],
            "billing_address": { "country": country },
        });
        let id = session(&sandbox, body).await;
        let html = page(&format!("{}/session/{id}", sandbox.url())).await;
        for text in shown {
            assert!(html.contains(text), "{product} {country}: {text}\n{html}");
        }
    }
}

#[tokio::test]
async fn customer_pays_the_total_on_the_page() {
    let sandbox = sandbox().await;
    let body = json!({ "product_cart": [{ "product_id": "pdt_tip", "quantity": 1 }] });
    let id = session(&sandbox, body).await;
    let url = format!("{}/session/{id}/pay", sandbox.url());
    let form = |total, amount| {
        [
            ("email", "ada@example.com"),
            ("name", "Ada"),
            ("country", "DE"),
            ("card", cards::OK),
            ("shown_total", total),
            ("amount", amount),
        ]
    };
    let (status, _, html) = submit(&url, &form("500", "5.00")).await;
    assert_eq!(status, 200);
    assert!(html.contains("The total has changed") && html.contains("USD 5.95"), "{html}");
    let (_, _, html) = submit(&url, &form("595", "0.50")).await;
    assert!(html.contains("below the product"), "{html}");
    let (_, _, html) = submit(&url, &form("595", "five")).await;
    assert!(html.contains("Enter an amount."), "{html}");
    let (status, _, _) = submit(&url, &form("1190", "10")).await;
    assert_eq!(status, 303);
    let (_, payments) = api(&sandbox, "GET", "/payments", None).await;
    assert_eq!(payments["items"][0]["total_amount"], 1190);
}

#[tokio::test]
async fn static_link_keeps_parameters_and_clears_address() {
    let sandbox = sandbox().await;
    let open = async |query: &str| {
        let url = format!("{}/buy/pdt_pro?{query}", sandbox.url());
        http().get(url).send().await.unwrap()
    };
    let answer = open(
        "quantity=2&email=bob%40example.com&disableEmail=true&firstName=Bob&lastName=Martin&fullName=X\
         &country=DE&redirect_url=https%3A%2F%2Fshop.example%2Fback&metadata_visitor=v_9&metadata_n=7",
    )
    .await;
    assert_eq!(answer.status(), 303);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(
        location.contains("/buy/pdt_pro?session=sess_") && !location.contains("bob"),
        "{location}"
    );
    let html = page(&location).await;
    for text in ["value=\"bob@example.com\"", "value=\"Bob Martin\"", " readonly", "USD 45.22"] {
        assert!(html.contains(text), "{text}\n{html}");
    }
    let id = location.split("session=").nth(1).unwrap();
    // The form says another e-mail address; the locked one stands.
    let (status, location, _) = pay_on_page(&sandbox, id, cards::OK).await;
    assert_eq!(status, 303);
    assert!(location.unwrap().ends_with("&email=bob%40example.com"));
    let (_, subscriptions) = api(&sandbox, "GET", "/subscriptions", None).await;
    let subscription = &subscriptions["items"][0];
    assert_eq!(subscription["metadata"], json!({ "visitor": "v_9", "n": "7" }));
    assert_eq!(subscription["quantity"], 2);
    assert_eq!(open("redirect_url=javascript:alert(1)").await.status(), 422);
}

#[tokio::test]
async fn portal_serves_only_its_customer() {
    let sandbox = sandbox().await;
    let buy = async |email: &str| {
        let body = json!({
            "product_cart": [{ "product_id": "pdt_pro", "quantity": 1 }],
            "customer": { "email": email, "name": email },
        });
        let payment =
            sandbox.pay_session(&session(&sandbox, body).await, cards::OK).unwrap().payment_id;
        let (_, payment) = api(&sandbox, "GET", &format!("/payments/{payment}"), None).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&payment["customer"]["customer_id"]), text(&payment["subscription_id"]))
    };
    let (ada, own) = buy("ada@example.com").await;
    let (_, other) = buy("eve@example.com").await;
    let portal = portal_of(&sandbox, &ada).await;
    let html = page(&portal).await;
    assert!(html.contains("ada@example.com") && html.contains(&own), "{html}");
    assert!(!html.contains("eve@example.com") && !html.contains(&other), "{html}");
    assert!(html.contains("https://shop.example/"), "{html}");

    let status = async |id: &str| {
        let (_, subscription) = api(&sandbox, "GET", &format!("/subscriptions/{id}"), None).await;
        let ending = &subscription["cancel_at_next_billing_date"];
        format!("{} {ending}", subscription["status"].as_str().unwrap())
    };
    let act = async |id: &str, action: &str| {
        submit(&format!("{portal}/subscriptions/{id}"), &[("action", action)]).await
    };
    for (action, code, then) in [
        ("nonsense", 422, "active false"),
        ("cancel_at_end", 303, "active true"),
        ("keep", 303, "active false"),
        ("pause", 303, "paused false"),
        ("resume", 303, "active false"),
        ("cancel", 303, "cancelled false"),
        ("cancel", 409, "cancelled false"),
    ] {
        assert_eq!(act(&own, action).await.0, code, "{action}");
        assert_eq!(status(&own).await, then, "{action}");
    }
    assert_eq!(act(&other, "cancel").await.0, 404, "a subscription of another customer");
    assert_eq!(status(&other).await, "active false");

    sandbox.advance(Duration::from_secs(24 * 60 * 60)).unwrap();
    let answer = http().get(&portal).send().await.unwrap();
    assert_eq!(answer.status(), 410, "links live for a day");
}

#[tokio::test]
async fn sessions_expire_after_a_day() {
    let sandbox = sandbox().await;
    let body = json!({ "product_cart": [{ "product_id": "pdt_yen", "quantity": 1 }] });
    let id = session(&sandbox, body).await;
    sandbox.advance(Duration::from_secs(24 * 60 * 60)).unwrap();
    let (status, _, html) = pay_on_page(&sandbox, &id, cards::OK).await;
    assert_eq!(status, 410);
    assert!(html.contains("CHECKOUT_SESSION_EXPIRED"), "{html}");
}

#[tokio::test]
async fn leaving_leads_back_to_the_shop() {
    let sandbox = sandbox().await;
    for (urls, expected) in [
        (
            json!({ "return_url": "https://shop.example/back", "cancel_url": "https://shop.example/cart" }),
            Some("https://shop.example/cart"),
        ),
        (json!({ "return_url": "https://shop.example/back" }), Some("https://shop.example/back")),
        (json!({}), None),
    ] {
        let mut body = json!({ "product_cart": [{ "product_id": "pdt_yen", "quantity": 1 }] });
        body.as_object_mut().unwrap().append(&mut urls.as_object().unwrap().clone());
        let id = session(&sandbox, body).await;
        let (_, location, _) = submit(&format!("{}/session/{id}/leave", sandbox.url()), &[]).await;
        assert_eq!(location.as_deref(), expected);
    }
}

#[tokio::test]
async fn license_keys_and_required_questions() {
    let sandbox = Sandbox::builder()
        .product(Product::one_time("pdt_app", "App", "USD", 5000).license_keys(Some(3)))
        .start()
        .await
        .unwrap();
    let body = json!({
        "product_cart": [{ "product_id": "pdt_app", "quantity": 1 }],
        "return_url": "https://shop.example/back",
        "custom_fields": [{ "key": "team", "label": "Team", "field_type": "text", "required": true }],
    });
    let id = session(&sandbox, body).await;
    let (status, _, html) = pay_on_page(&sandbox, &id, cards::OK).await;
    assert_eq!(status, 200);
    assert!(html.contains("Answer the question: Team"), "{html}");
    let url = format!("{}/session/{id}/pay", sandbox.url());
    let form = [
        ("email", "ada@example.com"),
        ("name", "Ada"),
        ("country", "US"),
        ("card", cards::OK),
        ("field_team", "Red"),
    ];
    let (_, location, _) = submit(&url, &form).await;
    let location = location.unwrap();
    assert!(location.contains("&license_key=") && location.ends_with("&email=ada%40example.com"));
    let (_, payments) = api(&sandbox, "GET", "/payments", None).await;
    let path = format!("/payments/{}", payments["items"][0]["payment_id"].as_str().unwrap());
    let (_, payment) = api(&sandbox, "GET", &path, None).await;
    assert_eq!(payment["custom_field_responses"], json!([{ "key": "team", "value": "Red" }]));
}

#[tokio::test]
async fn dashboard_acts_as_bank_and_merchant() {
    let sandbox = sandbox().await;
    let body = json!({ "product_cart": [{ "product_id": "pdt_pro", "quantity": 1 }] });
    let payment =
        sandbox.pay_session(&session(&sandbox, body).await, cards::OK).unwrap().payment_id;
    let (_, shown) = api(&sandbox, "GET", &format!("/payments/{payment}"), None).await;
    let subscription = shown["subscription_id"].as_str().unwrap();
    let act = async |action: &str, id: &str| {
        submit(&format!("{}/", sandbox.url()), &[("action", action), ("id", id)]).await.0
    };
    assert_eq!(act("refund_half", &payment).await, 303);
    assert!(page(sandbox.url()).await.contains("USD -11.30 back"));
    assert_eq!(act("refund", &payment).await, 303);
    assert_eq!(act("refund", &payment).await, 409);
    assert_eq!(act("renew", subscription).await, 303);
    assert_eq!(act("fail_renewal", subscription).await, 303);
    assert_eq!(act("renew", subscription).await, 409, "it is on hold");
    assert_eq!(act("advance", "1").await, 303);
    assert_eq!(act("advance", "x").await, 422);
    assert_eq!(act("explode", "x").await, 422);
}

#[tokio::test]
async fn other_sites_cannot_press_the_buttons() {
    let sandbox = sandbox().await;
    let send = async |path: &str, origin: Option<&str>| {
        let request = http().post(format!("{}{path}", sandbox.url())).body("action=advance&id=1");
        let request = match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        request.send().await.unwrap().status().as_u16()
    };
    let own = sandbox.url().to_owned();
    for path in ["/", "/__sandbox/decline", "/session/x/pay", "/portal/x/subscriptions/y"] {
        assert_eq!(send(path, Some("https://evil.example")).await, 403, "{path}");
        assert_eq!(send(path, Some("null")).await, 403, "{path}");
        assert_ne!(send(path, Some(&own)).await, 403, "{path}");
        assert_ne!(send(path, None).await, 403, "{path}");
    }
}

#[tokio::test]
async fn second_attempt_keeps_payment_on_request() {
    for keeps in [false, true] {
        let sandbox = sandbox().await;
        let mut behavior = Behavior::default();
        behavior.retry_keeps_payment = keeps;
        sandbox.set_behavior(behavior);
        let body = json!({ "product_cart": [{ "product_id": "pdt_yen", "quantity": 1 }] });
        let id = session(&sandbox, body).await;
        let first = sandbox.pay_session(&id, dodo_sandbox::cards::INSUFFICIENT_FUNDS).unwrap();
        let second = sandbox.pay_session(&id, cards::OK).unwrap();
        assert_eq!((first.status.as_str(), second.status.as_str()), ("failed", "succeeded"));
        assert_eq!(first.payment_id == second.payment_id, keeps);
    }
}

#[tokio::test]
async fn checkout_page_follows_the_options_of_its_session() {
    let sandbox = sandbox().await;
    let cart = json!([{ "product_id": "pdt_yen", "quantity": 1 }]);
    let ada = json!({ "email": "ada@example.com", "name": "Ada" });
    let paid = session(&sandbox, json!({ "product_cart": cart, "customer": ada })).await;
    let payment = sandbox.pay_session(&paid, cards::OK).unwrap().payment_id;
    let (_, payment) = api(&sandbox, "GET", &format!("/payments/{payment}"), None).await;
    let known = json!({ "customer_id": payment["customer"]["customer_id"] });
    let (status, image) = api(&sandbox, "PUT", "/products/pdt_yen/images", None).await;
    assert_eq!(status, 200, "{image}");
    let image = image["url"].as_str().unwrap().to_owned();
    assert_eq!(http().get(&image).send().await.unwrap().status(), 200);
    for (options, text, shown) in [
        (json!({}), "ending in 4242", false),
        (json!({ "show_saved_payment_methods": true }), "ending in 4242", true),
        (json!({}), "name=\"discount_code\"", true),
        (json!({ "feature_flags": { "allow_discount_code": false } }), "discount_code", false),
        (json!({}), "data-theme=\"dark\"", false),
        (json!({ "customization": { "theme": "dark" } }), "data-theme=\"dark\"", true),
        (json!({}), &format!("src=\"{image}\""), true),
        (json!({}), "<h1>Sandbox shop</h1>", true),
    ] {
        let mut body = json!({ "product_cart": cart, "customer": known });
        body.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let id = session(&sandbox, body).await;
        let html = page(&format!("{}/session/{id}", sandbox.url())).await;
        assert_eq!(html.contains(text), shown, "{options}: {text}\n{html}");
    }
}

#[tokio::test]
async fn frame_ancestors_of_pages_are_configurable() {
    for (allowed, expected) in
        [(None, "'none'"), (Some("http://localhost:3000"), "http://localhost:3000")]
    {
        let mut builder = Sandbox::builder();
        if let Some(allowed) = allowed {
            builder = builder.frame_ancestors(allowed);
        }
        let sandbox = builder.start().await.unwrap();
        let answer = http().get(sandbox.url()).send().await.unwrap();
        let policy = answer.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.ends_with(&format!("frame-ancestors {expected}")), "{policy}");
    }
}

#[tokio::test]
async fn dashboard_shows_requests_deliveries_and_objects() {
    let sandbox = sandbox().await;
    sandbox.register_webhook("http://127.0.0.1:1/hook").unwrap();
    let body = json!({ "product_cart": [{ "product_id": "pdt_pro", "quantity": 1 }] });
    let payment =
        sandbox.pay_session(&session(&sandbox, body).await, cards::OK).unwrap().payment_id;
    let (_, shown) = api(&sandbox, "GET", &format!("/payments/{payment}"), None).await;
    let subscription = shown["subscription_id"].as_str().unwrap();
    sandbox.wait_until_idle().await;
    let delivery = sandbox.deliveries()[0].id().to_owned();
    for (path, texts) in [
        ("/dashboard/requests".to_owned(), &["POST <code>/checkouts</code>", "ms"][..]),
        ("/dashboard/requests/1".to_owned(), &["curl -X POST", "--data-raw"]),
        ("/dashboard/deliveries?q=refused".to_owned(), &["Nothing yet"]),
        (
            "/dashboard/deliveries?q=renewed".to_owned(),
            &["subscription.renewed", "connection refused"],
        ),
        (
            format!("/dashboard/deliveries/{delivery}"),
            &["webhook-signature: v1,", "Signed text", "curl"],
        ),
        (format!("/dashboard/objects/{payment}"), &[subscription, "payment.succeeded"]),
        (format!("/dashboard/objects/{subscription}"), &[&payment, "subscription.renewed"]),
        ("/dashboard/events".to_owned(), &["subscription.active", subscription]),
        ("/dashboard/settings".to_owned(), &["name=\"grace_days\"", "Add fault"]),
    ] {
        let html = page(&format!("{}{path}", sandbox.url())).await;
        for text in texts {
            assert!(html.contains(text), "{path}: {text}\n{html}");
        }
    }
    let save = async |pairs: &[(&str, &str)]| {
        submit(&format!("{}/dashboard/settings", sandbox.url()), pairs).await.0
    };
    assert_eq!(save(&[("form", "fault"), ("kind", "{\"status\":503}"), ("times", "1")]).await, 303);
    for status in [503, 200] {
        let request = http().get(format!("{}/products", sandbox.url()));
        let answer = request.bearer_auth(sandbox.api_key()).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    assert_eq!(save(&[("form", "network"), ("hold", "true"), ("duplicates", "x")]).await, 422);
    let act = [("action", "advance"), ("id", "1"), ("back", "//evil.example/")];
    let (_, location, _) = submit(&format!("{}/", sandbox.url()), &act).await;
    assert_eq!(location.as_deref(), Some("/"), "never another site");
}
