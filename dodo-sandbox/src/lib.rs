//! A local [Dodo Payments](https://dodopayments.com): its API, hosted checkout and portal pages,
//! signed webhooks with retries, a clock that can be moved, and faults on demand. For tests, and for
//! trying an app without an account; no real money moves.
//!
//! It listens on 127.0.0.1 only and keeps everything in memory. An app calls it like Dodo Payments:
//! with a base URL ([`Sandbox::url`]), an API key ([`Sandbox::api_key`]) and a webhook secret
//! ([`Sandbox::webhook_secret`]).
//!
//! ```
//! use std::time::Duration;
//!
//! use dodo_sandbox::{Product, Sandbox, cards};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let _ = rustls::crypto::ring::default_provider().install_default();
//! let sandbox = Sandbox::builder()
//!     .product(Product::monthly("pdt_pro", "Pro", "USD", 1900))
//!     .clock_rate(0.0) // time stands still until the test moves it
//!     .start()
//!     .await?;
//!
//! // The app makes a checkout session ...
//! let answer = reqwest::Client::new()
//!     .post(format!("{}/checkouts", sandbox.url()))
//!     .bearer_auth(sandbox.api_key())
//!     .body(r#"{ "product_cart": [{ "product_id": "pdt_pro", "quantity": 1 }],
//!         "customer": { "email": "grace@example.com", "name": "Grace" } }"#)
//!     .send()
//!     .await?;
//! let session: serde_json::Value = serde_json::from_str(&answer.text().await?)?;
//!
//! // ... A customer pays, a month passes, and the subscription renews.
//! let paid = sandbox.pay_session(session["session_id"].as_str().unwrap_or_default(), cards::OK)?;
//! assert_eq!(paid.status, "succeeded");
//! sandbox.advance(Duration::from_secs(31 * 24 * 60 * 60))?;
//! # Ok(())
//! # }
//! ```
//!
//! `docs/sandbox.md` lists the operations, the differences from Dodo Payments, and the routes under
//! `/__sandbox/` for tests in other languages.

#![recursion_limit = "256"] // `json!` of the larger objects

mod api;
mod app;
mod builder;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod clock;
mod config;
mod contract;
mod control;
mod control_api;
mod countries;
mod deliver;
mod error;
mod events;
mod flow;
mod guard;
mod id;
mod journal;
mod local;
mod log;
mod money;
mod pages;
mod sandbox;
mod settings;
mod sign;
mod simulate;
mod state;
mod trigger;

pub use self::{
    api::fault::{Fault, FaultKind, RecordedRequest},
    builder::SandboxBuilder,
    control::{FlushOrder, PaidSession},
    deliver::NetworkConditions,
    error::{Error, ErrorKind},
    flow::reversal::DisputeOutcome,
    sandbox::Sandbox,
    settings::{Behavior, GraceEnd, PeriodEndCancellation, RefundOutcome},
    simulate::{SimulatedVisit, SimulatedYear, Simulation},
    state::{
        product::{Product, RenewalInterval},
        webhook::{Delivery, DeliveryAttempt, DeliveryState},
    },
};
#[doc(hidden)] // For the workspace's own comparison of currency tables.
pub use money::decimals;

/// Card numbers for tests. Any other number is declined: `INCORRECT_NUMBER`.
pub mod cards {
    pub use crate::state::card::{
        DECLINED, INSUFFICIENT_FUNDS, OK, OK_MASTERCARD, PROCESSING_INDIA, RENEWAL_FAILS,
    };
}
