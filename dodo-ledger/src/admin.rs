//! The ledger for operators: counters of its queues, dead letters, redrive and replay.

use std::time::Duration;

use crate::{
    Ledger,
    booking::RebuildReport,
    error::Error,
    inbox::{FailedEventCursor, FailedEventPage, InboxStats, StoredEvent, admin},
    notify::WakeSignal,
    outbox::{self, DeadLetter, SinkStats},
    worker::prune_contexts,
};

/// The time between two checks of the queues in `settle`.
const SETTLED_POLL: Duration = Duration::from_millis(5);

impl Ledger {
    /// Returns the counters of the inbox.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn stats(&self) -> Result<InboxStats, Error> {
        admin::stats(&self.shared.store).await
    }

    /// Returns dead and parked events, oldest first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn failed_events(&self, limit: u32) -> Result<Vec<StoredEvent>, Error> {
        admin::failed(&self.shared.store, limit).await
    }

    /// Returns a page of dead and parked events, the newest failure first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn failed_event_page(
        &self,
        limit: u32,
        after: Option<FailedEventCursor>,
    ) -> Result<FailedEventPage, Error> {
        admin::failed_page(&self.shared.store, limit, after).await
    }

    /// One event of the inbox, by its `webhook-id`.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn event(&self, id: &str) -> Result<Option<StoredEvent>, Error> {
        admin::event(&self.shared.store, id).await
    }

    /// Moves a dead or parked event back to the queue, without failed attempts. Returns `false` if
    /// no such event exists or its body is erased.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn redrive(&self, id: &str) -> Result<bool, Error> {
        let redriven = admin::redrive(&self.shared.store, id).await?;
        self.wake();
        Ok(redriven)
    }

    /// Moves all dead events back to the queue. Returns their number.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn redrive_dead(&self) -> Result<u64, Error> {
        let redriven = admin::redrive_all(&self.shared.store, "dead").await?;
        self.wake();
        Ok(redriven)
    }

    /// Moves all parked events back to the queue. Call it after an update that may be able to read
    /// them.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn redrive_parked(&self) -> Result<u64, Error> {
        let redriven = admin::redrive_all(&self.shared.store, "parked").await?;
        self.wake();
        Ok(redriven)
    }

    /// Runs the callbacks of a done, dead or parked event again. It books nothing twice. Returns
    /// `false` if no such event exists, if it is pending, or if its body is erased.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn replay(&self, id: &str) -> Result<bool, Error> {
        let replayed = admin::replay(&self.shared.store, id).await?;
        self.wake();
        Ok(replayed)
    }

    /// Erases the bodies of events that were done this long ago. Returns their number. The workers
    /// do the same in the background: see [`Retention::bodies`](crate::Retention::bodies).
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn prune_bodies(&self, older_than: Duration) -> Result<u64, Error> {
        let erased = admin::prune_bodies(&self.shared.store, older_than).await?;
        if erased > 0 {
            self.shared.store.purge_copies().await;
        }
        Ok(erased)
    }

    /// Deletes checkouts without a payment: groups of contexts and failed payments, if the last of
    /// these is this old and no payment and no recovery is connected to them. Returns the number of
    /// deleted groups. The workers do the same in the background: see
    /// [`Retention::contexts`](crate::Retention::contexts).
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn prune_contexts(&self, older_than: Duration) -> Result<u64, Error> {
        prune_contexts(&self.shared.groups(), &self.shared.store, older_than).await
    }

    /// Returns the counters of a sink's queue.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn sink_stats(&self, sink: &str) -> Result<SinkStats, Error> {
        outbox::stats(&self.shared.store, sink).await
    }

    /// Returns the dead letters of a sink, oldest first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn dead_letters(&self, sink: &str, limit: u32) -> Result<Vec<DeadLetter>, Error> {
        outbox::dead_letters(&self.shared.store, sink, limit).await
    }

    /// Moves the dead letters of a sink back to the queue, and returns their number. This also ends
    /// a pause of the sink.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn redrive_sink(&self, sink: &str) -> Result<u64, Error> {
        let redriven = outbox::redrive(&self.shared.store, sink).await?;
        self.shared.offer(WakeSignal::Queued);
        Ok(redriven)
    }

    /// Queues past records of a sink again: those that occurred from `from` to before `until` and
    /// that the sink accepts. These include sent records, dead letters, and records that are older
    /// than the sink. Returns the number of queued records. Records that wait in the queue stay
    /// there.
    ///
    /// Records keep their ids, by which a sink deduplicates. `docs/sinks.md` describes sinks that
    /// no longer remember an id.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) if this ledger has no sink of that name,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database. The records that are
    /// already queued stay queued.
    pub async fn replay_sink(
        &self,
        name: &str,
        from: jiff::Timestamp,
        until: jiff::Timestamp,
    ) -> Result<u64, Error> {
        let recipients = &self.shared.recipients;
        let sink = recipients.sinks.iter().find(|sink| sink.name() == name);
        let sink = sink.ok_or_else(|| Error::config("the ledger has no sink of this name"))?;
        let queued = outbox::replay(&self.shared.store, recipients, sink, (from, until)).await;
        self.shared.offer(WakeSignal::Queued);
        queued
    }

    /// Computes records, money rows, sums, subscriptions and movements of the monthly revenue from
    /// the facts, and repairs the rows that differ. Bookings continue at the same time. The call
    /// reads every fact, so it takes minutes with a million payments.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database. Call it again.
    pub async fn rebuild(&self) -> Result<RebuildReport, Error> {
        let rebuilt = self.shared.groups().rebuild().await;
        self.shared.offer_changes();
        rebuilt
    }

    /// Waits until every stored event is done, dead or parked, every queued group is resolved, every event
    /// and every due timer of a projection has run, and every record is sent to the sinks. For tests: it needs running workers, and never returns while a callback
    /// or a sink keeps failing.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn settled(&self) -> Result<(), Error> {
        while outbox::has_work(&self.shared.store).await? {
            tokio::time::sleep(SETTLED_POLL).await;
        }
        Ok(())
    }

    /// Returns the names of the sinks of this ledger, as the outbox has them.
    pub fn sinks(&self) -> impl Iterator<Item = &str> {
        self.shared.recipients.sinks.iter().map(|sink| sink.name())
    }

    #[cfg(feature = "cli")]
    /// Whether this ledger has a sink of this name, or ever queued a record for one.
    pub(crate) async fn knows_sink(&self, name: &str) -> Result<bool, Error> {
        Ok(self.sinks().any(|sink| sink == name)
            || outbox::is_known(&self.shared.store, name).await?)
    }

    fn wake(&self) {
        self.shared.offer(WakeSignal::Stored);
        self.shared.offer(WakeSignal::Booked);
    }
}
