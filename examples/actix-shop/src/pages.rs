//! The shop's pages in actix-web: one request in, one reply out.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    rt::time::timeout,
    web::{self, Payload},
};
use dodo_actix::{DodoExtensions, Rejection};
use dodo_core::Error;
use shop::{Ask, Reply, Shop};

/// How long a form may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

/// Everything that is not a payment route.
pub(crate) async fn pages(
    shop: web::Data<Shop>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Rejection> {
    let body = timeout(BODY_DEADLINE, body.to_bytes_limited(Ask::BODY_LIMIT));
    let body = body.await.map_err(|_| Error::body_timeout())?;
    let body = body.map_err(|_| Error::body_too_large())?.unwrap_or_default();
    let captured = request.dodo_extensions_mut().get().cloned();
    let ask = Ask {
        method: request.method().to_string(),
        path: request.path().to_owned(),
        query: request.uri().query().map(Into::into),
        cookies: text(&request, header::COOKIE),
        if_none_match: text(&request, header::IF_NONE_MATCH),
        host: text(&request, header::HOST),
        origin: text(&request, header::ORIGIN),
        fetch_site: text(&request, header::HeaderName::from_static("sec-fetch-site")),
        captured,
        body: body.into(),
    };
    Ok(response(shop.answer(ask).await))
}

fn text(request: &HttpRequest, name: header::HeaderName) -> Option<String> {
    request.headers().get(name)?.to_str().ok().map(Into::into)
}

fn response(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or_default();
    let mut response = HttpResponse::build(status);
    for header in reply.headers {
        response.append_header(header);
    }
    response.body(reply.body)
}
