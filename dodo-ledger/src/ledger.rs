//! The ledger: inbox, attribution and sinks over one store.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use dodo_core::webhook::{Inbox, Receipt, VerifiedEvent};
use jiff::tz::TimeZone;
use tokio::sync::Notify;

use crate::{
    attribution::{Batch, Fact, Rules},
    booking::{Cache, GroupStore},
    builder::LedgerBuilder,
    counters,
    error::Error,
    inbox::Writer,
    notify::{Notifier, WakeSignal},
    outbox::Recipients,
    projection::{self, Projections},
    schema,
    settings::Settings,
    store::Store,
};

/// The state that the ledger and its workers share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) settings: Arc<Settings>,
    /// The rules of the builder.
    pub(crate) rules: Rules,
    /// The rules with the presets of the attached webhooks.
    pub(crate) attached: OnceLock<Rules>,
    pub(crate) recipients: Recipients,
    pub(crate) projections: Projections,
    pub(crate) cache: Cache,
    pub(crate) wake_booking: Notify,
    pub(crate) wake_callbacks: Notify,
    pub(crate) wake_outbox: Notify,
    /// Tells the workers of other instances.
    pub(crate) notifier: Notifier,
    /// Running sets of workers in this process.
    pub(crate) workers: Arc<AtomicUsize>,
    /// Deliveries that were stored while no worker ran.
    pub(crate) stored_without_worker: AtomicU64,
}

/// A durable webhook inbox and attribution ledger. Cheap to clone.
///
/// ```no_run
/// # async fn run(key: dodo_core::WebhookKey) -> Result<(), Box<dyn std::error::Error>> {
/// use dodo_core::Webhooks;
/// use dodo_ledger::Ledger;
///
/// let ledger = Ledger::open("sqlite:ledger.db").await?;
/// let hooks = Webhooks::builder(key)
///     .on_payment_succeeded(|event| async move {
///         println!("{} is paid", event.data.payment_id);
///         Ok(())
///     });
/// let (hooks, workers) = ledger.attach(hooks)?;
/// // Mount `hooks`, serve, and at the end:
/// workers.shutdown(std::time::Duration::from_secs(10)).await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Ledger {
    pub(crate) shared: Arc<Shared>,
    pub(crate) writer: Writer,
}

impl Ledger {
    /// Opens a ledger by its URL (`sqlite:ledger.db`, `postgres://...`), with defaults, and creates
    /// or updates its tables. Call it on the runtime that will live longest: the writer runs there.
    ///
    /// # Errors
    /// Those of [`Store::open`] and [`migrate`](Self::migrate).
    pub async fn open(url: &str) -> Result<Self, Error> {
        Self::builder(Store::open(url).await?).open().await
    }

    /// Opens a ledger in memory, for tests. Its data ends with the process.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[cfg(feature = "sqlite")]
    pub async fn in_memory() -> Result<Self, Error> {
        Self::open("sqlite::memory:").await
    }

    /// The database, for the crates of this project that keep tables in it.
    #[doc(hidden)]
    #[must_use]
    pub fn database(&self) -> &Store {
        &self.shared.store
    }

    /// Returns a builder for a ledger with other settings or another store.
    pub fn builder(store: impl Into<Store>) -> LedgerBuilder {
        LedgerBuilder::new(store.into())
    }

    /// Creates or updates the tables, also those of [projections](projection). Safe to call at every start, also from many instances.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database, [`PermissionDenied`](crate::ErrorKind::PermissionDenied)
    /// if its user may not create tables, [`Config`](crate::ErrorKind::Config) if the tables are of a newer
    /// version than this program.
    pub async fn migrate(&self) -> Result<(), Error> {
        schema::migrate(&self.shared.store, &self.shared.projections).await?;
        let zone = self.shared.settings.zone.iana_name().unwrap_or("UTC");
        self.shared.groups().keep_books_in(zone).await
    }

    /// Books facts of a crate of this project: a decision of the application, or an answer of the API.
    ///
    /// # Errors
    /// Those of the database and of projections.
    #[doc(hidden)]
    pub async fn book_facts(&self, facts: Vec<Fact>) -> Result<(), Error> {
        self.shared.groups().book(Batch::from_facts(facts)).await?;
        self.shared.offer_changes();
        Ok(())
    }

