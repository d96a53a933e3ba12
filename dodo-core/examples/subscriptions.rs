//! Reads a subscription and its usage:
//!
//! ```text
//! DODO_PAYMENTS_API_KEY=... cargo run -p dodo-core --example subscriptions -- sub_...
//! ```

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program for the command line; a missing member of JSON reads as null"
)]

use dodo_core::{BoxError, Client, client::path_segment};
use http::Method;
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let id = std::env::args().nth(1).ok_or("usage: subscriptions SUBSCRIPTION_ID")?;
    let client = Client::from_env()?;
    // An id from the command line may be anything; so it is made one segment of the path.
    let path = format!("/subscriptions/{}", path_segment(&id)?);

    let subscription = client.call(Method::GET, &path, &[], None).await?;
    println!("{} is {}", subscription["subscription_id"], subscription["status"]);

    let mut periods = client.list::<Value>(&format!("{path}/usage-history"), &[]);
    for period in periods.take(12).await? {
        println!("{} to {}: {}", period["start_date"], period["end_date"], period["meters"]);
    }
    Ok(())
}
