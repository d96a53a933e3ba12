//! The conformance binary as a process of its own.

use std::{
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{delivery::KEY, server::Framework};

/// A running server. It is killed when dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts `binary` and waits until it says where it listens.
    pub fn start(
        binary: &Path,
        framework: Framework,
        upstream: &str,
        more_arguments: &[&str],
    ) -> io::Result<Self> {
        let mut command = Command::new(binary);
        command.args(["--framework", &framework.to_string(), "--listen", "127.0.0.1:0"]);
        Self::run(command.args(more_arguments), upstream)
    }

    /// Starts a server by a command of one's own. It says where it listens, as all of them do.
    pub fn run(command: &mut Command, upstream: &str) -> io::Result<Self> {
        let mut child = command
            .env("DODO_PAYMENTS_WEBHOOK_KEY", KEY)
            .env("DODO_PAYMENTS_BASE_URL", upstream)
            .env_remove("DODO_PAYMENTS_WEBHOOK_SECRET")
            .env_remove("DODO_PAYMENTS_ENVIRONMENT")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().rsplit('/').next().and_then(|address| address.parse().ok());
        match address {
            Some(address) => Ok(Self { address, child }),
            None => Err(io::Error::other(format!("the server said {line:?}"))),
        }
    }

    /// Asks it to end, and waits until it did: what writes a report at its end gets to do so.
    pub fn terminate(mut self) -> io::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.child.wait().map(drop)
    }

    /// The most memory it ever held, in bytes, as Linux tells it.
    pub fn peak_memory(&self) -> io::Result<u64> {
        self.kibibytes("VmHWM:")
    }

    /// The memory it holds, in bytes, as Linux tells it.
    pub fn memory(&self) -> io::Result<u64> {
        self.kibibytes("VmRSS:")
    }

    fn kibibytes(&self, name: &str) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(number.ok_or_else(|| io::Error::other(status.clone()))? * 1024)
    }

    /// The processor time it used so far, in clock ticks (`getconf CLK_TCK` per second).
    pub fn processor_ticks(&self) -> io::Result<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold blanks. After it come the state, the 3rd field, and user
        // and system time, the 14th and 15th.
        let after = stat.rsplit(')').next().unwrap_or_default();
        let times = after.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        times.sum::<Result<u64, _>>().map_err(|_| io::Error::other(stat.clone()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
