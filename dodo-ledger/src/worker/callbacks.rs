//! Running the callbacks of booked events: at least once, and at most one worker at a time as long as
//! its lease lasts.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use dodo_core::webhook::Dispatcher;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{Id, JoinError, JoinSet},
    time::{Instant, timeout, timeout_at},
};

use super::{
    POLL, STORE_PAUSE, Shutdown, attempt::CallbackAttempt, completion::Completer, sleep_or_wake,
};
use crate::{
    inbox::{
        LeasedEvent,
        claim::{claim, release_leases},
    },
    ledger::Shared,
    store::Store,
    tx::COMMIT_RESERVE,
};

/// If more events are due, the worker waits so long for further attempts to end before it claims again:
/// each claim is a commit.
const GATHER: Duration = Duration::from_millis(5);
/// The most attempts in flight per slot. Most of them wait for the commit of their mark.
const ATTEMPTS_PER_SLOT: usize = 4;

/// The running attempts of this process.
struct InFlight {
    dispatcher: Dispatcher,
    completer: Completer,
    tasks: JoinSet<()>,
    attempts: HashMap<Id, Arc<CallbackAttempt>>,
}

impl InFlight {
    fn start(
        &mut self,
        ledger: &Shared,
        event: LeasedEvent,
        lease_ends: Instant,
        slot: OwnedSemaphorePermit,
    ) {
        let run = Arc::new(CallbackAttempt {
            store: ledger.store.clone(),
            settings: ledger.settings.clone(),
            dispatcher: self.dispatcher.clone(),
            projections: ledger.projections.clone(),
            completer: self.completer.clone(),
            event,
            until: lease_ends - COMMIT_RESERVE.min(ledger.settings.lease / 4),
            outcome_recorded: AtomicBool::new(false),
        });
        let task = self.tasks.spawn(run.clone().run(slot));
        self.attempts.insert(task.id(), run);
    }

    fn ended(&mut self, task: Result<(Id, ()), JoinError>) {
        let id = match &task {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let Some(run) = self.attempts.remove(&id) else { return };
        if task.is_err_and(|error| error.is_panic()) {
            let task = self.tasks.spawn(run.clone().panicked());
            self.attempts.insert(task.id(), run);
        }
    }

    async fn wait_for_one(&mut self) {
        if let Some(task) = self.tasks.join_next_with_id().await {
            self.ended(task);
        }
    }

    /// Waits for the running attempts until the deadline, and releases the leases of the rest.
    async fn end_by(mut self, store: &Store, deadline: Instant) {
        while !self.tasks.is_empty() {
            if timeout_at(deadline, self.wait_for_one()).await.is_err() {
                break;
            }
        }
        // A task that is aborted drops its transaction: nothing of it is committed.
        self.tasks.shutdown().await;
        let left: Vec<&LeasedEvent> = self.attempts.values().map(|run| &run.event).collect();
        if let Err(error) = release_leases(store, &left).await {
            tracing::warn!(
                target: "dodo::ledger", events = left.len(), %error, cause = error.cause(),
                "leases not released; they expire on their own"
            );
        }
    }
}

pub(super) async fn run(ledger: &Arc<Shared>, dispatcher: Dispatcher, mut shutdown: Shutdown) {
    let mut in_flight = InFlight {
        dispatcher,
        completer: Completer::start(ledger.store.clone()),
        tasks: JoinSet::new(),
        attempts: HashMap::new(),
    };
    let concurrency = usize::try_from(ledger.settings.concurrency.max(1)).unwrap_or(usize::MAX);
    let slots = Arc::new(Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS)));
    let mut has_more = false;
    while shutdown.borrow().is_none() {
        while let Some(task) = in_flight.tasks.try_join_next_with_id() {
            in_flight.ended(task);
        }
        let free = slots.available_permits();
        if free == 0 || in_flight.tasks.len() / ATTEMPTS_PER_SLOT >= concurrency {
            tokio::select! {
                () = in_flight.wait_for_one() => {}
                _ = shutdown.wait_for(Option::is_some) => {}
            }
            continue;
        }
        let is_gathering = has_more && free < concurrency / 2;
        if is_gathering && timeout(GATHER, in_flight.wait_for_one()).await.is_ok() {
            continue;
        }
        // Measured before the claim, so the worker never assumes a later end than the database.
        let lease_ends = Instant::now() + ledger.settings.lease;
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        match claim(&ledger.store, limit, ledger.settings.lease).await {
            Ok(events) if events.is_empty() => {
                has_more = false;
                sleep_or_wake(&ledger.wake_callbacks, POLL, &mut shutdown).await;
            }
            Ok(events) => {
                has_more = events.len() == free;
                for event in events {
                    // Only this loop takes slots, and it claimed as many events as were free.
                    let Ok(slot) = slots.clone().try_acquire_owned() else { break };
                    in_flight.start(ledger, event, lease_ends, slot);
                }
            }
            Err(error) => {
                tracing::error!(
                    target: "dodo::ledger", %error, cause = error.cause(),
                    "events not claimed; the worker retries"
                );
                sleep_or_wake(&ledger.wake_callbacks, STORE_PAUSE, &mut shutdown).await;
            }
        }
    }
    let deadline = shutdown.borrow().unwrap_or_else(Instant::now);
    in_flight.end_by(&ledger.store, deadline).await;
}
