//! Instructions per request, counted by `valgrind`: unlike times, they are the same on a busy
//! machine.
//!
//! Counted is what the server runs itself, not what the kernel does for it. `valgrind` shows
//! programs a processor without instructions for SHA-256, so a signature costs more here than it
//! does outside.

use std::{io, path::Path, process::Command};

use dodo_core::BoxError;
use dodo_tests::{case::Case, process::Server};

use crate::drive::{Until, drive};

/// Starts the server twice and lets it answer few and many requests: the difference has no start in
/// it. `requests` are per connection.
pub(crate) async fn per_request(
    server: &Command,
    upstream: &str,
    case: &Case,
    connections: usize,
    requests: usize,
) -> Result<usize, BoxError> {
    let few = run(server, upstream, case, connections, requests / 4).await?;
    let many = run(server, upstream, case, connections, requests / 4 + requests).await?;
    Ok(many.saturating_sub(few) / (connections * requests))
}

async fn run(
    server: &Command,
    upstream: &str,
    case: &Case,
    connections: usize,
    requests: usize,
) -> Result<usize, BoxError> {
    let report = std::env::temp_dir().join(format!("load-{}.callgrind", std::process::id()));
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind"]);
    command.arg(format!("--callgrind-out-file={}", report.display()));
    command.arg(server.get_program()).args(server.get_args());
    let running = Server::run(&mut command, upstream)?;
    drive(running.address, case, connections, Until::Sent(requests)).await?;
    running.terminate()?;
    let counted = read(&report);
    std::fs::remove_file(&report)?;
    Ok(counted?)
}

fn read(report: &Path) -> io::Result<usize> {
    let text = std::fs::read_to_string(report)?;
    let total = text.lines().find_map(|line| line.strip_prefix("summary: "));
    let total = total.and_then(|number| number.trim().parse().ok());
    total.ok_or_else(|| io::Error::other("valgrind has left no summary"))
}
