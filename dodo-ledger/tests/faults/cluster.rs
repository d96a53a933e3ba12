//! A PostgreSQL of our own, started as a user without privileges, that may be stopped and killed.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use crate::wait::{Halt, Step, ended};

#[derive(Debug)]
pub(crate) struct Cluster {
    directory: PathBuf,
    port: u16,
    as_root: bool,
}

/// How long `initdb`, a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// `initdb` and `pg_ctl`, or `None` when PostgreSQL is not installed.
fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    places.into_iter().map(|place| place.join(name)).find(|tool| tool.exists())
}

impl Cluster {
    pub(crate) fn start() -> Step<Self> {
        if tool("initdb").is_none() {
            return Err(Halt::Skipped("`initdb` is not installed".to_owned()));
        }
        let as_root = std::fs::metadata("/proc/self")
            .is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
        let name = format!("dodo-faults-pg-{}-{}", std::process::id(), fastrand::u32(..));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self { directory, port, as_root };
        if as_root {
            let me = cluster.directory.display().to_string();
            assert!(Command::new("chown").args(["postgres", &me]).status().unwrap().success());
        }
        cluster.run("initdb", &["-U", "dodo", "--auth=trust", "-N"])?;
        cluster.up()?;
        Ok(cluster)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://dodo@127.0.0.1:{}/postgres", self.port)
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Step<()> {
        let tool = tool(name).unwrap();
        let mut command = if self.as_root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(tool);
            command
        } else {
            Command::new(tool)
        };
        let log = self.directory.join("log");
        command.arg("-D").arg(self.directory.join("data")).args(arguments).current_dir("/tmp");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let what = format!("{name} {}", arguments.join(" "));
        let status = ended(&mut command.spawn().unwrap(), &what, PATIENCE)?;
        assert!(status.success(), "{what}: see {}", log.display());
        Ok(())
    }

    pub(crate) fn up(&self) -> Step<()> {
        let options = format!(
            "-p {} -h 127.0.0.1 -k {} -c max_connections=200",
            self.port,
            self.directory.display()
        );
        let log = self.directory.join("log").display().to_string();
        self.run("pg_ctl", &["-w", "-t", "60", "-l", &log, "-o", &options, "start"])
    }

    /// Stops it in an orderly way.
    pub(crate) fn down(&self) -> Step<()> {
        self.run("pg_ctl", &["-w", "-t", "60", "-m", "fast", "stop"])
    }

    /// As if the machine had lost power, as far as the server can tell: no checkpoint, no farewell.
    pub(crate) fn crash(&self) -> Step<()> {
        self.run("pg_ctl", &["-w", "-t", "60", "-m", "immediate", "stop"])?;
        self.up()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.directory.join("data/postmaster.pid").exists() {
            let _never_mind = self.run("pg_ctl", &["-w", "-t", "60", "-m", "immediate", "stop"]);
        }
        let _leave_no_trace = std::fs::remove_dir_all(&self.directory);
    }
}
