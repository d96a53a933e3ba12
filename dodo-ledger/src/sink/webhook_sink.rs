//! The sink for signed webhooks to a server.

use std::{fmt, time::SystemTime};

use bytes::Bytes;
use dodo_core::{WebhookKey, attribution::AttributionRecord, client::Transport};
use http::{HeaderValue, Method, Request, Uri, header};

use super::{
    http::{Http, endpoint},
    options::{Options, common},
};
use crate::{
    Error,
    outbox::{OutboxRecord, SendOutcome, Sink},
};

/// Posts each record as JSON to a URL, signed according to [Standard
/// Webhooks](https://www.standardwebhooks.com): `webhook-id` is the record's id, the same at every
/// repeat, and any library of that standard verifies it with the same secret.
///
/// It counts as a server of a third party: it receives no record of visitors who denied consent.
/// See [`first_party`](Self::first_party).
///
/// ```no_run
/// # fn main() -> Result<(), dodo_ledger::Error> {
/// use dodo_core::{Environment, WebhookKey};
/// use dodo_ledger::sink::WebhookSink;
///
/// let secret = std::env::var("WAREHOUSE_SECRET").unwrap_or_default();
/// let key = WebhookKey::new(&secret, Environment::Live)?;
/// let sink = WebhookSink::new("https://warehouse.example/records", key)?.without_personal_data();
/// # let _ = sink;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct WebhookSink {
    options: Options,
    uri: Uri,
    key: WebhookKey,
    http: Http,
}

impl WebhookSink {
    /// Posts to this URL: https, or http on this machine.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for another URL.
    #[cfg(feature = "reqwest")]
    pub fn new(url: &str, key: WebhookKey) -> Result<Self, Error> {
        Ok(Self::build(endpoint(url)?, key, Http::system()?))
    }

    /// Posts over your own transport.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_transport(
        url: &str,
        key: WebhookKey,
        transport: impl Transport,
    ) -> Result<Self, Error> {
        Ok(Self::build(endpoint(url)?, key, Http::new(transport)))
    }

    fn build(uri: Uri, key: WebhookKey, http: Http) -> Self {
        Self { options: Options::third_party("forwarder"), uri, key, http }
    }

    common!(name, without_personal_data, first_party, require_granted_consent, include_test_mode);

    fn request(&self, record: &AttributionRecord) -> Option<Request<Bytes>> {
        let mut record = record.clone();
        if !self.options.personal_data {
            (record.contact, record.email_sha256) = (None, None);
        }
        let body = Bytes::from(serde_json::to_vec(&record).ok()?);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        let mut signature = HeaderValue::from_str(&self.key.sign(&record.id, now, &body)).ok()?;
        signature.set_sensitive(true);
        Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &record.id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", signature)
            .body(body)
            .ok()
    }
}

impl Sink for WebhookSink {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn accepts(&self, record: &AttributionRecord) -> bool {
        self.options.accepts(record)
    }

    fn requires_consent(&self) -> bool {
        self.options.requires_consent()
    }

    async fn send(&self, records: &[OutboxRecord]) -> Vec<SendOutcome> {
        let mut outcomes = Vec::with_capacity(records.len());
        for outgoing in records {
            outcomes.push(match self.request(&outgoing.record) {
                Some(request) => self.http.send(request).await.into(),
                None => SendOutcome::Rejected { reason: "the record's id fits no header" },
            });
        }
        outcomes
    }
}

/// Shows neither the key nor the URL: it may hold a secret.
impl fmt::Debug for WebhookSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSink").field("name", &self.options.name).finish_non_exhaustive()
    }
}
