use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// The most that is read, in bytes.
const LIMIT: usize = 1 << 20;

/// Reads every body and says in `x-audited-bytes` how long it was, as a firewall or a log would.
///
/// A signature covers the bytes as sent: pass on exactly the bytes that were read. A middleware
/// that parses JSON and writes it again breaks every webhook.
pub async fn audit(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let length = HeaderValue::from(bytes.len());
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    let audited = HeaderMap::from_iter([(AUDITED, length)]);
    (audited, response).into_response()
}

const AUDITED: axum::http::HeaderName = axum::http::HeaderName::from_static("x-audited-bytes");
