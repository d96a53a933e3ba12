//! From a cart to signed webhooks.

use dodo_sandbox::{Product, Sandbox, cards};
use serde_json::json;

use crate::support::{Receiver, api, pay_on_page, session};

async fn shop() -> Sandbox {
    Sandbox::builder()
        .clock_rate(0.0)
        .product(Product::one_time("pdt_book", "Book", "EUR", 4900))
        .product(Product::monthly("pdt_pro", "Pro", "USD", 1900))
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn purchase_sends_a_signed_event_with_the_metadata() {
    let sandbox = shop().await;
    let receiver = Receiver::of(&sandbox).await;
    let id = session(
        &sandbox,
        json!({
            "product_cart": [{ "product_id": "pdt_book", "quantity": 2 }],
            "metadata": { "visitor": "v_1", "touch_count": 7 },
            "return_url": "https://shop.example/back?order=1",
        }),
    )
    .await;

    let (status, location, _) = pay_on_page(&sandbox, &id, cards::OK).await;
    assert_eq!(status, 303);
    let location = location.unwrap();
    let (_, confirmation) = api(&sandbox, "GET", &format!("/checkouts/{id}"), None).await;
    let payment_id = confirmation["payment_id"].as_str().unwrap();
    assert_eq!(confirmation["payment_status"], "succeeded");
    assert_eq!(
        location,
        format!(
            "https://shop.example/back?order=1&payment_id={payment_id}&status=succeeded&email=ada%40example.com"
        )
    );

    sandbox.wait_until_idle().await;
    let arrivals = receiver.arrivals();
    let [arrival] = arrivals.as_slice() else { panic!("{arrivals:?}") };
    let verifier = standardwebhooks::Webhook::new(sandbox.webhook_secret()).unwrap();
    verifier.verify(arrival.raw.as_bytes(), &arrival.headers).unwrap();
    assert_eq!(arrival.body["type"], "payment.succeeded");
    let data = &arrival.body["data"];
    assert_eq!(data["total_amount"], 11_662); // 2 * 49.00 and 19 % tax
    assert_eq!(data["tax"], 1862);
    assert_eq!(data["metadata"], json!({ "visitor": "v_1", "touch_count": 7 }));
    assert_eq!(data["checkout_session_id"], json!(id));
    assert_eq!(data["product_cart"], json!([{ "product_id": "pdt_book", "quantity": 2 }]));

    let (status, _, page) = pay_on_page(&sandbox, &id, cards::OK).await;
    assert_eq!(status, 409);
    assert!(page.contains("CHECKOUT_SESSION_CONSUMED"), "{page}");
}

#[tokio::test]
async fn subscription_starts_with_four_events() {
    let sandbox = shop().await;
    let receiver = Receiver::of(&sandbox).await;
    let id = session(
        &sandbox,
        json!({
            "product_cart": [{ "product_id": "pdt_pro", "quantity": 1 }],
            "metadata": { "visitor": "v_2" },
            "return_url": "https://shop.example/back",
        }),
    )
    .await;
    let (_, location, _) = pay_on_page(&sandbox, &id, cards::OK).await;
    let location = location.unwrap();
    assert!(location.contains("subscription_id=sub_") && location.contains("status=active"));
    sandbox.wait_until_idle().await;
    for arrival in receiver.arrivals() {
        assert_eq!(arrival.body["data"]["metadata"]["visitor"], "v_2", "{}", arrival.body["type"]);
    }
    assert_eq!(
        receiver.take_names(),
        [
            "payment.succeeded",
            "subscription.active",
            "subscription.renewed",
            "subscription.updated"
        ]
    );
}

#[tokio::test]
async fn declined_card_may_be_replaced_on_same_page() {
    let sandbox = shop().await;
    let receiver = Receiver::of(&sandbox).await;
    let id =
        session(&sandbox, json!({ "product_cart": [{ "product_id": "pdt_book", "quantity": 1 }] }))
            .await;
    let (status, location, page) = pay_on_page(&sandbox, &id, cards::DECLINED).await;
    assert_eq!((status.as_u16(), location), (200, None));
    assert!(page.contains("The card was declined."), "{page}");
    let (status, location, _) = pay_on_page(&sandbox, &id, cards::OK).await;
    assert_eq!((status.as_u16(), location.unwrap()), (303, format!("/session/{id}")));
    sandbox.wait_until_idle().await;
    assert_eq!(receiver.take_names(), ["payment.failed", "payment.succeeded"]);
}

/// By default a known e-mail address is a known customer.
#[tokio::test]
async fn new_customer_is_created_on_request() {
    let sandbox = shop().await;
    let buy =
        async |flags: serde_json::Value, customer: serde_json::Value, declined_first: bool| {
            let body = json!({
                "product_cart": [{ "product_id": "pdt_book", "quantity": 1 }],
                "feature_flags": flags.as_object().cloned().unwrap_or_default(),
                "customer": customer,
            });
            let id = session(&sandbox, body).await;
            if declined_first {
                pay_on_page(&sandbox, &id, cards::DECLINED).await;
            }
            assert_eq!(pay_on_page(&sandbox, &id, cards::OK).await.0, 303);
            let (_, paid) = api(&sandbox, "GET", &format!("/checkouts/{id}"), None).await;
            let payment = format!("/payments/{}", paid["payment_id"].as_str().unwrap());
            let (_, payment) = api(&sandbox, "GET", &payment, None).await;
            payment["customer"]["customer_id"].as_str().unwrap().to_owned()
        };
    let always = || json!({ "always_create_new_customer": true });
    let first = buy(json!(null), json!(null), false).await;
    assert_eq!(buy(json!({}), json!(null), false).await, first);
    let flag_off = json!({ "always_create_new_customer": false, "allow_tax_id": true });
    assert_eq!(buy(flag_off, json!({ "email": "ada@example.com" }), false).await, first);

    let second = buy(always(), json!({ "email": "ada@example.com" }), false).await;
    assert_ne!(second, first);
    // A declined card does not make a third one.
    let third = buy(always(), json!(null), true).await;
    assert!(third != first && third != second);
    let (_, all) = api(&sandbox, "GET", "/customers?email=ada%40example.com", None).await;
    assert_eq!(all["items"].as_array().unwrap().len(), 3, "{all}");
    // Whom the shop names is that one.
    assert_eq!(buy(always(), json!({ "customer_id": first }), false).await, first);
}
