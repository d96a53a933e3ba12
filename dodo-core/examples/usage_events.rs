//! Ingests a usage event, reads it back, and lists a customer's events:
//!
//! ```text
//! DODO_PAYMENTS_API_KEY=... cargo run -p dodo-core --example usage_events -- cus_... api.request req-7
//! ```

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program for the command line; a missing member of JSON reads as null"
)]

use dodo_core::{BoxError, Client, client::path_segment};
use http::Method;
use serde_json::{Value, json};

const USAGE: &str = "usage: usage_events CUSTOMER_ID EVENT_NAME EVENT_ID";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [customer, name, id] = arguments.as_slice() else { return Err(USAGE.into()) };
    let client = Client::from_env()?;

    // The event's id is its idempotency key: sent twice it counts once.
    let event = json!({ "event_id": id, "customer_id": customer, "event_name": name, "metadata": { "tokens": 512 } });
    let body = json!({ "events": [event] });
    let ingested = client.call(Method::POST, "/events/ingest", &[], Some(&body)).await?;
    println!("ingested {}", ingested["ingested_count"]);

    let path = format!("/events/{}", path_segment(id)?);
    let event = client.call(Method::GET, &path, &[], None).await?;
    println!("read {}", event["event_id"]);

    let mut events = client.list::<Value>("/events", &[("customer_id", customer)]);
    while let Some(event) = events.next().await? {
        println!("listed {} {}", event["event_id"], event["event_name"]);
    }
    Ok(())
}
