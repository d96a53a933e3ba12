//! Children of the driver: started, killed, frozen, and started again at the same port.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use crate::{
    child::setting,
    wait::{Step, doing, ended, stuck},
};

/// How long a child may take to listen.
const START: Duration = Duration::from_secs(60);
/// How long it may take to die.
const END: Duration = Duration::from_secs(30);

/// A place for a child: its port stays the same from one life to the next.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) port: u16,
    environment: BTreeMap<String, String>,
    child: Option<Child>,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Place {
    pub(crate) fn new(url: &str) -> Self {
        let port = free_port();
        let environment = BTreeMap::from([
            (setting::URL.to_owned(), url.to_owned()),
            (setting::PORT.to_owned(), port.to_string()),
        ]);
        Self { port, environment, child: None }
    }

    pub(crate) fn set(&mut self, name: &str, value: impl ToString) -> &mut Self {
        self.environment.insert(name.to_owned(), value.to_string());
        self
    }

    pub(crate) fn unset(&mut self, name: &str) -> &mut Self {
        self.environment.remove(name);
        self
    }

    /// Starts the child and waits until it listens, or until it died before that.
    pub(crate) fn start(&mut self) -> Step<()> {
        assert!(self.child.is_none(), "it runs already");
        doing("starting a server");
        let log = std::env::var_os("FAULTS_LOG").map_or_else(Stdio::null, |path| {
            std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap().into()
        });
        let child = Command::new(std::env::current_exe().unwrap())
            .arg("child")
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let stdout = self.child.insert(child).stdout.take().unwrap();
        let (said, listens) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _dead_already = BufReader::new(stdout).read_line(&mut line);
            let _nobody_waits = said.send(());
        });
        listens.recv_timeout(START).map_err(|_| stuck(START, "a server listens"))
    }

    pub(crate) fn signal(&self, name: &str) {
        let Some(child) = &self.child else { return };
        let pid = child.id().to_string();
        let _may_be_dead = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
    }

    /// Whether the child has ended by itself; then its place is free.
    pub(crate) fn has_ended(&mut self) -> bool {
        let ended = self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some());
        if ended {
            self.child = None;
        }
        ended
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> Step<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let _may_be_dead = child.kill();
        ended(&mut child, "a server ends after SIGKILL", END).map(drop)
    }

    /// SIGTERM, and how long it took to end.
    pub(crate) fn terminate(&mut self) -> Step<Duration> {
        let begun = Instant::now();
        self.signal("TERM");
        if let Some(mut child) = self.child.take() {
            ended(&mut child, "a server ends after SIGTERM", END)?;
        }
        Ok(begun.elapsed())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _never_mind = self.kill();
    }
}
