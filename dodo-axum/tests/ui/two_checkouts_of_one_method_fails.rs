use dodo_core::{
    checkout::{DynamicCheckout, SessionCheckout},
    endpoint::Endpoint,
};

fn main() {
    let _ = |session: SessionCheckout, dynamic: DynamicCheckout| session.or(dynamic);
}
