//! Waiting: never without a deadline, and never without saying for what.

use std::{
    fmt::Display,
    process::{Child, ExitStatus},
    sync::Mutex,
    time::{Duration, Instant},
};

/// Why a row ended before its end.
#[derive(Debug)]
pub(crate) enum Halt {
    /// Something did not happen in time.
    Stuck(String),
    /// The row cannot be run here.
    Skipped(String),
}

pub(crate) type Step<T> = Result<T, Halt>;

pub(crate) fn stuck(limit: Duration, what: impl Display) -> Halt {
    Halt::Stuck(format!("not within {limit:.0?}: {what}"))
}

/// The current action, for a row that hangs outside of any wait.
static DOING: Mutex<String> = Mutex::new(String::new());

pub(crate) fn doing(what: impl Display) {
    *DOING.lock().unwrap() = what.to_string();
}

/// Runs a row; one that takes longer is stuck at what it was doing.
pub(crate) async fn within<T>(limit: Duration, row: impl Future<Output = Step<T>>) -> Step<T> {
    doing("its beginning");
    let ended = tokio::time::timeout(limit, row).await;
    ended.unwrap_or_else(|_| Err(stuck(limit, DOING.lock().unwrap())))
}

/// Polls until the condition holds, and says how long that took.
pub(crate) async fn until(
    what: impl Display,
    limit: Duration,
    mut holds: impl AsyncFnMut() -> bool,
) -> Step<Duration> {
    doing(&what);
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if holds().await {
            return Ok(begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(stuck(limit, what))
}

/// Waits for a process to end; one that does not is killed.
pub(crate) fn ended(child: &mut Child, what: &str, limit: Duration) -> Step<ExitStatus> {
    doing(what);
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Ok(status);
        }
        if begun.elapsed() > limit {
            let _may_be_dead = child.kill();
            return Err(stuck(limit, what));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
