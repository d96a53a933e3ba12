//! The error type of this crate, and the answer of each error.

use std::{borrow::Cow, fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

/// A type-erased error, as user code may return it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The kind of an [`Error`]. New kinds may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A webhook has no valid, fresh signature. 401; the answer does not tell the reason.
    InvalidSignature,
    /// A signed webhook is not an event. 400.
    UnreadableEvent,
    /// The request lacks a value, or holds a value that cannot be used. 400.
    InvalidRequest,
    /// The field policy does not let a client set this field. 400.
    FieldNotAllowed,
    /// The request has no signed-in user. 401.
    Unauthenticated,
    /// The request comes from an origin that is not allowed. 403.
    OriginNotAllowed,
    /// A product or customer does not exist. 404.
    NotFound,
    /// The endpoint does not answer this method. 405 with `Allow`.
    MethodNotAllowed,
    /// The body did not arrive in time. 408.
    BodyTimeout,
    /// The state of the object does not allow this, such as a second purchase of the same plan. 409.
    Conflict,
    /// The body is over the limit. 413.
    BodyTooLarge,
    /// The endpoint does not read this type of body. 415.
    UnsupportedMediaType,
    /// Dodo Payments refused the request. 422 with Dodo's own code.
    RejectedByDodo,
    /// A callback, hook or sink of the application failed. 500; Dodo sends a webhook again.
    CallbackFailed,
    /// The configuration of the application is incomplete or wrong. 500.
    Config,
    /// Dodo Payments refused the API key, or the key may not make this call. 502.
    ///
    /// Retrying does not help: set a key of the same mode, with write access.
    CredentialsRefused,
    /// Dodo Payments failed, cannot be reached, or sent an answer that cannot be used. 502.
    ///
    /// A later try may succeed.
    UpstreamFailed,
    /// Dodo Payments asks this server to slow down. 503 with `Retry-After`.
    RateLimited,
    /// The durable store cannot take the event now. 503 with `Retry-After`.
    StorageUnavailable,
    /// Dodo Payments did not answer in time. 504.
    UpstreamTimeout,
}

impl ErrorKind {
    const fn status(self) -> StatusCode {
        match self {
            Self::UnreadableEvent | Self::InvalidRequest | Self::FieldNotAllowed => {
                StatusCode::BAD_REQUEST
            }
            Self::InvalidSignature | Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::OriginNotAllowed => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RejectedByDodo => StatusCode::UNPROCESSABLE_ENTITY,
            Self::CallbackFailed | Self::Config => StatusCode::INTERNAL_SERVER_ERROR,
            Self::UpstreamFailed | Self::CredentialsRefused => StatusCode::BAD_GATEWAY,
            Self::RateLimited | Self::StorageUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The `code` of an answer if the error has no more precise code.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::InvalidSignature => "signature_invalid",
            Self::UnreadableEvent => "payload_unreadable",
            Self::InvalidRequest => "invalid_request",
            Self::FieldNotAllowed => "field_not_allowed",
            Self::Unauthenticated => "not_signed_in",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BodyTimeout => "body_timeout",
            Self::Conflict => "conflict",
            Self::BodyTooLarge => "body_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::RejectedByDodo => "rejected_by_dodo",
            Self::CallbackFailed => "callback_failed",
            Self::Config => "misconfigured",
            Self::CredentialsRefused => "credentials_refused",
            Self::UpstreamFailed => "upstream_failed",
            Self::RateLimited => "rate_limited",
            Self::StorageUnavailable => "store_unavailable",
            Self::UpstreamTimeout => "upstream_timeout",
        }
    }
}

/// The error of every operation of this crate.
///
/// `Display` and [`to_response`](Self::to_response) show constant texts and, for an invalid
/// request, the name of the field. They never show the source, a text of Dodo Payments or a secret.
/// The source chain is for the log.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    code: &'static str,
    message: Cow<'static, str>,
    /// The name of the invalid parameter or field.
    field: Option<Box<str>>,
    /// The place of that field in the JSON body: a JSON Pointer (RFC 6901).
    pointer: Option<Box<str>>,
    dodo_code: Option<Box<str>>,
    retry_after: Option<Duration>,
    allow: Option<HeaderValue>,
    source: Option<BoxError>,
}

/// The longest piece of client input that an answer repeats, in characters.
const ECHO_LIMIT: usize = 128;

fn echo(text: &str) -> Box<str> {
    let safe = |c: char| if c.is_control() { '\u{FFFD}' } else { c };
    text.chars().take(ECHO_LIMIT).map(safe).collect::<String>().into_boxed_str()
}

