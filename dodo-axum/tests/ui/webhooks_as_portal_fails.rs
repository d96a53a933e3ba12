use axum::Router;
use dodo_axum::customer_portal;
use dodo_core::Webhooks;

fn main() {
    let _ = |hooks: Webhooks| Router::<()>::new().route("/portal", customer_portal(hooks));
}
