use axum::Router;
use dodo_axum::checkout_handler;
use dodo_core::checkout::SessionCheckoutBuilder;

fn main() {
    let _ = |session: SessionCheckoutBuilder| {
        Router::<()>::new().route("/checkout", checkout_handler(session))
    };
}
