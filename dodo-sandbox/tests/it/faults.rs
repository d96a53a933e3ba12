//! Outages on demand.

use std::time::Duration;

use dodo_sandbox::{Behavior, Fault, FaultKind, Product, Sandbox};
use serde_json::json;

use crate::support::{api, http};

async fn sandbox() -> Sandbox {
    let product = Product::one_time("pdt_book", "Book", "USD", 2000);
    Sandbox::builder().product(product).start().await.unwrap()
}

async fn get(sandbox: &Sandbox, path: &str) -> reqwest::Result<(u16, String)> {
    let request = http().get(format!("{}{path}", sandbox.url())).bearer_auth(sandbox.api_key());
    let answer = request.timeout(Duration::from_secs(1)).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

#[tokio::test]
async fn each_fault_does_what_it_says_for_the_paths_it_names() {
    let sandbox = sandbox().await;
    let product = "/products/pdt_book";

    sandbox.inject_fault(Fault::new(FaultKind::Status(503)).path_prefix("/products").times(2));
    for expected in [503, 503, 200] {
        assert_eq!(get(&sandbox, product).await.unwrap().0, expected);
    }
    assert_eq!(get(&sandbox, "/payments").await.unwrap().0, 200);

    sandbox.inject_fault(Fault::new(FaultKind::Garbage).times(1));
    let (status, body) = get(&sandbox, product).await.unwrap();
    assert_eq!(status, 200);
    assert!(serde_json::from_str::<serde_json::Value>(&body).is_err(), "{body}");

    sandbox.inject_fault(Fault::new(FaultKind::Reset).times(1));
    assert!(get(&sandbox, product).await.is_err());

    sandbox.inject_fault(Fault::new(FaultKind::Hang).times(1));
    assert!(get(&sandbox, product).await.unwrap_err().is_timeout());

    sandbox.inject_fault(Fault::new(FaultKind::Slow(20)).times(1));
    assert_eq!(get(&sandbox, product).await.unwrap().0, 200);

    sandbox.inject_fault(Fault::new(FaultKind::Status(500)));
    sandbox.clear_faults();
    assert_eq!(get(&sandbox, product).await.unwrap().0, 200);
}

#[tokio::test]
async fn cut_answer_may_follow_completed_request() {
    let sandbox = sandbox().await;
    sandbox.inject_fault(Fault::new(FaultKind::ResetAfter).times(1));
    let body = json!({ "email": "ada@example.com", "name": "Ada" }).to_string();
    let request =
        http().post(format!("{}/customers", sandbox.url())).bearer_auth(sandbox.api_key());
    let answer = match request.body(body).send().await {
        Ok(answer) => answer.text().await,
        Err(error) => Err(error),
    };
    assert!(answer.is_err());
    let (_, customers) = api(&sandbox, "GET", "/customers", None).await;
    assert_eq!(customers["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn rate_limit_counts_down_and_refuses_if_set() {
    let sandbox = sandbox().await;
    let remaining = async || {
        let request = http().get(format!("{}/products", sandbox.url()));
        let answer = request.bearer_auth(sandbox.api_key()).send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().parse::<u32>().unwrap();
        assert!(header("x-ratelimit-reset") <= 60);
        (answer.status().as_u16(), header("x-ratelimit-limit"), header("x-ratelimit-remaining"))
    };
    assert_eq!(remaining().await, (200, 240, 239));
    let mut behavior = Behavior::default();
    behavior.rate_limit = Some(3);
    sandbox.set_behavior(behavior);
    assert_eq!(remaining().await, (200, 3, 1));
    assert_eq!(remaining().await, (200, 3, 0));
    assert_eq!(remaining().await, (429, 3, 0));
    let (_, refused) = api(&sandbox, "GET", "/products", None).await;
    assert_eq!(refused["code"], "TOO_MANY_REQUESTS");
}

#[tokio::test]
async fn requests_are_remembered_without_their_key() {
    let sandbox = sandbox().await;
    api(&sandbox, "POST", "/customers?a=b", Some(json!({ "email": "nobody" }))).await;
    let requests = sandbox.recorded_requests();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/customers?a=b"));
    assert_eq!((request.body.as_str(), request.status), (r#"{"email":"nobody"}"#, Some(422)));
    assert!(!format!("{requests:?}").contains(sandbox.api_key()));
}

#[tokio::test]
async fn control_routes_work_over_http() {
    let sandbox = sandbox().await;
    let control = async |method: &str, path: &str, body: serde_json::Value| {
        let url = format!("{}/__sandbox{path}", sandbox.url());
        let request = http().request(method.parse().unwrap(), url).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
    };
    let before = sandbox.now();
    let (status, _) = control("POST", "/clock", json!({ "days": 2 })).await;
    assert_eq!(status, 200);
    assert!(sandbox.now().duration_since(before).as_hours() >= 48);
    assert_eq!(control("POST", "/clock", json!({ "days": 367 })).await.0, 422);
    assert_eq!(
        control("POST", "/clock", json!({ "weeks": 1 })).await.0,
        422,
        "unknown fields are named"
    );

    let fault = json!({ "kind": { "status": 500 }, "path": "/products", "times": 1 });
    assert_eq!(control("POST", "/faults", fault).await.0, 200);
    assert_eq!(get(&sandbox, "/products").await.unwrap().0, 500);
    assert_eq!(get(&sandbox, "/products").await.unwrap().0, 200);
    assert_eq!(control("POST", "/faults", json!({ "kind": "hang" })).await.0, 200);
    assert_eq!(control("DELETE", "/faults", json!({})).await.0, 200);
    assert_eq!(control("GET", "/faults", json!({})).await.1, json!([]));

    let product = json!({
        "product_id": "pdt_new", "name": "New", "currency": "JPY", "price": 300, "every": "Week",
    });
    assert_eq!(control("POST", "/products", product).await.1["is_recurring"], true);
    assert_eq!(get(&sandbox, "/products/pdt_new").await.unwrap().0, 200);
    let bad = json!({ "product_id": "p/x", "name": "N", "currency": "JPY", "price": 300 });
    assert_eq!(control("POST", "/products", bad).await.0, 422);

    let settings = json!({ "dunning": true, "period_end_cancellation": "expired_at_end" });
    let (_, stored) = control("PUT", "/behavior", settings).await;
    assert_eq!((&stored["dunning"], &stored["updated_events"]), (&json!(true), &json!(true)));
    assert_eq!(control("GET", "/deliveries", json!({})).await, (200, json!([])));
    assert_eq!(control("POST", "/payments/x/refund", json!({})).await.0, 404);
    assert_eq!(control("POST", "/events", json!({ "type": "no.such", "data": {} })).await.0, 422);
}
