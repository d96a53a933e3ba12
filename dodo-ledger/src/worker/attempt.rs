//! One attempt: a run of the callbacks of one event, and the record of its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dodo_core::{
    ErrorKind,
    webhook::{Dispatcher, VerifiedEvent},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

use super::completion::Completer;
use crate::{
    attribution::sanitize,
    counters::{self, Stage},
    error::Error,
    inbox::{AttemptOutcome, LeasedEvent, claim::record_outcome},
    projection::{Again, Projections, Task, Work, into_database_error},
    settings::Settings,
    store::Store,
    tx::EventTx,
};

/// The longest delay after a database error.
pub(super) const STORE_WAIT: Duration = Duration::from_secs(300);

/// One run of the callbacks of one event, or of an event or a timer of a projection.
pub(super) struct CallbackAttempt {
    pub(super) store: Store,
    pub(super) settings: Arc<Settings>,
    pub(super) dispatcher: Dispatcher,
    pub(super) projections: Projections,
    pub(super) completer: Completer,
    pub(super) event: LeasedEvent,
    /// The end of the lease minus the time for the last commit.
    pub(super) until: Instant,
    /// Whether the worker has stored the failure, or has tried to: it tries once.
    pub(super) outcome_recorded: AtomicBool,
}

impl CallbackAttempt {
    /// `slot`: one of the callbacks that can run at the same time.
    pub(super) async fn run(self: Arc<Self>, slot: OwnedSemaphorePermit) {
        match self.attempt(slot).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(
                target: "dodo::ledger", event = %self.event.id(),
                "lease ended before the callbacks; another worker has the event"
            ),
            Err(failure) => self.fail(failure).await,
        }
    }

    /// After a panic outside of the guard: it counts as a failed attempt. Otherwise the event would
    /// be claimed forever.
    pub(super) async fn panicked(self: Arc<Self>) {
        if !self.outcome_recorded.load(Ordering::Relaxed) {
            self.fail(Failure::Panicked).await;
        }
    }

    /// Runs the callbacks and marks the event done, in the transaction that they may have joined. An
    /// event that cannot be read is marked parked instead: no retry would make it readable.
    /// `false`: the lease was lost, and nothing was committed.
    async fn attempt(&self, slot: OwnedSemaphorePermit) -> Result<bool, Failure> {
        let tx = EventTx::new(self.event.id(), self.store.clone(), self.until);
        let outcome = timeout_at(self.until, self.work(&tx)).await;
        // Also after a failure: a kept handle must be unusable.
        let joined = tx.close().await;
        let ended = match outcome.unwrap_or(Err(Failure::LeaseEnded)) {
            Ok(ended) => ended,
            Err(failure) => {
                return Err(tx
                    .store_error()
                    .map_or(failure, |store_error| Failure::Store(store_error.into())));
            }
        };
        let event = LeasedEvent { unreadable: ended.unreadable, ..self.event.clone() };
        let mut tx = match joined.map_err(Failure::Transaction)? {
            Some(mut tx) => {
                tx.verify_savepoint().await.map_err(Failure::Transaction)?;
                tx
            }
            None if event.is_timer() => self.store.begin().await.map_err(Failure::Transaction)?,
            None => {
                // Other callbacks can run until the mark is committed.
                drop(slot);
                return self.completer.complete(&event).await.map_err(Failure::Store);
            }
        };
        let held = match tx.end(&event, ended.again).await {
            Ok(held) => held,
            Err(error) => {
                // SQLite has one writer.
                drop(tx);
                return Err(self.refused(error).await);
            }
        };
        if held {
            tx.commit().await.map_err(Failure::Transaction)?;
        }
        Ok(held)
    }

    async fn work(&self, tx: &EventTx) -> Result<Ended, Failure> {
        match &self.event.work {
            Work::Delivery(event) => self.callbacks(event, tx).await,
            Work::Projection(name, task) => self.projection(name, task, tx).await,
        }
    }

    async fn callbacks(&self, event: &VerifiedEvent, tx: &EventTx) -> Result<Ended, Failure> {
        let mut extensions = http::Extensions::new();
        extensions.insert(tx.clone());
        let callbacks = self.dispatcher.dispatch(event.clone(), self.event.attempts, extensions);
        let unreadable = match callbacks.await {
            Ok(()) => None,
            Err(error) if error.kind() == ErrorKind::UnreadableEvent => {
                Some(sanitize::column(&format!("{}: {error}", error.code())).into())
            }
            Err(error) => return Err(Failure::Callback(error)),
        };
        Ok(Ended { unreadable, again: None })
    }

    async fn projection(&self, name: &str, task: &Task, tx: &EventTx) -> Result<Ended, Failure> {
        let ran = self.projections.run(name, task, tx).await.ok_or(Failure::Absent)?;
        let again = ran.map_err(|error| match into_database_error(error) {
            Ok(error) => Failure::Transaction(error),
            Err(error) => Failure::Callback(
                dodo_core::Error::new(ErrorKind::CallbackFailed, "a projection failed")
                    .with_source(error),
            ),
        })?;
        Ok(Ended { unreadable: None, again })
    }

    /// The callbacks' transaction rejected the mark. To find out whether the callbacks broke it,
    /// this function writes the same mark in another transaction, which it rolls back.
    async fn refused(&self, error: Error) -> Failure {
        if error.is_transient() {
            return Failure::Store(error.into());
        }
        let own = async {
            let mut tx = self.store.begin().await?;
            tx.end(&self.event, None).await
        };
        match own.await {
            Ok(_) => Failure::Transaction(error),
            Err(own) => Failure::Store(own.into()),
        }
    }

    async fn fail(&self, failure: Failure) {
        self.outcome_recorded.store(true, Ordering::Relaxed);
        let outcome = self.plan_retry(&failure);
        match record_outcome(&self.store, &self.event, &outcome).await {
            Ok(true) => self.log(&failure, &outcome),
            Ok(false) => {}
            // The lease expires on its own.
            Err(error) => tracing::error!(
                target: "dodo::ledger", event = %self.event.id(), %error, cause = error.cause(),
                "failed attempt not recorded; the event is retried when its lease expires"
            ),
        }
    }

    fn plan_retry(&self, failure: &Failure) -> AttemptOutcome {
        let LeasedEvent { attempts, failed_attempts, .. } = self.event;
        let policy = &self.settings.callback_retry;
        let reason = failure.reason();
        if !failure.counts() {
            // The delay grows with the attempts that a database error interrupted. Only this
            // difference counts them.
            let after = policy.delay(attempts.saturating_sub(failed_attempts)).min(STORE_WAIT);
            return AttemptOutcome::Defer { after, reason };
        }
        let failed_attempts = failed_attempts.saturating_add(1);
        if policy.is_exhausted(failed_attempts) {
            AttemptOutcome::Dead { reason }
        } else {
            AttemptOutcome::Retry { after: policy.delay(failed_attempts), reason }
        }
    }

    fn kind(&self) -> Option<String> {
        match &self.event.work {
            Work::Delivery(event) => {
                event.envelope().ok().map(|envelope| envelope.kind.to_string())
            }
            Work::Projection(name, _) => Some(name.clone()),
        }
    }

    /// The cause is logged and not stored. The log has the text of the application's own error, as
    /// it has without a ledger.
    fn log(&self, failure: &Failure, outcome: &AttemptOutcome) {
        let event = self.event.id();
        let failed_attempts = self.event.failed_attempts.saturating_add(1);
        let cause = failure.cause();
        if !matches!(outcome, AttemptOutcome::Defer { .. }) {
            let dead = matches!(outcome, AttemptOutcome::Dead { .. });
            counters::failed(Stage::Callback, dead);
        }
        match outcome {
            AttemptOutcome::Dead { reason } => tracing::error!(
                target: "dodo::ledger", kind = self.kind(), event, failed_attempts, reason, cause,
                "event moved to dead letters after repeated failures; fix the callback, then run `ledger redrive <id>`"
            ),
            // The first failure is an error for the developer. Later ones are warnings, because a
            // retry may succeed.
            AttemptOutcome::Retry { after, reason } if failed_attempts == 1 => tracing::error!(
                target: "dodo::ledger", kind = self.kind(), event, failed_attempts, reason, cause,
                wait_ms = after.as_millis(),
                "callback failed; fix its cause: the ledger runs it again"
            ),
            AttemptOutcome::Retry { after, reason } => tracing::warn!(
                target: "dodo::ledger", event, failed_attempts, reason, cause, wait_ms = after.as_millis(),
                "callback failed; retry scheduled"
            ),
            AttemptOutcome::Defer { after, reason } if failure.passes_by_itself() => {
                tracing::warn!(
                    target: "dodo::ledger", event, reason, cause, wait_ms = after.as_millis(),
                    "event not marked done; its callbacks run again without a failed attempt"
                )
            }
            AttemptOutcome::Defer { after, reason } => tracing::error!(
                target: "dodo::ledger", event, reason, cause, wait_ms = after.as_millis(),
                "events not marked done; fix the database: callbacks run again without a failed attempt"
            ),
        }
    }
}

