//! The ledger: inbox, attribution and sinks over one store.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use dodo_core::{
    AttributionRecord, AttributionSink, BoxError, CheckoutContext, CheckoutContextStore,
    Dispatcher, Inbox, Receipt, SignedEvent,
};
use tokio::sync::Notify;

use crate::{
    attribution::{self, Booking, Evidence, Rules},
    error::Error,
    inbox::{InboxStats, StoredEvent, Writer, operate},
    news::{Crier, News},
    outbox::{self, DeadLetter, ErasedSink, Sink, SinkStats},
    schema::{self, Past},
    settings::{Backoff, Settings},
    store::{Store, Tx},
    worker::{self, Workers},
};

/// What the ledger and its workers share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) settings: Arc<Settings>,
    pub(crate) rules: Rules,
    pub(crate) sinks: Vec<ErasedSink>,
    pub(crate) wake_booking: Notify,
    pub(crate) wake_callbacks: Notify,
    pub(crate) wake_outbox: Notify,
    /// Tells the workers of other instances.
    pub(crate) crier: Crier,
    /// Running sets of workers in this process.
    pub(crate) workers: Arc<AtomicUsize>,
    /// Deliveries that were stored while no worker ran.
    unattended: AtomicU64,
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
///         println!("{} paid", event.data.payment_id);
///         Ok::<_, std::convert::Infallible>(())
///     })
///     .inbox(ledger.clone())
///     .build();
/// let workers = ledger.spawn(hooks.dispatcher());
/// // ... mount `hooks`, serve, and at the end:
/// workers.shutdown(std::time::Duration::from_secs(10)).await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Ledger {
    pub(crate) shared: Arc<Shared>,
    writer: Writer,
}

impl Ledger {
    /// Opens a ledger by its URL (`sqlite:ledger.db`, `postgres://...`), with defaults, and creates
    /// or updates its tables. Call it on the runtime that will live longest: the writer runs there.
    ///
    /// # Errors
    /// Those of [`Store::open`] and [`migrate`](Self::migrate).
    pub async fn open(url: &str) -> Result<Self, Error> {
        let ledger = Self::builder(Store::open(url).await?).build();
        ledger.migrate().await?;
        Ok(ledger)
    }

    /// A ledger for tests, gone with the process.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[cfg(feature = "sqlite")]
    pub async fn in_memory() -> Result<Self, Error> {
        Self::open("sqlite::memory:").await
    }

    /// A ledger with settings of your own, on a store of your own.
    pub fn builder(store: impl Into<Store>) -> LedgerBuilder {
        LedgerBuilder {
            store: store.into(),
            settings: Settings::default(),
            rules: Rules::default(),
            sinks: Vec::new(),
        }
    }

    /// Creates or updates the tables. Safe to call at every start, also from many instances.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database, [`Refused`](crate::ErrorKind::Refused)
    /// if its user may not create tables.
    pub async fn migrate(&self) -> Result<(), Error> {
        schema::migrate(&self.shared.store).await
    }

    /// Starts the workers: they book what is stored, run the callbacks, and tell the sinks.
    ///
    /// Any number of instances may do so on one PostgreSQL.
    pub fn spawn(&self, dispatcher: Dispatcher) -> Workers {
        worker::spawn(&self.shared, dispatcher)
    }

