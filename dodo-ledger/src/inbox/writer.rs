//! Group commit: a writer takes all queued deliveries, commits them together, and then answers
//! each.

use std::{sync::Arc, time::Duration};

use dodo_core::webhook::{Receipt, VerifiedEvent};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::append::{Delivery, append};
use crate::{
    error::{Error, ErrorKind},
    store::Store,
    supervisor::panicked,
};

/// The largest number of deliveries that wait for the writer. The route answers 503 to further
/// ones, and Dodo Payments sends them again.
const QUEUE: usize = 1024;
/// Deliveries per commit. Larger batches gain nothing that can be measured.
const BATCH: usize = 256;
/// A delivery is answered within 5 s, whatever the database does.
const ANSWER_WITHIN: Duration = Duration::from_millis(4500);
/// The writer aborts a longer commit and takes a new connection.
const COMMIT_WITHIN: Duration = Duration::from_secs(10);

struct Job {
    delivery: Delivery,
    answer: oneshot::Sender<Result<Receipt, Error>>,
}

/// A handle to the writers. Cheap to clone. The writers end when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Writer(mpsc::Sender<Job>);

impl Writer {
    /// Starts the writers on the current runtime: one for each commit that the store runs at the
    /// same time.
    pub(crate) fn start(store: Store) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..store.delivery_lanes() {
            tokio::spawn(supervised(store.clone(), queue.clone()));
        }
        Self(jobs)
    }

    /// Returns after the delivery would survive a crash.
    pub(crate) async fn accept(&self, event: &VerifiedEvent) -> Result<Receipt, Error> {
        let (answer, receipt) = oneshot::channel();
        let delivery = Delivery {
            // The id identifies the event. The body does not, because Dodo Payments renders it again
            // for every attempt.
            id: event.id().to_owned(),
            body: event.body().clone(),
            received_at: event.received_at().as_millisecond(),
            live: event.live(),
            attempt_at: event.attempt_at().map(|at| at.as_millisecond()),
        };
        self.0.try_send(Job { delivery, answer }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                Error::new(ErrorKind::QueueFull, "too many deliveries are waiting to be written")
            }
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })?;
        match tokio::time::timeout(ANSWER_WITHIN, receipt).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(unanswered())),
            // The delivery may still be committed. Then the next attempt of Dodo Payments is a
            // duplicate.
            Err(_) => Err(Error::new(ErrorKind::Unavailable, "the store did not answer in time")),
        }
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::Unavailable, "the ledger's writer has stopped: its runtime was shut down")
}

/// The delivery may be committed. Then the next attempt of Dodo Payments is a duplicate.
fn unanswered() -> Error {
    Error::new(ErrorKind::Unavailable, "the ledger's writer ended before it answered")
}

/// Runs a writer, and another one after a panic. The deliveries of the panicked writer are dropped,
/// so the route answers them with 503.
async fn supervised(store: Store, queue: Arc<Mutex<mpsc::Receiver<Job>>>) {
    while panicked(run(store.clone(), queue.clone())).await {
        tracing::error!(
            target: "dodo::ledger",
            "writer panicked and restarted; its deliveries got 503"
        );
    }
}

async fn run(store: Store, queue: Arc<Mutex<mpsc::Receiver<Job>>>) {
    let mut batch = Vec::with_capacity(BATCH);
    // Takes all waiting deliveries and does not wait for more, so that a single delivery is stored
    // at once.
    while queue.lock().await.recv_many(&mut batch, BATCH).await > 0 {
        // The route has already answered 503, so the job has no receiver.
        batch.retain(|job| !job.answer.is_closed());
        let answers = commit(&store, &batch).await;
        for (job, answer) in batch.drain(..).zip(answers) {
            let _gone = job.answer.send(answer);
        }
    }
}

async fn commit(store: &Store, batch: &[Job]) -> Vec<Result<Receipt, Error>> {
    let deliveries: Vec<&Delivery> = batch.iter().map(|job| &job.delivery).collect();
    match write(store, &deliveries).await {
        Ok(receipts) => receipts.into_iter().map(Ok).collect(),
        // If the database rejects one delivery, the others must still be stored.
        Err(error) if error.kind() == ErrorKind::StatementRejected && batch.len() > 1 => {
            let mut answers = Vec::with_capacity(batch.len());
            for delivery in deliveries {
                answers.push(write(store, &[delivery]).await.and_then(first));
            }
            answers
        }
        Err(error) => {
            tracing::error!(
                target: "dodo::ledger", deliveries = batch.len(), %error, cause = error.cause(),
                "deliveries not stored; the route answered 503"
            );
            let again =
                || Error::new(error.kind(), "the ledger's database could not take the delivery");
            batch.iter().map(|_| Err(again())).collect()
        }
    }
}

fn first(receipts: Vec<Receipt>) -> Result<Receipt, Error> {
    receipts
        .into_iter()
        .next()
        .ok_or_else(|| Error::corrupt("the store returned no result for a delivery"))
}

async fn write(store: &Store, deliveries: &[&Delivery]) -> Result<Vec<Receipt>, Error> {
    if deliveries.is_empty() {
        return Ok(Vec::new());
    }
    tokio::time::timeout(COMMIT_WITHIN, append(store, deliveries)).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Unavailable, "the ledger's database did not commit in time"))
    })
}
