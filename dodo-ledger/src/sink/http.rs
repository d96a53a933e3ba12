//! Requests of sinks over HTTP, and the meaning of answers and failures.

use std::{
    fmt,
    future::Future,
    ops::Range,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use dodo_core::{
    BoxError,
    client::{Transport, TransportError},
    internals::retry_after,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use tokio::time::Instant;

use crate::{Error, outbox::SendOutcome};

/// The time limit of one request.
const TIMEOUT: Duration = Duration::from_secs(15);
/// After this time the sink begins no further request for the same records, so that the last
/// request ends before the lease.
const BEGIN_WITHIN: Duration = Duration::from_secs(30);

type RequestFuture = Pin<Box<dyn Future<Output = Result<Response<Bytes>, BoxError>> + Send>>;

/// A transport with an erased type, and the headers of every JSON request.
#[derive(Clone)]
pub(super) struct Http {
    transport: Arc<dyn Fn(Request<Bytes>) -> RequestFuture + Send + Sync>,
    authorization: Option<HeaderValue>,
}

impl Http {
    pub(super) fn new(transport: impl Transport) -> Self {
        let transport = Arc::new(transport);
        let erased = Arc::new(move |request| -> RequestFuture {
            let transport = Arc::clone(&transport);
            Box::pin(async move { transport.send(request).await })
        });
        Self { transport: erased, authorization: None }
    }

    /// The same requests over another transport.
    pub(super) fn with_transport(self, transport: impl Transport) -> Self {
        Self { authorization: self.authorization, ..Self::new(transport) }
    }

    /// The HTTP client of `dodo-core`.
    #[cfg(feature = "reqwest")]
    pub(super) fn system() -> Result<Self, Error> {
        let transport = dodo_core::client::ReqwestTransport::new(Duration::from_secs(5), None);
        transport.map(Self::new).map_err(|error| {
            Error::config("the HTTP client of a sink cannot be made").with_source(error)
        })
    }

    /// Sends `Authorization: Bearer` with this key.
    pub(super) fn bearer(self, api_key: &str) -> Result<Self, Error> {
        self.authorized(&format!("Bearer {}", visible("api_key", api_key)?))
    }

    /// Sends this value as `Authorization`. `Debug` does not show it.
    pub(super) fn authorized(mut self, value: &str) -> Result<Self, Error> {
        let mut value = HeaderValue::from_str(value)
            .map_err(|e| Error::config("the key of a sink fits no header").with_source(e))?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(self)
    }

    /// Sends a request, and returns its outcome.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Answer {
        self.send_once(request).await.err().unwrap_or(Answer::Taken)
    }

    /// Posts JSON, and returns the outcome.
    pub(super) async fn post(&self, uri: &Uri, body: String) -> Answer {
        self.json(Method::POST, uri, body).await.err().unwrap_or(Answer::Taken)
    }

    /// Sends JSON, and returns the answer if its status is 2xx.
    pub(super) async fn json(
        &self,
        method: Method,
        uri: &Uri,
        body: String,
    ) -> Result<Bytes, Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(uri.clone())
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization.clone());
        }
        let request = request
            .body(Bytes::from(body))
            .map_err(|_| Answer::Rejected { reason: "the request cannot be made" })?;
        self.send_once(request).await
    }

    async fn send_once(&self, request: Request<Bytes>) -> Result<Bytes, Answer> {
        let response = match tokio::time::timeout(TIMEOUT, (self.transport)(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if was_not_sent(&error) => {
                return Err(Answer::Failed { after: None, reason: "no connection" });
            }
            Ok(Err(_)) => {
                return Err(Answer::Uncertain { after: None, reason: "the connection broke" });
            }
            Err(_) => return Err(Answer::Uncertain { after: None, reason: "no answer in time" }),
        };
        match Answer::from_response(&response) {
            Answer::Taken => Ok(response.into_body()),
            answer => Err(answer),
        }
    }
}

/// Checks a key or id for a header or a URL: visible ASCII, and not empty.
pub(super) fn visible<'t>(field: &'static str, text: &'t str) -> Result<&'t str, Error> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text);
    }
    Err(Error::config("a key or id of a sink is empty or not visible ASCII").with_source(field))
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

fn was_not_sent(error: &BoxError) -> bool {
    error.downcast_ref::<TransportError>().is_some_and(dodo_core::internals::was_not_sent)
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Taken,
    /// The request is invalid: 400, 413, 422.
    Unacceptable,
    /// The key or the URL is wrong: 401, 404, a redirect.
    Rejected {
        reason: &'static str,
    },
    Failed {
        after: Option<Duration>,
        reason: &'static str,
    },
    Uncertain {
        after: Option<Duration>,
        reason: &'static str,
    },
}

