//! Timers behind the `tokio` feature. Without it nothing waits and nothing times out here.

use std::{future::Future, time::Duration};

/// The time is over.
#[derive(Debug)]
pub(crate) struct Elapsed;

#[cfg(feature = "tokio")]
pub(crate) async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Ok(future.await); // another runtime: no timer to be had
    }
    tokio::time::timeout(limit, future).await.map_err(|_| Elapsed)
}

#[cfg(not(feature = "tokio"))]
pub(crate) async fn timeout<F: Future>(_: Duration, future: F) -> Result<F::Output, Elapsed> {
    Ok(future.await)
}

/// Waits. `false` if there is no timer, and then at once: what waits for a retry gives up instead.
#[cfg(feature = "tokio")]
pub(crate) async fn sleep(time: Duration) -> bool {
    if tokio::runtime::Handle::try_current().is_err() {
        return false;
    }
    tokio::time::sleep(time).await;
    true
}

#[cfg(not(feature = "tokio"))]
pub(crate) async fn sleep(_: Duration) -> bool {
    false
}
