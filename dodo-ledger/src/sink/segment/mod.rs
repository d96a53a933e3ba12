//! The sink for Segment, and for services with the same API, such as RudderStack by its data-plane
//! URL.

mod batch;
mod events;

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use dodo_core::attribution::AttributionRecord;
use http::Uri;
use serde_json::{Map, Value};

use self::batch::MAX_EVENTS;
use super::{
    http::{Batches, Http, endpoint, visible},
    options::{Options, common},
};
use crate::{
    Error,
    outbox::{OutboxRecord, SendOutcome, Sink},
};

/// The names of events in Segment. Use one of the two sets: both together would count revenue
/// twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventNames {
    /// The names of Dodo Payments' own Segment guide: `Payment Completed`, `Subscription Started`,
    /// `Subscription Cancelled`, and `identify`; refunds are `Payment Refunded`.
    #[default]
    Dodo,
    /// Segment's e-commerce specification: `Order Completed`, `Order Refunded`.
    Ecommerce,
}

/// A `track` call before it is sent: [`Segment::map_event`] can change it. `Debug` shows the name only.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct SegmentEvent {
    /// The name, such as `Payment Completed`.
    pub name: String,
    /// The properties.
    pub properties: Map<String, Value>,
}

impl fmt::Debug for SegmentEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentEvent").field("name", &self.name).finish_non_exhaustive()
    }
}

type MapEvent = dyn Fn(&AttributionRecord, SegmentEvent) -> Option<SegmentEvent> + Send + Sync;

/// The sign of a refund.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefundSign {
    /// `total` is positive and there is no `revenue`, as in Segment's own example.
    #[default]
    Positive,
    /// As `Positive`, with a negative `revenue` for destinations that add it up.
    Negative,
}

/// Sends records to Segment's HTTP API, `POST {base}/v1/batch`.
///
/// `messageId` is the record's id (its hash if it has 100 characters or more), so that a repeat
/// within 24 hours counts once. Amounts are numbers in major units by the decimals of their
/// currency. The sink skips visitors who denied consent, and test mode. Do not run Dodo Payments'
/// own Segment integration beside it: all money would count twice.
#[derive(Clone)]
pub struct Segment {
    pub(super) options: Options,
    uri: Uri,
    http: Http,
    pub(super) event_names: EventNames,
    pub(super) refund_sign: RefundSign,
    pub(super) identify: bool,
    pub(super) map_event: Option<Arc<MapEvent>>,
}

/// The URL of Segment in the United States.
#[cfg(feature = "reqwest")]
const US: &str = "https://api.segment.io";
/// The URL of Segment in Europe.
#[cfg(feature = "reqwest")]
const EU: &str = "https://eu1.api.segmentapis.com";

impl Segment {
    /// Sends to a workspace in the United States.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for an empty write key.
    #[cfg(feature = "reqwest")]
    pub fn us(write_key: &str) -> Result<Self, Error> {
        Self::at(US, write_key)
    }

    /// Sends to a workspace in Europe. The wrong region answers 200 and loses every event, so you
    /// must choose the region.
    ///
    /// # Errors
    /// As [`us`](Self::us).
    #[cfg(feature = "reqwest")]
    pub fn eu(write_key: &str) -> Result<Self, Error> {
        Self::at(EU, write_key)
    }

    /// Sends to another server that accepts `/v1/batch`, such as RudderStack's data plane: https,
    /// or http on this machine.
    ///
    /// # Errors
    /// As [`us`](Self::us), and for another URL.
    #[cfg(feature = "reqwest")]
    pub fn at(base_url: &str, write_key: &str) -> Result<Self, Error> {
        Self::build(base_url, write_key, Http::system()?)
    }

