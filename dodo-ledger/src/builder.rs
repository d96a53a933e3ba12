//! The builder of a ledger.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};

use jiff::tz::TimeZone;
use tokio::sync::Notify;

use crate::{
    attribution::Rules,
    booking::Cache,
    error::Error,
    inbox::Writer,
    ledger::{Ledger, Shared},
    notify::Notifier,
    outbox::{ErasedSink, Recipients, Sink},
    projection::{Added, Projection, Projections},
    settings::{MAX_DURATION, Retention, RetryPolicy, Settings},
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
    projections: Vec<Added>,
    zone: Option<String>,
}

impl LedgerBuilder {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            settings: Settings::default(),
            rules: Rules::default(),
            sinks: Vec::new(),
            projections: Vec::new(),
            zone: None,
        }
    }

    /// Sets the decisions of the merchant about attribution.
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

    /// Adds tables that follow the bookings: see [`projection`](crate::projection). Each projection has a
    /// name of its own.
    pub fn projection(mut self, projection: impl Projection) -> Self {
        self.projections.push(Added::new(projection));
        self
    }

    /// Sets how long a worker owns an event. Its callbacks stop when the lease ends. If the worker
    /// has died, the event is due again at that time. Default: 60 s. Minimum: 1 s. Sinks always
    /// have 60 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease.clamp(Duration::from_secs(1), MAX_DURATION);
        self
    }

    /// Sets the retries of failed callbacks and bookings. Default: [`RetryPolicy::CALLBACKS`]. A lease
    /// that ended without a result, for example by a restart, does not count as a failed attempt.
    pub fn callback_retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.callback_retry = policy;
        self
    }

    /// Sets the retries of failed requests to sinks. Default: [`RetryPolicy::SINKS`].
    pub fn sink_retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.sink_retry = policy;
        self
    }

    /// Sets how long a refund, or a start or end of a subscription, waits for its payment before
    /// sinks that require consent receive it. Only the payment shows the consent, and events arrive
    /// in any order. Default: 1 hour. A subscription without a payment, such as a trial, always
    /// waits this long.
    pub fn consent_grace_period(mut self, time: Duration) -> Self {
        self.settings.consent_grace_period = time;
        self
    }

    /// Sets how many events run their callbacks at the same time in this process. Default: 16. If
    /// all of them use `PgTx`, give the store 4 connections more:
    /// `PostgresStore::open_with_connections`.
    pub fn concurrency(mut self, events: u32) -> Self {
        self.settings.concurrency = events.max(1);
        self
    }

    /// Sets how long the ledger stores bodies and checkout contexts. Default: [`Retention::default`].
    pub fn retention(mut self, retention: Retention) -> Self {
        self.settings.retention = retention;
        self
    }

    /// As [`build`](Self::build), and creates or updates the tables.
    ///
    /// # Errors
    /// Those of `build` and of [`Ledger::migrate`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn open(self) -> Result<Ledger, Error> {
        let ledger = self.build()?;
        ledger.migrate().await?;
        Ok(ledger)
    }

    /// Sets the time zone of the books by its IANA name: days and months of sums begin at its midnight.
    /// Default: `UTC`. [`migrate`](Ledger::migrate) stores it. After a change, the workers compute the sums
    /// again in the background; until then, questions read the single rows.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), dodo_ledger::Error> {
    /// use dodo_ledger::{Ledger, Store};
    ///
    /// let store = Store::open("sqlite::memory:").await?;
    /// let ledger = Ledger::builder(store).books_in("Europe/Berlin").build()?;
    /// ledger.migrate().await?;
    /// assert_eq!(ledger.zone().iana_name(), Some("Europe/Berlin"));
    /// # Ok(()) }
    /// ```
    pub fn books_in(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Starts the writer on the current tokio runtime.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) if two sinks or two projections have one name, or a projection
    /// has an invalid one, or if the time zone of [`books_in`](Self::books_in) is unknown.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn build(mut self) -> Result<Ledger, Error> {
        if let Some(name) = &self.zone {
            self.settings.zone = TimeZone::get(name).map_err(|error| {
                Error::config("unknown time zone of the books: use a name such as `Europe/Berlin`")
                    .with_source(error)
            })?;
        }
        let mut names = HashSet::new();
        if let Some(second) = self.sinks.iter().find(|sink| !names.insert(sink.name())) {
            return Err(Error::config("two sinks have one name: rename one with `.name(..)`")
                .with_source(second.name()));
        }
        let projections = Projections::new(self.projections, self.settings.lease)?;
        let writer = Writer::start(self.store.clone());
        let shared = Shared {
            notifier: Notifier::start(&self.store),
            store: self.store,
            recipients: Recipients {
                sinks: self.sinks.into(),
                consent_grace_period: self.settings.consent_grace_period,
            },
            projections,
            cache: Cache::default(),
            settings: Arc::new(self.settings),
            rules: self.rules,
            attached: OnceLock::new(),
            wake_booking: Notify::new(),
            wake_callbacks: Notify::new(),
            wake_outbox: Notify::new(),
            workers: Arc::default(),
            stored_without_worker: AtomicU64::new(0),
        };
        let ledger = Ledger { shared: Arc::new(shared), writer };
        ledger.shared.projections.opened(&ledger.handle());
        Ok(ledger)
    }
}
