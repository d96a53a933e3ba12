use std::fmt;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use dodo_core::Error;

use crate::convert;

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

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        convert::status(self.0.status())
    }

    fn error_response(&self) -> HttpResponse {
        convert::response(self.0.to_response())
    }
}
