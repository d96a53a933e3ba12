//! Waking the workers of other instances, by PostgreSQL's `LISTEN` and `NOTIFY`. A notification
//! that is lost costs one polling interval and nothing else.
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
    worker::{Stop, rest},
};

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Deliveries are to be booked.
    Stored,
    /// Callbacks are to be run.
    Booked,
    /// The outbox has new rows.
    Queued,
}

const ALL: [News; 3] = [News::Stored, News::Booked, News::Queued];

impl News {
    const fn payload(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Booked => "booked",
            Self::Queued => "queued",
        }
    }
}

/// Notifies other instances, once for equal notifications that wait. Cheap to clone; it ends with
/// the last clone.
#[derive(Clone, Debug)]
pub(crate) struct Crier {
    news: mpsc::Sender<News>,
    waiting: Arc<[AtomicBool; 3]>,
}

impl Crier {
    /// Starts it on the current runtime. SQLite has no other instances.
    pub(crate) fn start(store: &Store) -> Self {
        let (news, queue) = mpsc::channel(ALL.len());
        let crier = Self { news, waiting: Arc::default() };
        if store.is_shared() {
            tokio::spawn(cry(store.clone(), queue, crier.waiting.clone()));
        }
        crier
    }

    pub(crate) fn tell(&self, news: News) {
        let waits = self.waiting.get(news as usize);
        if waits.is_some_and(|waits| !waits.swap(true, Ordering::AcqRel)) {
            let _nobody_listens = self.news.try_send(news);
        }
    }
}

async fn cry(store: Store, mut queue: mpsc::Receiver<News>, waiting: Arc<[AtomicBool; 3]>) {
    while let Some(news) = queue.recv().await {
        // Before the notification: later work notifies again.
        if let Some(waits) = waiting.get(news as usize) {
            waits.store(false, Ordering::Release);
        }
        if let Err(error) = store.notify(news.payload()).await {
            tracing::debug!(
                target: "dodo::ledger", %error, cause = error.cause(),
                "other instances not notified; they find the work when they poll"
            );
        }
    }
}

/// Between two attempts to listen.
const AGAIN: Duration = Duration::from_secs(1);
/// A notification takes milliseconds.
const HEARD_WITHIN: Duration = Duration::from_secs(5);
/// Sent to find out whether notifications arrive here.
const CHECK: &str = "check";

/// Wakes the workers of this process when another instance says that there is work.
pub(crate) async fn listen(ledger: &Arc<Shared>, mut stop: Stop) {
    if !ledger.store.is_shared() {
        return;
    }
    let never = tokio::sync::Notify::new();
    let mut deaf = false;
    while stop.borrow().is_none() {
        let error = tokio::select! {
            error = hear(ledger, &mut deaf) => error,
            _ = stop.wait_for(Option::is_some) => return,
        };
        if !std::mem::replace(&mut deaf, true) {
            tracing::warn!(
                target: "dodo::ledger", %error, cause = error.cause(),
                "LISTEN connection lost; workers poll until it reconnects"
            );
        }
        rest(&never, AGAIN, &mut stop).await;
    }
}

/// Listens until that fails.
async fn hear(ledger: &Shared, deaf: &mut bool) -> Error {
    let mut listener = match ledger.store.listen().await {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    let arrives = AtomicBool::new(false);
    let check = async {
        let _told = ledger.store.notify(CHECK).await;
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
        // Notifications that were sent before this connection listened.
        ALL.into_iter().for_each(|news| ledger.wake_for(news));
        loop {
            match listener.next().await {
                Ok(Some(told)) => {
                    *deaf = false;
                    arrives.store(true, Ordering::Release);
                    let news = ALL.into_iter().find(|news| news.payload() == told);
                    news.into_iter().for_each(|news| ledger.wake_for(news));
                }
                // The connection was lost and restored.
                Ok(None) => ALL.into_iter().for_each(|news| ledger.wake_for(news)),
                Err(error) => return error,
            }
        }
    };
    tokio::select! { error = receive => error, error = check => error }
}
