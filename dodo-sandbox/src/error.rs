//! The error of this crate, for the library and for answers of the API.

use std::{borrow::Cow, fmt};

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;

/// The kind of an error. New kinds may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The port is in use by another program.
    PortInUse,
    /// The configuration is incomplete or invalid.
    Config,
    /// The machine refused a socket, a file or a thread.
    Io,
    /// Dodo Payments also rejects this: see [`Error::status`] and [`Error::code`].
    Rejected,
}

/// An error of the sandbox.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    source: Option<std::io::Error>,
}

impl Error {
    fn plain(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "INTERNAL_SERVER_ERROR",
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::plain(ErrorKind::Config, message)
    }

    pub(crate) fn io(message: impl Into<Cow<'static, str>>, source: std::io::Error) -> Self {
        Self { source: Some(source), ..Self::plain(ErrorKind::Io, message) }
    }

    pub(crate) fn port_in_use(port: u16) -> Self {
        Self::plain(
            ErrorKind::PortInUse,
            format!(
                "port {port} is taken by another program: choose another one, or 0 for any free port"
            ),
        )
    }

    /// A refusal of the API: a status and one of Dodo's codes.
    pub(crate) fn refused(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, ..Self::plain(ErrorKind::Rejected, message) }
    }

    /// 404: the object does not exist.
    pub(crate) fn not_found(what: &'static str) -> Self {
        Self::refused(StatusCode::NOT_FOUND, "NOT_FOUND", format!("{what} not found"))
    }

    /// 404: no object has this id.
    pub(crate) fn unknown(what: &str, id: &str) -> Self {
        let id: String = id.chars().take(64).collect();
        Self::refused(StatusCode::NOT_FOUND, "NOT_FOUND", format!("{what} {id} not found"))
    }

    /// 422: the body of the request is invalid.
    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::unprocessable("INVALID_REQUEST_BODY", message)
    }

    /// 422 with a code of its own.
    pub(crate) fn unprocessable(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// 409: the object is not in a state that allows this.
    pub(crate) fn conflict(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::CONFLICT, code, message)
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The status with which the API answers this.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Dodo's code, such as `NOT_FOUND`.
    #[must_use]
    pub fn code(&self) -> &str {
        self.code
    }

    /// The text, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ErrorKind::Rejected => write!(f, "{}: {}", self.code, self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as _)
    }
}

/// Dodo's shape of an error: `{"code", "message"}`.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let body = json!({ "code": self.code, "message": self.message });
        let json = [(header::CONTENT_TYPE, "application/json")];
        (self.status, json, body.to_string()).into_response()
    }
}
