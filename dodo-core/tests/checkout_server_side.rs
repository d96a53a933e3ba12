//! What an application's own code decides about a checkout, and what visitors bring: over an upstream
//! that is a closure.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    future::ready,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use dodo_core::{
    BoxError, Client, CustomerId, CustomerPortal, Environment, Error, ErrorKind, ProductId,
    RequestHead, SignedIn,
    capture::{CheckoutContext, VisitorCapture},
    checkout::{
        ClientBody, DynamicCheckout, FieldSet, SessionCheckout, StaticCheckout,
        request::{
            Address, CheckoutCustomer, CheckoutItem, Customization, DynamicRequest, SessionRequest,
            StaticRequest, SubscriptionData,
        },
    },
    endpoint::Endpoint,
};
use http::{Request, Response};
use serde_json::{Value, json};

type Calls = Arc<Mutex<Vec<(String, Value)>>>;

/// A client whose upstream knows every product and creates everything.
fn upstream() -> (Client, Calls) {
    let calls = Calls::default();
    let seen = calls.clone();
    let transport = move |request: Request<Bytes>| {
        let path = request.uri().path().to_owned();
        let body = serde_json::from_slice(request.body()).unwrap_or_default();
        seen.lock().unwrap().push((path.clone(), body));
        let answer = match path.as_str() {
            "/checkouts" => {
                json!({"session_id": "cks_1", "checkout_url": "https://checkout.example/cks_1"})
            }
            "/payments" | "/subscriptions" => {
                json!({"payment_link": "https://checkout.example/p"})
            }
            path if path.starts_with("/customers/") => json!({"link": "https://portal.example/x"}),
            path => json!({"is_recurring": path.contains("sub")}),
        };
        async move { Ok::<_, BoxError>(Response::new(Bytes::from(answer.to_string()))) }
    };
    let client =
        Client::builder("sk_test", Environment::Live).return_url("https://shop.example/done");
    (client.with_transport(transport).build().unwrap(), calls)
}

fn post(body: Value) -> Request<Bytes> {
    to("/", body)
}

fn to(target: &str, body: Value) -> Request<Bytes> {
    Request::post(target)
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_string()))
        .unwrap()
}

