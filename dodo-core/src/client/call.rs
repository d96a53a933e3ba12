use std::{
    fmt,
    future::IntoFuture,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header, uri::InvalidUri};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Client, failure::ApiError, path, retry};
use crate::{
    BoxFuture, Error, ErrorKind,
    event::lenient,
    json::to_json,
    log::client_log,
    time::{sleep, timeout},
};

/// The deadline if the configured one exceeds the clock.
const FAR: Duration = Duration::from_secs(86_400);

/// One call of Dodo's API, created by [`Client::call`]. Await it for JSON, or end it with
/// [`json`](Self::json) or [`bytes`](Self::bytes).
#[must_use = "a call does nothing until it is awaited"]
pub struct ApiCall {
    client: Client,
    method: Method,
    target: Result<String, Error>,
    body: Option<Bytes>,
    /// The path for the log, without segments that may be personal.
    shown_path: String,
    timeout: Duration,
    max_retries: u32,
    /// Whether `max_retries` was called for this call.
    asks_for_retries: bool,
    /// Whether the call has the same effect when it is sent twice.
    idempotent: bool,
    missing: (&'static str, &'static str),
}

impl ApiCall {
    pub(super) fn new(
        client: Client,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Self {
        let target = path::check(path).map(|()| {
            let mut target = format!("{}{path}", client.api_base());
            if !query.is_empty() {
                target.push('?');
                let query =
                    form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
                target.push_str(&query);
            }
            target
        });
        Self {
            timeout: client.0.timeout,
            max_retries: client.0.max_retries,
            asks_for_retries: false,
            idempotent: retry::is_idempotent(&method, path, body),
            shown_path: path::shown(path),
            client,
            method,
            target,
            body: body.map(to_json),
            missing: (ErrorKind::NotFound.code(), "Dodo Payments knows no such object"),
        }
    }

    /// Sets the longest time of this call, its retries included. Default: that of the client.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets how often this call is repeated after a transient failure. Default: that of the client.
    ///
    /// A call that is not idempotent is repeated only if the connection could not be made, and this
    /// method then logs a warning. See [`idempotent`](Self::idempotent).
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self.asks_for_retries = retries > 0;
        self
    }

    /// Declares that sending this call twice has the effect of sending it once, so that it is
    /// repeated like a read.
    ///
    /// The client knows this of reads, `POST /events/ingest` (each event has its `event_id`), the
    /// previews, `POST /licenses/validate`, and bodies with an `idempotency_key` for webhook
    /// endpoints and ledger entries. If the first request of such an entry arrived, its repetition is
    /// answered with 409.
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Sets the error of a 404: an object that the caller named does not exist.
    pub(crate) fn missing(mut self, code: &'static str, message: &'static str) -> Self {
        self.missing = (code, message);
        self
    }

