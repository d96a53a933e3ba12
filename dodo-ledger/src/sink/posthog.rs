//! The sink for PostHog.

use std::fmt;

use dodo_core::attribution::{AttributionRecord, RecordKind};
use http::Uri;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    http::{Answer, Batches, Http, endpoint, visible},
    json::without_nulls,
    options::{Options, common},
};
use crate::{
    Error,
    outbox::{OutboxRecord, SendOutcome, Sink},
};

/// Sends records to [PostHog](https://posthog.com/docs/api/capture), `POST /batch/`.
///
/// A charge is the event `purchase`, a refund or lost dispute `refund`, and its reversal
/// `refund_reversed`. `revenue` is the net in minor units, below zero for a refund, as PostHog's
/// [revenue analytics](https://posthog.com/docs/revenue-analytics/capture-revenue-events) reads it.
/// The event's `uuid` is made from the record's id, so that a repeat is the same event.
///
/// The person is the `posthog_person_distinct_id` that
/// [`VisitorCapture`](dodo_core::capture::VisitorCapture)'s preset put into the payment's metadata, else the
/// customer; without either the event makes no person.
///
/// ```no_run
/// # fn main() -> Result<(), dodo_ledger::Error> {
/// use dodo_ledger::sink::PostHog;
///
/// let sink = PostHog::eu(&std::env::var("POSTHOG_PROJECT_KEY").unwrap_or_default())?;
/// # let _ = sink;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PostHog {
    options: Options,
    uri: Uri,
    project_key: String,
    http: Http,
}

impl PostHog {
    /// Sends to a project in the United States. The key begins with `phc_`.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for an empty key.
    #[cfg(feature = "reqwest")]
    pub fn us(project_key: &str) -> Result<Self, Error> {
        Self::at("https://us.i.posthog.com", project_key)
    }

    /// Sends to a project in the European Union.
    ///
    /// # Errors
    /// As [`us`](Self::us).
    #[cfg(feature = "reqwest")]
    pub fn eu(project_key: &str) -> Result<Self, Error> {
        Self::at("https://eu.i.posthog.com", project_key)
    }

    /// Sends to your own PostHog server: https, or http on this machine.
    ///
    /// # Errors
    /// As [`us`](Self::us), and for another URL.
    #[cfg(feature = "reqwest")]
    pub fn at(base_url: &str, project_key: &str) -> Result<Self, Error> {
        Self::build(base_url, project_key, Http::system()?)
    }

    fn build(base_url: &str, project_key: &str, http: Http) -> Result<Self, Error> {
        let uri = endpoint(&format!("{}/batch/", base_url.trim_end_matches('/')))?;
        let project_key = visible("project_key", project_key)?.to_owned();
        Ok(Self { options: Options::third_party("posthog"), uri, project_key, http })
    }

    common!(with_transport, transport, name, require_granted_consent, include_test_mode);

    async fn send(&self, events: &[&Value]) -> Answer {
        let body = json!({ "api_key": self.project_key, "batch": events });
        self.http.post(&self.uri, body.to_string()).await
    }
}

/// The event of PostHog for a record.
fn event(record: &AttributionRecord) -> Option<Value> {
    let money = record.money?;
    let name = match record.kind {
        RecordKind::Refund { .. } | RecordKind::DisputeLoss { .. } => "refund",
        RecordKind::RefundReversal | RecordKind::DisputeReversal => "refund_reversed",
        _ if record.kind.is_charge() => "purchase",
        _ => return None,
    };
    let person = record.tool_ids.get("posthog_person_distinct_id").or(record.customer_id.as_ref());
    let campaign = record.campaign.as_ref().map(|found| &found.value);
    let properties = without_nulls(json!({
        "revenue": money.net,
        "currency": money.currency,
        "product": record.product_ids.first(),
        "subscription": record.subscription_ids.first(),
        "kind": record.kind.as_str(),
        "payment_id": record.payment_id,
        "refund_id": record.refund_id,
        "dispute_id": record.dispute_id,
        "visitor": record.visitor.as_ref().map(|found| &found.value),
        "utm_source": campaign.and_then(|campaign| campaign.source.as_ref()),
        "utm_medium": campaign.and_then(|campaign| campaign.medium.as_ref()),
        "utm_campaign": campaign.and_then(|campaign| campaign.campaign_id.as_ref()),
        "utm_content": campaign.and_then(|campaign| campaign.content.as_ref()),
        "$process_person_profile": person.is_none().then_some(false),
        // The IP address of the request is that of this server, not of the customer.
        "$geoip_disable": true,
    }));
    Some(json!({
        "event": name,
        "distinct_id": person.unwrap_or(&record.id),
        "uuid": uuid_of(&record.id),
        "timestamp": record.occurred_at,
        "properties": properties,
    }))
}

/// A UUID of version 8 (RFC 9562, section 5.8) made from the SHA-256 of the record's id.
fn uuid_of(id: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    let (half, _) = digest.split_at(16);
    let mut bits = half.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    bits = bits & !(0xf << 76) | 8 << 76;
    bits = bits & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{bits:032x}");
    let mut text = String::with_capacity(36);
    for (at, digit) in hex.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

impl Sink for PostHog {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn accepts(&self, record: &AttributionRecord) -> bool {
        self.options.accepts(record) && event(record).is_some()
    }

    fn max_batch(&self) -> u32 {
        100
    }

    async fn send(&self, records: &[OutboxRecord]) -> Vec<SendOutcome> {
        let events: Vec<Option<Value>> =
            records.iter().map(|outcome| event(&outcome.record)).collect();
        let sent: Vec<&Value> = events.iter().flatten().collect();
        let send = |part| self.send(sent.get(part).unwrap_or_default());
        let mut batches = Batches::new();
        let mut answers = batches.send(sent.len(), send).await.into_iter();
        let outcome = |event: &Option<Value>| match event {
            Some(_) => answers.next().unwrap_or(batches.unsent()).into(),
            None => SendOutcome::Accepted,
        };
        events.iter().map(outcome).collect()
    }
}

/// Does not show the key.
impl fmt::Debug for PostHog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostHog").field("name", &self.options.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::uuid_of;

    #[test]
    fn uuids_are_of_version_8() {
        // Computed from SHA-256 by another program.
        assert_eq!(uuid_of("charge:pay_1"), "f0cb44a7-89bc-8192-8dd3-1e463a0bab52");
    }
}