    /// Queues every group, so that the workers give it to the projections again. Returns their number.
    ///
    /// # Errors
    /// Those of the database.
    #[doc(hidden)]
    pub async fn project_again(&self) -> Result<u64, Error> {
        let mut tx = self.shared.store.begin().await?;
        let queued = projection::queue_all(&mut tx).await?;
        tx.commit().await?;
        self.shared.offer(WakeSignal::Stored);
        Ok(queued)
    }

    /// The time zone of the books: see [`books_in`](LedgerBuilder::books_in).
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.shared.settings.zone
    }
}

impl Shared {
    pub(crate) fn rules(&self) -> &Rules {
        self.attached.get().unwrap_or(&self.rules)
    }

    /// The facts and records, by the rules and for the sinks of this ledger.
    pub(crate) fn groups(&self) -> GroupStore {
        let groups = GroupStore::new(self.store.clone(), self.rules().clone());
        groups
            .with_recipients(self.recipients.clone())
            .with_projections(self.projections.clone())
            .with_cache(self.cache.clone())
    }

    /// Wakes the workers of this process.
    pub(crate) fn wake_for(&self, signal: WakeSignal) {
        match signal {
            WakeSignal::Stored => self.wake_booking.notify_one(),
            WakeSignal::Booked => self.wake_callbacks.notify_one(),
            WakeSignal::Queued => self.wake_outbox.notify_waiters(),
        }
    }

    /// Wakes the workers of this process. If it has no workers, wakes those of other processes.
    pub(crate) fn offer(&self, signal: WakeSignal) {
        self.wake_for(signal);
        if self.workers.load(Ordering::Relaxed) == 0 {
            self.notifier.notify(signal);
        }
    }

    /// Wakes the workers after a booking outside of the booking worker.
    pub(crate) fn offer_changes(&self) {
        self.offer(WakeSignal::Queued);
        if !self.projections.is_empty() {
            self.offer(WakeSignal::Booked);
        }
    }

    /// Wakes the workers after a batch of bookings. If the batch exceeds the concurrency of this
    /// instance, all instances run callbacks.
    pub(crate) fn offer_booked(&self, booked: usize) {
        counters::booked(booked);
        self.wake_for(WakeSignal::Booked);
        self.wake_for(WakeSignal::Queued);
        if booked > usize::try_from(self.settings.concurrency).unwrap_or(usize::MAX) {
            self.notifier.notify(WakeSignal::Booked);
        }
    }

    /// Logs an error, but not for each of thousands of events, if no worker of this process runs.
    fn warn_without_workers(&self) {
        if self.workers.load(Ordering::Relaxed) > 0 {
            return;
        }
        let stored = self.stored_without_worker.fetch_add(1, Ordering::Relaxed) + 1;
        if stored == 1 || stored.is_multiple_of(100) {
            tracing::error!(
                target: "dodo::ledger", stored,
                "events stored, but no worker runs; call `Ledger::attach` and keep its `Workers`"
            );
        }
    }
}

impl Inbox for Ledger {
    type Error = Error;

    async fn accept(&self, event: &VerifiedEvent) -> Result<Receipt, Error> {
        let receipt = self.writer.accept(event).await?;
        if receipt == Receipt::Stored {
            counters::accepted();
            self.shared.warn_without_workers();
            self.shared.offer(WakeSignal::Stored);
        }
        Ok(receipt)
    }
}

/// Stores events for the workers of other processes.
pub(crate) struct ReceiveOnly(pub(crate) Ledger);

impl Inbox for ReceiveOnly {
    type Error = Error;

    async fn accept(&self, event: &VerifiedEvent) -> Result<Receipt, Error> {
        let receipt = self.0.writer.accept(event).await?;
        if receipt == Receipt::Stored {
            counters::accepted();
            self.0.shared.offer(WakeSignal::Stored);
        }
        Ok(receipt)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("settings", &self.shared.settings)
            .field("sinks", &self.shared.recipients.sinks)
            .field("projections", &self.shared.projections)
            .finish_non_exhaustive()
    }
}
