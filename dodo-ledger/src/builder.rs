//! Setting a ledger up.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    attribution::Rules,
    error::Error,
    inbox::Writer,
    ledger::{Ledger, Shared},
    news::Crier,
    outbox::{ErasedSink, Recipients, Sink},
    settings::{Backoff, Jitter, LONGEST, Settings},
    store::Store,
};

/// Builds a [`Ledger`]. Every value has a default.
#[must_use = "call `.build()`"]
#[derive(Debug)]
pub struct LedgerBuilder {
    store: Store,
    settings: Settings,
    rules: Rules,
    sinks: Vec<ErasedSink>,
}

impl LedgerBuilder {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, settings: Settings::default(), rules: Rules::default(), sinks: Vec::new() }
    }

    /// What the merchant decides about attribution.
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Sends every booked record to a sink, through the outbox. Each sink has a name of its own,
    /// because the name selects its queue.
    pub fn sink(mut self, sink: impl Sink) -> Self {
        self.sinks.push(ErasedSink::new(sink));
        self
    }

    /// Sets how long a worker owns an event. Its callbacks stop when the lease ends, and the event
    /// of a dead worker is due then. Default: 60 s. Minimum: 1 s. Sinks always have 60 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease.clamp(Duration::from_secs(1), LONGEST);
        self
    }

    /// Sets the delays after a failed callback or booking. Default: `{ base: 5 s, cap: 6 h }`.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.settings.backoff.backoff = backoff;
        self
    }

    /// Sets the random part of the delays after failures of callbacks, bookings and sinks. Default:
    /// [`Jitter::Full`].
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        (self.settings.backoff.jitter, self.settings.sink_backoff.jitter) = (jitter, jitter);
        self
    }

    /// Sets the number of failed attempts before an event becomes a dead letter. Default: 28, which
    /// is 48 hours on average and 95 at most. Dodo Payments delivers for 27 h 35 min, and fewer
    /// than one event in a hundred becomes a dead letter sooner. A lease that ended without a
    /// result, for example by a restart, does not count.
    pub fn max_failures(mut self, failures: u32) -> Self {
        self.settings.max_failures = failures.max(1);
        self
    }

    /// Sets the delays after a failed request to a sink, and the number of failed attempts before a
    /// record becomes a dead letter. Default: `{ base: 2 s, cap: 1 h }` and 150: 70 hours on
    /// average, 139 at most.
    pub fn sink_backoff(mut self, backoff: Backoff, max_failures: u32) -> Self {
        self.settings.sink_backoff.backoff = backoff;
        self.settings.sink_max_failures = max_failures.max(1);
        self
    }

    /// Sets how long a refund, or a start or end of a subscription, waits for its payment before
    /// sinks that require consent receive it. Only the payment shows the consent, and events arrive
    /// in any order. Default: 1 hour. A subscription without a payment, such as a trial, always
    /// waits this long.
    pub fn await_purchase(mut self, time: Duration) -> Self {
        self.settings.await_purchase = time;
        self
    }

    /// Sets how many events run their callbacks at the same time in this process. Default: 16. If
    /// all of them use `PgTx`, give the store 4 connections more:
    /// `PostgresStore::open_with_connections`.
    pub fn concurrency(mut self, events: u32) -> Self {
        self.settings.concurrency = events.max(1);
        self
    }

    /// Sets how often workers look for events of other instances and for due events. Default: 250
    /// ms.
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.settings.poll = interval.max(Duration::from_millis(1));
        self
    }

    /// Sets the retention of the bodies of finished events. Default: 30 days. `None` means forever.
    /// The ledger always keeps their ids, to recognize duplicates.
    pub fn keep_bodies_for(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.settings.keep_bodies = time.into();
        self
    }

    /// Sets the retention of the bodies of dead and parked events. Default: forever. Without its
    /// body an event cannot be redriven, and only [`reconcile`](crate::Ledger::reconcile) can book
    /// its payment. Inspect these events before the retention ends.
    pub fn keep_failed_bodies_for(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.settings.keep_failed_bodies = time.into();
        self
    }

    /// Sets the retention of the context of a checkout without a payment, and of a failed payment
    /// without a recovery. Default: 90 days. `None` means forever. Dodo's checkout sessions live
    /// for a day, but a customer may recover an abandoned one later.
    pub fn keep_contexts_for(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.settings.keep_contexts = time.into();
        self
    }

    /// Starts the writer on the current tokio runtime.
    ///
    /// # Errors
    /// [`Setup`](crate::ErrorKind::Setup) if two sinks have one name.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn build(self) -> Result<Ledger, Error> {
        let mut names = HashSet::new();
        if let Some(second) = self.sinks.iter().find(|sink| !names.insert(sink.name())) {
            return Err(Error::setup("two sinks have one name: rename one with `.named(..)`")
                .with_source(second.name()));
        }
        let writer = Writer::start(self.store.clone());
        let shared = Shared {
            crier: Crier::start(&self.store),
            store: self.store,
            recipients: Recipients {
                sinks: self.sinks.into(),
                await_purchase: self.settings.await_purchase,
            },
            settings: Arc::new(self.settings),
            rules: self.rules,
            attached: OnceLock::new(),
            wake_booking: Notify::new(),
            wake_callbacks: Notify::new(),
            wake_outbox: Notify::new(),
            workers: Arc::default(),
            unattended: AtomicU64::new(0),
        };
        Ok(Ledger { shared: Arc::new(shared), writer })
    }
}
