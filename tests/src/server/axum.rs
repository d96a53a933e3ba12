use axum::{Json, Router, routing::get};
use dodo_axum::{checkout_handler, customer_portal, webhooks};
use dodo_core::Endpoint;

use super::{Application, Mount, Source};

pub(super) fn router(application: &impl Application) -> Router {
    let mut routes = Routes(Router::new());
    application.mount(&mut routes);
    routes.0
}

struct Routes(Router);

impl Routes {
    fn route(&mut self, path: &str, route: axum::routing::MethodRouter) {
        self.0 = std::mem::take(&mut self.0).route(path, route);
    }
}

impl Mount for Routes {
    fn checkout(&mut self, path: &str, checkout: impl Endpoint) {
        self.route(path, checkout_handler(checkout));
    }

    fn portal(&mut self, path: &str, portal: impl Endpoint) {
        self.route(path, customer_portal(portal));
    }

    fn webhooks(&mut self, path: &str, hooks: impl Endpoint) {
        self.route(path, webhooks(hooks));
    }

    fn control(&mut self, path: &str, source: Source) {
        self.route(path, get(move || async move { Json(source()) }));
    }
}
