//! The journal of a sandbox with a data directory: every change in its order. The state follows from
//! the seed and the journal, so a restart repeats the journal instead of reading tables.

use std::{
    cell::RefCell,
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, app::App, clock::later, deliver, local::Local, state::SandboxState};

/// The largest request that the journal takes, in bytes.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

tokio::task_local! {
    static REQUEST: RefCell<Option<Op>>;
}

/// A change of the state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Op {
    Request {
        method: String,
        path: String,
        content_type: Option<String>,
        body: String,
    },
    /// Deliveries that were started, with the machine's time in seconds.
    Sent {
        unix: i64,
        ids: Vec<String>,
    },
    Result {
        id: String,
        result: deliver::AttemptResult,
    },
    /// Values for the bodies of events of a type; an empty list ends that.
    Override {
        kind: String,
        overrides: Vec<(String, Value)>,
    },
    SetClock {
        now: Timestamp,
    },
}

impl Op {
    /// Repeats a change that is not a request.
    pub(crate) fn apply(self, state: &mut SandboxState) {
        match self {
            Self::Request { .. } => {}
            Self::Sent { unix, ids } => deliver::restart(state, &ids, unix),
            Self::Result { id, result } => deliver::finish(state, &id, result),
            Self::Override { kind, overrides } => {
                state.overrides = (!overrides.is_empty()).then_some((kind, overrides));
            }
            Self::SetClock { now } => state.clock.set(now),
        }
    }
}

/// The first line of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) seed: u64,
    pub(crate) now: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    at: Timestamp,
    op: Op,
}

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal(File);

impl Journal {
    /// Opens the journal of a directory: its text, and the time since the last write. A last line
    /// that was cut is removed.
    ///
    /// # Errors
    /// `Config` if another sandbox uses the directory; `Io` if the directory or the file cannot be
    /// used.
    pub(crate) fn open(directory: &Path) -> Result<(Self, String, Duration), Error> {
        let unusable = |error| Error::io("the data directory cannot be used", error);
        let open = || {
            fs::create_dir_all(directory)?;
            let path = directory.join("journal.jsonl");
            OpenOptions::new().create(true).read(true).append(true).open(path)
        };
        let mut file = open().map_err(unusable)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                Error::config("another sandbox uses the data directory: choose another one")
            }
            TryLockError::Error(error) => unusable(error),
        })?;
        let mut read = || {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let idle = SystemTime::now().duration_since(file.metadata()?.modified()?);
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            if whole < bytes.len() {
                bytes.truncate(whole);
                file.set_len(whole as u64)?;
            }
            // Replaced bytes make a line that cannot be read, and is named.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Ok((text, idle.unwrap_or_default()))
        };
        let (text, idle) = read().map_err(unusable)?;
        Ok((Self(file), text, idle))
    }

    /// Replaces the text.
    pub(crate) fn replace(&mut self, text: &str) -> Result<(), Error> {
        let written = self.0.set_len(0).and_then(|()| self.0.write_all(text.as_bytes()));
        written.map_err(|error| Error::io("the journal cannot be written", error))
    }

    pub(crate) fn append(&mut self, at: Timestamp, op: &Op) {
        let Ok(mut line) = serde_json::to_string(&Line { at, op: op.clone() }) else { return };
        line.push('\n');
        if let Err(error) = self.0.write_all(line.as_bytes()) {
            tracing::error!(target: "dodo::sandbox", %error, "journal not written; free disk space, then restart");
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        let read = self.0.rewind().and_then(|()| self.0.read_to_string(&mut text));
        read.map_err(|error| Error::io("the journal cannot be read", error))?;
        Ok(text)
    }
}

/// The first line of a journal.
pub(crate) fn start_line(start: Start) -> String {
    serde_json::to_string(&start).unwrap_or_default() + "\n"
}

/// Reads the first line of a journal.
///
/// # Errors
/// `Config` if the text is not a journal.
pub(crate) fn start_of(text: &str) -> Result<Start, Error> {
    let first = text.lines().next().and_then(|line| serde_json::from_str(line).ok());
    first.ok_or_else(|| Error::config("not a journal or snapshot of the sandbox: use another one"))
}

fn damaged(line: usize) -> Error {
    let text = format!("journal line {line} is damaged: delete the line, or use another directory");
    Error::config(text)
}

/// Repeats a journal on a state that just began. A last line that was cut is left out.
///
/// # Errors
/// `Config` if a line cannot be read.
pub(crate) async fn replay(app: &Arc<App>, text: &str) -> Result<(), Error> {
    let local = Local::new(app);
    let mut lines = text.lines().skip(1).enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let line: Line = match serde_json::from_str(line) {
            Ok(line) => line,
            Err(_) if lines.peek().is_none() && !text.ends_with('\n') => break,
            Err(_) => return Err(damaged(number + 2)),
        };
        app.set_clock(line.at);
        match line.op {
            Op::Request { method, path, content_type, body } => {
                // A request that failed then fails now.
                let _ = local.send(&method, &path, &content_type.unwrap_or_default(), body).await;
            }
            op => app.with(|state| op.apply(state)),
        }
    }
    app.with(deliver::reschedule);
    Ok(())
}

/// The time at which a restarted sandbox continues. Its clock runs while the sandbox is stopped, but
/// not faster than the machine's.
pub(crate) fn resumed_at(then: Timestamp, idle: Duration, rate: f64) -> Timestamp {
    later(then, idle.mul_f64(rate.clamp(0.0, 1.0)))
}

/// The request that the current task answers; once per request.
pub(crate) fn current_request() -> Option<Op> {
    REQUEST.try_with(RefCell::take).ok().flatten()
}

/// Keeps each request for the journal, until it changes the state.
pub(crate) async fn layer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.is_replaying() || !app.keeps_journal() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, BODY_LIMIT).await else {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        return Error::refused(status, "PAYLOAD_TOO_LARGE", "body too large").into_response();
    };
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let op = Op::Request {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        content_type: content_type.and_then(|value| value.to_str().ok()).map(str::to_owned),
        body: String::from_utf8_lossy(&bytes).into_owned(),
    };
    let request = Request::from_parts(parts, Body::from(bytes));
    REQUEST.scope(RefCell::new(Some(op)), next.run(request)).await
}
