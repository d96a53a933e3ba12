//! Timers behind the `tokio` feature. Without it, these functions neither wait nor time out.

use std::{future::Future, time::Duration};

/// The time is over.
#[derive(Debug)]
pub(crate) struct Elapsed;

/// Waits for a future, at most for `limit`. It creates a timer only if the future is pending: a
/// body that arrives with its head, or a callback without I/O, is ready at once.
#[cfg(feature = "tokio")]
pub(crate) async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    use std::{future::poll_fn, pin::pin, task::Poll};
    use tokio::{runtime::Handle, task, time};

    let started = time::Instant::now();
    let mut future = pin!(future);
    let mut timer = pin!(None::<task::coop::Unconstrained<time::Sleep>>);
    let mut is_first = true;
    poll_fn(move |cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // Another runtime has no tokio timer.
        if std::mem::take(&mut is_first) && Handle::try_current().is_ok() {
            // Unconstrained, so that the timer is polled even if the future has used the budget of
            // the task.
            let timer_until = |end| task::coop::unconstrained(time::sleep_until(end));
            timer.set(started.checked_add(limit).map(timer_until));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| Err(Elapsed)),
            None => Poll::Pending,
        }
    })
    .await
}

#[cfg(not(feature = "tokio"))]
pub(crate) async fn timeout<F: Future>(_: Duration, future: F) -> Result<F::Output, Elapsed> {
    Ok(future.await)
}

/// Waits. Returns `false` at once if there is no timer: the caller then does not retry.
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
