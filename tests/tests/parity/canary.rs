//! Secrets and personal data in every place where a request can hold them. That they come out
//! nowhere is checked for every case of every table; here they go in.

use dodo_tests::{
    case::Case, conformance::Conformance, delivery::Delivery, fixture::Shop, parity::Parity,
};
use serde_json::{Value, json};

fn person() -> Value {
    json!({"email": "canary@example.com", "name": "canary name"})
}

fn billing() -> Value {
    json!({"city": "canary city", "country": "US", "state": "TX", "street": "canary street", "zipcode": "5"})
}

/// A checkout of everything that is personal, for products whose creation fails in every way.
fn checkouts() -> impl Iterator<Item = Case> {
    let products = [
        "pdt_a",
        "pdt_post_fail401",
        "pdt_post_fail422",
        "pdt_post_fail500",
        "pdt_post_reset",
        "pdt_post_badjson",
        "pdt_post_hang",
        "pdt_missing",
    ];
    products
        .into_iter()
        .flat_map(|product| {
            let session = json!({
                "product_cart": [{"product_id": product, "quantity": 1}],
                "customer": person(), "billing_address": billing(), "tax_id": "canary tax",
                "metadata": {"note": "canary note", "visitor": "canary-visitor"},
                "discount_code": "canary-code",
            });
            let dynamic = json!({
                "product_id": product, "quantity": 1, "customer": person(), "billing": billing(),
                "metadata": {"note": "canary note"},
            });
            ["", "/strict"].into_iter().flat_map(move |prefix| {
                [
                    Case::post(
                        format!("session {prefix} {product}"),
                        &format!("{prefix}/api/checkout/session?utm_source=canary-source"),
                        session.to_string(),
                    ),
                    Case::post(
                        format!("dynamic {prefix} {product}"),
                        &format!("{prefix}/api/checkout/dynamic"),
                        dynamic.to_string(),
                    ),
                ]
            })
        })
        .map(|case| {
            case.header("cookie", "visitor=canary-visitor; session=canary-session")
                .header("authorization", "Bearer canary-token")
                .header("referer", "https://merchant.example/?email=canary@example.com")
        })
}

#[tokio::test]
async fn checkouts_show_no_personal_data() {
    let parity = Parity::start(Conformance::surrounded).await.unwrap();
    let on_shop = |case: Case| Case { path: "/checkout".to_owned(), ..case };
    let broken = br#"{"customer":{"email":"canary@example.com"},"product_cart":"#;
    let wrong = br#"{"customer":{"email":5,"name":"canary"},"product_cart":"canary"}"#;
    let more = [
        Case::post("broken", "/api/checkout/session", broken),
        Case::post("wrong types", "/api/checkout/session", wrong),
        Case::post("wrong types", "/api/checkout/dynamic", wrong),
        Case::post("no JSON", "/api/checkout/session", "canary"),
        Case::post("a malformed origin", "/strict/api/checkout/session", "{}")
            .header("origin", "https://canary@evil.example/canary"),
    ];
    let report = parity.check(checkouts().chain(more)).await;
    let shop = Parity::start(Shop::surrounded).await.unwrap();
    let sessions = checkouts().filter(|case| case.path == "/api/checkout/session").map(on_shop);
    report.and(shop.check(sessions).await).assert_equal("canaries at the checkout");
}

#[tokio::test]
async fn deliveries_show_no_personal_data() {
    let event = |kind: &str, more: Value| {
        let mut event = json!({
            "type": kind, "business_id": "bus_1", "timestamp": "2026-01-01T00:00:00Z",
            "data": {
                "payment_id": "pay_1", "subscription_id": "sub_1", "total_amount": 500, "currency": "EUR",
                "customer": {"customer_id": "cus_1", "email": "canary@example.com", "name": "canary"},
                "billing": billing(), "metadata": {"visitor": "canary-visitor"},
                "card_last_four": "canary", "error_message": "canary",
            },
        });
        if let (Some(data), Value::Object(more)) = (event["data"].as_object_mut(), more) {
            data.extend(more);
        }
        event.to_string()
    };
    let bodies = [
        event("payment.succeeded", json!({})),
        event("payment.failed", json!({})),
        event("payment.cancelled", json!({})),
        event(
            "payment.succeeded",
            json!({"tax": "canary", "customer": "canary", "created_at": "canary"}),
        ),
        event("payment.succeeded", json!({"total_amount": "canary"})),
        event("subscription.active", json!({})),
        event("canary.thing", json!({})),
        event("payment.succeeded", json!({})).replace("}}", "canary"),
        "\"canary\"".to_owned(),
    ];
    let cases = bodies.iter().flat_map(|body| {
        let good = Delivery::new("msg_1", body.as_str());
        let forged = Delivery { signature: "v1,canary".to_owned(), ..good.clone() };
        let all = ["/webhook", "/webhook/lenient", "/page/verified", "/page/payment"];
        all.into_iter().flat_map(move |path| [good.to(path), forged.to(path)])
    });
    let parity = Parity::start(Shop::surrounded).await.unwrap();
    parity.check(cases).await.assert_equal("canaries in deliveries");
}
