use dodo_core::{
    Endpoint,
    checkout::{DynamicCheckout, SessionCheckout},
};

fn main() {
    let _ = |session: SessionCheckout, dynamic: DynamicCheckout| session.or(dynamic);
}
