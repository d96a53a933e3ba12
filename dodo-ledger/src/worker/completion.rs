//! Marks events done whose callbacks wrote nothing, many in one commit.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

use crate::{
    error::{Error, ErrorKind},
    inbox::LeasedEvent,
    store::Store,
};

/// Marks per commit.
const BATCH: usize = 256;
/// A longer commit is aborted: the leases end, and the callbacks run again.
const COMMIT_WITHIN: Duration = Duration::from_secs(10);

/// The answer to a request for a mark. `false`: the lease was lost.
type Answer = oneshot::Sender<Result<bool, Arc<Error>>>;

struct Job {
    event: LeasedEvent,
    answer: Answer,
}

/// A handle to the task that marks events. The task ends when the last clone is dropped.
#[derive(Clone)]
pub(super) struct Completer(mpsc::Sender<Job>);

impl Completer {
    pub(super) fn start(store: Store) -> Self {
        let (jobs, mut queue) = mpsc::channel::<Job>(BATCH);
        tokio::spawn(async move {
            let mut batch = Vec::with_capacity(BATCH);
            while queue.recv_many(&mut batch, BATCH).await > 0 {
                let (events, answers): (Vec<LeasedEvent>, Vec<_>) =
                    batch.drain(..).map(|job| (job.event, job.answer)).unzip();
                answer(answers, marked(store.clone(), events).await);
            }
        });
        Self(jobs)
    }

    /// Marks the event done. `false`: the lease was lost.
    pub(super) async fn complete(&self, event: &LeasedEvent) -> Result<bool, Arc<Error>> {
        let (answer, answered) = oneshot::channel();
        let stopped = || Arc::new(Error::new(ErrorKind::Unavailable, "the workers have stopped"));
        let job = Job { event: event.clone(), answer };
        self.0.send(job).await.map_err(|_| stopped())?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }
}

fn answer(answers: Vec<Answer>, marked: Result<Vec<bool>, Error>) {
    match marked {
        Ok(marked) => {
            for (answer, marked) in answers.into_iter().zip(marked) {
                let _gone = answer.send(Ok(marked));
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for answer in answers {
                let _gone = answer.send(Err(error.clone()));
            }
        }
    }
}

/// In its own task, so that a panic ends one batch and not the worker. The task is aborted at its
/// time limit.
async fn marked(store: Store, events: Vec<LeasedEvent>) -> Result<Vec<bool>, Error> {
    let unavailable = |message| Error::new(ErrorKind::Unavailable, message);
    let mut marking = JoinSet::new();
    marking.spawn(async move { mark(&store, &events).await });
    match timeout(COMMIT_WITHIN, marking.join_next()).await {
        Ok(Some(Ok(marked))) => marked,
        Ok(_) => Err(unavailable("marking events done panicked: this is a defect")),
        Err(_) => Err(unavailable("the database did not commit in time")),
    }
}

async fn mark(store: &Store, events: &[LeasedEvent]) -> Result<Vec<bool>, Error> {
    let mut tx = store.begin().await?;
    let marked = tx.mark_done(events).await?;
    tx.commit().await?;
    Ok(marked)
}
