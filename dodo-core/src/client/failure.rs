use std::{error::Error as StdError, fmt, time::Duration};

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;

use super::{
    redact::mask,
    transport::{TransportError, was_not_sent},
};
use crate::{BoxError, Error, ErrorKind};

/// The answer of Dodo Payments to a failed call: the source of the [`Error`] that
/// [`Client`](crate::Client) returns, for the log.
///
/// ```
/// fn request_id(error: &dodo_core::Error) -> Option<&str> {
///     dodo_core::client::ApiError::from_error(error)?.request_id()
/// }
/// ```
///
/// `Debug` and `Display` leave out [`message`](Self::message): it is free text of Dodo Payments.
pub struct ApiError {
    status: Option<StatusCode>,
    code: Option<Box<str>>,
    message: Option<Box<str>>,
    request_id: Option<Box<str>>,
    retry_after: Option<Duration>,
    timed_out: bool,
    not_sent: bool,
    /// Whether it is the cached failure of an earlier call, which has logged it.
    repeated: bool,
    source: Option<BoxError>,
}

impl ApiError {
    /// Returns the failure in an error of this crate. `None`: the error does not come from Dodo
    /// Payments.
    #[must_use]
    pub fn from_error(error: &Error) -> Option<&Self> {
        error.source()?.downcast_ref()
    }

    /// The status of the answer; `None` if there was none.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Dodo's own code, such as `INVALID_DISCOUNT_CODE`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Dodo's text, at most 300 characters, with e-mail addresses and keys masked.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The id of the request at Dodo, or at the proxy in front of it.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Returns the error of the transport, with its whole source chain.
    pub(super) fn cause(&self) -> String {
        let first = self.source.as_deref().map(|e| e as &(dyn StdError + 'static));
        let chain = std::iter::successors(first, |error| (*error).source());
        chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether it is the cached answer to an earlier call.
    pub(crate) fn is_repeated(&self) -> bool {
        self.repeated
    }

    /// The failure for a later caller. The transport's error cannot be cloned.
    pub(crate) fn repeat(&self) -> Self {
        Self {
            status: self.status,
            code: self.code.clone(),
            request_id: self.request_id.clone(),
            retry_after: self.retry_after,
            timed_out: self.timed_out,
            repeated: true,
            ..Self::new()
        }
    }

    /// Whether the deadline ended the call. A timeout of the transport has a source.
    pub(super) fn is_deadline(&self) -> bool {
        self.timed_out && self.source.is_none()
    }

    pub(super) fn is_timeout(&self) -> bool {
        self.timed_out
    }

    pub(super) fn was_not_sent(&self) -> bool {
        self.not_sent
    }

    fn new() -> Self {
        Self {
            status: None,
            code: None,
            message: None,
            request_id: None,
            retry_after: None,
            timed_out: false,
            not_sent: false,
            repeated: false,
            source: None,
        }
    }

    pub(super) fn from_transport(source: BoxError) -> Self {
        let known = source.downcast_ref::<TransportError>();
        let timed_out = known.is_some_and(TransportError::is_timeout);
        let not_sent = known.is_some_and(was_not_sent);
        Self { timed_out, not_sent, source: Some(source), ..Self::new() }
    }

    pub(super) fn deadline() -> Self {
        Self { timed_out: true, ..Self::new() }
    }

    /// A refusal. The body is read leniently: gateways send HTML.
    pub(super) fn from_response(
        response: &Response<Bytes>,
        key: &str,
        retry_after: Option<Duration>,
    ) -> Self {
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        Self {
            status: Some(response.status()),
            code: text("code").filter(|code| is_code(code)).map(Into::into),
            message: text("message").map(|message| mask(message, key).into()),
            request_id: request_id(response),
            retry_after,
            ..Self::new()
        }
    }

    /// A success that cannot be used.
    pub(super) fn unusable(response: &Response<Bytes>, source: impl Into<BoxError>) -> Self {
        Self {
            status: Some(response.status()),
            request_id: request_id(response),
            source: Some(source.into()),
            ..Self::new()
        }
    }

    /// The error of a call. `missing` is the error of a 404.
    pub(super) fn into_error(self, missing: impl FnOnce() -> Error) -> Error {
        let upstream = |message| Error::new(ErrorKind::UpstreamFailed, message);
        let error = match self.status.map(|s| s.as_u16()) {
            None if self.timed_out => {
                Error::new(ErrorKind::UpstreamTimeout, "Dodo Payments did not answer in time")
            }
            None => upstream("Dodo Payments could not be reached"),
            Some(400 | 402 | 405..=407 | 409..=428 | 430..=499) => {
                Error::new(ErrorKind::RejectedByDodo, "Dodo Payments refused the request")
            }
            Some(401 | 403) => Error::new(
                ErrorKind::CredentialsRefused,
                "Dodo Payments refused the credentials of this server",
            ),
            Some(404) => missing(),
            Some(408) => {
                Error::new(ErrorKind::UpstreamTimeout, "Dodo Payments did not answer in time")
            }
            Some(429) => Error::new(ErrorKind::RateLimited, "too many requests, try again later")
                .with_retry_after(self.retry_after.unwrap_or(Duration::from_secs(1))),
            Some(200..=299) => upstream("the answer of Dodo Payments cannot be used"),
            Some(_) => upstream("Dodo Payments failed"),
        };
        let error = match (&self.code, error.kind()) {
            // A code describes the request only if Dodo Payments refused the request.
            (Some(code), ErrorKind::RejectedByDodo | ErrorKind::NotFound) => {
                let code = code.clone();
                error.with_dodo_code(&code)
            }
            _ => error,
        };
        error.with_source(self)
    }
}

/// Codes of Dodo Payments are upper snake case. A client receives no other text.
fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// Dodo Payments documents no header. These are the customary ones.
fn request_id(response: &Response<Bytes>) -> Option<Box<str>> {
    ["x-request-id", "request-id", "cf-ray"].iter().find_map(|name| {
        let id = response.headers().get(*name)?.to_str().ok()?;
        (id.len() <= 128).then(|| id.into())
    })
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "Dodo Payments answered {}", status.as_u16())?,
            None if self.timed_out => f.write_str("no answer in time")?,
            None => f.write_str("no answer")?,
        }
        for (name, value) in [("code", self.code()), ("request", self.request_id())] {
            if let Some(value) = value {
                write!(f, ", {name} {value}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiError")
            .field("status", &self.status)
            .field("code", &self.code)
            .field("request_id", &self.request_id)
            .field("timed_out", &self.timed_out)
            .field("not_sent", &self.not_sent)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl StdError for ApiError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
