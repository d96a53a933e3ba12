use std::future::ready;

use axum::{
    Json, Router,
    extract::Request,
    middleware::map_request,
    routing::{get, post},
};
use dodo_axum::{
    VerifiedWebhook, Visitor, VisitorLayer, WebhookEvent, checkout_handler, customer_portal,
    webhooks,
};
use dodo_core::{CustomerPortal, WebhookKey, Webhooks, endpoint::CheckoutEndpoint, event::Payment};
use http::HeaderValue;

use super::{
    Application, CUSTOMER_HEADER, Mount, Source, USER_HEADER, delivery_shown, payment_shown, shown,
};

pub(super) fn router(application: &impl Application) -> Router {
    let mut routes = Routes(Router::new());
    application.mount(&mut routes);
    let middleware = application.middleware();
    let mut router = routes.0;
    if let Some(capture) = middleware.capture.clone() {
        router = router.layer(VisitorLayer::new(capture));
    }
    router.layer(map_request(move |mut request: Request| {
        let named = |name| request.headers().get(name).map(HeaderValue::as_bytes);
        let user = middleware.signed_in(named(USER_HEADER), named(CUSTOMER_HEADER));
        if let Some(user) = user {
            request.extensions_mut().insert(user);
        }
        ready(request)
    }))
}

struct Routes(Router);

impl Routes {
    fn route(&mut self, path: &str, route: axum::routing::MethodRouter) {
        self.0 = std::mem::take(&mut self.0).route(path, route);
    }
}

impl Mount for Routes {
    fn checkout(&mut self, path: &str, checkout: impl CheckoutEndpoint) {
        self.route(path, checkout_handler(checkout));
    }

    fn portal(&mut self, path: &str, portal: CustomerPortal) {
        self.route(path, customer_portal(portal));
    }

    fn webhooks(&mut self, path: &str, hooks: Webhooks) {
        self.route(path, webhooks(hooks));
    }

    fn visitor_page(&mut self, path: &str) {
        self.route(path, get(async |visitor: Visitor| visitor.as_str().to_owned()));
    }

    fn optional_visitor_page(&mut self, path: &str) {
        self.route(path, get(async |visitor: Option<Visitor>| shown(visitor.as_deref())));
    }

    fn verified_page(&mut self, path: &str, key: WebhookKey) {
        let page = async |VerifiedWebhook(delivery): VerifiedWebhook| delivery_shown(&delivery);
        self.route(path, post(page).with_state(key));
    }

    fn payment_page(&mut self, path: &str, key: WebhookKey) {
        let page = async |WebhookEvent(event): WebhookEvent<Payment>| payment_shown(&event);
        self.route(path, post(page).with_state(key));
    }

    fn control(&mut self, path: &str, source: Source) {
        self.route(path, get(move || async move { Json(source().await) }));
    }
}
