//! Conversions between actix-web 4, which uses `http` 0.2, and dodo-core, which uses `http` 1.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{
    HttpRequest, HttpResponse,
    dev::Payload,
    error::PayloadError,
    http::{StatusCode, Uri, header},
};
use bytes::{Bytes, BytesMut};
use dodo_core::{BoxError, Error, ErrorKind};
use futures_core::Stream;
use http_body::{Frame, SizeHint};

use crate::extensions::carried;

/// Returns the head of a request, with the values of its [`DodoExtensions`](crate::DodoExtensions).
///
/// # Errors
/// [`InvalidRequest`](ErrorKind::InvalidRequest) if one version of `http` refuses a value that the
/// other accepted. Today they agree. A lost header could be a signature, so a difference refuses
/// the request.
pub(crate) fn parts(request: &HttpRequest) -> Result<http::request::Parts, Error> {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = request.method().as_str().parse().map_err(refused)?;
    parts.uri = uri(request.uri())?;
    parts.headers = headers(request.headers())?;
    parts.extensions = carried(request);
    Ok(parts)
}

fn refused(source: impl Into<BoxError>) -> Error {
    const WHY: &str = "the request line or a header cannot be read";
    Error::new(ErrorKind::InvalidRequest, WHY).with_code("invalid_head").with_source(source)
}

fn uri(uri: &Uri) -> Result<http::Uri, Error> {
    // The usual case: a path, which needs no full parser.
    if let (None, None, Some(path)) = (uri.scheme(), uri.authority(), uri.path_and_query()) {
        return http::uri::PathAndQuery::try_from(path.as_str()).map(Into::into).map_err(refused);
    }
    uri.to_string().parse().map_err(refused)
}

/// The values share one allocation. `http` 0.2 does not expose its own, and one allocation for each
/// value would cost as much as the rest of this crate.
fn headers(headers: &header::HeaderMap) -> Result<http::HeaderMap, Error> {
    let mut text = BytesMut::with_capacity(headers.iter().map(|(_, value)| value.len()).sum());
    for (_, value) in headers {
        text.extend_from_slice(value.as_bytes());
    }
    let mut text = text.freeze();
    let mut copied = http::HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let value = text.split_to(value.len());
        let value = http::HeaderValue::from_maybe_shared(value).map_err(refused)?;
        copied.try_append(name_of(name.as_str())?, value).map_err(refused)?;
    }
    Ok(copied)
}

/// The header names of a delivery are constants, so they need no allocation.
fn name_of(name: &str) -> Result<http::HeaderName, Error> {
    const OF_A_DELIVERY: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    match OF_A_DELIVERY.into_iter().find(|known| *known == name) {
        Some(known) => Ok(http::HeaderName::from_static(known)),
        None => http::HeaderName::from_bytes(name.as_bytes()).map_err(refused),
    }
}

/// Converts a request for core. Core reads the body, under the limits of the endpoint.
pub(crate) fn request(head: &HttpRequest, payload: Payload) -> Result<http::Request<Body>, Error> {
    let parts = parts(head)?;
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
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let chunk = ready!(Pin::new(&mut self.payload).poll_next(cx));
        Poll::Ready(chunk.map(|chunk| match chunk {
            Ok(data) => Ok(Frame::data(data)),
            // The limit of an outer middleware.
            Err(PayloadError::Overflow) => Err(Error::body_too_large().into()),
            Err(error) => Err(error.into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.payload, Payload::None)
    }

    /// Core calls it only before the first frame, to refuse a body by its announced length.
    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.announced);
        hint
    }
}

/// Converts an answer of core.
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
