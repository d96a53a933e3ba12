//! Catches panics of user code, so that no payment is lost.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// User code panicked. The payload is dropped: it may hold personal data.
#[derive(Debug)]
pub struct Panicked;

/// Runs a future to its end. A panic at its creation or in a poll becomes an error.
///
/// After a panic, shared state of the closure can be half changed, as after any panic that a
/// runtime catches.
///
/// # Errors The code panicked.
pub async fn catch<F: Future>(start: impl FnOnce() -> F) -> Result<F::Output, Panicked> {
    let future = catch_unwind(AssertUnwindSafe(start)).map_err(|_| Panicked)?;
    let mut future = pin!(future);
    poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(_) => Poll::Ready(Err(Panicked)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panics_at_the_call_and_at_a_poll_are_errors() {
        assert!(catch(|| -> std::future::Ready<()> { panic!("call") }).await.is_err());
        let late = || async {
            tokio::task::yield_now().await;
            panic!("poll");
        };
        assert!(catch::<_>(late).await.is_err());
        assert_eq!(catch(|| async { 1 }).await.unwrap(), 1);
    }
}
