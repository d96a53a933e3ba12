//! Running what must go on in a task of its own, so that a panic ends the task and nothing else.

use tokio::task::JoinSet;

/// Runs a future to its end and says whether that was a panic. Dropped, it is aborted.
pub(crate) async fn panicked(work: impl Future<Output = ()> + Send + 'static) -> bool {
    let mut task = JoinSet::new();
    task.spawn(work);
    matches!(task.join_next().await, Some(Err(error)) if error.is_panic())
}
