//! actix-web 4 speaks `http` 0.2, dodo-core speaks `http` 1: everything that crosses, crosses here.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{
    HttpRequest, HttpResponse,
    dev::Payload,
    error::PayloadError,
    http::{StatusCode, header},
};
use bytes::Bytes;
use dodo_core::{BoxError, Error, ErrorKind};
use futures_core::Stream;
use http_body::{Frame, SizeHint};

use crate::extensions::carried;

/// The head of a request, with what was put into its [`DodoExtensions`](crate::DodoExtensions).
///
/// # Errors
/// [`Invalid`](ErrorKind::Invalid) when one version of `http` refuses what the other took. They agree
/// today. Should they cease to, the request is refused: a header lost here could be a signature.
pub(crate) fn parts(request: &HttpRequest) -> Result<http::request::Parts, Error> {
    fn refused(source: impl Into<BoxError>) -> Error {
        Error::new(ErrorKind::Invalid, "the request line or a header cannot be read")
            .with_code("invalid_head")
            .with_source(source)
    }
    let mut headers = http::HeaderMap::with_capacity(request.headers().len());
    for (name, value) in request.headers() {
        let name = http::HeaderName::from_bytes(name.as_ref()).map_err(refused)?;
        let value = http::HeaderValue::from_bytes(value.as_bytes()).map_err(refused)?;
        headers.try_append(name, value).map_err(refused)?;
    }
    let (mut parts, ()) = http::Request::builder()
        .method(request.method().as_str())
        .uri(request.uri().to_string())
        .body(())
        .map_err(refused)?
        .into_parts();
    parts.headers = headers;
    parts.extensions = carried(request);
    Ok(parts)
}

/// A request that core can answer. The body is read there, under the endpoint's limits.
pub(crate) fn request(
    request: &HttpRequest,
    payload: Payload,
) -> Result<http::Request<Body>, Error> {
    let parts = parts(request)?;
    let length = parts.headers.get(http::header::CONTENT_LENGTH);
    let announced = length.and_then(|v| v.to_str().ok()?.parse().ok()).unwrap_or(0);
    Ok(http::Request::from_parts(parts, Body { payload, announced }))
}

/// actix-web's payload as an [`http_body::Body`]. It stays on the worker that received it.
pub(crate) struct Body {
    payload: Payload,
    announced: u64,
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = PayloadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PayloadError>>> {
        let chunk = ready!(Pin::new(&mut self.payload).poll_next(cx));
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.payload, Payload::None)
    }

    /// Only asked before the first frame, where it lets core refuse a body by its announced length.
    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.announced);
        hint
    }
}

/// An answer of core's.
pub(crate) fn response(response: http::Response<Bytes>) -> HttpResponse {
    let (parts, body) = response.into_parts();
    let mut answer = HttpResponse::with_body(status(parts.status), body).map_into_boxed_body();
    for (name, value) in &parts.headers {
        let (Ok(name), Some(value)) =
            (header::HeaderName::from_bytes(name.as_ref()), header_value(value))
        else {
            return HttpResponse::InternalServerError().finish();
        };
        answer.headers_mut().append(name, value);
    }
    answer
}

pub(crate) fn header_value(value: &http::HeaderValue) -> Option<header::HeaderValue> {
    header::HeaderValue::from_bytes(value.as_bytes()).ok()
}

pub(crate) fn status(status: http::StatusCode) -> StatusCode {
    StatusCode::from_u16(status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
