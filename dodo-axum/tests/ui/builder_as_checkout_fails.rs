use axum::Router;
use dodo_axum::checkout_handler;
use dodo_core::checkout::{CheckoutBuilder, SessionCheckout};

fn main() {
    let _ = |session: CheckoutBuilder<SessionCheckout>| {
        Router::<()>::new().route("/checkout", checkout_handler(session))
    };
}
