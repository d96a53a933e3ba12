use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpServer, body::MessageBody};
use dodo_actix::prelude::*;
use dodo_ledger::{Ledger, SqliteTx, sqlx};
use std::time::Duration;

async fn record_order(event: Event<Payment>) -> Result<(), BoxError> {
    let mut tx = SqliteTx::join(&event).await?; // commits together with the event's "done" mark
    sqlx::query("INSERT INTO orders (payment_id, amount) VALUES (?, ?)")
        .bind(&event.data.payment_id)
        .bind(event.data.total_amount)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

async fn sign_in<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    if let Some(customer) = my_app::current_customer(&request) {
        request.sign_in(SignedIn::new(customer));
    }
    next.call(request).await
}

#[actix_web::main]
async fn main() -> Result<(), BoxError> {
    let capture = VisitorCapture::visitors_now() // who: the cookie `visitor`
        .preset(Preset::Utm) // from where: utm_source, utm_campaign, ...
        .campaign_cookie(CampaignCookie::last_touch());
    let dodo = DodoBuilder::from_env()?.capture(capture).build()?; // keys and mode: said once
    let ledger = Ledger::open("sqlite:shop.db").await?;
    let (hooks, workers) = ledger.attach(dodo.webhooks().on_payment_succeeded(record_order))?;
    let checkout = dodo.session_checkout().context_store(ledger).build()?;
    let portal = dodo.portal().build()?;

    HttpServer::new(move || {
        App::new()
            .route("/api/checkout", checkout_handler(checkout.clone()))
            .route("/api/portal", customer_portal(portal.clone()))
            .route("/api/webhook", webhooks(hooks.clone()))
            .wrap(VisitorMiddleware::new(dodo.capture()))
            .wrap(from_fn(sign_in))
    })
    .bind(my_app::address())?
    .run()
    .await?;
    workers.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
