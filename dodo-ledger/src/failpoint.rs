//! Places where the fault tests kill the process. Nothing is compiled in without
//! `--cfg dodo_failpoints`.

/// Dies here by SIGKILL if the environment's `DODO_FAILPOINT` is `name:n` and this is the n-th time.
#[cfg(dodo_failpoints)]
pub(crate) async fn reach(name: &str) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    };
    static ARMED: LazyLock<Option<(String, AtomicU64)>> = LazyLock::new(|| {
        let armed = std::env::var("DODO_FAILPOINT").ok()?;
        let (name, count) = armed.split_once(':')?;
        Some((name.to_owned(), AtomicU64::new(count.parse().ok()?)))
    });
    if let Some((armed, left)) = &*ARMED
        && armed == name
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        let me = std::process::id().to_string();
        let _killed = std::process::Command::new("kill").args(["-KILL", &me]).status();
        std::future::pending::<()>().await;
    }
}

#[cfg(not(dodo_failpoints))]
#[expect(clippy::unused_async, reason = "the same signature as with failpoints")]
pub(crate) async fn reach(_: &str) {}
