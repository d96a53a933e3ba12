use std::{io, net::TcpListener};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::Service,
    http::header::HeaderValue,
    middleware::Condition,
    web::{self, ServiceConfig},
};
use dodo_actix::{
    DodoExtensions, VerifiedWebhook, Visitor, VisitorMiddleware, WebhookEvent, checkout_handler,
    customer_portal, webhooks,
};
use dodo_core::{CustomerPortal, WebhookKey, Webhooks, endpoint::CheckoutEndpoint, event::Payment};

use super::{
    Application, CUSTOMER_HEADER, Mount, Settings, Source, USER_HEADER, delivery_shown,
    payment_shown, shown,
};

pub(super) async fn serve(
    listener: TcpListener,
    application: impl Application,
    settings: &Settings,
) -> io::Result<()> {
    let on_thread_start = settings.on_thread_start.clone();
    let server = HttpServer::new(move || {
        on_thread_start(); // actix-web calls this once on each worker's thread
        let middleware = application.middleware();
        let visitors = VisitorMiddleware::new(middleware.capture.clone().unwrap_or_default());
        App::new()
            .configure(|config| application.mount(&mut Routes(config)))
            .wrap(Condition::new(middleware.capture.is_some(), visitors))
            .wrap_fn(move |request, next| {
                let named = |name| request.headers().get(name).map(HeaderValue::as_bytes);
                let user = middleware.signed_in(named(USER_HEADER), named(CUSTOMER_HEADER));
                if let Some(user) = user {
                    request.dodo_extensions_mut().insert(user);
                }
                next.call(request)
            })
    })
    .client_request_timeout(settings.header_timeout)
    .workers(settings.workers)
    .disable_signals()
    .listen(listener)?
    .run();
    let _stop = Stop(server.handle());
    server.await
}

/// actix-web's workers outlive the server's future without this signal.
struct Stop(actix_web::dev::ServerHandle);

impl Drop for Stop {
    fn drop(&mut self) {
        drop(self.0.stop(false)); // the command is sent by the call, not by the future
    }
}

struct Routes<'a>(&'a mut ServiceConfig);

impl Mount for Routes<'_> {
    fn checkout(&mut self, path: &str, checkout: impl CheckoutEndpoint) {
        self.0.route(path, checkout_handler(checkout));
    }

    fn portal(&mut self, path: &str, portal: CustomerPortal) {
        self.0.route(path, customer_portal(portal));
    }

    fn webhooks(&mut self, path: &str, hooks: Webhooks) {
        self.0.route(path, webhooks(hooks));
    }

    fn visitor_page(&mut self, path: &str) {
        self.0.route(path, web::get().to(async |visitor: Visitor| visitor.as_str().to_owned()));
    }

    fn optional_visitor_page(&mut self, path: &str) {
        let page = async |visitor: Option<Visitor>| shown(visitor.as_deref());
        self.0.route(path, web::get().to(page));
    }

    fn verified_page(&mut self, path: &str, key: WebhookKey) {
        let page = async |delivery: VerifiedWebhook| delivery_shown(&delivery.0);
        let resource = web::resource(path).app_data(web::Data::new(key));
        self.0.service(resource.route(web::post().to(page)));
    }

    fn payment_page(&mut self, path: &str, key: WebhookKey) {
        let page = async |event: WebhookEvent<Payment>| payment_shown(&event.0);
        let resource = web::resource(path).app_data(web::Data::new(key));
        self.0.service(resource.route(web::post().to(page)));
    }

    fn control(&mut self, path: &str, source: Source) {
        let answer = move || {
            let body = source();
            async move { HttpResponse::Ok().json(body.await) }
        };
        self.0.route(path, web::get().to(answer));
    }
}
