//! The shop's pages in axum: one request in, one reply out.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use dodo_axum::Rejection;
use dodo_core::{RequestHead, endpoint::read_body};
use shop::{Ask, Reply, Shop};

/// How long a form may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

/// Answers every path that is not a payment route.
pub(crate) async fn pages(
    State(shop): State<Shop>,
    request: Request,
) -> Result<Response, Rejection> {
    let (head, body) = request.into_parts();
    let body = read_body(body, Ask::BODY_LIMIT, BODY_DEADLINE).await?;
    Ok(response(shop.answer(Ask { head: head.into(), body: body.into() }).await))
}

/// Tells billing whose request it is.
pub(crate) async fn sign_in(State(shop): State<Shop>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Some(user) = shop.signed_in(&RequestHead::from(parts.clone())) {
        parts.extensions.insert(user);
    }
    next.run(Request::from_parts(parts, body)).await
}

/// Refuses requests for another host, the payment routes included.
pub(crate) async fn own_hosts(State(shop): State<Shop>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).map(|host| host.as_bytes());
    if shop.accepts_host(host) { next.run(request).await } else { response(shop.misdirected()) }
}

fn response(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or_default();
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
