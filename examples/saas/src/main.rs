use dodo_axum::{BoxError, Dodo};
use dodo_billing::Billing;
use dodo_ledger::{Ledger, Store};
use saas::{Log, app, plans};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let dodo = Dodo::from_env()?;
    let billing = Billing::builder(&dodo, plans()?) // reads DODO_BILLING_SECRET
        .return_to("https://app.example/billing/return")
        .paywall_page("/pricing")
        .listener(Log)
        .build()?;
    let store = Store::open("sqlite:app.db").await?;
    let ledger = Ledger::builder(store).projection(billing.clone()).open().await?;
    let (hooks, workers) = ledger.attach(dodo.webhooks::<()>())?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app(&billing, hooks)).await?;
    workers.shutdown(std::time::Duration::from_secs(10)).await;
    Ok(())
}
