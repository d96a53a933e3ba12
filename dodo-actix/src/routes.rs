use actix_web::{HttpRequest, Route, Scope, web};
use dodo_core::{
    CustomerPortal, Webhooks,
    endpoint::{CheckoutEndpoint, Endpoint, MountPrefix, serve},
};

use crate::convert;

/// Routes a [checkout](dodo_core::checkout), or two of them joined with [`or`](Endpoint::or).
///
/// The route answers every method; a method that the checkout does not have gets 405 with `Allow`. The
/// first route of a path takes every request, so join endpoints with `or` instead of routing twice.
pub fn checkout_handler(checkout: impl CheckoutEndpoint) -> Route {
    route(checkout)
}

/// Routes the customer portal.
pub fn customer_portal(portal: CustomerPortal) -> Route {
    route(portal)
}

/// Routes the webhook endpoint. Build the hooks once, outside the closure given to
/// `HttpServer::new`, and clone them: all workers then share callbacks and state.
pub fn webhooks(webhooks: Webhooks) -> Route {
    route(webhooks)
}

/// Mounts an endpoint with all paths below a prefix:
/// `web::scope("/billing").service(mount(endpoint))`.
///
/// The endpoint gets the whole path, and the prefix as [`MountPrefix`] in the request's extensions.
pub fn mount(endpoint: impl Endpoint) -> Scope {
    web::scope("").default_service(route_with(endpoint, |request, parts| {
        let rest = request.match_info().unprocessed();
        parts.extensions.insert(MountPrefix::between(parts.uri.path(), rest));
    }))
}

fn route(endpoint: impl Endpoint) -> Route {
    route_with(endpoint, |_, _| {})
}

/// No method guard: `App::route` lifts guards to the resource, which then answers 404 instead of
/// core's 405.
fn route_with(
    endpoint: impl Endpoint,
    prepare: fn(&HttpRequest, &mut http::request::Parts),
) -> Route {
    web::route().to(move |request: HttpRequest, payload: web::Payload| {
        let endpoint = endpoint.clone();
        async move {
            convert::response(match convert::request(&request, payload.into_inner()) {
                Ok(converted) => {
                    let (mut parts, body) = converted.into_parts();
                    prepare(&request, &mut parts);
                    serve(&endpoint, http::Request::from_parts(parts, body)).await
                }
                Err(error) => error.to_response(),
            })
        }
    })
}
