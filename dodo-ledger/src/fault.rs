//! What the fault tests need inside the ledger: places to die at, and promises broken on purpose. Both
//! exist only under `--cfg dodo_faults`; otherwise these functions are nothing.

/// Dies here by SIGKILL if the environment's `DODO_FAILPOINT` is `name:n` and this is the n-th time.
#[cfg(dodo_faults)]
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

#[cfg(not(dodo_faults))]
pub(crate) async fn reach(_: &str) {}

/// Whether the environment's `DODO_MUTANT` asks for this promise to be broken: the negative controls
/// of the fault tests, which have to notice it.
#[cfg(dodo_faults)]
pub(crate) fn mutant(name: &str) -> bool {
    static MUTANT: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("DODO_MUTANT").ok());
    MUTANT.as_deref() == Some(name)
}

#[cfg(not(dodo_faults))]
pub(crate) const fn mutant(_: &str) -> bool {
    false
}

/// The host's clock, in milliseconds since 1970, set wrong by the environment's
/// `DODO_CLOCK_OFFSET_MS`.
pub(crate) fn host_clock() -> i64 {
    let offset = std::env::var("DODO_CLOCK_OFFSET_MS").ok().and_then(|text| text.parse().ok());
    jiff::Timestamp::now().as_millisecond() + offset.unwrap_or(0_i64)
}
