//! The sink for your own code.

use std::fmt;

use dodo_core::attribution::{AttributionRecord, AttributionSink};

use super::options::{Options, common};
use crate::outbox::{CALLBACK_FAILED, OutboxRecord, SendOutcome, Sink};

/// Sends each record to a closure, or to any [`AttributionSink`]. An error causes a retry.
///
/// ```
/// use dodo_core::attribution::AttributionRecord;
/// use dodo_ledger::sink::FnSink;
///
/// let sink = FnSink::new("crm", |record: AttributionRecord| async move {
///     println!("{} {}", record.id, record.kind.as_str());
///     Ok::<_, dodo_core::BoxError>(())
/// });
/// # let _ = sink;
/// ```
pub struct FnSink<S> {
    options: Options,
    sink: S,
}

impl<S: AttributionSink> FnSink<S> {
    /// Sends records to `sink`. The name is part of the key of queued records, so do not change it.
    pub fn new(name: impl Into<String>, sink: S) -> Self {
        Self { options: Options::first_party(name), sink }
    }

    common!(include_test_mode, third_party);
}

impl<S: AttributionSink> Sink for FnSink<S> {
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
            outcomes.push(match self.sink.emit(&outgoing.record).await {
                Ok(()) => SendOutcome::Accepted,
                Err(error) => {
                    let error: dodo_core::BoxError = error.into();
                    tracing::warn!(
                        target: "dodo::sink", sink = self.options.name, record = outgoing.record.id,
                        cause = %error, "sink callback failed; fix its cause: the ledger runs it again"
                    );
                    SendOutcome::Retry { after: None, reason: CALLBACK_FAILED }
                }
            });
        }
        outcomes
    }
}

impl<S> fmt::Debug for FnSink<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnSink").field("name", &self.options.name).finish_non_exhaustive()
    }
}
