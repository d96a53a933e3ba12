//! Makes Dodo Payments send webhooks to an application and prints the secret for its
//! `DODO_PAYMENTS_WEBHOOK_KEY`. Running it again changes nothing:
//!
//! ```text
//! DODO_PAYMENTS_API_KEY=... DODO_PAYMENTS_ENVIRONMENT=test_mode \
//!     cargo run -p dodo-core --example webhook_endpoint -- https://shop.example/api/webhook \
//!     payment.succeeded refund.succeeded
//! ```
//!
//! Without events all of them are sent.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the command line")]

use dodo_core::{BoxError, Client, EventKind};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: webhook_endpoint URL [EVENT...]")?;
    let events: Vec<EventKind> = arguments.map(|name| EventKind::from(name.as_str())).collect();
    if let Some(unknown) = events.iter().find(|event| !event.is_known()) {
        return Err(format!("{unknown} is not an event of Dodo Payments").into());
    }
    let endpoint = Client::from_env()?.ensure_webhook_endpoint(&url, &events).await?;
    eprintln!("{} {}", endpoint.id, if endpoint.created { "was created" } else { "is as wanted" });
    println!("DODO_PAYMENTS_WEBHOOK_KEY={}", endpoint.secret());
    Ok(())
}
