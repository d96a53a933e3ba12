//! Marking events done whose callbacks wrote nothing: many by one commit.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    error::{Error, ErrorKind},
    fault::reach,
    inbox::Claim,
    store::Store,
};

/// Marks per commit.
const BATCH: usize = 256;
/// A commit that hangs longer is given up: the leases run out, and the callbacks run again.
const COMMIT_WITHIN: Duration = Duration::from_secs(10);

struct Job {
    claim: Claim,
    answer: oneshot::Sender<Result<bool, Arc<Error>>>,
}

/// The way to the one who marks. It ends when the last clone is dropped.
#[derive(Clone)]
pub(super) struct Finisher(mpsc::Sender<Job>);

impl Finisher {
    pub(super) fn start(store: Store) -> Self {
        let (jobs, mut queue) = mpsc::channel::<Job>(BATCH);
        tokio::spawn(async move {
            let mut batch = Vec::with_capacity(BATCH);
            while queue.recv_many(&mut batch, BATCH).await > 0 {
                let claims: Vec<&Claim> = batch.iter().map(|job| &job.claim).collect();
                let marked = timeout(COMMIT_WITHIN, mark(&store, &claims)).await;
                let marked = marked.unwrap_or_else(|_| {
                    Err(Error::new(ErrorKind::Unavailable, "the database did not commit in time"))
                });
                answer(batch.drain(..), marked);
            }
        });
        Self(jobs)
    }

    /// Marks the event done. `false`: the lease was lost.
    pub(super) async fn finish(&self, claim: &Claim) -> Result<bool, Arc<Error>> {
        let (answer, marked) = oneshot::channel();
        let stopped = || Arc::new(Error::new(ErrorKind::Unavailable, "the workers have stopped"));
        let job = Job { claim: claim.clone(), answer };
        self.0.send(job).await.map_err(|_| stopped())?;
        marked.await.unwrap_or_else(|_| Err(stopped()))
    }
}

fn answer(jobs: impl Iterator<Item = Job>, marked: Result<Vec<bool>, Error>) {
    match marked {
        Ok(marked) => {
            for (job, marked) in jobs.zip(marked) {
                let _gone = job.answer.send(Ok(marked));
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for job in jobs {
                let _gone = job.answer.send(Err(error.clone()));
            }
        }
    }
}

async fn mark(store: &Store, claims: &[&Claim]) -> Result<Vec<bool>, Error> {
    let mut tx = store.begin().await?;
    let mut marked = Vec::with_capacity(claims.len());
    for claim in claims {
        marked.push(tx.mark_done(claim).await?);
    }
    reach("before_done").await;
    tx.commit().await?;
    reach("after_done").await;
    Ok(marked)
}
