//! The example shop on actix-web: `cargo run -p actix-shop`.

mod pages;

use std::{io, net::TcpListener, process::ExitCode};

use actix_web::{App, HttpServer, middleware::from_fn, web};
use dodo_actix::{VisitorMiddleware, mount, webhooks};
use dodo_core::Webhooks;
use shop::Shop;

#[actix_web::main]
async fn main() -> ExitCode {
    shop::run("actix", serve).await
}

async fn serve(listener: TcpListener, shop: Shop, hooks: Webhooks) -> io::Result<()> {
    // Built once: all workers share them.
    let (dashboard, billing) =
        (shop.dashboard().map_err(io::Error::other)?, shop.billing_endpoints());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(shop.clone()))
            .wrap(from_fn(pages::sign_in))
            .wrap(VisitorMiddleware::new(shop.capture()))
            .wrap(from_fn(pages::own_hosts))
            .service(web::scope("/billing").service(mount(billing.clone())))
            .service(web::scope("/revenue").service(mount(dashboard.clone())))
            .route("/api/webhook", webhooks(hooks.clone()))
            .default_service(web::to(pages::pages))
    })
    .listen(listener)?
    .disable_signals()
    .shutdown_timeout(shop::GRACE.as_secs())
    .run();

    let handle = server.handle();
    actix_web::rt::spawn(async move {
        shop::stopped().await;
        handle.stop(true).await;
    });
    server.await
}
