//! The trait of sinks.

use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use dodo_core::attribution::AttributionRecord;

/// A record on its way to a sink.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutboxRecord {
    /// The current record. It may have changed since it was queued.
    pub record: AttributionRecord,
    /// The number of this attempt. The first is 1.
    pub attempt: u32,
    /// The purchase history of the customer, for sinks that request it.
    pub customer: Option<CustomerHistory>,
}

impl OutboxRecord {
    /// A record in its first attempt, for tests of sinks.
    #[must_use]
    pub fn new(record: AttributionRecord) -> Self {
        Self { record, attempt: 1, customer: None }
    }
}

/// The purchase history of a customer in the currency and the mode of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CustomerHistory {
    /// The time of the first charge.
    pub since: jiff::Timestamp,
    /// The time of the latest charge.
    pub last_paid: jiff::Timestamp,
    /// Gross minus reversals, in minor units.
    pub spent: i128,
}

/// The result of sending one record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendOutcome {
    /// The sink has the record.
    Accepted,
    /// The record did not arrive. The worker retries, not before `after` if the sink named a time.
    /// Counts as a failed attempt.
    Retry {
        /// The sink's `Retry-After`: until then every process pauses the sink, for at most a day.
        after: Option<Duration>,
        /// For the log and the table: a text without personal data.
        reason: &'static str,
    },
    /// The outcome is unknown: the connection failed or timed out after the request was sent, or a
    /// gateway answered instead of the sink.
    Unknown {
        /// The time of the `Retry-After` header, as for [`Retry`](Self::Retry).
        after: Option<Duration>,
        /// For the log and the table.
        reason: &'static str,
    },
    /// The sink never accepts this record. It becomes a dead letter at once.
    Rejected {
        /// For the log and the table.
        reason: &'static str,
    },
}

/// The reason of a failed callback of the application. [`FnSink`](crate::sink::FnSink) logs the failure
/// with its cause, so the worker does not log it again.
pub(crate) const CALLBACK_FAILED: &str = "the callback failed";

/// A destination for records: an analytics service, a file, your own code.
///
/// Delivery is at least once. The record id (`charge:pay_x`) is the same at each attempt: use it as
/// the message id.
pub trait Sink: Send + Sync + 'static {
    /// Returns a stable name: it is part of the key of queued records. The ledger reads it once,
    /// when it is built. Two sinks of one name are an error.
    fn name(&self) -> &str;

    /// Returns whether the sink accepts this record: by consent, mode and kind. The ledger calls it
    /// when it books the record, and again before it sends the record.
    fn accepts(&self, record: &AttributionRecord) -> bool;

    /// Returns `true` if the sink must not receive records of visitors who denied consent. Such a
    /// sink receives a refund or a subscription only after the payment that shows the consent: see
    /// [`consent_grace_period`](crate::LedgerBuilder::consent_grace_period).
    fn requires_consent(&self) -> bool {
        true
    }

    /// Returns the largest number of records per call. Default: 1.
    fn max_batch(&self) -> u32 {
        1
    }

    /// Returns whether the sink needs the purchase history of the customer. Default: `false`.
    fn needs_customer_history(&self) -> bool {
        false
    }

    /// Returns how long the sink deduplicates by record id. If an unknown outcome is older, the
    /// record becomes a dead letter instead of a duplicate. An attempt whose process stopped has an
    /// unknown outcome. `None` means forever.
    fn dedup_window(&self) -> Option<Duration> {
        None
    }

    /// Sends the records and returns one result for each, in their order. After 58 s the worker
    /// stops it, and its records have an unknown outcome.
    fn send(&self, records: &[OutboxRecord]) -> impl Future<Output = Vec<SendOutcome>> + Send;
}

type SendFuture<'a> = Pin<Box<dyn Future<Output = Vec<SendOutcome>> + Send + 'a>>;

trait DynSink: Send + Sync {
    fn accepts(&self, record: &AttributionRecord) -> bool;
    fn requires_consent(&self) -> bool;
    fn max_batch(&self) -> u32;
    fn needs_customer_history(&self) -> bool;
    fn dedup_window(&self) -> Option<Duration>;
    fn send<'a>(&'a self, records: &'a [OutboxRecord]) -> SendFuture<'a>;
}

impl<S: Sink> DynSink for S {
    fn accepts(&self, record: &AttributionRecord) -> bool {
        Sink::accepts(self, record)
    }
    fn requires_consent(&self) -> bool {
        Sink::requires_consent(self)
    }
    fn max_batch(&self) -> u32 {
        Sink::max_batch(self)
    }
    fn needs_customer_history(&self) -> bool {
        Sink::needs_customer_history(self)
    }
    fn dedup_window(&self) -> Option<Duration> {
        Sink::dedup_window(self)
    }
    fn send<'a>(&'a self, records: &'a [OutboxRecord]) -> SendFuture<'a> {
        Box::pin(Sink::send(self, records))
    }
}

/// A sink with an erased type.
#[derive(Clone)]
pub(crate) struct ErasedSink {
    name: Arc<str>,
    sink: Arc<dyn DynSink>,
}

impl ErasedSink {
    pub(crate) fn new(sink: impl Sink) -> Self {
        Self { name: Sink::name(&sink).into(), sink: Arc::new(sink) }
    }
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
    /// `None`: the sink panicked. The panic must not fail the booking.
    pub(crate) fn accepts(&self, record: &AttributionRecord) -> Option<bool> {
        catch_unwind(AssertUnwindSafe(|| self.sink.accepts(record))).ok()
    }
    /// One that panics does.
    pub(crate) fn requires_consent(&self) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.sink.requires_consent())).unwrap_or(true)
    }
    pub(crate) fn max_batch(&self) -> u32 {
        self.sink.max_batch().max(1)
    }
    pub(crate) fn needs_customer_history(&self) -> bool {
        self.sink.needs_customer_history()
    }
    pub(crate) fn dedup_window(&self) -> Option<Duration> {
        self.sink.dedup_window()
    }
    pub(crate) async fn send(&self, records: &[OutboxRecord]) -> Vec<SendOutcome> {
        self.sink.send(records).await
    }
}

impl fmt::Debug for ErasedSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sink").field(&self.name()).finish()
    }
}
