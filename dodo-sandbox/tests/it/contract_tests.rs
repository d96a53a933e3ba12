//! The sandbox's answers and events, checked against the contract.

use dodo_sandbox::{Behavior, Sandbox};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    contract::{Found, contract, generate::Generator},
    support::http,
};

/// Checks an answer of the API. Refusals have Dodo's shape.
pub(crate) fn check_answer(method: &str, path: &str, status: StatusCode, body: &[u8]) {
    let method: Method = method.parse().unwrap();
    let path = path.split('?').next().unwrap();
    let Found::Operation(operation, _) = contract().find(&method, path) else { return };
    if status.is_success() {
        if let Err(fault) = contract().check_answer(operation, status.as_u16(), body) {
            let body = String::from_utf8_lossy(body);
            panic!("{method} {path} answers outside of the contract: {fault}\n{body}");
        }
    } else {
        assert!(
            status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED,
            "{method} {path}: {status}"
        );
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        assert!(body["code"].is_string() && body["message"].is_string(), "{method} {path}: {body}");
    }
}

/// Checks the body of a webhook. Made-up data of `send_event`, with few fields, is sent as it is.
pub(crate) fn check_event(body: &Value) {
    let made_up = body["data"].as_object().is_none_or(|data| data.len() < 5);
    // An override of a trigger may add a field.
    let overridden = body["data"]["metadata"]["by"] == "a test";
    if !made_up
        && !overridden
        && let Err(fault) = contract().check_event(body)
    {
        panic!("an event is outside of the contract: {fault}\n{body:#}");
    }
}

/// The path of an operation with these values for its parameters.
fn fill(path: &str, value: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { value } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_operation_answers_or_refuses_in_dodos_shape() {
    let sandbox = Sandbox::start().await.unwrap();
    for operation in contract().operations() {
        let url = format!("{}{}", sandbox.url(), fill(operation.path, "x_1"));
        let request = http().request(operation.method.clone(), url).bearer_auth(sandbox.api_key());
        let request = if operation.body.is_some() { request.json(&json!({})) } else { request };
        let answer = request.send().await.unwrap();
        let (status, body) = (answer.status(), answer.bytes().await.unwrap());
        check_answer(operation.method.as_str(), operation.path, status, &body);
    }
}

#[tokio::test]
async fn any_id_answers_every_operation_with_a_sample_of_that_id() {
    let mut behavior = Behavior::default();
    behavior.any_id = true;
    let sandbox = Sandbox::builder().behavior(behavior).start().await.unwrap();
    let mut samples = 0;
    for operation in contract().operations().iter().filter(|own| own.method == Method::GET) {
        let url = format!("{}{}", sandbox.url(), fill(operation.path, "x_1"));
        let answer = http().get(url).bearer_auth(sandbox.api_key()).send().await.unwrap();
        samples +=
            usize::from(answer.headers().get("x-sandbox").is_some_and(|own| own == "sample"));
        let (status, body) = (answer.status(), answer.bytes().await.unwrap());
        assert!(status.is_success(), "{}: {status}", operation.path);
        check_answer("GET", operation.path, status, &body);
    }
    assert!(samples > 30, "{samples}");
    let answer = http().get(format!("{}/payments/pay_abc", sandbox.url()));
    let answer: Value =
        answer.bearer_auth(sandbox.api_key()).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["payment_id"], "pay_abc");
}

#[tokio::test]
async fn operations_without_state_are_samples_or_501() {
    for strict in [false, true] {
        let mut behavior = Behavior::default();
        behavior.strict = strict;
        let sandbox = Sandbox::builder().behavior(behavior).start().await.unwrap();
        let mut stateless = Vec::new();
        for operation in contract().operations() {
            let url = format!("{}{}", sandbox.url(), fill(operation.path, "x_1"));
            let request = http().request(operation.method.clone(), url);
            let answer = request.bearer_auth(sandbox.api_key()).send().await.unwrap();
            let sample = answer.headers().contains_key("x-sandbox");
            assert!(!(strict && sample), "{}", operation.path);
            if sample || answer.status() == StatusCode::NOT_IMPLEMENTED {
                stateless.push(operation.path);
            }
        }
        assert!(
            stateless.iter().all(|path| path.contains("/docs") || path.starts_with("/connectors")),
            "{stateless:?}"
        );
        assert_eq!((stateless.len(), contract().operations().len()), (16, 168));
    }
}

#[tokio::test]
async fn preflight_needs_no_key_and_names_the_methods() {
    let sandbox = Sandbox::start().await.unwrap();
    for path in ["/checkouts", "/licenses/validate", "/payments/pay_1"] {
        let request = http().request(Method::OPTIONS, format!("{}{path}", sandbox.url()));
        let answer = request.header("origin", "http://localhost:3000").send().await.unwrap();
        assert_eq!(answer.status(), 204, "{path}");
        let methods = answer.headers()["access-control-allow-methods"].to_str().unwrap();
        assert!(methods.contains("PATCH"), "{path}: {methods}");
    }
}

#[tokio::test]
async fn contract_and_sandbox_have_the_same_event_types() {
    assert_eq!(contract().event_types().count(), 48);
}

/// All ids in an answer.
fn collect_ids(value: &Value, ids: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains('_') && text.len() < 40 => ids.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect_ids(item, ids)),
        Value::Object(fields) => fields.values().for_each(|field| collect_ids(field, ids)),
        _ => {}
    }
}

#[tokio::test]
async fn generated_requests_never_fail_or_leave_the_contract() {
    let sandbox = Sandbox::builder().clock_rate(0.0).start().await.unwrap();
    let mut ids = Vec::new();
    for product in ["pdt_sandbox_pro", "pdt_sandbox_license"] {
        let cart = json!([{ "product_id": product, "quantity": 1 }]);
        let body = json!({ "product_cart": cart, "billing_address": { "country": "US" } });
        let session = crate::support::session(&sandbox, body).await;
        sandbox.pay_session(&session, dodo_sandbox::cards::OK).unwrap();
    }
    for path in ["/payments", "/subscriptions", "/customers", "/products", "/license_keys"] {
        let (_, list) = crate::support::api(&sandbox, "GET", path, None).await;
        collect_ids(&list, &mut ids);
    }
    let operations = contract().operations();
    let (mut succeeded, mut refused) = (0, 0);
    for turn in 0..operations.len() * 12 {
        let operation = &operations[turn * 7 % operations.len()];
        let pool = ids.clone();
        let mut by = Generator::new(turn as u64 + 1, &pool);
        let id = by.text();
        let id = percent_encoding::utf8_percent_encode(&id, percent_encoding::NON_ALPHANUMERIC);
        let path = fill(
            operation.path,
            &if id.to_string().is_empty() { "x".to_owned() } else { id.to_string() },
        );
        let query = contract().generate_query(operation, &mut by);
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let request = http()
            .request(operation.method.clone(), format!("{}{path}?{query}", sandbox.url()))
            .bearer_auth(sandbox.api_key());
        let request = match contract().generate_body(operation, &mut by) {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let (status, body) = (answer.status(), answer.bytes().await.unwrap());
        check_answer(operation.method.as_str(), &path, status, &body);
        match status.is_success() {
            true => succeeded += 1,
            false => refused += 1,
        }
        if let Ok(value) = serde_json::from_slice(&body) {
            collect_ids(&value, &mut ids);
            let excess = ids.len().saturating_sub(400);
            ids.drain(..excess);
        }
    }
    assert!(succeeded > 300 && refused > 100, "{succeeded} {refused}");
}
