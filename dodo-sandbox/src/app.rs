//! The lock around the state, and the signal of a change.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use http::HeaderValue;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    Error,
    api::fault::Faults,
    builder::Setup,
    flow, id,
    journal::{self, Journal, Op, Start},
    log::Log,
    state::SandboxState,
};

/// The data that all requests and workers share.
#[derive(Debug)]
pub(crate) struct App {
    inner: Mutex<Inner>,
    changes: watch::Sender<()>,
    /// The sandbox repeats a journal, so it records and sends nothing.
    replaying: AtomicBool,
    pub(crate) simulating: AtomicBool,
    pub(crate) setup: Setup,
    pub(crate) api_key: String,
    /// This key may read and not write.
    pub(crate) read_only_key: String,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
}

#[derive(Debug)]
struct Inner {
    state: SandboxState,
    ids: fastrand::Rng,
    journal: Option<Journal>,
}

impl App {
    pub(crate) fn new(setup: Setup) -> Result<Self, Error> {
        let (state, ids) = setup.state()?;
        Ok(Self {
            inner: Mutex::new(Inner { state, ids, journal: None }),
            changes: watch::Sender::new(()),
            replaying: AtomicBool::new(false),
            simulating: AtomicBool::new(false),
            api_key: setup.api_key.clone(),
            read_only_key: format!("{}_readonly", setup.api_key),
            setup,
            faults: Faults::default(),
            log: Log::default(),
        })
    }

    /// The settings of an app that uses the sandbox at this address.
    pub(crate) fn env(&self, url: &str) -> [(&'static str, String); 5] {
        [
            ("DODO_PAYMENTS_BASE_URL", url.to_owned()),
            ("DODO_PAYMENTS_CHECKOUT_URL", url.to_owned()),
            ("DODO_PAYMENTS_API_KEY", self.setup.api_key.clone()),
            ("DODO_PAYMENTS_WEBHOOK_KEY", self.setup.webhook_secret.clone()),
            ("DODO_PAYMENTS_ENVIRONMENT", "test_mode".to_owned()),
        ]
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter<T>(&self, op: Option<Op>, look: impl FnOnce(&mut SandboxState) -> T) -> T {
        let mut inner = self.lock();
        let Inner { state, ids, journal } = &mut *inner;
        id::seeded(ids, || {
            if !self.is_replaying() {
                state.clock.tick();
            }
            flow::schedule::run_due(state);
            if let (Some(op), Some(journal)) = (op, journal) {
                journal.append(state.clock.now(), &op);
            }
            look(state)
        })
    }

    /// Runs `look` on the state after all due steps have run. `look` runs under the lock, so it
    /// must do no I/O.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut SandboxState) -> T) -> T {
        self.enter(None, look)
    }

    /// As [`with`](Self::with), and wakes tasks that wait for changes. The journal records the
    /// request that is being answered.
    pub(crate) fn change<T>(&self, act: impl FnOnce(&mut SandboxState) -> T) -> T {
        let result = self.enter(journal::current_request(), act);
        self.changes.send_replace(());
        result
    }

    /// As [`change`](Self::change), for a change that follows from no request.
    pub(crate) fn record<T>(&self, op: Op, act: impl FnOnce(&mut SandboxState) -> T) -> T {
        let result = self.enter(Some(op), act);
        self.changes.send_replace(());
        result
    }

    /// Returns a receiver of every later change.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Waits until no delivery is under way and none falls due before the clock moves on.
    pub(crate) async fn wait_until_idle(&self) {
        let mut changes = self.changes();
        while !self.with(|state| state.deliveries_rest()) {
            let _ = changes.changed().await;
        }
    }

    /// Begins again with the state of this start, without a journal.
    pub(crate) fn begin(&self, start: Start) -> Result<Option<Journal>, Error> {
        let (state, ids) = Setup { start, ..self.setup.clone() }.state()?;
        let mut inner = self.lock();
        let journal = inner.journal.take();
        *inner = Inner { state, ids, journal: None };
        drop(inner);
        self.changes.send_replace(());
        Ok(journal)
    }

    /// Records changes from now on, and wakes the worker.
    pub(crate) fn resume(&self, journal: Option<Journal>, now: Option<Timestamp>) {
        let mut inner = self.lock();
        inner.journal = journal;
        let now = now.unwrap_or_else(|| inner.state.clock.now());
        inner.state.clock.set(now);
        drop(inner);
        self.replaying.store(false, Ordering::Release);
        self.changes.send_replace(());
    }

    /// Stops the clock, the worker and the journal, until [`resume`](Self::resume).
    pub(crate) fn pause(&self) {
        self.replaying.store(true, Ordering::Release);
    }

    pub(crate) fn set_clock(&self, now: Timestamp) {
        self.lock().state.clock.set(now);
    }

    /// The header value with the API key.
    pub(crate) fn authorization(&self) -> HeaderValue {
        HeaderValue::try_from(format!("Bearer {}", self.setup.api_key))
            .unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// The journal's text; `None` if the sandbox keeps none.
    pub(crate) fn journal_text(&self) -> Option<Result<String, Error>> {
        self.lock().journal.as_mut().map(Journal::text)
    }

    pub(crate) fn keeps_journal(&self) -> bool {
        self.lock().journal.is_some()
    }

    pub(crate) fn is_replaying(&self) -> bool {
        self.replaying.load(Ordering::Acquire)
    }
}