    /// How the inbox stands.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn stats(&self) -> Result<InboxStats, Error> {
        operate::stats(&self.shared.store).await
    }

    /// Events that were given up or parked, oldest first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn failed(&self, limit: u32) -> Result<Vec<StoredEvent>, Error> {
        operate::failed(&self.shared.store, limit).await
    }

    /// One event of the inbox, by its `webhook-id`.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn event(&self, id: &str) -> Result<Option<StoredEvent>, Error> {
        operate::event(&self.shared.store, id).await
    }

    /// Gives a dead or parked event a new life, with no failures. `false`: there is none of that id,
    /// or its body was erased.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn revive(&self, id: &str) -> Result<bool, Error> {
        let revived = operate::revive(&self.shared.store, id).await?;
        self.wake();
        Ok(revived)
    }

    /// Gives every dead event a new life, and says how many there were.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn revive_dead(&self) -> Result<u64, Error> {
        let revived = operate::revive_all(&self.shared.store, "dead").await?;
        self.wake();
        Ok(revived)
    }

    /// Reads every parked event again: after an update that may be able to.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn revive_parked(&self) -> Result<u64, Error> {
        let revived = operate::revive_all(&self.shared.store, "parked").await?;
        self.wake();
        Ok(revived)
    }

    /// Runs the callbacks of an event again that is done, or that was given up or parked; what is booked
    /// is not booked again. `false`: there is none of that id, it is pending, or its body was erased.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn replay(&self, id: &str) -> Result<bool, Error> {
        let replayed = operate::replay(&self.shared.store, id).await?;
        self.wake();
        Ok(replayed)
    }

    /// Erases the bodies of events that were done this long ago, and says how many. The workers do
    /// so by themselves: see [`LedgerBuilder::keep_bodies_for`].
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn erase_bodies(&self, older_than: Duration) -> Result<u64, Error> {
        operate::erase_bodies(&self.shared.store, older_than).await
    }

    /// Erases what was captured for checkouts this long ago that nobody paid, and says of how many. The
    /// workers do so by themselves: see [`LedgerBuilder::keep_contexts_for`].
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn erase_contexts(&self, older_than: Duration) -> Result<u64, Error> {
        schema::erase_contexts(&self.shared.store, older_than).await
    }

    /// How the queue of a sink stands.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn sink_stats(&self, sink: &str) -> Result<SinkStats, Error> {
        outbox::stats(&self.shared.store, sink).await
    }

    /// Records that were given up for a sink, oldest first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn dead_letters(&self, sink: &str, limit: u32) -> Result<Vec<DeadLetter>, Error> {
        outbox::dead_letters(&self.shared.store, sink, limit).await
    }

    /// Queues everything that was given up for a sink again, and says how many.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn revive_sink(&self, sink: &str) -> Result<u64, Error> {
        let revived = outbox::revive(&self.shared.store, sink).await?;
        self.shared.offer(News::Queued);
        Ok(revived)
    }

    fn wake(&self) {
        self.shared.offer(News::Stored);
        self.shared.offer(News::Booked);
    }
}

impl Shared {
    /// The past in a transaction for changes to the ledger: no other booking runs beside it.
    pub(crate) async fn begin_booking(&self) -> Result<Past, Error> {
        let mut tx = self.store.begin_booking().await?;
        tx.lock_booking().await?;
        Ok(Past::of(tx))
    }

    /// Queues what bookings changed for the sinks that want it, in their transaction.
    pub(crate) async fn enqueue(&self, tx: &mut Tx, bookings: &[Booking]) -> Result<(), Error> {
        let (mut queue, mut release) = (Vec::new(), Vec::new());
        for change in bookings.iter().flat_map(|booking| &booking.changes) {
            let (id, record) = (change.entry.id.as_str(), &change.entry.record);
            let waits = record.flags.parent_missing;
            if !waits && !change.is_new {
                release.push(id);
            }
            // A sink that panicked is asked again before it is told.
            let wants = |sink: &&ErasedSink| sink.wants(record) != Some(false);
            for sink in self.sinks.iter().filter(wants) {
                let wait = waits && sink.heeds_consent();
                let wait = if wait { self.settings.await_purchase } else { Duration::ZERO };
                queue.push((id, sink.name(), wait));
            }
        }
        tx.enqueue(&queue).await?;
        tx.release(&release).await
    }

    /// Writes and commits a booking together with its outbox rows.
    pub(crate) async fn commit_booking(&self, past: Past, booking: Booking) -> Result<(), Error> {
        let mut tx = past.write().await?;
        self.enqueue(&mut tx, &[booking]).await?;
        tx.commit().await?;
        self.offer(News::Queued);
        Ok(())
    }

    /// Wakes the workers of this process.
    pub(crate) fn wake_for(&self, news: News) {
        match news {
            News::Stored => self.wake_booking.notify_one(),
            News::Booked => self.wake_callbacks.notify_one(),
            News::Queued => self.wake_outbox.notify_waiters(),
        }
    }

    /// Wakes the workers of this process, or those of others where there are none here.
    pub(crate) fn offer(&self, news: News) {
        self.wake_for(news);
        if self.workers.load(Ordering::Relaxed) == 0 {
            self.crier.tell(news);
        }
    }

    /// Wakes whoever there is after a batch of bookings: callbacks run in all instances if there are
    /// more than this one runs at once.
    pub(crate) fn offer_booked(&self, booked: usize) {
        self.wake_for(News::Booked);
        self.wake_for(News::Queued);
        if booked > usize::try_from(self.settings.concurrency).unwrap_or(usize::MAX) {
            self.crier.tell(News::Booked);
        }
    }

