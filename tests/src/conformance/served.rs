//! Routes where server code decides.

use dodo_core::{
    Client, ProductId,
    capture::{Preset, VisitorCapture},
    checkout::{
        CheckoutBuilder, CheckoutKind, DynamicCheckout, SessionCheckout, StaticCheckout,
        request::{CheckoutItem, DynamicRequest, SessionRequest},
    },
};
use dodo_ledger::Ledger;

use super::built;
use crate::server::{Mount, USER_HEADER};

fn product(id: &str) -> ProductId {
    ProductId::new(id).expect("the id of a product")
}

/// The cart of server code.
fn cart() -> [CheckoutItem; 1] {
    [CheckoutItem::new(product("pdt_server"), 1)]
}

/// Who visits, as `/api/captured/session` reads it.
pub(super) fn capture() -> VisitorCapture {
    VisitorCapture::visitors_now().preset(Preset::Utm).user_id(|head| {
        head.headers.get(USER_HEADER).and_then(|user| user.to_str().ok()).map(str::to_owned)
    })
}

pub(super) fn mount(mount: &mut impl Mount, client: &Client, ledger: Option<&Ledger>) {
    let dynamic = || DynamicCheckout::builder(client.clone());
    let session = || SessionCheckout::builder(client.clone());

    let one = DynamicRequest::new().product_id(product("pdt_server")).quantity(1);
    let one = one.metadata("order", "o_1");
    let codes = ["SERVER5"];
    let many = DynamicRequest::new().product_cart(cart()).discount_codes(codes);
    let many = many.metadata("order", "o_1");
    let order = SessionRequest::new().product_cart(cart()).discount_codes(codes);
    let order = order.metadata("order", "o_1");
    for (suffix, express) in [("", false), ("-compat", true)] {
        let route = |name: &str, kind: &str| format!("/api/{name}{suffix}/{kind}");
        let pinned = dynamic().server_fields(one.clone());
        mount.checkout(&route("pinned", "dynamic"), built(switched(pinned, express)));
        let links = dynamic().server_fields(many.clone());
        mount.checkout(&route("pinned-cart", "dynamic"), built(switched(links, express)));
        let sessions = session().server_fields(order.clone());
        mount.checkout(&route("pinned-cart", "session"), built(switched(sessions, express)));
    }

    let links = dynamic().customer_from_sign_in();
    mount.checkout("/api/customer/dynamic", built(switched(links, true)));
    let sessions = session().customer_from_sign_in();
    mount.checkout("/api/customer/session", built(switched(sessions, true)));

    let slugs = || [("pro", product("pdt_pro")), ("team", product("pdt_team"))];
    mount.checkout("/api/slugs/dynamic", built(dynamic().products_by_slug("plan", slugs())));
    mount.checkout("/api/slugs/session", built(session().products_by_slug("plan", slugs())));

    let sold = || [product("pdt_a")];
    let link = StaticCheckout::builder(client.clone());
    mount.checkout("/api/products/static", built(link.allow_products(sold())));
    mount.checkout("/api/products/dynamic", built(dynamic().allow_products(sold())));
    mount.checkout("/api/products/session", built(session().allow_products(sold())));

    let app = session().allow_return_scheme("myapp").allow_page_origins([
        "tauri://localhost",
        "capacitor://localhost",
        "https://shop.example",
    ]);
    mount.checkout("/api/app/session", built(app));

    let form = session().server_fields(SessionRequest::new().product_cart(cart())).redirect();
    mount.checkout("/api/form/session", built(form));

    let mut captured = session().capture(capture());
    if let Some(ledger) = ledger {
        captured = captured.context_store(ledger.clone());
    }
    mount.checkout("/api/captured/session", built(captured));
}

/// With the full switch to the behavior of Express, or with the default policy.
fn switched<C: CheckoutKind>(builder: CheckoutBuilder<C>, express: bool) -> CheckoutBuilder<C> {
    if express { builder.express_compatible() } else { builder }
}
