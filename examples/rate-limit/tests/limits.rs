//! The limit on the sandbox, with clients of two addresses. Linux has all of 127.0.0.0/8 at once.
#![cfg(target_os = "linux")]

use std::{net::Ipv4Addr, num::NonZeroU32};

use dodo_core::{BoxError, Dodo, Environment};
use dodo_sandbox::Sandbox;
use rate_limit::{Quota, serve};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::test]
async fn checkouts_beyond_the_burst_of_an_address_get_429() -> Result<(), BoxError> {
    let sandbox = Sandbox::start().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let secret = sandbox.register_webhook(&format!("{url}/api/webhook"))?;
    let dodo = Dodo::builder(sandbox.api_key(), secret, Environment::Test)
        .client(|client| client.base_url(sandbox.url()).checkout_url(sandbox.url()))
        .build()?;
    // So slow that no token comes back during the test.
    let one = NonZeroU32::MIN;
    let quota = Quota::per_hour(one).allow_burst(one.saturating_add(1));
    tokio::spawn(async move { serve(listener, &dodo, quota).await.map_err(|e| e.to_string()) });

    let products = Client::new().get(format!("{}/products", sandbox.url()));
    let products: Value = products.bearer_auth(sandbox.api_key()).send().await?.json().await?;
    let product = products.pointer("/items/0/product_id").ok_or("the catalog is empty")?;
    let order = json!({ "product_cart": [{ "product_id": product, "quantity": 1 }] });
    let buy = async |browser: &Client| -> reqwest::Result<Response> {
        browser.post(format!("{url}/api/checkout")).json(&order).send().await
    };

    let first = client(1)?;
    assert_eq!(buy(&first).await?.status(), 200);
    assert_eq!(buy(&first).await?.status(), 200);
    let refused = buy(&first).await?;
    assert_eq!(refused.status(), 429);
    let wait = refused.headers().get("retry-after").ok_or("no Retry-After")?.to_str()?;
    assert!((1..=3601).contains(&wait.parse::<u32>()?), "{wait}");
    assert_eq!(refused.json::<Value>().await?.get("code"), Some(&json!("too_many_requests")));

    assert_eq!(buy(&client(2)?).await?.status(), 200, "another address has its own bucket");
    let unsigned = first.post(format!("{url}/api/webhook")).body("{}").send().await?;
    assert_eq!(unsigned.status(), 401, "the webhook route has no limit");
    Ok(())
}

/// A browser at 127.0.0.`last`.
fn client(last: u8) -> reqwest::Result<Client> {
    Client::builder().local_address(Some(Ipv4Addr::new(127, 0, 0, last).into())).build()
}
