use axum::routing::{MethodRouter, any_service};
use dodo_core::Endpoint;

/// Routes a [checkout](dodo_core::checkout), or two of them joined with [`or`](Endpoint::or).
///
/// The route answers every method; those the checkout does not know get 405 with `Allow`. A path
/// takes one such route, so `.get(..)` cannot be chained to it: join endpoints with `or`.
pub fn checkout_handler<S>(checkout: impl Endpoint) -> MethodRouter<S>
where
    S: Clone,
{
    any_service(checkout.into_service())
}

/// Routes the way to the customer portal.
pub fn customer_portal<S>(portal: impl Endpoint) -> MethodRouter<S>
where
    S: Clone,
{
    any_service(portal.into_service())
}

/// Routes the receiver of webhooks.
pub fn webhooks<S>(webhooks: impl Endpoint) -> MethodRouter<S>
where
    S: Clone,
{
    any_service(webhooks.into_service())
}
