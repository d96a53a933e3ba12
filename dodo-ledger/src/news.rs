//! Waking the workers of other instances, by PostgreSQL's `LISTEN` and `NOTIFY`. A notification
//! that is lost costs one polling interval and nothing else.
//!
//! Told is what no worker of this process does at once. It is told after the commit, by a statement
//! of its own: a transaction that notifies holds a lock of the whole server until it is durable, so
//! that no two of them would be committed together.

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
    /// Sinks are to be told.
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

/// Tells other instances. News that wait to be told are told once. Cheap to clone; it ends with the
/// last clone.
#[derive(Clone, Debug)]
pub(crate) struct Crier {
    news: mpsc::Sender<News>,
    waiting: Arc<[AtomicBool; 3]>,
}

impl Crier {
    /// Starts it on the current runtime. On SQLite there is nobody to tell.
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
        // Before telling: what comes from now on is told again.
        if let Some(waits) = waiting.get(news as usize) {
            waits.store(false, Ordering::Release);
        }
        if let Err(error) = store.notify(news.payload()).await {
            tracing::debug!(
                target: "dodo::ledger", %error, cause = error.cause(),
                "other instances were not told"
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
                "other instances cannot be heard: until they can, the workers only poll"
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
                "notifications do not arrive, as behind a pooler in transaction mode: the workers only poll"
            );
        }
        std::future::pending::<Error>().await
    };
    let receive = async {
        // What was told while nobody listened.
        ALL.into_iter().for_each(|news| ledger.wake_for(news));
        loop {
            match listener.next().await {
                Ok(Some(told)) => {
                    *deaf = false;
                    arrives.store(true, Ordering::Release);
                    let news = ALL.into_iter().find(|news| news.payload() == told);
                    news.into_iter().for_each(|news| ledger.wake_for(news));
                }
                // It was lost and is there again.
                Ok(None) => ALL.into_iter().for_each(|news| ledger.wake_for(news)),
                Err(error) => return error,
            }
        }
    };
    tokio::select! { error = receive => error, error = check => error }
}
