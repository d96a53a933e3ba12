//! Nothing that is sent makes the sandbox panic, overflow or forget what it knows.

use dodo_sandbox::{Product, Sandbox, cards};
use serde_json::{Value, json};

use crate::support::{api, http, session};

async fn sandbox() -> Sandbox {
    Sandbox::builder()
        .clock_rate(0.0)
        .product(Product::one_time("pdt_house", "House", "USD", 2_000_000_000))
        .product(Product::monthly("pdt_pro", "Pro", "USD", 1900))
        .product(Product::one_time("pdt_tip", "Tip", "JPY", 1).pay_what_you_want(1))
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn numbers_beyond_reason_are_422() {
    let sandbox = sandbox().await;
    for quantity in [
        "0",
        "-1",
        "1.5",
        "1e400",
        "4294967296",
        "9223372036854775807",
        "99999999999999999999",
        "\"1\"",
        "null",
        "[]",
        "{}",
    ] {
        let body =
            format!(r#"{{"product_cart":[{{"product_id":"pdt_pro","quantity":{quantity}}}]}}"#);
        let request = http().post(format!("{}/checkouts", sandbox.url()));
        let answer = request.bearer_auth(sandbox.api_key()).body(body).send().await.unwrap();
        // JSON parsers refuse the number 1e400.
        let expected = if quantity == "1e400" { 400 } else { 422 };
        assert_eq!(answer.status(), expected, "{quantity}");
    }
    let cart = |product: &str, quantity: i64, amount: Value| json!({ "product_cart": [{ "product_id": product, "quantity": quantity, "amount": amount }] });
    for body in [
        cart("pdt_house", 2, Value::Null),
        cart("pdt_house", i64::from(u32::MAX), Value::Null),
        cart("pdt_pro", i64::from(u32::MAX), Value::Null),
        cart("pdt_tip", 2, json!(i64::MAX)),
        cart("pdt_tip", 1, json!(i64::MIN)),
        cart("pdt_tip", 1, json!(u64::MAX)),
        json!({ "product_cart": [
            { "product_id": "pdt_house", "quantity": 1 }, { "product_id": "pdt_house", "quantity": 1 },
        ] }),
    ] {
        let (status, answer) = api(&sandbox, "POST", "/checkouts", Some(body.clone())).await;
        assert_eq!(status, 422, "{body}: {answer}");
    }
    let (status, _) =
        api(&sandbox, "POST", "/checkouts", Some(cart("pdt_house", 1, Value::Null))).await;
    assert_eq!(status, 200, "the dearest product can still be bought");
}

#[tokio::test]
async fn dates_at_the_end_of_time_do_no_harm() {
    let sandbox = sandbox().await;
    let body = json!({
        "product_cart": [{ "product_id": "pdt_pro", "quantity": 1 }],
        "subscription_data": { "trial_period_days": 10_000 },
    });
    let payment =
        sandbox.pay_session(&session(&sandbox, body).await, cards::OK).unwrap().payment_id;
    let (_, payment) = api(&sandbox, "GET", &format!("/payments/{payment}"), None).await;
    let id = payment["subscription_id"].as_str().unwrap();
    let path = format!("/subscriptions/{id}");
    let far = json!({ "next_billing_date": "9999-12-30T00:00:00Z" });
    assert_eq!(api(&sandbox, "PATCH", &path, Some(far)).await.0, 200);
    assert!(sandbox.renew_subscription(id).is_ok());
    assert!(sandbox.advance(std::time::Duration::MAX).is_err());
    for _ in 0..12 {
        sandbox.advance(std::time::Duration::from_secs(366 * 24 * 60 * 60)).unwrap();
    }
    let (_, subscription) = api(&sandbox, "GET", &path, None).await;
    assert_eq!(subscription["status"], "expired", "{subscription}");
}

#[tokio::test]
async fn invalid_json_is_400_and_large_body_is_413() {
    let sandbox = sandbox().await;
    let send = async |body: Vec<u8>| {
        let request = http().post(format!("{}/checkouts", sandbox.url()));
        request.bearer_auth(sandbox.api_key()).body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(b"{".to_vec()).await, 400);
    assert_eq!(send(b"\xff\xfe".to_vec()).await, 400);
    assert_eq!(send("[".repeat(100_000).into_bytes()).await, 400);
    assert_eq!(send(vec![b' '; 2 * 1024 * 1024]).await, 413);
    assert_eq!(send(Vec::new()).await, 422);
}

#[tokio::test]
async fn odd_paths_and_forms_are_answered() {
    let sandbox = sandbox().await;
    for path in [
        "/session/%00",
        "/session/..%2f..%2fetc",
        "/portal/%3Cscript%3E",
        "/buy/%ff",
        "/buy/pdt_pro?quantity=99999999999999999999",
        "/buy/pdt_tip?paymentAmount=-1",
        "/buy/pdt_tip?paymentAmount=9223372036854775807",
        "/buy/pdt_pro?metadata_a%20b=1",
        "/buy/pdt_pro?redirect_url=javascript:alert(1)",
        "/payments/%F0%9F%92%A9",
    ] {
        let url = format!("{}{path}", sandbox.url());
        let answer = http().get(url).bearer_auth(sandbox.api_key()).send().await.unwrap();
        assert!(answer.status().as_u16() < 500, "{path}: {}", answer.status());
    }
    let body = json!({ "product_cart": [{ "product_id": "pdt_tip", "quantity": 1 }] });
    let id = session(&sandbox, body).await;
    for form in [
        "",
        "email=a",
        "email=%00&name=x&country=DE&card=4242",
        &"a=b&".repeat(10_000),
        "amount=1e99&email=a@b.c&name=x&country=DE",
    ] {
        let url = format!("{}/session/{id}/pay", sandbox.url());
        let answer = http().post(url).body(form.to_owned()).send().await.unwrap();
        assert!(answer.status().as_u16() < 500, "{form}: {}", answer.status());
    }
}

#[tokio::test]
async fn foreign_host_name_is_refused_on_every_route() {
    let sandbox = Sandbox::builder().allow_host("sandbox.test").start().await.unwrap();
    let ask = async |host: &str, path: &str| {
        let request = http().get(format!("{}{path}", sandbox.url())).header("host", host);
        let answer = request.bearer_auth(sandbox.api_key()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for path in ["/", "/products", "/__sandbox/clock", "/nowhere"] {
        let (status, body) = ask("evil.example", path).await;
        assert_eq!(status, 421, "{path}");
        assert!(body.contains("HOST_NOT_ALLOWED") && !body.contains(sandbox.api_key()), "{body}");
    }
    for host in ["sandbox.test:4010", "localhost:1", "127.0.0.1"] {
        assert_eq!(ask(host, "/").await.0, 200, "{host}");
    }
}

#[tokio::test]
async fn session_without_customer_is_paid_by_a_named_person_only() {
    let sandbox = sandbox().await;
    let body = json!({ "product_cart": [{ "product_id": "pdt_pro", "quantity": 1 }] });
    let (_, created) = api(&sandbox, "POST", "/checkouts", Some(body)).await;
    let id = created["session_id"].as_str().unwrap();
    let error = sandbox.pay_session(id, cards::OK).unwrap_err();
    assert!(error.message().contains("no customer"), "{error}");
    assert_eq!(api(&sandbox, "GET", "/customers", None).await.1["items"], json!([]));
    sandbox.pay_session_as(id, cards::OK, "grace@example.com", "Grace").unwrap();
    let (_, customers) = api(&sandbox, "GET", "/customers", None).await;
    assert_eq!(customers["items"][0]["email"], "grace@example.com");
}
