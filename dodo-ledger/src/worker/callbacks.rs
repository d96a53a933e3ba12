//! Running the callbacks of booked events: at least once, and at most one worker at a time as long as
//! its lease lasts.

use std::{collections::HashMap, sync::Arc};

use dodo_core::Dispatcher;
use tokio::{
    task::{Id, JoinSet},
    time::{Instant, timeout_at},
};

use super::{STORE_PAUSE, Stop, finish::Finisher, rest};
use crate::{
    error::Error,
    fault::{mutant, reach},
    inbox::{
        Claim, Verdict,
        claim::{claim, conclude, hand_back},
    },
    ledger::Shared,
    settings::Settings,
    store::Store,
    tx::{COMMIT_RESERVE, EventTx},
};

/// What is at work in this process.
struct AtWork {
    dispatcher: Dispatcher,
    finisher: Finisher,
    tasks: JoinSet<()>,
    claims: HashMap<Id, Claim>,
}

impl AtWork {
    fn start(&mut self, ledger: &Shared, claim: Claim, lease_ends: Instant) {
        let run = Run {
            store: ledger.store.clone(),
            settings: ledger.settings.clone(),
            dispatcher: self.dispatcher.clone(),
            finisher: self.finisher.clone(),
            claim: claim.clone(),
            until: lease_ends - COMMIT_RESERVE.min(ledger.settings.lease / 4),
        };
        let task = self.tasks.spawn(run.run());
        self.claims.insert(task.id(), claim);
    }

    fn ended(&mut self, task: Result<(Id, ()), tokio::task::JoinError>) {
        let id = match &task {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        self.claims.remove(&id);
    }

    async fn wait_for_one(&mut self) {
        if let Some(task) = self.tasks.join_next_with_id().await {
            self.ended(task);
        }
    }

    /// Lets what is at work finish until the deadline; the leases of the rest are handed back.
    async fn end_by(mut self, store: &Store, deadline: Instant) {
        while !self.tasks.is_empty() {
            if timeout_at(deadline, self.wait_for_one()).await.is_err() {
                break;
            }
        }
        // A task that is aborted drops its transaction: nothing of it is committed.
        self.tasks.shutdown().await;
        let left: Vec<Claim> = self.claims.into_values().collect();
        if let Err(error) = hand_back(store, &left).await {
            tracing::warn!(
                target: "dodo::ledger", events = left.len(), error = ?error,
                "leases could not be handed back, and run out by themselves"
            );
        }
    }
}

pub(super) async fn run(ledger: &Arc<Shared>, dispatcher: Dispatcher, mut stop: Stop) {
    let mut at_work = AtWork {
        dispatcher,
        finisher: Finisher::start(ledger.store.clone()),
        tasks: JoinSet::new(),
        claims: HashMap::new(),
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
                rest(&ledger.wake_callbacks, ledger.settings.poll, &mut stop).await;
            }
            Ok(claims) => {
                reach("after_claim").await;
                for claim in claims {
                    at_work.start(ledger, claim, lease_ends);
                }
            }
            Err(error) => {
                tracing::error!(target: "dodo::ledger", error = ?error, "events cannot be claimed");
                rest(&ledger.wake_callbacks, STORE_PAUSE, &mut stop).await;
            }
        }
    }
    let deadline = stop.borrow().unwrap_or_else(Instant::now);
    at_work.end_by(&ledger.store, deadline).await;
}

/// One run of the callbacks of one event.
struct Run {
    store: Store,
    settings: Arc<Settings>,
    dispatcher: Dispatcher,
    finisher: Finisher,
    claim: Claim,
    /// The end of the lease, less the time for the last commit.
    until: Instant,
}

impl Run {
    async fn run(self) {
        let failure = match self.attempt().await {
            Ok(true) => return,
            Ok(false) => {
                tracing::warn!(
                    target: "dodo::ledger", event = %self.claim.id(),
                    "the lease ended before the callbacks: another worker has the event"
                );
                return;
            }
            Err(failure) => failure,
        };
        if let Err(error) = self.failed(failure).await {
            // The lease runs out by itself.
            tracing::error!(
                target: "dodo::ledger", event = %self.claim.id(), error = ?error,
                "a failed attempt could not be written down"
            );
        }
    }

    /// Runs the callbacks and marks the event done, in the transaction that they may have joined.
    /// `false`: the lease was lost, and nothing was committed.
    async fn attempt(&self) -> Result<bool, Failure> {
        let tx = EventTx::new(self.store.clone(), self.until);
        let mut extensions = http::Extensions::new();
        extensions.insert(tx.clone());
        let event = self.claim.event.clone();
        let callbacks = self.dispatcher.dispatch(event, self.claim.claims, extensions);
        let outcome = timeout_at(self.until, callbacks).await;
        reach("after_callbacks").await;
        // Also after a failure: whoever kept a handle must find it dead.
        let joined = tx.close().await;
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Failure::Callback(error)),
            Err(_) => return Err(Failure::LeaseEnded),
        }
        let mut tx = match joined.map_err(Failure::Store)? {
            Some(tx) if !mutant("effect_outside_tx") => tx,
            Some(tx) => {
                tx.commit().await.map_err(Failure::Store)?;
                reach("between_effect_and_done").await;
                self.store.begin().await.map_err(Failure::Store)?
            }
            None => return self.finisher.finish(&self.claim).await.map_err(Failure::Mark),
        };
        reach("before_done").await;
        let held = tx.mark_done(&self.claim).await.map_err(Failure::Store)?;
        if held {
            tx.commit().await.map_err(Failure::Store)?;
            reach("after_done").await;
        }
        Ok(held)
    }

    async fn failed(&self, failure: Failure) -> Result<(), Error> {
        let failures = self.claim.failures.saturating_add(1);
        let reason = failure.reason();
        let verdict = if failures >= self.settings.max_failures {
            Verdict::Dead { reason }
        } else {
            Verdict::Retry { after: self.settings.backoff.jitter(failures), reason }
        };
        let held = conclude(&self.store, &self.claim, &verdict).await?;
        match verdict {
            _ if !held => {}
            Verdict::Dead { .. } => tracing::error!(
                target: "dodo::ledger", event = %self.claim.id(), failures, error = ?failure,
                "an event was given up: its callbacks keep failing. Revive it when they are mended"
            ),
            Verdict::Retry { after, .. } => tracing::warn!(
                target: "dodo::ledger", event = %self.claim.id(), failures, error = ?failure,
                wait_ms = after.as_millis(), "callbacks failed and will run again"
            ),
        }
        Ok(())
    }
}

#[derive(Debug)]
enum Failure {
    Callback(dodo_core::Error),
    LeaseEnded,
    Store(Error),
    Mark(Arc<Error>),
}

impl Failure {
    /// A text for the table: none of the callback's own, which may name people.
    fn reason(&self) -> String {
        match self {
            Self::Callback(error) => format!("{}: {error}", error.code()),
            Self::LeaseEnded => {
                "lease_ended: the callbacks did not finish within the lease".to_owned()
            }
            Self::Store(error) => format!("store: {error}"),
            Self::Mark(error) => format!("store: {error}"),
        }
    }
}
