//! Running the callbacks of booked events: at least once, and at most one worker at a time as long as
//! its lease lasts.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicBool},
};

use dodo_core::webhook::Dispatcher;
use tokio::{
    task::{Id, JoinError, JoinSet},
    time::{Instant, timeout_at},
};

use super::{STORE_PAUSE, Stop, attempt::Run, finish::Finisher, sleep_or_wake};
use crate::{
    fault::{mutant, reach},
    inbox::{
        Claim,
        claim::{claim, hand_back},
    },
    ledger::Shared,
    store::Store,
    tx::COMMIT_RESERVE,
};

/// The running attempts of this process.
struct AtWork {
    dispatcher: Dispatcher,
    finisher: Finisher,
    tasks: JoinSet<()>,
    runs: HashMap<Id, Arc<Run>>,
}

impl AtWork {
    fn start(&mut self, ledger: &Shared, claim: Claim, lease_ends: Instant) {
        let run = Arc::new(Run {
            store: ledger.store.clone(),
            settings: ledger.settings.clone(),
            dispatcher: self.dispatcher.clone(),
            projections: ledger.projections.clone(),
            finisher: self.finisher.clone(),
            claim,
            until: lease_ends - COMMIT_RESERVE.min(ledger.settings.lease / 4),
            judged: AtomicBool::new(false),
        });
        let task = self.tasks.spawn(run.clone().run());
        self.runs.insert(task.id(), run);
    }

    fn ended(&mut self, task: Result<(Id, ()), JoinError>) {
        let id = match &task {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let Some(run) = self.runs.remove(&id) else { return };
        if task.is_err_and(|error| error.is_panic()) {
            let task = self.tasks.spawn(run.clone().panicked());
            self.runs.insert(task.id(), run);
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
        let left: Vec<&Claim> = self.runs.values().map(|run| &run.claim).collect();
        if mutant("leases_kept") {
            return;
        }
        if let Err(error) = hand_back(store, &left).await {
            tracing::warn!(
                target: "dodo::ledger", events = left.len(), %error, cause = error.cause(),
                "leases not released; they expire on their own"
            );
        }
    }
}

pub(super) async fn run(ledger: &Arc<Shared>, dispatcher: Dispatcher, mut stop: Stop) {
    let mut at_work = AtWork {
        dispatcher,
        finisher: Finisher::start(ledger.store.clone()),
        tasks: JoinSet::new(),
        runs: HashMap::new(),
    };
    let slots = ledger.settings.concurrency.max(1);
    while stop.borrow().is_none() {
        while let Some(task) = at_work.tasks.try_join_next_with_id() {
            at_work.ended(task);
        }
        let free = slots - u32::try_from(at_work.tasks.len()).unwrap_or(slots).min(slots);
        if free == 0 {
            tokio::select! {
                () = at_work.wait_for_one() => {}
                _ = stop.wait_for(Option::is_some) => {}
            }
            continue;
        }
        // From before the claim: a lease may only be believed to end too early.
        let lease_ends = Instant::now() + ledger.settings.lease;
        match claim(&ledger.store, free, ledger.settings.lease).await {
            Ok(claims) if claims.is_empty() => {
                sleep_or_wake(&ledger.wake_callbacks, ledger.settings.poll, &mut stop).await;
            }
            Ok(claims) => {
                reach("after_claim").await;
                for claim in claims {
                    at_work.start(ledger, claim, lease_ends);
                }
            }
            Err(error) => {
                tracing::error!(
                    target: "dodo::ledger", %error, cause = error.cause(),
                    "events not claimed; the worker retries"
                );
                sleep_or_wake(&ledger.wake_callbacks, STORE_PAUSE, &mut stop).await;
            }
        }
    }
    let deadline = stop.borrow().unwrap_or_else(Instant::now);
    at_work.end_by(&ledger.store, deadline).await;
}
