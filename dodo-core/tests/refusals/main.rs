//! What checkouts and the portal refuse, each at its exact limit: one step before it passes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod checkout;
mod meanings;
mod metadata;
mod options;
mod portal;
mod redirects;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dodo_core::{BoxError, Client, Environment, endpoint::Endpoint};
use http::{Request, Response};
use serde_json::{Value, json};

/// What Dodo was asked: path and query, body.
type Calls = Arc<Mutex<Vec<(String, Value)>>>;

/// A client whose upstream creates everything, and answers with this portal link.
fn upstream(portal: Value) -> (Client, Calls) {
    let calls = Calls::default();
    let seen = calls.clone();
    let transport = move |request: Request<Bytes>| {
        let target = request.uri().path_and_query().unwrap().to_string();
        let body = serde_json::from_slice(request.body()).unwrap_or_default();
        let answer = match request.uri().path() {
            "/checkouts" => {
                json!({"session_id": "cks_1", "checkout_url": "https://checkout.example/cks_1"})
            }
            path if path.starts_with("/customers") => portal.clone(),
            _ => json!({"is_recurring": false}),
        };
        seen.lock().unwrap().push((target, body));
        async move { Ok::<_, BoxError>(Response::new(Bytes::from(answer.to_string()))) }
    };
    let client =
        Client::builder("sk_test", Environment::Live).return_url("https://shop.example/done");
    (client.with_transport(transport).build().unwrap(), calls)
}

/// Status, code, and the place at fault.
async fn ask(endpoint: &impl Endpoint, request: Request<Bytes>) -> (u16, String, String) {
    let answer = endpoint.handle(request).await;
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let place = text("pointer").or_else(|| text("field")).unwrap_or_default();
    (answer.status().as_u16(), text("code").unwrap_or_default(), place)
}
