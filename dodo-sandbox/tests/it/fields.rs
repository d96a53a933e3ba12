//! Fields of orders and changes: each has an effect, or is refused.

use dodo_sandbox::{Product, Sandbox, cards};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{api, http, pay_on_page, session};

async fn sandbox() -> Sandbox {
    Sandbox::builder()
        .clock_rate(0.0)
        .product(Product::one_time("pdt_book", "Book", "USD", 2000))
        .product(Product::monthly("pdt_pro", "Pro", "USD", 1900))
        .product(Product::monthly("pdt_india", "India", "INR", 900_000))
        .start()
        .await
        .unwrap()
}

async fn post(sandbox: &Sandbox, path: &str, body: Value) -> Value {
    let (status, answer) = api(sandbox, "POST", path, Some(body)).await;
    assert!(status.is_success(), "{path}: {answer}");
    answer
}

/// Pays a session for this body from this country; the payment.
async fn sell(sandbox: &Sandbox, country: &str, extra: Value) -> Value {
    let mut body = json!({
        "product_cart": [{ "product_id": "pdt_book", "quantity": 1 }],
        "billing_address": { "country": country },
    });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let id = session(sandbox, body).await;
    let paid = sandbox.pay_session(&id, cards::OK).unwrap();
    api(sandbox, "GET", &format!("/payments/{}", paid.payment_id), None).await.1
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn localized_price_replaces_price_and_currency() {
    let sandbox = sandbox().await;
    let path = "/products/pdt_book/localized-prices";
    let price = json!({ "amount": 150_000, "currency": "INR", "country_code": "IN" });
    post(&sandbox, path, price).await;
    let first = sell(&sandbox, "IN", json!({})).await;
    assert_eq!((&first["currency"], &first["total_amount"]), (&json!("INR"), &json!(177_000)));
    assert_eq!(sell(&sandbox, "US", json!({})).await["total_amount"], 2000);

    let sandbox = self::sandbox().await;
    let price = post(&sandbox, path, json!({ "amount": 1800, "currency": "GBP" })).await;
    let chosen = json!({ "billing_currency": "GBP" });
    let sold = sell(&sandbox, "US", chosen.clone()).await;
    assert_eq!((&sold["currency"], &sold["total_amount"]), (&json!("GBP"), &json!(1800)));
    let path = format!("{path}/{}", text(&price["id"]));
    assert!(api(&sandbox, "DELETE", &path, None).await.0.is_success());
    let body = json!({
        "product_cart": [{ "product_id": "pdt_book", "quantity": 1 }],
        "billing_currency": "GBP",
    });
    for path in ["/checkouts", "/checkouts/preview"] {
        let (status, answer) = api(&sandbox, "POST", path, Some(body.clone())).await;
        let code = json!("UNSUPPORTED_BILLING_CURRENCY");
        assert_eq!((status.as_u16(), &answer["code"]), (422, &code), "the price is removed");
        assert!(text(&answer["message"]).contains("the sandbox converts no prices"), "{answer}");
    }
    assert_eq!(sell(&sandbox, "US", json!({ "billing_currency": "USD" })).await["currency"], "USD");
}

/// The page of a session for this cart and these fields of the body.
async fn page(sandbox: &Sandbox, product: &str, fields: Value) -> (String, String) {
    let mut body = json!({ "product_cart": [{ "product_id": product, "quantity": 1 }] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let id = session(sandbox, body).await;
    let url = format!("{}/session/{id}", sandbox.url());
    (id, http().get(&url).send().await.unwrap().text().await.unwrap())
}

/// Sends the page's form: the payment, or the page that asks again.
async fn submit(
    sandbox: &Sandbox,
    session_id: &str,
    fields: &[(&str, &str)],
) -> Result<Value, String> {
    let known = [("email", "ada@example.com"), ("name", "Ada"), ("country", "US")];
    let form: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(known)
        .extend_pairs([("card", cards::OK)])
        .extend_pairs(fields)
        .finish();
    let request = http().post(format!("{}/session/{session_id}/pay", sandbox.url()));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    let answer = request.send().await.unwrap();
    if answer.status() != StatusCode::SEE_OTHER {
        return Err(answer.text().await.unwrap());
    }
    let session = api(sandbox, "GET", &format!("/checkouts/{session_id}"), None).await.1;
    Ok(api(sandbox, "GET", &format!("/payments/{}", text(&session["payment_id"])), None).await.1)
}

#[tokio::test]
async fn feature_flag_changes_the_page() {
    let sandbox = sandbox().await;
    let price = json!({ "amount": 1800, "currency": "GBP" });
    post(&sandbox, "/products/pdt_book/localized-prices", price).await;
    for (flags, field, shown) in [
        (json!({}), "name=\"phone\"", true),
        (json!({ "allow_phone_number_collection": false }), "name=\"phone\"", false),
        (json!({}), "name=\"tax_id\"", true),
        (json!({}), "name=\"business_name\"", true),
        (json!({ "allow_tax_id": false }), "name=\"tax_id\"", false),
        (json!({ "allow_tax_id": false }), "name=\"business_name\"", false),
        (json!({}), "name=\"holder\"", false),
        (json!({ "require_cardholder_name": true }), "name=\"holder\"", true),
        (json!({}), "name=\"currency\"", true),
        (json!({ "allow_currency_selection": false }), "name=\"currency\"", false),
        (json!({}), "<details open>", false),
        (json!({ "single_page": true }), "<details open>", true),
    ] {
        let (_, html) = page(&sandbox, "pdt_book", json!({ "feature_flags": flags })).await;
        assert_eq!(html.contains(field), shown, "{flags} {field}\n{html}");
    }
}

#[tokio::test]
async fn locked_field_keeps_the_value_of_the_order() {
    let sandbox = sandbox().await;
    for (field, input, path) in [
        ("state", "state", "/billing/state"),
        ("tax_id", "tax_id", "/tax_id"),
        ("business_name", "business_name", "/customer_business_name"),
    ] {
        for (editing, expected) in [(false, "given"), (true, "typed")] {
            let body = json!({
                "billing_address": { "country": "US", "state": "given" },
                "tax_id": "given",
                "customer_business_name": "given",
                "feature_flags": { format!("allow_customer_editing_{field}"): editing },
            });
            let (id, html) = page(&sandbox, "pdt_pro", body).await;
            assert!(html.contains(&format!("name=\"{input}\" value=\"given\"")), "{html}");
            let paid = submit(&sandbox, &id, &[(input, "typed")]).await.unwrap();
            let path_of = format!("/subscriptions/{}", text(&paid["subscription_id"]));
            let sold = api(&sandbox, "GET", &path_of, None).await.1;
            assert_eq!(sold.pointer(path), Some(&json!(expected)), "{field} {editing}");
        }
    }
}

#[tokio::test]
async fn required_field_is_asked_for_and_stored() {
    let sandbox = sandbox().await;
    for (flag, input, path) in [
        ("require_phone_number", "phone", "/customer/phone_number"),
        ("require_cardholder_name", "holder", "/card_holder_name"),
        ("require_tax_id", "tax_id", "/tax_id"),
    ] {
        let body = json!({ "feature_flags": { flag: true, "always_create_new_customer": true } });
        let (id, _) = page(&sandbox, "pdt_pro", body).await;
        let html = submit(&sandbox, &id, &[]).await.unwrap_err();
        assert!(html.contains("role=\"alert\""), "{flag}: {html}");
        let paid = submit(&sandbox, &id, &[(input, "+49 30 1234")]).await.unwrap();
        let path_of = format!("/subscriptions/{}", text(&paid["subscription_id"]));
        let sold = api(&sandbox, "GET", &path_of, None).await.1;
        let stored = paid.pointer(path).or(sold.pointer(path));
        assert_eq!(stored, Some(&json!("+49 30 1234")), "{flag}");
    }
}

#[tokio::test]
async fn customer_chooses_currency_and_addons_on_the_page() {
    let sandbox = sandbox().await;
    let price = json!({ "amount": 1800, "currency": "GBP" });
    post(&sandbox, "/products/pdt_book/localized-prices", price).await;
    for (allowed, currency) in [(true, "GBP"), (false, "USD")] {
        let flags = json!({ "feature_flags": { "allow_currency_selection": allowed } });
        let (id, _) = page(&sandbox, "pdt_book", flags).await;
        let paid = submit(&sandbox, &id, &[("currency", "GBP")]).await.unwrap();
        assert_eq!(paid["currency"], currency);
    }

    let addon = json!({ "name": "Seat", "price": 500, "currency": "USD", "tax_category": "saas" });
    let addon = text(&post(&sandbox, "/addons", addon).await["id"]);
    let add = json!({ "addons": [addon] });
    assert_eq!(api(&sandbox, "PATCH", "/products/pdt_pro", Some(add)).await.0, 200);
    let input = format!("addon_0_{addon}");
    for (allowed, total) in [(true, 2900), (false, 1900)] {
        let flags = json!({ "feature_flags": { "allow_editing_addons": allowed } });
        let (id, html) = page(&sandbox, "pdt_pro", flags).await;
        assert_eq!(html.contains(&input), allowed, "{html}");
        let paid = submit(&sandbox, &id, &[(&input, "2")]).await.unwrap();
        assert_eq!(paid["total_amount"], total);
    }
}

#[tokio::test]
async fn on_demand_terms_set_the_first_charge() {
    let sandbox = sandbox().await;
    for (on_demand, total) in [
        (json!({ "mandate_only": false }), 1900),
        (json!({ "mandate_only": false, "product_price": 700 }), 700),
        (json!({ "mandate_only": false, "product_price": 700, "product_currency": "USD" }), 700),
        (json!({ "mandate_only": true }), 0),
        (json!({ "mandate_only": true, "product_price": 700 }), 0),
    ] {
        let terms = json!({
            "product_cart": [{ "product_id": "pdt_pro", "quantity": 1 }],
            "subscription_data": { "on_demand": on_demand },
        });
        let sold = sell(&sandbox, "US", terms).await;
        assert_eq!(sold["total_amount"], total, "{on_demand}");
        let path = format!("/subscriptions/{}", text(&sold["subscription_id"]));
        let own = api(&sandbox, "GET", &path, None).await.1;
        assert_eq!((&own["status"], &own["on_demand"]), (&json!("active"), &json!(true)));
        let older = json!({
            "billing": { "country": "US" }, "customer": { "email": "bob@example.com" },
            "product_id": "pdt_pro", "quantity": 1, "on_demand": on_demand,
        });
        let older = post(&sandbox, "/subscriptions", older).await;
        let path = format!("/payments/{}", text(&older["payment_id"]));
        assert_eq!(api(&sandbox, "GET", &path, None).await.1["total_amount"], total, "{on_demand}");
    }
    let about = json!({ "mandate_only": false, "product_description": "Setup of the account" });
    let terms = json!({ "subscription_data": { "on_demand": about } });
    assert!(page(&sandbox, "pdt_pro", terms).await.1.contains("Setup of the account"));
}

#[tokio::test]
async fn field_that_the_sandbox_does_not_act_out_is_refused() {
    let sandbox = sandbox().await;
    let on_demand = |extra: Value| {
        let mut terms = json!({ "mandate_only": false });
        terms.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({ "subscription_data": { "on_demand": terms } })
    };
    let credits = json!([{
        "product_id": "pdt_pro", "quantity": 1,
        "credit_entitlements": [{ "credit_entitlement_id": "cde_1", "credits_amount": "5" }],
    }]);
    for (fields, name) in [
        (json!({ "billing_currency": "EUR" }), "billing_currency"),
        (on_demand(json!({ "product_currency": "EUR" })), "product_currency"),
        (on_demand(json!({ "product_price": -1 })), "product_price"),
        (json!({ "product_cart": credits }), "credit_entitlements"),
    ] {
        let mut body = json!({ "product_cart": [{ "product_id": "pdt_pro", "quantity": 1 }] });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let (status, answer) = api(&sandbox, "POST", "/checkouts", Some(body)).await;
        assert_eq!(status.as_u16(), 422, "{fields}: {answer}");
        assert!(text(&answer["message"]).contains(name), "{fields}: {answer}");
    }
}

#[tokio::test]
async fn discount_limits_hold_in_their_currency() {
    let sandbox = sandbox().await;
    for (code, option) in [
        ("CAPPED", json!({ "currency": "USD", "max_amount_possible": 300 })),
        ("OTHER", json!({ "currency": "EUR", "max_amount_possible": 300 })),
        ("LARGE", json!({ "currency": "USD", "minimum_subtotal": 2001 })),
    ] {
        let body = json!({
            "type": "percentage", "amount": 5000, "code": code, "currency_options": [option],
        });
        post(&sandbox, "/discounts", body).await;
    }
    for (code, total) in [("CAPPED", 1700), ("OTHER", 1000)] {
        let sold = sell(&sandbox, "US", json!({ "discount_codes": [code] })).await;
        assert_eq!(sold["total_amount"], total, "{code}");
    }
    let body = json!({
        "product_cart": [{ "product_id": "pdt_book", "quantity": 1 }],
        "discount_codes": ["LARGE"],
    });
    let (status, answer) = api(&sandbox, "POST", "/checkouts", Some(body)).await;
    assert_eq!((status.as_u16(), &answer["code"]), (422, &json!("INVALID_DISCOUNT_CODE")));
}

#[tokio::test]
async fn older_orders_take_saved_methods_and_short_links() {
    let sandbox = sandbox().await;
    let first = sell(&sandbox, "US", json!({})).await;
    let customer = &first["customer"]["customer_id"];
    let order = |extra: Value| {
        let mut body = json!({
            "billing": { "country": "US" },
            "customer": { "customer_id": customer },
            "payment_link": true,
            "product_cart": [{ "product_id": "pdt_book", "quantity": 1 }],
        });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let answer = post(&sandbox, "/payments", order(json!({ "short_link": true }))).await;
    assert!(text(&answer["payment_link"]).starts_with(&format!("{}/s/", sandbox.url())));
    let saved = order(json!({ "show_saved_payment_methods": true }));
    let page = text(&post(&sandbox, "/payments", saved).await["payment_link"]);
    let html = http().get(&page).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("4242"), "the page offers the saved card: {html}");
    let asked = order(json!({ "require_phone_number": true }));
    let page = text(&post(&sandbox, "/payments", asked).await["payment_link"]);
    let html = http().get(&page).send().await.unwrap().text().await.unwrap();
    let field = html.split("name=\"phone\"").nth(1).and_then(|rest| rest.split('>').next());
    assert!(field.is_some_and(|field| field.ends_with("required")), "{html}");
    let paid = order(json!({ "payment_method_id": first["payment_method_id"] }));
    let id = text(&post(&sandbox, "/payments", paid).await["payment_id"]);
    let payment = api(&sandbox, "GET", &format!("/payments/{id}"), None).await.1;
    assert_eq!(payment["status"], "succeeded");
    let unknown = order(json!({ "payment_method_id": "pm_none" }));
    assert_eq!(api(&sandbox, "POST", "/payments", Some(unknown)).await.0, 404);
}

#[tokio::test]
async fn result_page_comes_first_without_immediate_redirect() {
    let sandbox = sandbox().await;
    for (wanted, first) in [(json!(true), false), (json!(false), true)] {
        let body = json!({
            "product_cart": [{ "product_id": "pdt_book", "quantity": 1 }],
            "return_url": "https://shop.example/back",
            "feature_flags": { "redirect_immediately": wanted },
        });
        let id = session(&sandbox, body).await;
        let (_, location, _) = pay_on_page(&sandbox, &id, cards::OK).await;
        let location = location.unwrap();
        assert_eq!(location == format!("/session/{id}"), first, "{location}");
        let page = http().get(format!("{}/session/{id}", sandbox.url())).send().await.unwrap();
        assert!(page.text().await.unwrap().contains("https://shop.example/back?payment_id="));
    }
}

#[tokio::test]
async fn charges_above_an_indian_mandate_are_declined() {
    let sandbox = sandbox().await;
    for (least, declined) in [(json!(2_000_000), false), (json!(null), true)] {
        let body = json!({
            "product_cart": [{ "product_id": "pdt_india", "quantity": 1 }],
            "billing_address": { "country": "IN" },
            "subscription_data": { "on_demand": { "mandate_only": false } },
            "mandate_min_amount_inr_paise": least,
        });
        let id = session(&sandbox, body).await;
        let paid = sandbox.pay_session(&id, cards::OK).unwrap();
        let path = format!("/payments/{}", paid.payment_id);
        let id = text(&api(&sandbox, "GET", &path, None).await.1["subscription_id"]);
        let charge = json!({ "product_price": 1_600_000 });
        let charged = post(&sandbox, &format!("/subscriptions/{id}/charge"), charge).await;
        let path = format!("/payments/{}", text(&charged["payment_id"]));
        let status = &api(&sandbox, "GET", &path, None).await.1["status"];
        assert_eq!(status == "failed", declined, "{least}: {status}");
    }
}

#[tokio::test]
async fn cancel_reason_names_who_cancels() {
    let sandbox = sandbox().await;
    let cart = json!({ "product_cart": [{ "product_id": "pdt_pro", "quantity": 1 }] });
    let path =
        format!("/subscriptions/{}", text(&sell(&sandbox, "US", cart).await["subscription_id"]));
    let alone = json!({ "cancel_reason": "cancelled_by_customer" });
    assert_eq!(api(&sandbox, "PATCH", &path, Some(alone)).await.0, 422);
    let body = json!({ "status": "cancelled", "cancel_reason": "cancelled_by_customer" });
    assert_eq!(api(&sandbox, "PATCH", &path, Some(body)).await.0, 200);
    let mut newest = dodo_sandbox::Behavior::default();
    newest.newest_fields = true;
    sandbox.set_behavior(newest);
    let ended = api(&sandbox, "GET", &path, None).await.1;
    assert_eq!(ended["cancelled_by"]["actor_type"], "customer", "{ended}");
}

#[tokio::test]
async fn subscription_replaces_the_terms_of_its_credits() {
    let sandbox = sandbox().await;
    let credit = json!({
        "name": "Tokens", "unit": "token", "precision": 0, "overage_enabled": false,
        "rollover_enabled": false,
    });
    let (status, credit) = api(&sandbox, "POST", "/credit-entitlements", Some(credit)).await;
    assert_eq!(status, 201, "{credit}");
    let credit = text(&credit["id"]);
    let plan = json!({
        "name": "Plan", "tax_category": "saas",
        "credit_entitlements": [{ "credit_entitlement_id": credit, "credits_amount": "100" }],
        "price": {
            "type": "recurring_price", "currency": "USD", "price": 1900, "discount": 0,
            "purchasing_power_parity": false, "payment_frequency_count": 1,
            "payment_frequency_interval": "Month", "subscription_period_count": 1,
            "subscription_period_interval": "Year",
        },
    });
    let product = text(&post(&sandbox, "/products", plan).await["product_id"]);
    let cart = json!({ "product_cart": [{ "product_id": product, "quantity": 1 }] });
    let sold = sell(&sandbox, "US", cart).await;
    let id = text(&sold["subscription_id"]);
    let path = format!("/subscriptions/{id}");
    let cart = |id: &str, amount: &str| json!({ "credit_entitlement_cart": [{ "credit_entitlement_id": id, "credits_amount": amount }] });
    for wrong in [cart("cde_none", "5"), cart(&credit, "many")] {
        assert_eq!(api(&sandbox, "PATCH", &path, Some(wrong)).await.0, 422);
    }
    let (_, changed) = api(&sandbox, "PATCH", &path, Some(cart(&credit, "40"))).await;
    assert_eq!(changed["credit_entitlement_cart"][0]["credits_amount"], "40");
    sandbox.renew_subscription(&id).unwrap();
    let customer = text(&sold["customer"]["customer_id"]);
    let balance = format!("/credit-entitlements/{credit}/balances/{customer}");
    assert_eq!(api(&sandbox, "GET", &balance, None).await.1["balance"], "40");
}

#[tokio::test]
async fn abandoned_checkout_needs_a_customer() {
    let sandbox = sandbox().await;
    let body = json!({ "product_cart": [{ "product_id": "pdt_book", "quantity": 1 }] });
    let id = text(&post(&sandbox, "/checkouts", body).await["session_id"]);
    assert_eq!(sandbox.abandon_session(&id).unwrap_err().code(), "INVALID_REQUEST_BODY");
    let customers = api(&sandbox, "GET", "/customers", None).await.1;
    assert_eq!(customers["items"], json!([]), "no customer without an email address");
    let person = json!({ "email": "ada@example.com", "name": "Ada" });
    post(&sandbox, &format!("/__sandbox/sessions/{id}/abandon"), person).await;
    let customers = api(&sandbox, "GET", "/customers", None).await.1;
    assert_eq!(customers["items"][0]["email"], "ada@example.com");
}

#[tokio::test]
async fn pages_of_other_sites_cannot_call_the_api() {
    let sandbox = Sandbox::builder().allow_host("shop.test").start().await.unwrap();
    let own = sandbox.url().to_owned();
    for (origin, allowed) in [
        ("http://localhost:3000", true),
        ("https://127.0.0.1:3000", true),
        ("http://shop.test", true),
        (own.as_str(), true),
        ("https://evil.example", false),
        ("http://192.168.1.7", false),
        ("null", false),
    ] {
        for method in [Method::OPTIONS, Method::GET, Method::POST] {
            let request = http().request(method.clone(), format!("{own}/licenses/validate"));
            let request = request.header("origin", origin).body(r#"{ "license_key": "k" }"#);
            let asked = ("access-control-request-headers", "authorization,x-stainless-lang");
            let answer = request.header(asked.0, asked.1).send().await.unwrap();
            let refused = answer.status() == StatusCode::FORBIDDEN;
            assert_eq!(refused, !allowed, "{method} {origin}");
            let shown = answer.headers().get("access-control-allow-origin");
            assert_eq!(shown.is_some_and(|shown| shown == origin), allowed, "{method} {origin}");
            assert_eq!(
                answer
                    .headers()
                    .get("access-control-allow-headers")
                    .is_some_and(|own| own == asked.1),
                allowed,
                "{method} {origin}"
            );
        }
    }
    let answer = http().get(format!("{own}/licenses/validate")).send().await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}