impl Error {
    /// An error of this kind, with a text that tells the reader what to do.
    pub fn new(kind: ErrorKind, message: &'static str) -> Self {
        Self(Box::new(Inner {
            kind,
            code: kind.code(),
            message: Cow::Borrowed(message),
            field: None,
            pointer: None,
            dodo_code: None,
            retry_after: None,
            allow: None,
            source: None,
        }))
    }

    /// The configuration of the application is incomplete or wrong. 500.
    pub fn config(message: &'static str) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// An option of a builder has an unusable value. The text names the option, the value and the
    /// remedy. Credentials of a URL are left out of the value.
    pub(crate) fn option(name: &str, value: &str, remedy: &'static str) -> Self {
        let mut error = Self::new(ErrorKind::Config, "");
        // The last `@`, in each of its forms: a password may hold a slash and another `@`.
        let value = match value.rsplit_once(['@', '\u{ff20}', '\u{fe6b}']) {
            Some((_, after)) => &format!("…@{after}"),
            None => value,
        };
        error.0.message = format!("option {name}: {:?} is unusable: {remedy}", echo(value)).into();
        error
    }

    /// An environment variable cannot be used. The text begins with its name. 500.
    pub(crate) fn variable(name: &'static str, problem: &'static str) -> Self {
        let mut error = Self::config("").with_field(name);
        error.0.message = Cow::Owned(format!("{name} {problem}"));
        error
    }

    /// Takes the error of a hook or resolver of the application. An error of this type is the answer
    /// that the hook chose. Any other error is a 500.
    pub(crate) fn from_hook(error: BoxError, message: &'static str) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => *own,
            Err(error) => Self::new(ErrorKind::CallbackFailed, message).with_source(error),
        }
    }

    /// Server code set a value that breaks a rule. The caller names the place.
    pub(crate) fn server_value(rule: &str, origin: &str) -> Self {
        let mut error = Self::new(ErrorKind::Config, "");
        error.0.message =
            format!("server code set a value that breaks a limit: {rule} ({origin})").into();
        error
    }

    /// A parameter is missing. 400.
    pub(crate) fn missing_parameter(name: &str) -> Self {
        Self::new(ErrorKind::InvalidRequest, "a required parameter is missing")
            .with_code("missing_parameter")
            .with_field(name)
    }

    /// The product does not exist, or this endpoint does not list it. 404.
    pub(crate) fn product_not_found() -> Self {
        Self::new(ErrorKind::NotFound, "there is no such product").with_code("product_not_found")
    }

    /// A query parameter is repeated, so two readers could use different values. 400.
    pub(crate) fn duplicate_parameter(name: &str) -> Self {
        Self::new(ErrorKind::InvalidRequest, "the parameter is there twice")
            .with_code("duplicate_parameter")
            .with_field(name)
    }

