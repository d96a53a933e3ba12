//! Starts the server with the variables of the environment.
//!
//! Without an account, `cargo run -p dodo-sandbox -- --webhook-url http://127.0.0.1:3000/api/webhook`
//! prints the variables to set.

#![expect(clippy::print_stdout, reason = "a program that talks to a person")]

use std::num::NonZeroU32;

use dodo_core::{BoxError, Dodo};
use rate_limit::{Quota, serve};
use tokio::net::TcpListener;

const PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();
const BURST: NonZeroU32 = NonZeroU32::new(5).unwrap();

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("checkout and webhook: http://{}/api/...", listener.local_addr()?);
    serve(listener, &Dodo::from_env()?, Quota::per_minute(PER_MINUTE).allow_burst(BURST)).await
}