    fn build(base_url: &str, write_key: &str, http: Http) -> Result<Self, Error> {
        let write_key = visible("write_key", write_key)?;
        if write_key.contains(':') {
            return Err(Error::config("a write key holds no colon").with_source("write_key"));
        }
        let base = base_url.trim_end_matches('/').trim_end_matches("/v1");
        let uri = endpoint(&format!("{base}/v1/batch"))?;
        let credentials = STANDARD.encode(format!("{write_key}:"));
        Ok(Self {
            options: Options::third_party("segment"),
            uri,
            http: http.authorized(&format!("Basic {credentials}"))?,
            event_names: EventNames::default(),
            refund_sign: RefundSign::default(),
            identify: true,
            map_event: None,
        })
    }

    /// Sets the names of events. Default: [`EventNames::Dodo`].
    #[must_use]
    pub fn event_names(mut self, names: EventNames) -> Self {
        self.event_names = names;
        self
    }

    /// Sets the sign of refunds. Default: [`RefundSign::Positive`].
    #[must_use]
    pub fn refund_sign(mut self, sign: RefundSign) -> Self {
        self.refund_sign = sign;
        self
    }

    /// Sends no `identify`.
    #[must_use]
    pub fn without_identify(mut self) -> Self {
        self.identify = false;
        self
    }

    /// Changes each event before it is sent, in place of the handler that you edit in Dodo Payments' own
    /// Segment integration. If `map` returns `None`, nothing is sent for the record, `identify` included.
    ///
    /// An event is sent again after an error, so `map` must return the same for the same record.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), dodo_ledger::Error> {
    /// use dodo_ledger::sink::Segment;
    /// let sink = Segment::us("write key")?.map_event(|record, mut event| {
    ///     if event.name == "Payment Completed" {
    ///         event.properties.insert("products".into(), record.product_ids.clone().into());
    ///     }
    ///     Some(event)
    /// });
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn map_event<F>(mut self, map: F) -> Self
    where
        F: Fn(&AttributionRecord, SegmentEvent) -> Option<SegmentEvent> + Send + Sync + 'static,
    {
        self.map_event = Some(Arc::new(map));
        self
    }

    common!(
        with_transport,
        transport,
        name,
        without_personal_data,
        require_granted_consent,
        include_test_mode
    );
}

impl Sink for Segment {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn accepts(&self, record: &AttributionRecord) -> bool {
        self.options.accepts(record) && self.has_event(record)
    }

    fn max_batch(&self) -> u32 {
        u32::try_from(MAX_EVENTS / 10).unwrap_or(100)
    }

    fn needs_customer_history(&self) -> bool {
        self.identify
    }

    /// Segment deduplicates for about a day.
    fn dedup_window(&self) -> Option<Duration> {
        Some(Duration::from_secs(24 * 3600))
    }

    async fn send(&self, records: &[OutboxRecord]) -> Vec<SendOutcome> {
        let events: Vec<_> = records.iter().map(|outgoing| self.events(outgoing)).collect();
        let mut requests = Batches::new();
        // A record without an event needs no request. Every other record counts as failed until it
        // is sent.
        let unsent = |events: &Vec<String>| match events.is_empty() {
            true => SendOutcome::Accepted,
            false => requests.unsent().into(),
        };
        let mut outcomes: Vec<SendOutcome> = events.iter().map(unsent).collect();
        let (batches, too_large) = batch::pack(events);
        for record in too_large {
            if let Some(slot) = outcomes.get_mut(record) {
                *slot = SendOutcome::Rejected { reason: "the event is over Segment's 32 KB" };
            }
        }
        for batch in batches {
            let send = |part| self.http.post(&self.uri, batch.body(part));
            let answers = requests.send(batch.records().len(), send).await;
            for (record, answer) in batch.records().iter().zip(answers) {
                if let Some(slot) = outcomes.get_mut(*record) {
                    *slot = answer.into();
                }
            }
        }
        outcomes
    }
}

/// Shows neither the write key nor the URL.
impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("name", &self.options.name)
            .field("event_names", &self.event_names)
            .finish_non_exhaustive()
    }
}
