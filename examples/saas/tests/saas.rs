//! A user buys a plan in the sandbox, and the app lets the user in.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use dodo_axum::{Dodo, Environment};
use dodo_billing::{Billing, CheckoutOptions};
use dodo_ledger::{Ledger, Store};
use dodo_sandbox::{Product, Sandbox, cards};
use saas::{Log, app, plans};
use tower::ServiceExt as _;

async fn ask(app: &Router, method: &str, path: &str, body: &str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).header("x-user", "user_42");
    let request = request.header("content-type", "application/json");
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn user_buys_a_plan_and_gets_in() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let sandbox = Sandbox::builder()
        .product(Product::monthly("pdt_pro", "Pro", "USD", 1900))
        .product(Product::monthly("pdt_team", "Team", "USD", 4900))
        .start()
        .await
        .unwrap();
    let dodo = Dodo::builder(sandbox.api_key(), sandbox.webhook_secret(), Environment::Test)
        .client(|client| client.base_url(sandbox.url()).checkout_url(sandbox.url()))
        .build()
        .unwrap();
    let billing = Billing::builder(&dodo, plans().unwrap())
        .secret("a-secret-of-32-random-characters")
        .listener(Log)
        .build()
        .unwrap();
    let store = Store::open("sqlite::memory:").await.unwrap();
    let ledger = Ledger::builder(store).projection(billing.clone()).open().await.unwrap();
    let (hooks, workers) = ledger.attach(dodo.webhooks::<()>()).unwrap();
    let app = app(&billing, hooks);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/dodo", listener.local_addr().unwrap());
    sandbox.register_webhook(&url).unwrap();
    let served = app.clone();
    tokio::spawn(async move { axum::serve(listener, served).await });

    assert_eq!(ask(&app, "POST", "/projects", "2").await, (StatusCode::OK, "3".into()));
    assert_eq!(ask(&app, "POST", "/projects", "3").await.0, StatusCode::PAYMENT_REQUIRED);
    let (status, problem) = ask(&app, "GET", "/export", "").await;
    assert!(status == 402 && problem.contains("feature_required"), "{status} {problem}");
    let (status, link) = ask(&app, "POST", "/billing/checkout", r#"{ "plan": "pro" }"#).await;
    assert!(status == 200 && link.contains("checkout_url"), "{status} {link}");

    // The same cart again is the same session: pay it.
    let owner = billing.owner("user_42");
    let session = owner.checkout(CheckoutOptions::of("pro")).await.unwrap();
    sandbox.pay_session_as(&session.session_id, cards::OK, "ada@example.com", "Ada").unwrap();
    sandbox.wait_until_idle().await;
    let paid = async { while !billing.owner("user_42").await.unwrap().can("export") {} };
    tokio::time::timeout(Duration::from_secs(20), paid).await.unwrap();
    let (status, text) = ask(&app, "GET", "/export", "").await;
    assert!(status == 200 && text.starts_with("active: "), "{status} {text}");
    assert_eq!(ask(&app, "POST", "/projects", "50").await.0, StatusCode::OK);
    let (_, state) = ask(&app, "GET", "/billing", "").await;
    assert!(state.contains(r#""plan":"pro""#), "{state}");
    workers.shutdown(Duration::from_secs(5)).await;
    drop(ledger);
}