impl Answer {
    fn from_response(response: &Response<Bytes>) -> Self {
        let status = response.status();
        let after = retry_after(response.headers(), SystemTime::now());
        match status {
            _ if status.is_success() => Self::Taken,
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY => Self::Unacceptable,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Self::Rejected { reason: "the sink does not accept the key" }
            }
            StatusCode::TOO_MANY_REQUESTS => Self::Failed { after, reason: "too many requests" },
            StatusCode::REQUEST_TIMEOUT => Self::Failed { after, reason: "request timeout" },
            // A gateway answered: the sink behind it may have received the request.
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                Self::Uncertain { after, reason: "a gateway in front of the sink answered" }
            }
            _ if status.is_server_error() => Self::Failed { after, reason: "the sink is down" },
            _ if status.is_redirection() => Self::Rejected { reason: "the sink redirects" },
            _ => Self::Rejected { reason: "the sink refuses the record" },
        }
    }
}

/// Sends many records in few requests. Stops at the time limit, or when the sink fails.
pub(super) struct Batches {
    until: Instant,
    /// The sink failed, and may have sent a `Retry-After`. No further request is sent.
    over: Option<Option<Duration>>,
}

impl Batches {
    pub(super) fn new() -> Self {
        Self { until: Instant::now() + BEGIN_WITHIN, over: None }
    }

    /// The result of a record that was not sent.
    pub(super) fn unsent(&self) -> Answer {
        Answer::Failed { after: self.over.flatten(), reason: "not sent: the sink failed before" }
    }

    /// Sends all records in one request. If the sink cannot read it, sends halves, down to single
    /// records, so that one bad record does not fail the others. Returns one answer for each. A
    /// record that was not sent, because of the time limit or a failure of the sink, counts as
    /// failed.
    pub(super) async fn send<F: Future<Output = Answer> + Send>(
        &mut self,
        count: usize,
        mut send: impl FnMut(Range<usize>) -> F + Send,
    ) -> Vec<Answer> {
        let mut answers = vec![None; count];
        let mut open = Vec::from_iter((count > 0).then_some(0..count));
        while self.over.is_none()
            && Instant::now() < self.until
            && let Some(part) = open.pop()
        {
            let answer = send(part.clone()).await;
            if answer == Answer::Unacceptable && part.len() > 1 {
                let middle = part.start + part.len() / 2;
                open.extend([middle..part.end, part.start..middle]);
                continue;
            }
            if let Some(answers) = answers.get_mut(part) {
                answers.fill(Some(answer));
            }
            if let Answer::Failed { after, .. } | Answer::Uncertain { after, .. } = answer {
                self.over = Some(after);
            }
        }
        answers.into_iter().map(|answer| answer.unwrap_or(self.unsent())).collect()
    }
}

impl From<Answer> for SendOutcome {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Taken => Self::Accepted,
            Answer::Unacceptable => Self::Rejected { reason: "the sink cannot read the record" },
            Answer::Rejected { reason } => Self::Rejected { reason },
            Answer::Failed { after, reason } => Self::Retry { after, reason },
            Answer::Uncertain { after, reason } => Self::Unknown { after, reason },
        }
    }
}

/// Checks the URL of a sink: `https`, or `http` on this machine.
pub(super) fn endpoint(url: &str) -> Result<Uri, Error> {
    let refused = || Error::config("the URL of a sink is neither https, nor http on this machine");
    let uri: Uri = url.parse().map_err(|_| refused())?;
    let local = uri.host().is_some_and(|host| {
        host == "localhost"
            || host == "[::1]"
            || host == "127.0.0.1"
            || host.starts_with("127.") && host.parse::<std::net::Ipv4Addr>().is_ok()
    });
    match uri.scheme_str() {
        Some("https") if uri.host().is_some() => Ok(uri),
        Some("http") if local => Ok(uri),
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinks_are_https_or_local() {
        for good in [
            "https://api.segment.io/v1",
            "http://127.0.0.1:9",
            "http://[::1]:80/x",
            "http://localhost:1",
        ] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com",
            "ftp://example.com",
            "/v1",
            "",
            "http://127.evil.com",
            "https://",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn answers_are_retried_or_rejected() {
        let of = |status: u16| {
            let response = Response::builder().status(status).header("retry-after", "7");
            SendOutcome::from(Answer::from_response(&response.body(Bytes::new()).unwrap()))
        };
        assert_eq!(of(200), SendOutcome::Accepted);
        for status in [502, 504] {
            assert!(
                matches!(of(status), SendOutcome::Unknown { after: Some(after), .. } if after.as_secs() == 7),
                "{status}"
            );
        }
        for status in [429, 500, 503, 408] {
            assert!(
                matches!(of(status), SendOutcome::Retry { after: Some(after), .. } if after.as_secs() == 7),
                "{status}"
            );
        }
        for status in [301, 400, 401, 403, 404, 410, 413, 422] {
            assert!(matches!(of(status), SendOutcome::Rejected { .. }), "{status}");
        }
    }
}
