use axum::middleware::{Next, from_fn};
use axum::{Router, extract::Request, response::Response};
use dodo_axum::prelude::*;
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

async fn sign_in(mut request: Request, next: Next) -> Response {
    if let Some(customer) = my_app::current_customer(&request) {
        request.extensions_mut().insert(SignedIn::new(customer));
    }
    next.run(request).await
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let capture = VisitorCapture::visitors_now() // who: the cookie `visitor`
        .preset(Preset::Utm) // from where: utm_source, utm_campaign, ...
        .campaign_cookie(CampaignCookie::last_touch());
    let dodo = DodoBuilder::from_env()?.capture(capture).build()?; // keys and mode: said once
    let ledger = Ledger::open("sqlite:shop.db").await?;
    let (hooks, workers) = ledger.attach(dodo.webhooks().on_payment_succeeded(record_order))?;
    let checkout = dodo.session_checkout().context_store(ledger).build()?;

    let app = Router::new()
        .route("/api/checkout", checkout_handler(checkout))
        .route("/api/portal", customer_portal(dodo.portal().build()?))
        .route("/api/webhook", webhooks(hooks))
        .layer(VisitorLayer::new(dodo.capture()))
        .layer(from_fn(sign_in));
    let listener = tokio::net::TcpListener::bind(my_app::address()).await?;
    axum::serve(listener, app).with_graceful_shutdown(my_app::ctrl_c()).await?;
    workers.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
