//! Wakes the workers of other instances by PostgreSQL's `LISTEN` and `NOTIFY`. After a lost
//! notification, a worker finds the work at its next poll.
//!
//! Notifies other instances of work that no local worker takes. The notification is a separate
//! statement after the commit: a transaction with `NOTIFY` holds a lock of the whole server until
//! it is durable, so two of them cannot commit together.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;

use crate::{
    error::Error,
    ledger::Shared,
    store::Store,
    worker::{Shutdown, sleep_or_wake},
};

/// The kind of work that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WakeSignal {
    /// Deliveries wait for booking.
    Stored,
    /// Events wait for their callbacks.
    Booked,
    /// The outbox has new rows.
    Queued,
}

const ALL: [WakeSignal; 3] = [WakeSignal::Stored, WakeSignal::Booked, WakeSignal::Queued];

impl WakeSignal {
    const fn payload(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Booked => "booked",
            Self::Queued => "queued",
        }
    }
}

/// Notifies other instances. Equal notifications that wait become one. Cheap to clone. The task
/// ends with the last clone.
#[derive(Clone, Debug)]
pub(crate) struct Notifier {
    signal: mpsc::Sender<WakeSignal>,
    waiting: Arc<[AtomicBool; 3]>,
}

impl Notifier {
    /// Starts it on the current runtime. SQLite has no other instances.
    pub(crate) fn start(store: &Store) -> Self {
        let (signal, queue) = mpsc::channel(ALL.len());
        let notifier = Self { signal, waiting: Arc::default() };
        if store.is_shared() {
            tokio::spawn(notify(store.clone(), queue, notifier.waiting.clone()));
        }
        notifier
    }

    pub(crate) fn notify(&self, signal: WakeSignal) {
        let waits = self.waiting.get(signal as usize);
        if waits.is_some_and(|waits| !waits.swap(true, Ordering::AcqRel)) {
            let _full = self.signal.try_send(signal);
        }
    }
}

async fn notify(
    store: Store,
    mut queue: mpsc::Receiver<WakeSignal>,
    waiting: Arc<[AtomicBool; 3]>,
) {
    while let Some(signal) = queue.recv().await {
        // Clear the flag before the notification, so that later work notifies again.
        if let Some(waits) = waiting.get(signal as usize) {
            waits.store(false, Ordering::Release);
        }
        if let Err(error) = store.notify(signal.payload()).await {
            tracing::debug!(
                target: "dodo::ledger", %error, cause = error.cause(),
                "other instances not notified; they find the work when they poll"
            );
        }
    }
}

/// The time between two attempts to listen.
const AGAIN: Duration = Duration::from_secs(1);
/// The time limit of a notification, which normally takes milliseconds.
const HEARD_WITHIN: Duration = Duration::from_secs(5);
/// The payload of a test notification, which shows whether notifications arrive here.
const CHECK: &str = "check";

/// Wakes the workers of this process when another instance notifies it of work.
pub(crate) async fn listen(ledger: &Arc<Shared>, mut shutdown: Shutdown) {
    if !ledger.store.is_shared() {
        return;
    }
    let never = tokio::sync::Notify::new();
    let mut disconnected = false;
    while shutdown.borrow().is_none() {
        let error = tokio::select! {
            error = listen_once(ledger, &mut disconnected) => error,
            _ = shutdown.wait_for(Option::is_some) => return,
        };
        if !std::mem::replace(&mut disconnected, true) {
            tracing::warn!(
                target: "dodo::ledger", %error, cause = error.cause(),
                "LISTEN connection lost; workers poll until it reconnects"
            );
        }
        sleep_or_wake(&never, AGAIN, &mut shutdown).await;
    }
}

/// Listens until the connection fails.
async fn listen_once(ledger: &Shared, disconnected: &mut bool) -> Error {
    let mut listener = match ledger.store.listen().await {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    let arrives = AtomicBool::new(false);
    let check = async {
        let _sent = ledger.store.notify(CHECK).await;
        tokio::time::sleep(HEARD_WITHIN).await;
        if !arrives.load(Ordering::Acquire) {
            tracing::warn!(
                target: "dodo::ledger",
                "NOTIFY does not arrive, probably because of a transaction-mode pooler; workers poll"
            );
        }
        std::future::pending::<Error>().await
    };
    let receive = async {
        // Wake all workers once, for notifications that were sent before this connection listened.
        ALL.into_iter().for_each(|signal| ledger.wake_for(signal));
        loop {
            match listener.next().await {
                Ok(Some(payload)) => {
                    *disconnected = false;
                    arrives.store(true, Ordering::Release);
                    let signal = ALL.into_iter().find(|signal| signal.payload() == payload);
                    signal.into_iter().for_each(|signal| ledger.wake_for(signal));
                }
                // The connection was lost and restored.
                Ok(None) => ALL.into_iter().for_each(|signal| ledger.wake_for(signal)),
                Err(error) => return error,
            }
        }
    };
    tokio::select! { error = receive => error, error = check => error }
}
