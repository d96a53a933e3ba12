//! Telling another server, signed.

use std::{fmt, time::SystemTime};

use bytes::Bytes;
use dodo_core::{AttributionRecord, Error, Transport, WebhookKey};
use http::{HeaderValue, Method, Request, Uri, header};

use super::{
    audience::Audience,
    http::{Http, endpoint},
};
use crate::outbox::{Outgoing, Sink, Told};

/// Posts each record as JSON to a URL, signed as [Standard Webhooks](https://www.standardwebhooks.com)
/// asks: `webhook-id` is the record's id, the same at every repeat, and any library of that standard
/// verifies it with the same secret.
///
/// It is taken for somebody else's server: visitors who said no are not told. See
/// [`first_party`](Self::first_party).
///
/// ```no_run
/// # fn main() -> Result<(), dodo_core::Error> {
/// use dodo_core::WebhookKey;
/// use dodo_ledger::sink::Forwarder;
///
/// let key = WebhookKey::new(&std::env::var("WAREHOUSE_SECRET").unwrap_or_default())?;
/// let sink = Forwarder::new("https://warehouse.example/records", key)?.without_personal_data();
/// # let _ = sink;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Forwarder {
    name: String,
    uri: Uri,
    key: WebhookKey,
    http: Http,
    audience: Audience,
    personal_data: bool,
}

impl Forwarder {
    /// Posts to this URL: https, or http on this machine.
    ///
    /// # Errors
    /// [`Invalid`](dodo_core::ErrorKind::Invalid) for another URL.
    #[cfg(feature = "reqwest")]
    pub fn new(url: &str, key: WebhookKey) -> Result<Self, Error> {
        Ok(Self::build(endpoint(url)?, key, Http::system()?))
    }

    /// Posts over a transport of your own.
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
        let name = "forwarder".to_owned();
        Self { name, uri, key, http, audience: Audience::THIRD_PARTY, personal_data: true }
    }

    /// Another name than `forwarder`: for a second URL.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Leaves out e-mail addresses, their hashes and names.
    #[must_use]
    pub fn without_personal_data(mut self) -> Self {
        self.personal_data = false;
        self
    }

    /// The server is your own: it is told about money whose visitor said no, too. Such records name
    /// no visitor.
    #[must_use]
    pub fn first_party(mut self) -> Self {
        self.audience.third_party = false;
        self
    }

    /// Only tells about visitors who said yes.
    #[must_use]
    pub fn only_with_consent(mut self) -> Self {
        self.audience.only_granted = true;
        self
    }

    /// Tells about test mode, too.
    #[must_use]
    pub fn test_mode(mut self) -> Self {
        self.audience.test_mode = true;
        self
    }

    fn request(&self, record: &AttributionRecord) -> Option<Request<Bytes>> {
        let mut record = record.clone();
        if !self.personal_data {
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

impl Sink for Forwarder {
    fn name(&self) -> &str {
        &self.name
    }

    fn wants(&self, record: &AttributionRecord) -> bool {
        self.audience.admits(record)
    }

    async fn tell(&self, records: &[Outgoing]) -> Vec<Told> {
        let mut told = Vec::with_capacity(records.len());
        for outgoing in records {
            told.push(match self.request(&outgoing.record) {
                Some(request) => self.http.tell(request).await.into(),
                None => Told::Refused { reason: "the record's id fits no header" },
            });
        }
        told
    }
}

/// Shows neither the key nor the URL: it may hold a secret.
impl fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarder").field("name", &self.name).finish_non_exhaustive()
    }
}
