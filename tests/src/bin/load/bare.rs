//! What one would write by hand: the least that verifies a delivery and reads a payment, and the
//! least that relays a checkout. The measure for what the middleware costs.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use dodo_core::BoxError;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// Verifies and reads; the status to answer.
fn deliver(key: &[u8], header: impl Fn(&'static str) -> Option<String>, body: &[u8]) -> u16 {
    let verified = || {
        let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let fresh = now.abs_diff(timestamp.parse().ok()?) <= 300;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        mac.update(id.as_bytes());
        mac.update(b".");
        mac.update(timestamp.as_bytes());
        mac.update(b".");
        mac.update(body);
        let signature = header("webhook-signature")?;
        let signature = STANDARD.decode(signature.strip_prefix("v1,")?).ok()?;
        mac.verify_slice(&signature).ok().filter(|()| fresh)
    };
    if verified().is_none() {
        return 401;
    }
    if serde_json::from_slice::<crate::plain::Event>(body).is_ok() { 200 } else { 400 }
}

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Bare {
    key: Vec<u8>,
    http: reqwest::Client,
    upstream: String,
}

impl Bare {
    pub(crate) fn new(key: &str, upstream: &str) -> Result<Self, BoxError> {
        // reqwest is built without a TLS provider of its own choice.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = STANDARD.decode(key.trim_start_matches("whsec_"))?;
        Ok(Self { key, http: reqwest::Client::new(), upstream: upstream.to_owned() })
    }

    async fn session(&self, body: Bytes) -> reqwest::Result<Value> {
        let request = self.http.post(format!("{}/checkouts", self.upstream));
        let request =
            request.bearer_auth("sk_test_TOKEN").header("content-type", "application/json");
        let created: Value = request.body(body).send().await?.json().await?;
        Ok(json!({"checkout_url": created["checkout_url"], "session_id": created["session_id"]}))
    }
}

pub(crate) mod on_axum {
    use axum::{Json, Router, http::HeaderMap, http::StatusCode, routing::post};

    use super::{Bare, Bytes, Value, deliver};

    pub(crate) fn router(bare: Bare) -> Router {
        let key = bare.key.clone();
        let webhook = move |headers: HeaderMap, body: Bytes| {
            let header = |name| Some(headers.get(name)?.to_str().ok()?.to_owned());
            let status = deliver(&key, header, &body);
            async move { StatusCode::from_u16(status).unwrap() }
        };
        let session = move |body: Bytes| async move {
            bare.session(body).await.map(Json::<Value>).map_err(|_| StatusCode::BAD_GATEWAY)
        };
        Router::new()
            .route("/api/webhook-bench", post(webhook))
            .route("/api/checkout/session", post(session))
    }
}

pub(crate) mod on_actix {
    use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

    use super::{Bare, Bytes, deliver};

    pub(crate) fn routes(config: &mut web::ServiceConfig, bare: Bare) {
        let key = bare.key.clone();
        let webhook = move |request: HttpRequest, body: Bytes| {
            let header = |name| Some(request.headers().get(name)?.to_str().ok()?.to_owned());
            let status = deliver(&key, header, &body);
            async move { HttpResponse::new(StatusCode::from_u16(status).unwrap()) }
        };
        let session = move |body: Bytes| {
            let bare = bare.clone();
            async move {
                match bare.session(body).await {
                    Ok(answer) => HttpResponse::Ok().json(answer),
                    Err(_) => HttpResponse::BadGateway().finish(),
                }
            }
        };
        config
            .route("/api/webhook-bench", web::post().to(webhook))
            .route("/api/checkout/session", web::post().to(session));
    }
}
