//! Signed deliveries, by an implementation of Standard Webhooks that is not ours.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use dodo_core::{Environment, WebhookKey};
use standardwebhooks::Webhook;

use crate::case::Case;

/// The key of the test servers.
pub const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The key of another merchant.
pub const STRANGERS_KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// One delivery, as Dodo sends it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Delivery {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: String,
    /// `webhook-signature`.
    pub signature: String,
    /// The body.
    pub body: Vec<u8>,
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

impl Delivery {
    /// A delivery of now.
    pub fn new(id: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::signed(KEY, id, now(), body)
    }

    /// A delivery of any key and time. The other implementation refuses to sign what is not UTF-8;
    /// that is signed by ours.
    ///
    /// # Panics
    /// If the key is none.
    pub fn signed(key: &str, id: &str, timestamp: i64, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let signature = match std::str::from_utf8(&body) {
            Ok(_) => Webhook::new(key).and_then(|key| key.sign(id, timestamp, &body)).ok(),
            Err(_) => WebhookKey::new(key, Environment::Live)
                .ok()
                .map(|key| key.sign(id, u64::try_from(timestamp).unwrap_or_default(), &body)),
        };
        let signature = signature.expect("a key");
        Self { id: id.to_owned(), timestamp: timestamp.to_string(), signature, body }
    }

    /// As a request.
    pub fn to(&self, path: &str) -> Case {
        Case::post(self.id.clone(), path, self.body.clone())
            .header("webhook-id", &self.id)
            .header("webhook-timestamp", &self.timestamp)
            .header("webhook-signature", &self.signature)
    }
}

/// The sample of an event type: `payment.succeeded`.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn sample(kind: &str) -> Vec<u8> {
    let path = samples().join(format!("{kind}.json"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The types of all samples, sorted.
///
/// # Panics
/// If the samples cannot be listed.
#[must_use]
pub fn sample_kinds() -> Vec<String> {
    let files = std::fs::read_dir(samples()).expect("the samples");
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let mut kinds: Vec<_> =
        names.filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect();
    kinds.sort();
    kinds
}

fn samples() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/samples")
}