fn id(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

/// The answer's status and JSON.
async fn ask(endpoint: &impl Endpoint, request: Request<Bytes>) -> (u16, Value) {
    let answer = endpoint.handle(request).await;
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
}

/// The body of the last call upstream.
fn sent(calls: &Calls) -> Value {
    calls.lock().unwrap().last().cloned().unwrap().1
}

#[tokio::test]
async fn server_code_wins_over_the_client_and_needs_no_policy() {
    let (client, calls) = upstream();
    let fields = SessionRequest::new()
        .product_cart([CheckoutItem::new(id("pdt_pro"), 1).amount(900)])
        .discount_codes(["LAUNCH"])
        .subscription_data(SubscriptionData::new().trial_period_days(14))
        .metadata("plan", "pro")
        .metadata("seats", 3);
    let endpoint = SessionCheckout::builder(client).server_fields(fields).build().unwrap();
    let body = json!({
        "product_cart": [{"product_id": "pdt_cheap", "quantity": 9}],
        "discount_codes": ["MINE"],
        "metadata": {"plan": "free", "note": "hi"},
        "tax_id": "DE1",
    });
    assert_eq!(ask(&endpoint, post(body)).await.0, 200);
    assert_eq!(
        sent(&calls),
        json!({
            "product_cart": [{"product_id": "pdt_pro", "quantity": 1, "amount": 900}],
            "discount_codes": ["LAUNCH"],
            "subscription_data": {"trial_period_days": 14},
            "metadata": {"plan": "pro", "seats": 3, "note": "hi"},
            "tax_id": "DE1",
            "return_url": "https://shop.example/done",
        })
    );
}

#[tokio::test]
async fn hooks_compute_fields_and_choose_the_answer() {
    let (client, calls) = upstream();
    let endpoint = SessionCheckout::builder(client)
        .app_fields(["plan"])
        .server_fields(SessionRequest::new().metadata("shop", "main"))
        .server_fields_with(|head: RequestHead| async move {
            let fields = head.extension::<ClientBody>().cloned();
            match fields.as_ref().and_then(|f| f.get("plan")).and_then(Value::as_str) {
                Some("pro") => Ok(SessionRequest::new()
                    .product_cart([CheckoutItem::new(id("pdt_pro"), 2)])
                    .metadata("agent", head.header("user-agent").unwrap_or("none"))),
                Some("broken") => Err(BoxError::from("the database is down")),
                _ => Err(Error::new(ErrorKind::NotFound, "no such plan").into()),
            }
        })
        .build()
        .unwrap();
    let mut request = post(json!({"plan": "pro"}));
    request.headers_mut().insert("user-agent", "t".parse().unwrap());
    assert_eq!(ask(&endpoint, request).await.0, 200);
    assert_eq!(
        sent(&calls),
        json!({
            "product_cart": [{"product_id": "pdt_pro", "quantity": 2}],
            "metadata": {"agent": "t", "shop": "main"},
            "return_url": "https://shop.example/done",
        })
    );
    let (status, answer) = ask(&endpoint, post(json!({"plan": "gold"}))).await;
    assert_eq!((status, answer["detail"].as_str()), (404, Some("no such plan")));
    let (status, answer) = ask(&endpoint, post(json!({"plan": "broken"}))).await;
    assert_eq!((status, answer["code"].as_str()), (500, Some("callback_failed")));
    assert!(!answer.to_string().contains("database"));
    assert_eq!(calls.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn panic_of_hook_answers_500() {
    let (client, calls) = upstream();
    let endpoint = SessionCheckout::builder(client)
        .server_fields_with(|head: RequestHead| async move {
            assert!(head.uri.path().is_empty(), "a bug in the shop");
            Ok::<_, Error>(SessionRequest::new())
        })
        .build()
        .unwrap();
    assert_eq!(ask(&endpoint, post(json!({}))).await.0, 500);
    assert!(calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn server_values_are_held_to_dodos_limits_alone() {
    let (client, calls) = upstream();
    let item = || CheckoutItem::new(id("pdt_a"), 1);
    for (fields, place, rule) in [
        (SessionRequest::new().billing_currency("dollars"), "/billing_currency", "three capital"),
        (
            SessionRequest::new().product_cart([CheckoutItem::new(id("pdt_a"), 0)]),
            "/product_cart/0/quantity",
            "from 1 to",
        ),
        (SessionRequest::new().product_cart(vec![item(); 21]), "/product_cart", "0 to 20"),
        (SessionRequest::new().return_url("javascript:alert(1)"), "/return_url", "javascript"),
        (SessionRequest::new().metadata("a b", "x"), "/metadata/a b", "1 to 40 letters"),
        (SessionRequest::new().discount_codes(vec!["X"; 21]), "/discount_codes", "0 to 20"),
        (
            SessionRequest::new().billing_address(Address::new("Wonderland")),
            "/billing_address/country",
            "two capital",
        ),
    ] {
        let fixed = SessionCheckout::builder(client.clone()).server_fields(fields.clone()).build();
        let text = fixed.map(drop).unwrap_err().to_string();
        for part in [place, rule, "Dodo Payments"] {
            let own = part == "Dodo Payments" && text.contains("dodo-core");
            assert!(text.contains(part) || own, "{text} lacks {part}");
        }
        let computed = fields.clone();
        let endpoint = SessionCheckout::builder(client.clone())
            .server_fields_with(move |_| ready(Ok::<_, Error>(computed.clone())))
            .build()
            .unwrap();
        let cart = json!({"product_cart": [{"product_id": "pdt_a", "quantity": 1}]});
        let (status, answer) = ask(&endpoint, post(cart)).await;
        assert_eq!((status, answer["code"].as_str()), (500, Some("misconfigured")), "{fields:?}");
        let created = client.create_session(fields).await;
        assert_eq!(created.unwrap_err().kind(), ErrorKind::Config);
    }
    assert!(calls.lock().unwrap().is_empty());

    let name = "n".repeat(300);
    let fields = SessionRequest::new()
        .product_cart(vec![item(); 20])
        .customer(CheckoutCustomer::new("josé@example.com").name(&name))
        .customization(Customization::new().theme("auto"))
        .return_url("myapp://done")
        .set_raw("a_field_of_tomorrow", json!({"x": 1}));
    let endpoint = SessionCheckout::builder(client).server_fields(fields).build().unwrap();
    assert_eq!(ask(&endpoint, post(json!({}))).await.0, 200);
    let sent = sent(&calls);
    assert_eq!(sent["customer"], json!({"email": "josé@example.com", "name": name}));
    assert_eq!(sent["customization"]["theme"], "auto");
    assert_eq!(sent["return_url"], "myapp://done");
    assert_eq!(sent["a_field_of_tomorrow"], json!({"x": 1}));
}

#[tokio::test]
async fn urls_of_the_shop_name_products() {
    let (client, calls) = upstream();
    let slugs = || [("pro", id("pdt_pro")), ("team", id("pdt_sub_team"))];
    let session =
        SessionCheckout::builder(client.clone()).products_by_slug("plan", slugs()).build().unwrap();
    let dynamic =
        DynamicCheckout::builder(client.clone()).products_by_slug("plan", slugs()).build().unwrap();
    let link = StaticCheckout::builder(client).products_by_slug("plan", slugs()).build().unwrap();
    let buyer = json!({"billing": {"country": "DE"}, "customer": {"email": "a@b.co"}});

    assert_eq!(ask(&session, to("/?plan=pro", json!({}))).await.0, 200);
    assert_eq!(sent(&calls)["product_cart"], json!([{"product_id": "pdt_pro", "quantity": 1}]));
    let cart = json!({"product_cart": [{"product_id": "pdt_other", "quantity": 1}]});
    assert_eq!(ask(&session, to("/?plan=pro", cart.clone())).await.0, 200);
    assert_eq!(sent(&calls)["product_cart"], json!([{"product_id": "pdt_pro", "quantity": 1}]));
    assert_eq!(ask(&session, to("/?plan=gold", cart)).await.0, 404);
    assert_eq!(ask(&session, to("/?plan=pro&plan=team", json!({}))).await.0, 400);

    assert_eq!(ask(&dynamic, to("/?plan=team", buyer)).await.0, 200);
    assert_eq!(sent(&calls)["product_id"], "pdt_sub_team");
    assert_eq!(calls.lock().unwrap().last().unwrap().0, "/subscriptions");

    for (query, status) in
        [("plan=pro", 200), ("plan=gold", 404), ("plan=pro&productId=pdt_x", 200)]
    {
        let request = Request::get(format!("/?{query}")).body(Bytes::new()).unwrap();
        let (got, answer) = ask(&link, request).await;
        assert_eq!(got, status, "{query}");
        if got == 200 {
            let url = answer["checkout_url"].as_str().unwrap();
            assert!(url.contains("/buy/pdt_pro?"), "{url}");
        }
    }
}

#[tokio::test]
async fn only_listed_products_are_sold() {
    let (client, calls) = upstream();
    let session = SessionCheckout::builder(client.clone())
        .allow_products([id("pdt_a"), id("pdt_b")])
        .allow_field_set(FieldSet::Collections)
        .build()
        .unwrap();
    let dynamic =
        DynamicCheckout::builder(client.clone()).allow_products([id("pdt_a")]).build().unwrap();
    let link = StaticCheckout::builder(client).allow_products([id("pdt_a")]).build().unwrap();
    let item = |id| json!({"product_id": id, "quantity": 1});
    for (body, pointer) in [
        (json!({"product_cart": [item("pdt_a"), item("pdt_x")]}), "/product_cart/1/product_id"),
        (json!({"product_cart": [], "product_collection_id": "col_1"}), "/product_collection_id"),
    ] {
        let (status, answer) = ask(&session, post(body)).await;
        assert_eq!((status, answer["code"].as_str()), (400, Some("product_not_allowed")));
        assert_eq!(answer["pointer"], pointer);
    }
    for (name, value, pointer) in [
        ("product_id", json!("pdt_x"), "/product_id"),
        ("product_cart", json!([item("pdt_x")]), "/product_cart/0/product_id"),
        ("one_time_product_cart", json!([item("pdt_x")]), "/one_time_product_cart/0/product_id"),
    ] {
        let mut body = json!({"billing": {"country": "DE"}, "customer": {"email": "a@b.co"}, "product_id": "pdt_a"});
        body[name] = value;
        let (status, answer) = ask(&dynamic, post(body)).await;
        assert_eq!((status, answer["pointer"].as_str()), (400, Some(pointer)), "{name}");
    }
    let request = Request::get("/?productId=pdt_x").body(Bytes::new()).unwrap();
    let (status, answer) = ask(&link, request).await;
    assert_eq!((status, answer["field"].as_str()), (400, Some("productId")));
    assert_eq!(answer.get("pointer"), None, "a query has no JSON Pointer");
    assert!(calls.lock().unwrap().is_empty());
    assert_eq!(ask(&session, post(json!({"product_cart": [item("pdt_b")]}))).await.0, 200);
}

#[tokio::test]
async fn customer_comes_from_sign_in() {
    let (client, calls) = upstream();
    let session = SessionCheckout::builder(client.clone()).customer_from_sign_in().build().unwrap();
    let body = json!({
        "product_cart": [{"product_id": "pdt_a", "quantity": 1}],
        "customer": {"email": "someone@else.example"},
    });
    let mut request = post(body.clone());
    request.extensions_mut().insert(SignedIn::new(CustomerId::new("cus_me").unwrap()));
    assert_eq!(ask(&session, request).await.0, 200);
    assert_eq!(sent(&calls)["customer"], json!({"customer_id": "cus_me"}));
    assert_eq!(ask(&session, post(body)).await.0, 200);
    assert_eq!(sent(&calls)["customer"], json!({"email": "someone@else.example"}));

    let portal = CustomerPortal::builder(client).return_url("https://shop.example/account");
    let portal = portal.build().unwrap();
    let visit = || Request::get("/?customer_id=cus_victim").body(Bytes::new()).unwrap();
    let before = calls.lock().unwrap().len();
    assert_eq!(ask(&portal, visit()).await.0, 401);
    assert_eq!(calls.lock().unwrap().len(), before);
    let mut request = visit();
    request.extensions_mut().insert(SignedIn::new(CustomerId::new("cus_me").unwrap()));
    let answer = portal.handle(request).await;
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.headers()["location"], "https://portal.example/x");
    assert_eq!(
        calls.lock().unwrap().last().unwrap().0,
        "/customers/cus_me/customer-portal/session"
    );
}

#[tokio::test]
async fn only_allowed_names_paths_and_sets_pass() {
    let (client, _) = upstream();
    let trial = json!({
        "product_cart": [{"product_id": "pdt_a", "quantity": 1}],
        "subscription_data": {"trial_period_days": 7},
    });
    let on_demand = json!({
        "product_cart": [{"product_id": "pdt_a", "quantity": 1}],
        "subscription_data": {"on_demand": {"mandate_only": true}},
    });
    let session = || SessionCheckout::builder(client.clone());
    for (name, endpoint, trial_status, on_demand_status) in [
        ("nothing", session(), 400, 400),
        ("name", session().allow_fields(["trial_period_days"]), 200, 400),
        ("path", session().allow_fields(["subscription_data.trial_period_days"]), 200, 400),
        ("set", session().allow_field_set(FieldSet::OnDemand), 400, 200),
        ("all", session().express_compatible(), 200, 200),
    ] {
        let endpoint = endpoint.build().unwrap();
        assert_eq!(ask(&endpoint, post(trial.clone())).await.0, trial_status, "{name}: trial");
        let got = ask(&endpoint, post(on_demand.clone())).await.0;
        assert_eq!(got, on_demand_status, "{name}: on demand");
    }
}

#[tokio::test]
async fn client_cannot_set_the_visitor_in_metadata() {
    let (client, calls) = upstream();
    let cart = json!([{"product_id": "pdt_a", "quantity": 1}]);
    let session =
        || SessionCheckout::builder(client.clone()).capture(VisitorCapture::visitors_now());
    let strict = session().build().unwrap();
    let express = session().express_compatible().build().unwrap();
    for (endpoint, cookie, claimed, expected) in [
        (&strict, Some("visitor=v_1"), None, json!("v_1")),
        (&strict, Some("visitor=v_1"), Some("evil"), json!("v_1")),
        (&strict, None, Some("evil"), Value::Null),
        (&express, Some("visitor=v_1"), Some("evil"), json!("v_1")),
        (&express, None, Some("evil"), json!("evil")),
    ] {
        let mut body = json!({"product_cart": cart});
        if let Some(claimed) = claimed {
            body["metadata"] = json!({"visitor": claimed});
        }
        let mut request = post(body);
        if let Some(cookie) = cookie {
            request.headers_mut().insert("cookie", cookie.parse().unwrap());
        }
        assert_eq!(ask(endpoint, request).await.0, 200);
        assert_eq!(sent(&calls)["metadata"]["visitor"], expected, "{cookie:?} {claimed:?}");
    }
    let link = StaticCheckout::builder(client)
        .capture(VisitorCapture::visitors_now())
        .server_fields(
            StaticRequest::new().full_name("A B").disable_full_name(true).metadata("k", 1),
        )
        .build()
        .unwrap();
    let request = Request::get("/?productId=pdt_a&metadata_visitor=evil&metadata_z=2&metadata_a=1")
        .header("cookie", "visitor=v_1")
        .body(Bytes::new())
        .unwrap();
    let (_, answer) = ask(&link, request).await;
    assert_eq!(
        answer["checkout_url"],
        "https://checkout.dodopayments.com/buy/pdt_a?quantity=1\
         &redirect_url=https%3A%2F%2Fshop.example%2Fdone&fullName=A+B&disableFullName=true\
         &metadata_visitor=v_1&metadata_z=2&metadata_a=1&metadata_k=1"
    );
}

#[tokio::test(start_paused = true)]
async fn context_is_stored_and_store_never_fails_checkout() {
    let (client, _) = upstream();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let store = {
        let kept = kept.clone();
        move |session: String, context: CheckoutContext| {
            kept.lock().unwrap().push((session, context.visitor.is_some()));
            async { Ok::<_, BoxError>(()) }
        }
    };
    let session =
        || SessionCheckout::builder(client.clone()).capture(VisitorCapture::visitors_now());
    let request = || {
        let mut request = post(json!({"product_cart": [{"product_id": "pdt_a", "quantity": 1}]}));
        request.headers_mut().insert("cookie", "visitor=v_1".parse().unwrap());
        request
    };
    assert_eq!(ask(&session().context_store(store).build().unwrap(), request()).await.0, 200);
    assert_eq!(*kept.lock().unwrap(), [("cks_1".to_owned(), true)]);

    let failing = |_: String, _: CheckoutContext| async { Err::<(), _>(BoxError::from("full")) };
    assert_eq!(ask(&session().context_store(failing).build().unwrap(), request()).await.0, 200);
    let silent = |_: String, _: CheckoutContext| std::future::pending::<Result<(), BoxError>>();
    assert_eq!(ask(&session().context_store(silent).build().unwrap(), request()).await.0, 200);
}

#[tokio::test]
async fn links_take_every_field_in_code() {
    let (client, calls) = upstream();
    let endpoint = DynamicCheckout::builder(client)
        .server_fields(
            DynamicRequest::new()
                .product_id(id("pdt_sub_a"))
                .quantity(2)
                .trial_period_days(0)
                .customer(CheckoutCustomer::existing(&CustomerId::new("cus_1").unwrap())),
        )
        .build()
        .unwrap();
    let body = json!({"billing": {"country": "DE"}, "payment_link": false});
    assert_eq!(ask(&endpoint, post(body)).await.0, 200);
    assert_eq!(
        sent(&calls),
        json!({
            "product_id": "pdt_sub_a", "quantity": 2, "trial_period_days": 0,
            "customer": {"customer_id": "cus_1"}, "billing": {"country": "DE"},
            "payment_link": true, "return_url": "https://shop.example/done",
        })
    );
}
