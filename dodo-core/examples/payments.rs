//! Lists the succeeded payments:
//!
//! ```text
//! DODO_PAYMENTS_API_KEY=... cargo run -p dodo-core --example payments
//! ```

#![expect(clippy::print_stdout, reason = "a program for the command line")]

use dodo_core::{BoxError, Client};
use serde::Deserialize;

/// As much of a payment as this program shows.
#[derive(Deserialize)]
struct Payment {
    payment_id: String,
    total_amount: i64,
    currency: String,
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let client = Client::from_env()?;
    let mut payments = client.list::<Payment>("/payments", &[("status", "succeeded")]);
    while let Some(Payment { payment_id, total_amount, currency }) = payments.next().await? {
        println!("{payment_id}: {total_amount} minor units of {currency}");
    }
    Ok(())
}
