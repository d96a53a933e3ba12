//! The workers: booking, callbacks, sinks and retention, each in its own task, so that no worker
//! waits for another.

mod attempt;
mod booking;
mod callbacks;
mod completion;
mod retention;
mod sums;

pub(crate) use self::retention::prune_contexts;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dodo_core::webhook::Dispatcher;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{ledger::Shared, settings::MAX_DURATION, supervisor::panicked};

/// The time when the workers stop: running attempts have until then.
pub(crate) type Shutdown = watch::Receiver<Option<Instant>>;

/// The running workers of a [`Ledger`](crate::Ledger).
///
/// Dropping the handle stops them without waiting: keep it as long as your server runs, then call
/// [`shutdown`](Self::shutdown).
#[must_use = "dropping the handle stops the workers: keep it, and call `shutdown` at the end"]
#[derive(Debug)]
pub struct Workers {
    shutdown: watch::Sender<Option<Instant>>,
    tasks: JoinSet<()>,
}

/// The time in which a stopped worker can release its leases.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

impl Workers {
    /// Stops taking work, waits at most `grace` for running attempts, and releases the leases of
    /// the rest. No event is lost: the next worker, in this or another process, runs the unfinished
    /// events.
    ///
    /// Returns whether everything ended in time.
    pub async fn shutdown(mut self, grace: Duration) -> bool {
        let deadline = Instant::now() + grace.min(MAX_DURATION);
        self.shutdown.send_replace(Some(deadline));
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        timeout_at(deadline + SHUTDOWN_GRACE, all_ended).await.is_ok()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shutdown.send_if_modified(|shutdown| {
            let running = shutdown.is_none();
            if running {
                *shutdown = Some(Instant::now());
            }
            running
        });
        self.tasks.detach_all();
    }
}

/// Counts the workers of this process, for the error log of a process without workers.
#[derive(Clone, Debug)]
struct WorkerGuard(Arc<AtomicUsize>);

impl WorkerGuard {
    fn enter(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for WorkerGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn spawn(ledger: &Arc<Shared>, dispatcher: Dispatcher) -> Workers {
    let (shutdown, stopped) = watch::channel(None);
    let mut tasks = JoinSet::new();
    let guard = Arc::new(WorkerGuard::enter(&ledger.workers));
    let own = (ledger.clone(), guard, dispatcher);
    tasks.spawn(supervised("booking", stopped.clone(), own.clone(), |own, shutdown| async move {
        let (ledger, guard, dispatcher) = own;
        booking::run(&ledger, &dispatcher, shutdown).await;
        drop(guard);
    }));
    tasks.spawn(supervised("callbacks", stopped.clone(), own, |own, shutdown| async move {
        let (ledger, guard, dispatcher) = own;
        callbacks::run(&ledger, dispatcher, shutdown).await;
        drop(guard);
    }));
    tasks.spawn(supervised(
        "notify",
        stopped.clone(),
        ledger.clone(),
        |ledger, shutdown| async move {
            crate::notify::listen(&ledger, shutdown).await;
        },
    ));
    for sink in ledger.recipients.sinks.iter() {
        let own = (ledger.clone(), sink.clone());
        tasks.spawn(supervised(
            "sink",
            stopped.clone(),
            own,
            |(ledger, sink), shutdown| async move {
                crate::outbox::run(&ledger, &sink, shutdown).await;
            },
        ));
    }
    tasks.spawn(supervised(
        "sums",
        stopped.clone(),
        ledger.clone(),
        |ledger, shutdown| async move {
            sums::run(&ledger, shutdown).await;
        },
    ));
    #[cfg(feature = "metrics")]
    tasks.spawn(supervised(
        "metrics",
        stopped.clone(),
        ledger.clone(),
        |ledger, shutdown| async move {
            crate::counters::run(&ledger, shutdown).await;
        },
    ));
    tasks.spawn(supervised("retention", stopped, ledger.clone(), |ledger, shutdown| async move {
        retention::run(&ledger, shutdown).await;
    }));
    Workers { shutdown, tasks }
}

/// Runs a worker, and starts it again after a panic. Its claimed events are due again when their
/// lease ends.
async fn supervised<T: Clone, F: Future<Output = ()> + Send + 'static>(
    worker: &'static str,
    mut shutdown: Shutdown,
    own: T,
    start: impl Fn(T, Shutdown) -> F,
) {
    while panicked(start(own.clone(), shutdown.clone())).await {
        tracing::error!(target: "dodo::ledger", worker, "worker panicked and restarted");
        sleep_or_wake(&Notify::new(), STORE_PAUSE, &mut shutdown).await;
        if shutdown.borrow().is_some() {
            return;
        }
    }
}

/// Waits for the time, a wake-up or a stop, whichever comes first.
pub(crate) async fn sleep_or_wake(wake: &Notify, wait: Duration, shutdown: &mut Shutdown) {
    sleep_until_or_wake(wake.notified(), wait, shutdown).await;
}

pub(crate) async fn sleep_until_or_wake(
    woken: impl Future<Output = ()>,
    wait: Duration,
    shutdown: &mut Shutdown,
) {
    tokio::select! {
        () = woken => {}
        () = tokio::time::sleep(wait) => {}
        _ = shutdown.wait_for(Option::is_some) => {}
    }
}

/// The polling interval, for events that another instance stored or that are due again.
pub(crate) const POLL: Duration = Duration::from_millis(250);
/// The shortest time between two rounds after a database error.
pub(crate) const STORE_PAUSE: Duration = Duration::from_millis(500);