    /// Says so, but not for each of thousands, when deliveries pile up that nobody works on.
    fn complain_if_unattended(&self) {
        if self.workers.load(Ordering::Relaxed) > 0 || self.settings.workers_elsewhere {
            return;
        }
        let stored = self.unattended.fetch_add(1, Ordering::Relaxed) + 1;
        if stored == 1 || stored.is_multiple_of(100) {
            tracing::error!(
                target: "dodo::ledger", stored,
                "deliveries are stored but no worker runs: call `ledger.spawn(hooks.dispatcher())` and keep the handle"
            );
        }
    }
}

impl Inbox for Ledger {
    type Error = Error;

    async fn accept(&self, event: &SignedEvent) -> Result<Receipt, Error> {
        let receipt = self.writer.accept(event).await?;
        if receipt == Receipt::Stored {
            self.shared.complain_if_unattended();
            self.shared.offer(News::Stored);
        }
        Ok(receipt)
    }
}

/// For use without the inbox: books inside the request, once per business key.
impl AttributionSink for Ledger {
    type Error = Error;

    async fn emit(&self, record: &AttributionRecord) -> Result<(), Error> {
        let Some(evidence) = Evidence::of_record(record) else { return Ok(()) };
        let mut past = self.shared.begin_booking().await?;
        let booking = attribution::book(&self.shared.rules, &mut past, evidence).await?;
        self.shared.commit_booking(past, booking).await
    }
}

impl CheckoutContextStore for Ledger {
    /// Waits for no booking: what was captured, consent above all, is kept at once. What was booked of
    /// the session before, as nothing can be while its checkout waits for this, is derived again.
    async fn bind(&self, session_id: &str, context: &CheckoutContext) -> Result<(), BoxError> {
        let (key, json) = attribution::context_fact(session_id, context)?;
        schema::put_fact_now(&self.shared.store, &key, &json).await?;
        let mut past = Past::of(self.shared.store.read().await?);
        let late = attribution::is_late(&mut past, session_id).await?;
        drop(past);
        if late {
            let rules = &self.shared.rules;
            let mut past = self.shared.begin_booking().await?;
            let booking = attribution::look_again(rules, &mut past, session_id).await?;
            self.shared.commit_booking(past, booking).await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("settings", &self.shared.settings)
            .field("sinks", &self.shared.sinks)
            .finish_non_exhaustive()
    }
}

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
    /// What the merchant decides about attribution.
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Tells every booked record to a sink, through the outbox. Two sinks of one name have two queues:
    /// the second goes by `name-2`, which changes with the order in which they are added. Better give
    /// each a name.
    pub fn sink(mut self, sink: impl Sink) -> Self {
        self.sinks.push(ErasedSink::beside(&self.sinks, sink));
        self
    }

    /// How long a worker owns an event: its callbacks are stopped when it ends, and a worker that
    /// died is waited for this long. 60 s unless set; at least 1 s. Sinks always have 60 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease.max(Duration::from_secs(1));
        self
    }

    /// How long to wait after a failed callback or booking. `{ base: 5 s, cap: 6 h }` unless set.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.settings.backoff = backoff;
        self
    }

    /// Failures after which an event is given up, 20 unless set: after 36 hours on average, 24 at least
    /// and 47 at most, where Dodo Payments itself delivers for 27 h 35 min. Claims that ended without an
    /// answer, as by a restart, are no failures.
    pub fn max_failures(mut self, failures: u32) -> Self {
        self.settings.max_failures = failures.max(1);
        self
    }

    /// How long to wait after a sink failed, `{ base: 2 s, cap: 1 h }` unless set, and after how many
    /// failures a record is given up for it, 100 unless set: 67 hours on average, 89 at most.
    pub fn sink_backoff(mut self, backoff: Backoff, max_failures: u32) -> Self {
        self.settings.sink_backoff = backoff;
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

    /// How long is kept what was captured for a checkout that nobody paid, 90 days unless set; `None` is
    /// for ever. Dodo's checkout sessions live for a day, but an abandoned one may be recovered later.
    pub fn keep_contexts_for(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.settings.keep_contexts = time.into();
        self
    }

    /// Says that other processes run the workers, so that having none here is no error.
    pub fn workers_elsewhere(mut self) -> Self {
        self.settings.workers_elsewhere = true;
        self
    }

    /// Starts the writer, on the current tokio runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn build(self) -> Ledger {
        let writer = Writer::start(self.store.clone());
        let shared = Shared {
            crier: Crier::start(&self.store),
            store: self.store,
            settings: Arc::new(self.settings),
            rules: self.rules,
            sinks: self.sinks,
            wake_booking: Notify::new(),
            wake_callbacks: Notify::new(),
            wake_outbox: Notify::new(),
            workers: Arc::default(),
            unattended: AtomicU64::new(0),
        };
        Ledger { shared: Arc::new(shared), writer }
    }
}
