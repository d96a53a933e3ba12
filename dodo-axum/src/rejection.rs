use std::fmt;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use dodo_core::Error;

/// The refusal of an extractor. Its answer has the form of the routes of this crate: a problem
/// document (RFC 9457) with a stable `code`.
///
/// Your own handlers can use it: `Result<_, Rejection>` accepts any [`Error`] by `?`.
#[derive(Debug)]
pub struct Rejection(pub Error);

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Rejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.0.to_response().map(Body::from)
    }
}
