//! Requests to the sandbox's own routes without a socket: for journals, triggers and simulations.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    response::IntoResponse,
};
use http::{Request, header};
use serde_json::Value;
use tower_service::Service;

use crate::{Error, app::App, sandbox::router};

/// Calls the routes of one sandbox.
pub(crate) struct Local {
    app: Arc<App>,
    router: Router,
    /// Waits after each request until all deliveries are sent.
    idle: bool,
}

impl Local {
    pub(crate) fn new(app: &Arc<App>) -> Self {
        Self { app: Arc::clone(app), router: router(app), idle: false }
    }

    /// As [`new`](Self::new). Deliveries show the state of their own step, however fast the endpoints
    /// are, because each request waits for the deliveries of the one before.
    pub(crate) fn step_by_step(app: &Arc<App>) -> Self {
        Self { idle: true, ..Self::new(app) }
    }

    /// Sends a request with the API key, and returns the answer's JSON.
    ///
    /// # Errors
    /// The answer's code and message, if its status is not 2xx or 3xx.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: String,
    ) -> Result<Value, Error> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::AUTHORIZATION, self.app.authorization())
            .header(header::CONTENT_TYPE, content_type)
            .body(Body::from(body))
            .map_err(|_| Error::invalid(format!("{method} {path} is not a request")))?;
        let answer = match self.router.clone().call(request).await {
            Ok(answer) => answer.into_response(),
            Err(never) => match never {},
        };
        if self.idle {
            self.app.wait_until_idle().await;
        }
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap_or_default();
        let json: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() || status.is_redirection() {
            return Ok(json);
        }
        let message = json.get("message").and_then(Value::as_str).unwrap_or("no answer");
        Err(Error::refused(status, "REQUEST_FAILED", format!("{method} {path}: {message}")))
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) async fn json(&self, method: &str, path: &str, body: Value) -> Result<Value, Error> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, "application/json", body).await
    }

    /// Creates a checkout session, and returns its id.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) async fn checkout(&self, body: Value) -> Result<String, Error> {
        let session = self.json("POST", "/checkouts", body).await?;
        Ok(text(&session, "session_id").to_owned())
    }

    /// Pays a session with a card. Returns the payment's id, and whether the card was declined.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) async fn pay(&self, session_id: &str, card: &str) -> Result<(String, bool), Error> {
        let body = serde_json::json!({ "card": card });
        let path = format!("/__sandbox/sessions/{session_id}/pay");
        let paid = self.json("POST", &path, body).await?;
        Ok((text(&paid, "payment_id").to_owned(), text(&paid, "status") == "failed"))
    }

    /// Gives a subscription a new card, on the page that a customer would open.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) async fn new_card(&self, subscription_id: &str, card: &str) -> Result<(), Error> {
        let path = format!("/subscriptions/{subscription_id}/update-payment-method");
        let body = serde_json::json!({ "type": "new" });
        let answer = self.json("POST", &path, body).await?;
        let session = text(&answer, "payment_link").rsplit('/').next().unwrap_or_default();
        self.pay(session, card).await.map(drop)
    }
}

/// A text field; empty if it is absent.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
