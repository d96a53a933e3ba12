//! A client of the sandbox, and an app that takes webhooks.

use std::sync::{Arc, LazyLock, Mutex};

use axum::{Router, extract::State, routing::post};
use dodo_sandbox::Sandbox;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::contract_tests::{check_answer, check_event};

/// A client without idle connections: each test has a runtime of its own.
pub(crate) fn http() -> &'static reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().pool_max_idle_per_host(0);
        client.redirect(reqwest::redirect::Policy::none()).build().unwrap()
    });
    &CLIENT
}

/// Calls the API with the sandbox's key.
pub(crate) async fn api(
    sandbox: &Sandbox,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let request = http()
        .request(method.parse().unwrap(), format!("{}{path}", sandbox.url()))
        .bearer_auth(sandbox.api_key());
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let answer = request.send().await.unwrap();
    let (status, body) = (answer.status(), answer.bytes().await.unwrap_or_default());
    check_answer(method, path, status, &body);
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// A webhook as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) headers: HeaderMap,
    pub(crate) raw: String,
    pub(crate) body: Value,
}

/// An app that takes webhooks, with an answer that can be set.
#[derive(Clone)]
pub(crate) struct Receiver {
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    answer: Arc<Mutex<StatusCode>>,
    pub(crate) url: String,
}

impl Receiver {
    /// Listens, and registers itself.
    pub(crate) async fn of(sandbox: &Sandbox) -> Self {
        let receiver = Self::start().await;
        sandbox.register_webhook(&receiver.url).unwrap();
        receiver
    }

    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver =
            Self { arrivals: Arc::default(), answer: Arc::new(Mutex::new(StatusCode::OK)), url };
        let router = Router::new().route("/hook", post(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    pub(crate) fn answer(&self, status: u16) {
        *self.answer.lock().unwrap() = StatusCode::from_u16(status).unwrap();
    }

    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap().clone()
    }

    /// The names of what arrived, sorted, and forgets it.
    pub(crate) fn take_names(&self) -> Vec<String> {
        let arrivals = std::mem::take(&mut *self.arrivals.lock().unwrap());
        let mut names: Vec<_> =
            arrivals.iter().map(|a| a.body["type"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, raw: String) -> StatusCode {
    let body = serde_json::from_str(&raw).unwrap();
    check_event(&body);
    receiver.arrivals.lock().unwrap().push(Arrival { headers, raw, body });
    *receiver.answer.lock().unwrap()
}

/// Creates a session for this body and returns its id. Without a customer in the body, it is for Ada.
pub(crate) async fn session(sandbox: &Sandbox, mut body: Value) -> String {
    if body["customer"].is_null() {
        body["customer"] = json!({ "email": "ada@example.com", "name": "Ada Lovelace" });
    }
    let (status, answer) = api(sandbox, "POST", "/checkouts", Some(body)).await;
    assert_eq!(status, 200, "{answer}");
    answer["session_id"].as_str().unwrap().to_owned()
}

/// Fills in the hosted page with this card and sends it: status, `Location`, page.
pub(crate) async fn pay_on_page(
    sandbox: &Sandbox,
    session_id: &str,
    card: &str,
) -> (StatusCode, Option<String>, String) {
    let form: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("email", "ada@example.com"),
            ("name", "Ada Lovelace"),
            ("country", "DE"),
            ("card", card),
        ])
        .finish();
    let answer = http()
        .post(format!("{}/session/{session_id}/pay", sandbox.url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .unwrap();
    let location = answer.headers().get("location").map(|url| url.to_str().unwrap().to_owned());
    (answer.status(), location, answer.text().await.unwrap())
}
