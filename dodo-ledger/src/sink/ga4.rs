//! The sink for Google Analytics 4.

use std::{fmt, time::Duration};

use dodo_core::{
    attribution::{AttributionRecord, RecordKind},
    client::Transport,
};
use http::Uri;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    http::{Http, endpoint, visible},
    json::{major, without_nulls},
    options::{Options, common},
};
use crate::{
    Error,
    outbox::{OutboxRecord, SendOutcome, Sink},
};

/// Google accepts events that are at most 72 hours old. One hour is a reserve for the request.
const OLDEST: SignedDuration = SignedDuration::from_hours(71);

/// Sends records to Google Analytics 4 by its
/// [Measurement Protocol](https://developers.google.com/analytics/devguides/collection/protocol/ga4),
/// `POST /mp/collect`.
///
/// A charge is `purchase`, a refund or lost dispute `refund`; `value` is the net in major units,
/// above zero in both, and `transaction_id` the payment, as Google asks. The sink sends only
/// payments whose metadata, or that of their purchase, has the `ga_client_id` of
/// [`VisitorCapture`](dodo_core::capture::VisitorCapture)'s preset: without it Google would invent
/// a visitor.
///
/// Google answers 204 to every request, valid or not: check its realtime report once. A record
/// older than 71 hours is sent as 71 hours old, because Google drops older ones. Google
/// deduplicates purchases by their id, and does not document this for refunds. So a record with an
/// unknown outcome becomes a dead letter instead of a duplicate. Google has no event for the
/// reversal of a refund.
///
/// ```no_run
/// # fn main() -> Result<(), dodo_ledger::Error> {
/// use dodo_ledger::sink::Ga4;
///
/// let sink = Ga4::new("G-XXXXXXXXXX", &std::env::var("GA4_API_SECRET").unwrap_or_default())?;
/// # let _ = sink;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Ga4 {
    options: Options,
    /// The URL, with the secret in its query.
    uri: Uri,
    http: Http,
}

impl Ga4 {
    /// Sends to a data stream, by its measurement id and a secret of its Measurement Protocol.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for an id or secret that is empty or has other
    /// characters than letters, digits, `_` and `-`.
    #[cfg(feature = "reqwest")]
    pub fn new(measurement_id: &str, api_secret: &str) -> Result<Self, Error> {
        Self::build("https://www.google-analytics.com", measurement_id, api_secret, Http::system()?)
    }

    /// As [`new`](Self::new), over Google's servers in the European Union.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[cfg(feature = "reqwest")]
    pub fn eu(measurement_id: &str, api_secret: &str) -> Result<Self, Error> {
        let base = "https://region1.google-analytics.com";
        Self::build(base, measurement_id, api_secret, Http::system()?)
    }

    /// Sends to another URL, over your own transport.
    ///
    /// # Errors
    /// As [`new`](Self::new), and for a URL that is neither https nor on this machine.
    pub fn with_transport(
        base_url: &str,
        measurement_id: &str,
        api_secret: &str,
        transport: impl Transport,
    ) -> Result<Self, Error> {
        Self::build(base_url, measurement_id, api_secret, Http::new(transport))
    }

    fn build(base: &str, id: &str, secret: &str, http: Http) -> Result<Self, Error> {
        let (id, secret) = (in_query("measurement_id", id)?, in_query("api_secret", secret)?);
        let base = base.trim_end_matches('/');
        let uri = endpoint(&format!("{base}/mp/collect?measurement_id={id}&api_secret={secret}"))?;
        Ok(Self { options: Options::third_party("ga4"), uri, http })
    }

    common!(name, require_granted_consent, include_test_mode);
}

fn in_query<'t>(field: &'static str, text: &'t str) -> Result<&'t str, Error> {
    let text = visible(field, text)?;
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) {
        return Ok(text);
    }
    let message = "Google's ids and secrets are made of letters, digits, `_` and `-`";
    Err(Error::config(message).with_source(field))
}

/// The event of Google for a record.
fn hit(record: &AttributionRecord, now: Timestamp) -> Option<Value> {
    let money = record.money?;
    let client_id = record.tool_ids.get("ga_client_id")?;
    let name = match record.kind {
        RecordKind::Refund { .. } | RecordKind::DisputeLoss { .. } => "refund",
        _ if record.kind.is_charge() => "purchase",
        _ => return None,
    };
    let items: Vec<Value> = record.product_ids.iter().map(|id| json!({ "item_id": id })).collect();
    let params = without_nulls(json!({
        "transaction_id": record.payment_id,
        "currency": money.currency,
        "value": major(money.net.saturating_abs(), money),
        "tax": money.tax.map(|tax| major(tax.saturating_abs(), money)),
        "items": items,
        "session_id": record.tool_ids.get("ga_session_id"),
        "engagement_time_msec": 1,
    }));
    let oldest = now.checked_sub(OLDEST).unwrap_or(now);
    Some(json!({
        "client_id": client_id,
        "timestamp_micros": record.occurred_at.max(oldest).as_microsecond(),
        "events": [{ "name": name, "params": params }],
    }))
}

impl Sink for Ga4 {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn accepts(&self, record: &AttributionRecord) -> bool {
        self.options.accepts(record) && hit(record, record.occurred_at).is_some()
    }

    /// Zero, because Google does not document deduplication for every event.
    fn dedup_window(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }

    async fn send(&self, records: &[OutboxRecord]) -> Vec<SendOutcome> {
        let mut outcomes = Vec::with_capacity(records.len());
        for outgoing in records {
            outcomes.push(match hit(&outgoing.record, Timestamp::now()) {
                Some(hit) => self.http.post(&self.uri, hit.to_string()).await.into(),
                None => SendOutcome::Accepted,
            });
        }
        outcomes
    }
}

/// Does not show the URL, which holds the secret.
impl fmt::Debug for Ga4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ga4").field("name", &self.options.name).finish_non_exhaustive()
    }
}
