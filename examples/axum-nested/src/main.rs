//! Starts the application with what the environment says.
//!
//! Without an account, `cargo run -p dodo-sandbox -- --webhook-url http://127.0.0.1:3000/payments/webhook`
//! prints the variables to set.

#![expect(clippy::print_stdout, reason = "a program that talks to a person")]

use accounts::Accounts;
use axum_nested::app;
use dodo_core::{BoxError, Client, WebhookKey};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_env_filter("info,tower_http=debug").init();
    let app = app(Accounts::default(), &Client::from_env()?, WebhookKey::from_env()?)?;
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("the application is on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
