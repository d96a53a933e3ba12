//! Work of the application that continues after the client has disconnected.

use std::future::Future;

/// The runtime stopped before the work ended.
#[derive(Debug)]
pub struct Stopped;

/// Runs `work` to its end, although the future of the caller may be dropped: servers drop it when the
/// client closes the connection. Needs the `tokio` feature and a tokio runtime; otherwise the work ends
/// with its caller.
///
/// # Errors
/// [`Stopped`].
#[cfg(feature = "tokio")]
pub async fn to_the_end<F>(work: F) -> Result<F::Output, Stopped>
where
    F: Future<Output: Send> + Send + 'static,
{
    use std::{future::poll_fn, task::Poll};
    use tokio::runtime::Handle;
    use tracing::Instrument;

    let mut work = Box::pin(work.in_current_span());
    // A task costs more than work that is ready at once.
    if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
        return Ok(output);
    }
    match Handle::try_current() {
        Ok(runtime) => runtime.spawn(work).await.map_err(|_| Stopped),
        Err(_) => Ok(work.await),
    }
}

/// Runs `work`.
///
/// # Errors
/// None.
#[cfg(not(feature = "tokio"))]
pub async fn to_the_end<F: Future>(work: F) -> Result<F::Output, Stopped> {
    Ok(work.await)
}

#[cfg(all(test, feature = "tokio"))]
mod tests {
    use std::{future::pending, time::Duration};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn dropped_caller_does_not_stop_work() {
        let (go, gate) = oneshot::channel::<()>();
        let (done, ended) = oneshot::channel();
        let work = to_the_end(async move {
            let _ = gate.await;
            let _ = done.send(());
        });
        tokio::select! {
            biased;
            _ = work => panic!("the gate is closed"),
            () = tokio::task::yield_now() => {}
        }
        go.send(()).unwrap();
        ended.await.unwrap();
    }

    #[tokio::test]
    async fn result_reaches_a_caller_that_waits() {
        assert_eq!(to_the_end(async { 1 }).await.unwrap(), 1);
        let later = async {
            tokio::task::yield_now().await;
            2
        };
        assert_eq!(to_the_end(later).await.unwrap(), 2);
        let endless = to_the_end(pending::<()>());
        assert!(tokio::time::timeout(Duration::ZERO, endless).await.is_err());
    }
}
