//! The module `fault` of the decorated copy: fault points, and mutants that break a promise on
//! purpose. `table.rs` says where the copy calls them.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

struct Armed {
    name: String,
    what: String,
    number: u64,
    times: AtomicU64,
}

/// Runs the fault point of the variable `DODO_FAILPOINT`. With `name:kill:n` the process dies by
/// SIGKILL at the n-th call. With `name:panic:n` the first n calls panic. With `name:dwell:n` each
/// call waits n milliseconds.
pub(crate) async fn reach(name: &str) {
    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
        let armed = std::env::var("DODO_FAILPOINT").ok()?;
        let mut parts = armed.split(':').map(str::to_owned);
        let (name, what) = (parts.next()?, parts.next()?);
        Some(Armed { name, what, number: parts.next()?.parse().ok()?, times: AtomicU64::new(0) })
    });
    let Some(armed) = ARMED.as_ref().filter(|armed| armed.name == name) else { return };
    let time = armed.times.fetch_add(1, Ordering::SeqCst) + 1;
    match armed.what.as_str() {
        "kill" if time == armed.number => {
            let me = std::process::id().to_string();
            let _killed = std::process::Command::new("kill").args(["-KILL", &me]).status();
            std::future::pending::<()>().await;
        }
        "panic" if time <= armed.number => panic!("asked for at {name}"),
        "dwell" => tokio::time::sleep(Duration::from_millis(armed.number)).await,
        _ => {}
    }
}

/// Whether the variable `DODO_MUTANT` names this mutant.
pub(crate) fn mutant(name: &str) -> bool {
    static MUTANT: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("DODO_MUTANT").ok());
    MUTANT.as_deref() == Some(name)
}

/// The clock of the host, in milliseconds since 1970, plus the variable `DODO_CLOCK_OFFSET_MS`.
pub(crate) fn host_clock() -> i64 {
    let offset = std::env::var("DODO_CLOCK_OFFSET_MS").ok().and_then(|text| text.parse().ok());
    jiff::Timestamp::now().as_millisecond() + offset.unwrap_or(0_i64)
}
