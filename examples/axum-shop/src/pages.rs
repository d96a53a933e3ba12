//! The shop's pages in axum: one request in, one reply out.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use dodo_axum::Rejection;
use dodo_core::read_body;
use shop::{Ask, Reply, Shop};

/// How long a form may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

/// Everything that is not a payment route.
pub(crate) async fn pages(
    State(shop): State<Shop>,
    request: Request,
) -> Result<Response, Rejection> {
    let (head, body) = request.into_parts();
    let body = read_body(body, Ask::BODY_LIMIT, BODY_DEADLINE).await?;
    let ask = Ask {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(Into::into),
        cookies: text(&head.headers, header::COOKIE),
        if_none_match: text(&head.headers, header::IF_NONE_MATCH),
        host: text(&head.headers, header::HOST),
        origin: text(&head.headers, header::ORIGIN),
        fetch_site: text(&head.headers, HeaderName::from_static("sec-fetch-site")),
        captured: head.extensions.get().cloned(),
        body: body.into(),
    };
    Ok(response(shop.answer(ask).await))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(Into::into)
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
