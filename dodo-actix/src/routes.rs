use actix_web::{HttpRequest, Route, web};
use dodo_core::{Endpoint, serve};

use crate::convert;

/// Routes a [checkout](dodo_core::checkout), or two of them joined with [`or`](Endpoint::or).
///
/// The route answers every method; those the checkout does not know get 405 with `Allow`. The first
/// route of a path takes everything, so join endpoints with `or` rather than by routing twice.
pub fn checkout_handler(checkout: impl Endpoint) -> Route {
    route(checkout)
}

/// Routes the way to the customer portal.
pub fn customer_portal(portal: impl Endpoint) -> Route {
    route(portal)
}

/// Routes the receiver of webhooks. Build the hooks once, outside the closure given to
/// `HttpServer::new`, and clone them: all workers then share callbacks and state.
pub fn webhooks(webhooks: impl Endpoint) -> Route {
    route(webhooks)
}

/// No method guard: `App::route` lifts guards to the resource and answers 404 where core says 405.
fn route(endpoint: impl Endpoint) -> Route {
    web::route().to(move |request: HttpRequest, payload: web::Payload| {
        let endpoint = endpoint.clone();
        async move {
            convert::response(match convert::request(&request, payload.into_inner()) {
                Ok(request) => serve(&endpoint, request).await,
                Err(error) => error.to_response(),
            })
        }
    })
}
