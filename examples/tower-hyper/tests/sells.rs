//! A visitor buys and opens the portal, on the sandbox.

use dodo_core::{BoxError, Client, Environment, WebhookKey};
use dodo_sandbox::{Sandbox, cards};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_hyper::{Orders, serve};

#[tokio::test]
async fn visitor_buys_and_opens_portal() -> Result<(), BoxError> {
    let sandbox = Sandbox::start().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let shop = format!("http://{}", listener.local_addr()?);
    let secret = sandbox.register_webhook(&format!("{shop}/api/webhook"))?;
    let dodo = Client::builder(sandbox.api_key(), Environment::Test)
        .base_url(sandbox.url())
        .checkout_url(sandbox.url())
        .return_url(format!("{shop}/thanks"))
        .build()?;
    let (key, orders) = (WebhookKey::new(&secret, Environment::Test)?, Orders::default());
    let shown = orders.clone();
    tokio::spawn(async move { serve(listener, &dodo, key, orders).await });
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;

    let products: Value = browser
        .get(format!("{}/products", sandbox.url()))
        .bearer_auth(sandbox.api_key())
        .send()
        .await?
        .json()
        .await?;
    let product = products.pointer("/items/0/product_id").ok_or("the catalog is empty")?;
    let checkout: Value = browser
        .post(format!("{shop}/api/checkout"))
        .header("cookie", "visitor=v-1")
        .json(&json!({
            "product_cart": [{"product_id": product, "quantity": 1}],
            "customer": {"email": "ada@example.com", "name": "Ada"},
            "billing_address": {"country": "DE"},
        }))
        .send()
        .await?
        .json()
        .await?;
    let session = checkout.get("session_id").and_then(Value::as_str);
    let session = session.ok_or_else(|| format!("no session: {checkout}"))?;
    sandbox.pay_session(session, cards::OK)?;
    sandbox.wait_until_idle().await;
    let orders = shown.all();
    assert_eq!(orders.len(), 1, "{orders:?}");
    assert!(orders.iter().all(|order| order.ends_with(" by v-1")), "{orders:?}");

    let customers: Value = browser
        .get(format!("{}/customers", sandbox.url()))
        .bearer_auth(sandbox.api_key())
        .send()
        .await?
        .json()
        .await?;
    let customer = customers.pointer("/items/0/customer_id").and_then(Value::as_str);
    let portal = browser.get(format!("{shop}/api/portal"));
    assert_eq!(portal.try_clone().ok_or("a clone")?.send().await?.status(), 401);
    let opened = portal.header("x-customer-id", customer.ok_or("no customer")?).send().await?;
    assert_eq!(opened.status(), 302);
    Ok(())
}