    /// Runs the call and returns its answer as a `T`.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes); [`UpstreamFailed`](ErrorKind::UpstreamFailed) also if the answer
    /// is not a `T`.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let response = self.run().await?;
        // Deletes and some writes have an empty answer.
        let body: &[u8] = if response.body().is_empty() { b"null" } else { response.body() };
        serde_json::from_slice(body).map_err(|e| {
            ApiError::unusable(&response, unreadable(&e)).into_error(|| self.missing_error())
        })
    }

    /// Runs the call and returns an object of Dodo Payments. It reads the object as leniently as
    /// the payload of an event: an invalid optional field is absent.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub(super) async fn object<T: DeserializeOwned>(self) -> Result<T, Error> {
        let response = self.run().await?;
        let text = String::from_utf8_lossy(response.body());
        lenient::read(&text, "").map(|read| read.value).map_err(|_| {
            let cause = "the object has no usable id".to_owned();
            ApiError::unusable(&response, cause).into_error(|| self.missing_error())
        })
    }

    /// Runs the call and returns bytes, such as the PDF of an invoice.
    ///
    /// # Errors
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) for a path that could leave its place;
    /// [`RejectedByDodo`](ErrorKind::RejectedByDodo), [`NotFound`](ErrorKind::NotFound) and
    /// [`RateLimited`](ErrorKind::RateLimited) as Dodo answers; [`UpstreamFailed`](ErrorKind::UpstreamFailed) when
    /// it cannot be reached or fails; [`UpstreamTimeout`](ErrorKind::UpstreamTimeout) beyond the
    /// deadline. [`ApiError::from_error`] tells the details.
    pub async fn bytes(self) -> Result<Bytes, Error> {
        Ok(self.run().await?.into_body())
    }

    fn missing_error(&self) -> Error {
        let (code, message) = self.missing;
        Error::new(ErrorKind::NotFound, message).with_code(code)
    }

    async fn run(&self) -> Result<Response<Bytes>, Error> {
        let target = match &self.target {
            Ok(target) => target,
            Err(error) => {
                return Err(Error::new(ErrorKind::InvalidRequest, "not a path of the API")
                    .with_code(error.code()));
            }
        };
        if self.asks_for_retries && !self.idempotent {
            client_log!(
                self.client.log_level(),
                warn,
                method = %self.method,
                path = self.shown_path,
                "call is not idempotent: it is repeated only without a connection; call idempotent if it may be sent twice"
            );
        }
        let started = Instant::now();
        let end = started.checked_add(self.timeout).unwrap_or(started + FAR);
        let mut retry = 0;
        let failure = loop {
            let failure = match self.attempt(target, end).await? {
                Ok(response) => {
                    client_log!(
                        self.client.log_level(),
                        debug,
                        method = %self.method,
                        path = self.shown_path,
                        status = response.status().as_u16(),
                        duration_ms = elapsed_ms(started),
                        retries = retry,
                        "call succeeded"
                    );
                    return Ok(response);
                }
                Err(failure) => failure,
            };
            let wait = failure.retry_after().unwrap_or_else(|| retry::backoff(retry));
            let in_time = Instant::now() + wait < end;
            if retry >= self.max_retries
                || !self.may_repeat(&failure)
                || !in_time
                || !sleep(wait).await
            {
                break failure;
            }
            retry += 1;
        };
        self.log_failure(&failure, started, retry);
        Err(failure.into_error(|| self.missing_error()))
    }

    /// One attempt. The outer error is final: the request cannot be built.
    async fn attempt(
        &self,
        target: &str,
        end: Instant,
    ) -> Result<Result<Response<Bytes>, ApiError>, Error> {
        let request = self.request(target)?;
        let left = end.saturating_duration_since(Instant::now());
        Ok(match timeout(left, self.client.0.transport.send(request)).await {
            Err(_elapsed) => Err(ApiError::deadline()),
            Ok(Err(source)) => Err(ApiError::from_transport(source)),
            Ok(Ok(response)) if response.status().is_success() => Ok(response),
            Ok(Ok(response)) => {
                let wait = retry::retry_after(response.headers(), SystemTime::now());
                Err(ApiError::from_response(&response, self.client.0.key.expose(), wait))
            }
        })
    }

    /// Creates have no idempotency key at Dodo, so they are repeated only if no connection was
    /// made. A 429 does not prove that, because Dodo Payments does not document when it counts a
    /// request. The answer has a `Retry-After` instead.
    fn may_repeat(&self, failure: &ApiError) -> bool {
        if failure.is_deadline() {
            return false;
        }
        if !self.idempotent {
            return failure.was_not_sent();
        }
        failure.status().is_none_or(retry::is_transient)
    }

    fn request(&self, target: &str) -> Result<Request<Bytes>, Error> {
        let mut request = Request::new(self.body.clone().unwrap_or_default());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = target.parse().map_err(|e: InvalidUri| {
            Error::new(ErrorKind::InvalidRequest, "the request to Dodo Payments cannot be built")
                .with_source(http::Error::from(e))
        })?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.client.0.key.header());
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if self.body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(request)
    }

    /// Logs the result of the call in one line. A failure that needs an operator is an error.
    fn log_failure(&self, failure: &ApiError, started: Instant, retries: u32) {
        macro_rules! line {
            ($level:ident, $text:literal) => {
                client_log!(
                    self.client.log_level(),
                    $level,
                    method = %self.method,
                    path = self.shown_path,
                    api = self.client.api_base(),
                    mode = %self.client.environment(),
                    status = failure.status().map(|s| s.as_u16()),
                    code = failure.code(),
                    request_id = failure.request_id(),
                    duration_ms = elapsed_ms(started),
                    retries,
                    cause = %failure.cause(),
                    $text
                )
            };
        }
        match failure.status().map(|status| status.as_u16()) {
            Some(401 | 403) => line!(
                error,
                "API key refused; set DODO_PAYMENTS_API_KEY to a key of this mode with write access"
            ),
            None if failure.is_timeout() => {
                line!(
                    error,
                    "API did not answer in time; check the network and DODO_PAYMENTS_BASE_URL"
                );
            }
            None => line!(error, "API unreachable; check the network and DODO_PAYMENTS_BASE_URL"),
            Some(429) => line!(warn, "API limits the rate; send fewer requests"),
            Some(300..=399 | 500..) => {
                line!(error, "API failed; check the status of Dodo Payments")
            }
            Some(_) => line!(debug, "call refused"),
        }
        // The text of Dodo Payments is free text, so the lines above leave it out.
        if self.client.log_level().is_none() {
            tracing::trace!(target: "dodo::client", message = failure.message(), "text of the refusal");
        }
    }
}

fn elapsed_ms(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The texts of serde quote the input, which may be personal, so the error has only the place.
fn unreadable(error: &serde_json::Error) -> String {
    format!("unreadable at line {} column {}", error.line(), error.column())
}

impl IntoFuture for ApiCall {
    type Output = Result<Value, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.json())
    }
}

impl fmt::Debug for ApiCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiCall").field("method", &self.method).finish_non_exhaustive()
    }
}
