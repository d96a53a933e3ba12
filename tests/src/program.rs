//! A program of this workspace, built and started as a child process.

use std::{
    ffi::OsStr,
    io,
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// How long a program may take to say where it listens.
const START: Duration = Duration::from_secs(60);

/// A running program. It is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    output: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Builds a package's binary of the same name and starts it without any of the environment's
    /// `DODO_PAYMENTS_*` variables.
    ///
    /// # Panics
    /// If it does not build or start.
    pub async fn start(
        package: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        variables: &[(&str, &str)],
    ) -> Self {
        Self::run(Command::new(build(package, package).await), arguments, variables)
    }

    /// As [`start`](Self::start), for another binary of a package and in a folder of its own.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_in(
        folder: &Folder,
        package: &str,
        binary: &str,
        variables: &[(&str, &str)],
    ) -> Self {
        let mut command = Command::new(build(package, binary).await);
        command.current_dir(folder.path());
        Self::run(command, [""; 0], variables)
    }

    fn run(
        mut command: Command,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        variables: &[(&str, &str)],
    ) -> Self {
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("DODO_PAYMENTS_") || name_text == "DODO_PUBLIC_URL" {
                command.env_remove(name);
            }
        }
        for name in ["PORT", "DATABASE_URL", "SEGMENT_WRITE_KEY"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        let mut child = command.spawn().expect("the program starts");
        outlive_nobody(child.id());
        let output = Arc::<Mutex<Vec<String>>>::default();
        let lines = child.stdout.take().map(BufReader::new).map(AsyncBufReadExt::lines);
        let kept = Arc::clone(&output);
        tokio::spawn(async move {
            let Some(mut lines) = lines else { return };
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Self { child, output }
    }

    /// Waits for a line with this beginning and gives what follows.
    ///
    /// # Panics
    /// If the program ends or takes too long.
    pub async fn line(&mut self, beginning: &str) -> String {
        let waited = tokio::time::timeout(START, async {
            loop {
                let output = self.output();
                if let Some(rest) = output.iter().find_map(|line| line.strip_prefix(beginning)) {
                    return rest.trim().to_owned();
                }
                if let Ok(Some(status)) = self.child.try_wait() {
                    panic!("the program ended with {status} before it printed {beginning:?}");
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("no line begins with {beginning:?}"))
    }

    /// Returns the printed lines so far.
    #[must_use]
    pub fn output(&self) -> Vec<String> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the end by itself.
    ///
    /// # Errors
    /// When it cannot be waited for, or does not end in time.
    pub async fn ended(&mut self, limit: Duration) -> io::Result<std::process::ExitStatus> {
        tokio::time::timeout(limit, self.child.wait()).await.map_err(io::Error::other)?
    }

    /// The id of the process, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }
}

/// A folder of its own, gone with this value.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes an empty folder that is named after a test.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dodo-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.0
    }

    /// The URL of an SQLite file in it.
    #[must_use]
    pub fn sqlite(&self) -> String {
        format!("sqlite:{}", self.0.join("test.db").display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// The path of a package's binary, brought up to date by cargo.
async fn build(package: &str, binary: &str) -> String {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--message-format=json", "--bin", binary, "--package", package])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .await
        .expect("cargo runs");
    assert!(built.status.success(), "{package}, {binary} does not build");
    let executable = built.stdout.split(|&byte| byte == b'\n').find_map(|line| {
        let message: Value = serde_json::from_slice(line).ok()?;
        let is_it = message["target"]["name"] == binary;
        message["executable"].as_str().filter(|_| is_it).map(str::to_owned)
    });
    executable.unwrap_or_else(|| panic!("cargo built no binary {binary}"))
}

/// Ends these processes when the test's own process is gone, however it went: even killed.
pub(crate) fn outlive_nobody(processes: impl IntoIterator<Item = u32>) {
    let ids: Vec<String> = processes.into_iter().map(|id| id.to_string()).collect();
    let test = std::process::id();
    let script = format!(
        "while kill -0 {test} 2>/dev/null; do sleep 1; done; kill -9 {} 2>/dev/null",
        ids.join(" ")
    );
    let mut watch = std::process::Command::new("sh");
    watch.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Where there is no `sh`, only a killed test leaves something behind.
    drop(watch.spawn());
}

/// The address in an `http://` URL.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn address_of(url: &str) -> SocketAddr {
    let host = url.strip_prefix("http://").unwrap_or(url);
    let host = host.split('/').next().unwrap_or_default();
    host.parse().unwrap_or_else(|_| panic!("{url} has no address"))
}
