//! Starts the application with what the environment says.
//!
//! Without an account, `cargo run -p dodo-sandbox -- --webhook-url http://127.0.0.1:3000/payments/webhook`
//! prints the variables to set.

#![expect(clippy::print_stdout, reason = "a program that talks to a person")]

use accounts::Accounts;
use actix_nested::{Parts, app};
use actix_web::HttpServer;
use dodo_core::{BoxError, Client, WebhookKey};

#[actix_web::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    let parts = Parts::new(Accounts::default(), &Client::from_env()?, WebhookKey::from_env()?)?;
    let server = HttpServer::new(move || app(parts.clone())).bind("127.0.0.1:3000")?;
    println!("the application is on http://127.0.0.1:3000");
    server.run().await?;
    Ok(())
}
