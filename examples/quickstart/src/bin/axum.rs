use axum::Router;
use dodo_axum::prelude::*;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let capture = VisitorCapture::visitors_now()
        .preset(Preset::Utm)
        .campaign_cookie(CampaignCookie::last_touch());
    let dodo = DodoBuilder::from_env()?.capture(capture).build()?;
    let hooks = dodo
        .webhooks()
        .on_payment_succeeded(|event| async move {
            println!("{} is paid", event.data.payment_id); // `event.id` is your idempotency key
        })
        .build()?;

    let app = Router::new()
        .route("/api/checkout", checkout_handler(dodo.session_checkout().build()?))
        .route("/api/portal", customer_portal(dodo.portal().build()?))
        .route("/api/webhook", webhooks(hooks))
        .layer(VisitorLayer::new(dodo.capture()));
    axum::serve(tokio::net::TcpListener::bind(my_app::address()).await?, app).await?;
    Ok(())
}
