use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use axum::{
    Router,
    extract::{OriginalUri, Request},
    routing::{MethodRouter, any_service},
};
use dodo_core::{
    CustomerPortal, Webhooks,
    endpoint::{CheckoutEndpoint, Endpoint, EndpointService, MountPrefix},
};
use tower_service::Service;

/// Routes a [checkout](dodo_core::checkout), or two of them joined with [`or`](Endpoint::or).
///
/// The route answers every method; a method that the checkout does not have gets 405 with `Allow`. A
/// path takes one such route, so `.get(..)` cannot be chained to it: join endpoints with `or`.
pub fn checkout_handler<S: Clone>(checkout: impl CheckoutEndpoint) -> MethodRouter<S> {
    any_service(checkout.into_service())
}

/// Routes the customer portal.
pub fn customer_portal<S: Clone>(portal: CustomerPortal) -> MethodRouter<S> {
    any_service(portal.into_service())
}

/// Routes the webhook endpoint.
pub fn webhooks<S: Clone>(webhooks: Webhooks) -> MethodRouter<S> {
    any_service(webhooks.into_service())
}

/// Mounts an endpoint with all paths below a prefix: `.nest("/billing", mount(endpoint))`.
///
/// The endpoint gets the whole path, and the prefix as [`MountPrefix`] in the request's extensions.
pub fn mount<S>(endpoint: impl Endpoint) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().fallback_service(Mounted(endpoint.into_service()))
}

#[derive(Clone)]
struct Mounted<E>(EndpointService<E>);

impl<E: Endpoint> Service<Request> for Mounted<E> {
    type Response = <EndpointService<E> as Service<Request>>::Response;
    type Error = Infallible;
    type Future = <EndpointService<E> as Service<Request>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        // `nest` cuts its prefix off the path.
        if let Some(OriginalUri(whole)) = request.extensions().get::<OriginalUri>().cloned() {
            let prefix = MountPrefix::between(whole.path(), request.uri().path());
            request.extensions_mut().insert(prefix);
            *request.uri_mut() = whole;
        }
        self.0.call(request)
    }
}
