//! Creates a customer, reads them, and finds them by e-mail:
//!
//! ```text
//! DODO_PAYMENTS_API_KEY=... DODO_PAYMENTS_ENVIRONMENT=test_mode \
//!     cargo run -p dodo-core --example customers -- jane@example.com Jane
//! ```

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program for the command line; a missing member of JSON reads as null"
)]

use dodo_core::{BoxError, Client, CustomerId};
use http::Method;
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut arguments = std::env::args().skip(1);
    let email = arguments.next().ok_or("usage: customers EMAIL NAME")?;
    let name = arguments.next().ok_or("usage: customers EMAIL NAME")?;
    let client = Client::from_env()?;

    let body = json!({ "email": email, "name": name });
    let created = client.call(Method::POST, "/customers", &[], Some(&body)).await?;
    let id = CustomerId::new(created["customer_id"].as_str().ok_or("no id")?)?;
    println!("created {id}");

    let customer = client.call(Method::GET, &format!("/customers/{id}"), &[], None).await?;
    println!("since {}", customer["created_at"]);

    let mut found = client.list::<Value>("/customers", &[("email", &email)]);
    while let Some(customer) = found.next().await? {
        println!("found {}", customer["customer_id"]);
    }
    Ok(())
}
