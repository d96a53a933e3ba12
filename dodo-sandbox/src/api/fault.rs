//! Outages on demand, the rate limit, and the log of requests.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use serde::{Deserialize, Serialize};

use crate::{Error, app::App};

/// The number of requests in the log.
const REMEMBERED: usize = 1_000;

/// The requests per minute that the headers show if no limit is set.
const NOMINAL_LIMIT: u32 = 240;

/// The time after which a hanging answer ends.
const HANG: Duration = Duration::from_secs(10 * 60);

/// The kind of an outage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// An answer with this status and an error body, without doing anything.
    Status(u16),
    /// 429 with `TOO_MANY_REQUESTS` and the rate limit's headers.
    RateLimited,
    /// The connection ends in the middle of the answer, and nothing is done.
    Reset,
    /// The request is carried out, and then the connection ends in the middle of the answer.
    ResetAfter,
    /// No answer comes.
    Hang,
    /// A 200 with a body that is not JSON.
    Garbage,
    /// The right answer, delayed by this number of milliseconds.
    Slow(u64),
}

/// A fault of the API. Unset fields match every request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The kind of an outage.
    pub kind: FaultKind,
    /// Only for this method.
    pub method: Option<String>,
    /// Only for paths with this prefix.
    pub path: Option<String>,
    /// Only this number of times.
    pub times: Option<u32>,
}

impl Fault {
    /// A fault of every request until it is cleared.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, method: None, path: None, times: None }
    }

    /// Only for paths with this prefix.
    #[must_use]
    pub fn path_prefix(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Only for this number of requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    fn hits(&self, method: &Method, path: &str) -> bool {
        self.method.as_deref().is_none_or(|own| own.eq_ignore_ascii_case(method.as_str()))
            && self.path.as_deref().is_none_or(|prefix| path.starts_with(prefix))
            && self.times != Some(0)
    }
}

/// A request of the API, as it arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordedRequest {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The body as text, with replacements for bytes outside of UTF-8.
    pub body: String,
    /// The status of the answer; none when the answer was held back or cut.
    pub status: Option<u16>,
    /// The time until the answer, in milliseconds.
    pub duration_ms: u64,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    used: u32,
}

/// The active faults, and the log of requests.
#[derive(Debug)]
pub(crate) struct Faults {
    set: Mutex<Vec<Fault>>,
    requests: Mutex<VecDeque<RecordedRequest>>,
    window: Mutex<Window>,
}

impl Default for Faults {
    fn default() -> Self {
        let window = Window { began: Instant::now(), used: 0 };
        Self { set: Mutex::default(), requests: Mutex::default(), window: Mutex::new(window) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        lock(&self.set).push(fault);
    }

    pub(crate) fn clear(&self) {
        lock(&self.set).clear();
    }

    pub(crate) fn all(&self) -> Vec<Fault> {
        lock(&self.set).clone()
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.requests).iter().cloned().collect()
    }

    pub(crate) fn clear_requests(&self) {
        lock(&self.requests).clear();
    }

    fn remember(&self, request: RecordedRequest) {
        let mut requests = lock(&self.requests);
        if requests.len() >= REMEMBERED {
            requests.pop_front();
        }
        requests.push_back(request);
    }

    /// The fault that hits this request, counted.
    fn take(&self, method: &Method, path: &str) -> Option<FaultKind> {
        let mut set = lock(&self.set);
        let fault = set.iter_mut().find(|fault| fault.hits(method, path))?;
        fault.times = fault.times.map(|left| left.saturating_sub(1));
        let kind = fault.kind.clone();
        set.retain(|fault| fault.times != Some(0));
        Some(kind)
    }

    /// Counts a request of this minute. Returns the rest of the limit and the seconds to the next minute.
    fn count(&self, limit: u32) -> (Option<u32>, u64) {
        const MINUTE: Duration = Duration::from_secs(60);
        let mut window = lock(&self.window);
        if window.began.elapsed() >= MINUTE {
            *window = Window { began: Instant::now(), used: 0 };
        }
        window.used = window.used.saturating_add(1);
        (limit.checked_sub(window.used), MINUTE.saturating_sub(window.began.elapsed()).as_secs())
    }
}

impl Faults {
    /// Answers a request: by a fault if one hits it, otherwise by `run`. Counts and records it.
    pub(crate) async fn guard(
        &self,
        app: &App,
        parts: &Parts,
        body: &Bytes,
        run: impl FnOnce() -> Response,
    ) -> Response {
        if app.is_replaying() {
            return run();
        }
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let mut record = RecordedRequest {
            method: parts.method.to_string(),
            path,
            body: String::from_utf8_lossy(body).into_owned(),
            status: None,
            duration_ms: 0,
        };
        let began = Instant::now();
        let enforced = app.with(|state| state.settings.rate_limit);
        let limit = enforced.unwrap_or(NOMINAL_LIMIT);
        let (left, reset) = self.count(limit);
        let fault = match left {
            None if enforced.is_some() => Some(FaultKind::RateLimited),
            _ => self.take(&parts.method, &record.path),
        };
        let answer = answer(fault, run).await;
        record.status = answer.as_ref().map(|answer| answer.status().as_u16());
        record.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let answer = app.log.request(&record, began.elapsed(), answer).await;
        self.remember(record);
        let mut answer = answer.unwrap_or_else(cut);
        let refused = answer.status() == StatusCode::TOO_MANY_REQUESTS;
        let left = if refused { 0 } else { left.unwrap_or(0) };
        rate_headers(answer.headers_mut(), limit, left, reset);
        answer
    }
}

/// `None`: the answer is cut.
async fn answer(fault: Option<FaultKind>, run: impl FnOnce() -> Response) -> Option<Response> {
    let refused = |status: StatusCode, message: &'static str| {
        Error::refused(status, code_of(status), message).into_response()
    };
    Some(match fault {
        None => run(),
        Some(FaultKind::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            refused(status, "the sandbox was asked to fail")
        }
        Some(FaultKind::RateLimited) => refused(StatusCode::TOO_MANY_REQUESTS, "too many requests"),
        Some(FaultKind::Garbage) => {
            ([(header::CONTENT_TYPE, "application/json")], "{\"session_id\": <!").into_response()
        }
        Some(FaultKind::Slow(milliseconds)) => {
            tokio::time::sleep(Duration::from_millis(milliseconds).min(HANG)).await;
            run()
        }
        Some(FaultKind::Hang) => {
            tokio::time::sleep(HANG).await;
            return None;
        }
        Some(FaultKind::Reset) => return None,
        Some(FaultKind::ResetAfter) => {
            run();
            return None;
        }
    })
}

fn code_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "INVALID_REQUEST_BODY",
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        409 => "CONFLICT",
        422 => "INVALID_REQUEST_PARAMETERS",
        429 => "TOO_MANY_REQUESTS",
        _ => "INTERNAL_SERVER_ERROR",
    }
}

/// An answer with an incomplete body, which ends the connection.
fn cut() -> Response {
    let mut response = Response::new(Body::new(Broken));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(1024));
    response
}

/// A body that fails at once.
struct Broken;

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        std::task::Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
    }
}

fn rate_headers(headers: &mut HeaderMap, limit: u32, left: u32, reset: u64) {
    for (name, value) in [
        ("x-ratelimit-limit", u64::from(limit)),
        ("x-ratelimit-remaining", u64::from(left)),
        ("x-ratelimit-reset", reset),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}
