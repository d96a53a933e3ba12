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

    /// How long a worker owns an event: its callbacks are stopped when it ends, and a worker that
    /// died is waited for this long. 60 s unless set; at least 1 s. Sinks always have 60 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease.clamp(Duration::from_secs(1), LONGEST);
        self
    }

    /// How long to wait after a failed callback or booking. `{ base: 5 s, cap: 6 h }` unless set.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.settings.backoff.backoff = backoff;
        self
    }

    /// How much of the waits after failures is left to chance, of callbacks, bookings and sinks:
    /// [`Jitter::Full`] unless set.
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        (self.settings.backoff.jitter, self.settings.sink_backoff.jitter) = (jitter, jitter);
        self
    }

    /// Failures after which an event is given up, 28 unless set: after 48 hours on average and 95 at most,
    /// where Dodo Payments itself delivers for 27 h 35 min, which chance undercuts for fewer than one event
    /// in a hundred. Claims that ended without an answer, as by a restart, are no failures.
    pub fn max_failures(mut self, failures: u32) -> Self {
        self.settings.max_failures = failures.max(1);
        self
    }

    /// How long to wait after a sink failed, `{ base: 2 s, cap: 1 h }` unless set, and after how many
    /// failures a record is given up for it, 150 unless set: 70 hours on average, 139 at most.
    pub fn sink_backoff(mut self, backoff: Backoff, max_failures: u32) -> Self {
        self.settings.sink_backoff.backoff = backoff;
        self.settings.sink_max_failures = max_failures.max(1);
        self
    }

    /// How long a refund, or the start or end of a subscription, waits for the payment that it belongs to
    /// before sinks that heed consent are told: only the payment shows what its visitor agreed to, and
    /// deliveries come in any order. 1 hour unless set. A subscription that was never paid, as in a trial,
    /// waits for all of it.
    pub fn await_purchase(mut self, time: Duration) -> Self {
        self.settings.await_purchase = time;
        self
    }

    /// Events whose callbacks run at the same time in this process, 16 unless set. If all of them use
    /// `PgTx`, give the store 4 connections more: `PostgresStore::open_with_connections`.
    pub fn concurrency(mut self, events: u32) -> Self {
        self.settings.concurrency = events.max(1);
        self
    }

    /// How often to look for what another instance stored or what is due again. 250 ms unless set.
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.settings.poll = interval.max(Duration::from_millis(1));
        self
    }

    /// How long the bodies of finished events are kept, 30 days unless set; `None` is for ever. Their
    /// ids are always kept: they are what makes a repeat a repeat.
    pub fn keep_bodies_for(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.settings.keep_bodies = time.into();
        self
    }

    /// How long the bodies of dead and parked events are kept, for ever unless set: without its body an
    /// event cannot be revived, and what it would have booked is found by
    /// [`reconcile`](crate::Ledger::reconcile) alone. Look at them before the time is over.
    pub fn keep_failed_bodies_for(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.settings.keep_failed_bodies = time.into();
        self
    }

    /// How long is kept what was captured for a checkout that nobody paid, and what is known of a payment
    /// that failed and that no other payment recovered: 90 days unless set; `None` is
    /// for ever. Dodo's checkout sessions live for a day, but an abandoned one may be recovered later.
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