    /// Sets a more precise `code` than the kind's. Codes are stable; texts are not.
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.0.code = code;
        self
    }

    /// Names the invalid parameter or field. The answer shows at most 128 characters of it.
    #[must_use]
    pub fn with_field(mut self, name: &str) -> Self {
        self.0.field = Some(echo(name));
        self
    }

    /// Sets the place of the field in the JSON body: a JSON Pointer such as
    /// `/product_cart/0/quantity`.
    #[must_use]
    pub(crate) fn with_pointer(mut self, pointer: &str) -> Self {
        self.0.pointer = Some(echo(pointer));
        self
    }

    /// Keeps the cause, for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Asks the client to retry after this time. The answer has it in whole seconds, rounded up.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// The same error for a later caller. It keeps only the answer of Dodo Payments as its source.
    pub(crate) fn repeat(&self) -> Self {
        let answer = crate::client::ApiError::from_error(self).map(crate::client::ApiError::repeat);
        let Inner { kind, code, message, field, pointer, dodo_code, retry_after, allow, source: _ } =
            &*self.0;
        Self(Box::new(Inner {
            kind: *kind,
            code,
            message: message.clone(),
            field: field.clone(),
            pointer: pointer.clone(),
            dodo_code: dodo_code.clone(),
            retry_after: *retry_after,
            allow: allow.clone(),
            source: answer.map(Into::into),
        }))
    }

    pub(crate) fn with_dodo_code(mut self, code: &str) -> Self {
        self.0.dodo_code = Some(echo(code));
        self
    }

    pub(crate) fn with_allow(mut self, methods: HeaderValue) -> Self {
        self.0.allow = Some(methods);
        self
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.kind.status()
    }

    /// A stable code for programs, such as `missing_parameter`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The text of the answer. Callers see it, so it has no secret and no cause.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The parameter or field at fault.
    #[must_use]
    pub(crate) fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The place of the invalid field in the JSON body (RFC 6901).
    #[must_use]
    pub(crate) fn pointer(&self) -> Option<&str> {
        self.0.pointer.as_deref()
    }

    /// Dodo Payments' own error code, such as `INVALID_DISCOUNT_CODE`.
    #[must_use]
    pub fn dodo_code(&self) -> Option<&str> {
        self.0.dodo_code.as_deref()
    }

    /// The time after which the client should retry.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The answer to the client: `application/problem+json` (RFC 9457) with a stable `code`.
    #[must_use]
    pub fn to_response(&self) -> Response<Bytes> {
        let status = self.status();
        let mut problem = serde_json::Map::new();
        let mut put = |name: &str, value: &str| {
            problem.insert(name.to_owned(), value.into());
        };
        put("type", "about:blank");
        put("title", status.canonical_reason().unwrap_or("Error"));
        put("code", self.code());
        put("detail", self.message());
        for (name, value) in
            [("field", self.field()), ("pointer", self.pointer()), ("dodo_code", self.dodo_code())]
        {
            if let Some(value) = value {
                put(name, value);
            }
        }
        problem.insert("status".to_owned(), status.as_u16().into());

        let mut response =
            Response::new(Bytes::from(serde_json::Value::Object(problem).to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(allow) = &self.0.allow {
            headers.insert(header::ALLOW, allow.clone());
        }
        if let Some(wait) = self.retry_after() {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        headers.insert(NOSNIFF.0, NOSNIFF.1);
        // A cache may store a 404, 405 or 413 that does not forbid it.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

const NOSNIFF: (HeaderName, HeaderValue) =
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())?;
        match self.pointer().or(self.field()) {
            // Texts about a variable begin with its name.
            Some(place) if !self.message().starts_with(place) => write!(f, " ({place})"),
            _ => Ok(()),
        }
    }
}

/// Sets the place of the field in the JSON body: a JSON Pointer such as `/product_cart/0/quantity`.
#[must_use]
pub fn with_pointer(error: Error, pointer: &str) -> Error {
    error.with_pointer(pointer)
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.kind())
            .field("code", &self.code())
            .field("message", &self.message());
        for (name, value) in
            [("field", self.field()), ("pointer", self.pointer()), ("dodo_code", self.dodo_code())]
        {
            if let Some(value) = value {
                out.field(name, &value);
            }
        }
        if let Some(source) = &self.0.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_name_the_field_and_never_the_source() {
        let error = Error::new(ErrorKind::InvalidRequest, "must be at least 1")
            .with_field("quantity")
            .with_pointer("/product_cart/0/quantity")
            .with_source("sk_test_canary");
        let response = error.to_response();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["code"], "invalid_request");
        assert_eq!(body["pointer"], "/product_cart/0/quantity");
        assert!(!body.to_string().contains("canary"));
        assert!(!error.to_string().contains("canary"));
    }

    #[test]
    fn echoed_input_is_short_and_has_no_control_characters() {
        let error =
            Error::new(ErrorKind::InvalidRequest, "x").with_field(&"a\r\n\u{1b}[31m".repeat(100));
        let field = error.field().unwrap();
        assert_eq!(field.chars().count(), ECHO_LIMIT);
        assert!(!field.chars().any(char::is_control));
    }

    #[test]
    fn option_error_hides_credentials_of_url() {
        for url in [
            "https://user:canary@shop.example/done",
            "https://canary@shop.example",
            "https://user:can/ary?canary#canary@shop.example",
            "https://user:canary@canary@shop.example",
            "https://user:canary\u{ff20}shop.example",
            "https://user:canary\u{fe6b}shop.example",
        ] {
            let error = Error::option("return_url", url, "write an absolute URL");
            for shown in
                [error.to_string(), format!("{error:?}"), format!("{:?}", error.to_response())]
            {
                assert!(!shown.contains("canary") && !shown.contains("user"), "{shown}");
                assert!(shown.contains("shop.example"), "{shown}");
            }
        }
        let error = Error::option("return_url", "shop.example", "write an absolute URL");
        assert!(error.to_string().contains("\"shop.example\""), "{error}");
    }

    #[test]
    fn retry_after_is_rounded_up() {
        let error = Error::new(ErrorKind::StorageUnavailable, "x")
            .with_retry_after(Duration::from_millis(1500));
        assert_eq!(error.to_response().headers()["retry-after"], "2");
    }
}
