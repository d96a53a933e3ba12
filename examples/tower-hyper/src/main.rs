//! Starts the server with what the environment says.
//!
//! Without an account, `cargo run -p dodo-sandbox -- --webhook-url http://127.0.0.1:3000/api/webhook`
//! prints the variables to set.

#![expect(clippy::print_stdout, reason = "a program that talks to a person")]

use dodo_core::{BoxError, Client, WebhookKey};
use tokio::net::TcpListener;
use tower_hyper::{Orders, serve};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("checkout, portal and webhook: http://{}/api/...", listener.local_addr()?);
    serve(listener, &Client::from_env()?, WebhookKey::from_env()?, Orders::default()).await?;
    Ok(())
}
