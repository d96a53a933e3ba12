//! Runs work in its own task, so that a panic ends only that task.

use tokio::task::JoinSet;

/// Runs a future to its end and returns whether it panicked. If the caller is dropped, the future
/// is aborted.
pub(crate) async fn panicked(work: impl Future<Output = ()> + Send + 'static) -> bool {
    let mut task = JoinSet::new();
    task.spawn(work);
    matches!(task.join_next().await, Some(Err(error)) if error.is_panic())
}
