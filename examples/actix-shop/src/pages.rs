//! The shop's pages in actix-web: one request in, one reply out.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header},
    middleware::Next,
    rt::time::timeout,
    web::{self, Payload},
};
use dodo_actix::{DodoExtensions, Rejection, SignIn as _};
use dodo_core::{Error, RequestHead, capture::Captured};
use shop::{Ask, Reply, Shop};

/// How long a form may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

/// Answers every path that is not a payment route.
pub(crate) async fn pages(
    shop: web::Data<Shop>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Rejection> {
    let body = timeout(BODY_DEADLINE, body.to_bytes_limited(Ask::BODY_LIMIT));
    let body = body.await.map_err(|_| Error::body_timeout())?;
    let body = body.map_err(|_| Error::body_too_large())?.unwrap_or_default();
    let Some(head) = head(&request) else { return Ok(HttpResponse::BadRequest().finish()) };
    Ok(response(shop.answer(Ask { head, body: body.into() }).await))
}

/// The head of a request in the types of `http` 1. actix-web has those of `http` 0.2.
fn head(request: &HttpRequest) -> Option<RequestHead> {
    let mut copy =
        http::Request::builder().method(request.method().as_str()).uri(request.uri().to_string());
    for (name, value) in request.headers() {
        copy = copy.header(name.as_str(), value.as_bytes());
    }
    let (mut parts, ()) = copy.body(()).ok()?.into_parts();
    if let Some(captured) = request.dodo_extensions_mut().get::<Captured>() {
        parts.extensions.insert(captured.clone());
    }
    Some(parts.into())
}

/// Tells billing whose request it is.
pub(crate) async fn sign_in(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let shop = request.app_data::<web::Data<Shop>>();
    let user = shop.zip(head(request.request())).and_then(|(shop, head)| shop.signed_in(&head));
    if let Some(user) = user {
        request.sign_in(user);
    }
    next.call(request).await
}

/// Refuses requests for another host, the payment routes included.
pub(crate) async fn own_hosts(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let shop = request.app_data::<web::Data<Shop>>();
    let host = request.headers().get(header::HOST).map(|host| host.as_bytes());
    match shop {
        Some(shop) if !shop.accepts_host(host) => {
            let refusal = response(shop.misdirected());
            Ok(request.into_response(refusal).map_into_right_body())
        }
        _ => Ok(next.call(request).await?.map_into_left_body()),
    }
}

fn response(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or_default();
    let mut response = HttpResponse::build(status);
    for header in reply.headers {
        response.append_header(header);
    }
    response.body(reply.body)
}
