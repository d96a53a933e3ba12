//! The sinks of a ledger, and the rows that a booking writes for them.

use std::{sync::Arc, time::Duration};

use dodo_core::attribution::AttributionRecord;

use super::sink::ErasedSink;
use crate::{
    attribution::{RecordChange, RecordState},
    error::Error,
    store::Tx,
};

/// The sinks of a ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recipients {
    pub(crate) sinks: Arc<[ErasedSink]>,
    /// The longest time that a refund or a subscription waits for its payment.
    pub(crate) consent_grace_period: Duration,
}

/// A record, a sink, and the time before the record is due.
type Queued = (String, String, Duration);

impl Recipients {
    /// Queues changed records for the sinks that accept them, in the transaction of the booking.
    pub(crate) async fn enqueue(&self, tx: &mut Tx, changes: &[RecordChange]) -> Result<(), Error> {
        let (mut queue, mut release): (Vec<Queued>, Vec<&str>) = (Vec::new(), Vec::new());
        for change in changes {
            let record = &change.new.record;
            let id = record.id.as_str();
            if !record.flags.parent_missing && change.old.is_some() {
                release.push(id);
            }
            // A withdrawn or void record has no money to report. A sink that has it keeps it.
            if change.new.state != RecordState::Valid {
                continue;
            }
            // If a sink panics here, the ledger asks it again before it sends the record.
            let wants = |sink: &&ErasedSink| sink.accepts(record) != Some(false);
            for sink in self.sinks.iter().filter(wants) {
                queue.push((id.to_owned(), sink.name().to_owned(), self.delay(sink, record)));
            }
        }
        tx.enqueue(&queue).await?;
        tx.release(&release).await
    }

    /// The time for which a record waits for the payment that shows the consent of its visitor.
    pub(crate) fn delay(&self, sink: &ErasedSink, record: &AttributionRecord) -> Duration {
        match record.flags.parent_missing && sink.requires_consent() {
            true => self.consent_grace_period,
            false => Duration::ZERO,
        }
    }
}
