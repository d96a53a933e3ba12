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

/// A server and its requests.
pub(crate) struct Asked<'a> {
    pub(crate) server: &'a Command,
    pub(crate) upstream: &'a str,
    pub(crate) case: &'a Case,
    pub(crate) connections: usize,
}

impl Asked<'_> {
    /// Starts the server twice and lets it answer few and many requests: the difference has no start
    /// in it. `requests` are per connection.
    pub(crate) async fn per_request(&self, requests: usize) -> Result<usize, BoxError> {
        let few = self.run(requests / 4).await?;
        let many = self.run(requests / 4 + requests).await?;
        Ok(many.saturating_sub(few) / (self.connections * requests))
    }

    async fn run(&self, requests: usize) -> Result<usize, BoxError> {
        let report = std::env::temp_dir().join(format!("load-{}.callgrind", std::process::id()));
        let mut command = Command::new("valgrind");
        command.args(["--quiet", "--tool=callgrind"]);
        command.arg(format!("--callgrind-out-file={}", report.display()));
        command.arg(self.server.get_program()).args(self.server.get_args());
        let running = Server::run(&mut command, self.upstream)?;
        drive(running.address, self.case, self.connections, Until::Sent(requests)).await?;
        running.terminate()?;
        let counted = read(&report);
        std::fs::remove_file(&report)?;
        Ok(counted?)
    }
}

fn read(report: &Path) -> io::Result<usize> {
    let text = std::fs::read_to_string(report)?;
    let total = text.lines().find_map(|line| line.strip_prefix("summary: "));
    let total = total.and_then(|number| number.trim().parse().ok());
    total.ok_or_else(|| io::Error::other("valgrind has left no summary"))
}