/// The end of a run without a failure.
struct Ended {
    /// The reason why no callback can read the event.
    unreadable: Option<String>,
    again: Again,
}

/// The reason why the callbacks of an event run again.
#[derive(Debug)]
enum Failure {
    Callback(dodo_core::Error),
    LeaseEnded,
    Panicked,
    /// This process has no projection of this name. Another version of the application has it.
    Absent,
    /// An error of the event transaction.
    Transaction(Error),
    /// An error of the database, which every event would meet.
    Store(Arc<Error>),
}

impl Failure {
    /// Returns whether it counts as a failed attempt. A database error does not count. An error in
    /// the event transaction alone counts, because the callback caused it.
    fn counts(&self) -> bool {
        match self {
            Self::Callback(_) | Self::LeaseEnded | Self::Panicked => true,
            Self::Transaction(error) => !error.is_transient(),
            Self::Absent | Self::Store(_) => false,
        }
    }

    /// Returns whether the failure can end without an operator.
    fn passes_by_itself(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            _ => true,
        }
    }

    /// The text for the table. It is never the callback's own text, which may name people.
    fn reason(&self) -> String {
        match self {
            Self::Callback(error) => format!("{}: {error}", error.code()),
            Self::LeaseEnded => {
                "lease_ended: the callbacks did not finish within the lease".to_owned()
            }
            Self::Panicked => "panicked: what ran the callbacks panicked".to_owned(),
            Self::Absent => "projection: this process has no projection of this name".to_owned(),
            Self::Transaction(error) => format!("store: {error}"),
            Self::Store(error) => format!("store: {error}"),
        }
    }

    /// The text of the callback's or the store's error.
    fn cause(&self) -> Option<String> {
        match self {
            Self::Callback(error) => std::error::Error::source(error).map(ToString::to_string),
            Self::Transaction(error) => error.cause(),
            Self::Store(error) => error.cause(),
            _ => None,
        }
    }
}
