//! Helpers for tests of applications: build any event, sign it, or send a stored one again.
//!
//! ```
//! use dodo_core::{
//!     Environment, EventKind, WebhookKey, Webhooks,
//!     endpoint::Endpoint,
//!     event::Payment,
//!     testing::EventBuilder,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), dodo_core::Error> {
//! let key = WebhookKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Environment::Test)?;
//! let hooks = Webhooks::builder(key.clone())
//!     .on_payment_succeeded(|event| async move {
//!         if event.data.total_amount == 500 { Ok(()) } else { Err("wrong amount".into()) }
//!     })
//!     .build()?;
//!
//! let request = EventBuilder::new(EventKind::PaymentSucceeded)
//!     .modify(|payment: &mut Payment| payment.total_amount = 500)?
//!     .to_request(&key);
//! assert_eq!(hooks.handle(request).await.status(), 200);
//! # Ok(()) }
//! ```

mod samples;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    Environment, Error, ErrorKind, EventKind, WebhookKey, event::Payload, webhook::VerifiedEvent,
};

/// Returns the headers of a delivery of `body`, signed at the time of `key`'s own clock.
///
/// If the id has a control character, the header is omitted.
#[must_use]
pub fn sign(key: &WebhookKey, id: &str, body: &[u8]) -> HeaderMap {
    let seconds = key.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in [
        ("webhook-id", id),
        ("webhook-timestamp", &seconds.to_string()),
        ("webhook-signature", &key.sign(id, seconds, body)),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers
}

/// Returns a key from a secret of fewer than 24 bytes, for old tests and other senders.
///
/// # Errors
/// [`Config`](ErrorKind::Config) if it is empty or not base64.
pub fn short_key(secret: &str, environment: Environment) -> Result<WebhookKey, Error> {
    WebhookKey::short(secret, environment)
}

/// Returns a signed delivery of raw JSON, for example of a stored body.
#[must_use]
pub fn signed_request(key: &WebhookKey, id: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    let body = body.into();
    let headers = sign(key, id, &body);
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.headers_mut() = headers;
    request
}

/// Builds an event of any kind, with sensible defaults for everything.
///
/// Every event gets a new id.
///
/// `Debug` shows id and kind only: the payload may be a real one.
#[derive(Clone)]
#[must_use]
pub struct EventBuilder {
    id: String,
    kind: EventKind,
    timestamp: Timestamp,
    business_id: String,
    data: Value,
    live: bool,
}

impl fmt::Debug for EventBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBuilder")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl EventBuilder {
    /// An event of `kind`, with the usual status of such an event. For an unknown kind, `data` is
    /// an empty object.
    pub fn new(kind: EventKind) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let data = samples::sample(&kind);
        Self {
            id: format!("msg_test_{}", NEXT.fetch_add(1, Ordering::Relaxed)),
            kind,
            timestamp: samples::moment(),
            business_id: samples::BUSINESS.to_owned(),
            data,
            live: false,
        }
    }

    /// Changes the payload.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if events of this kind have another
    /// payload, or if [`set_json`](Self::set_json) made the payload invalid.
    pub fn modify<T: Payload>(mut self, change: impl FnOnce(&mut T)) -> Result<Self, Error> {
        let (mut payload, _) = T::from_json(&self.data.to_string()).map_err(|error| {
            Error::new(ErrorKind::InvalidRequest, "events of this kind carry another payload")
                .with_code("another_payload")
                .with_source(error)
        })?;
        change(&mut payload);
        self.data = to_value(&payload);
        Ok(self)
    }

    /// Sets one key of `data` to any JSON, for example to test a new field.
    pub fn set_json(mut self, key: &str, value: impl Into<Value>) -> Self {
        if let Value::Object(data) = &mut self.data {
            data.insert(key.to_owned(), value.into());
        }
        self
    }

    /// The `webhook-id`.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Sets the time of the event.
    pub fn timestamp(mut self, timestamp: Timestamp) -> Self {
        self.timestamp = timestamp;
        self
    }

    /// Sets whether [`to_verified`](Self::to_verified) creates a live event. For a request, the
    /// mode of the key decides.
    pub fn live(mut self, live: bool) -> Self {
        self.live = live;
        self
    }

    /// The body, compact.
    #[must_use]
    pub fn body(&self) -> Bytes {
        let mut body = Map::new();
        body.insert("business_id".to_owned(), self.business_id.clone().into());
        body.insert("data".to_owned(), self.data.clone());
        body.insert("timestamp".to_owned(), self.timestamp.to_string().into());
        body.insert("type".to_owned(), self.kind.as_str().into());
        Value::Object(body).to_string().into()
    }

    /// Returns a delivery of the event, signed now.
    #[must_use]
    pub fn to_request(&self, key: &WebhookKey) -> Request<Bytes> {
        signed_request(key, &self.id, self.body())
    }

    /// Returns the event as a store or a sink gets it, without a signature.
    #[must_use]
    pub fn to_verified(&self) -> VerifiedEvent {
        VerifiedEvent::from_trusted_parts(&self.id, self.body(), self.timestamp, self.live)
    }
}

fn to_value<T: Payload>(payload: &T) -> Value {
    // Payloads are objects with text keys, so their serialization cannot fail.
    serde_json::to_value(payload).unwrap_or_default()
}
