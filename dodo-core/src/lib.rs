//! Payments middleware for [Dodo Payments](https://dodopayments.com), without a web framework:
//! checkout, customer portal, webhooks with typed callbacks, and which visitor and campaign earned
//! which money.
//!
//! With axum or actix-web, mount what is made here by the route functions of `dodo-axum` or
//! `dodo-actix`. Anything else that takes a tower service takes [`into_service`](endpoint::Endpoint::into_service).
//!
//! ```no_run
//! use dodo_core::prelude::*;
//!
//! async fn mark_paid(event: Event<Payment>) -> Result<(), BoxError> {
//!     // `event.id` is the same on every retry: an idempotency key.
//!     println!("{} is paid", event.data.payment_id);
//!     Ok(())
//! }
//!
//! # fn main() -> Result<(), dodo_core::Error> {
//! let dodo = Dodo::from_env()?; // API key, webhook key and mode: said once
//! let checkout = dodo.static_checkout().build()?.or(dodo.session_checkout().build()?);
//! let portal = dodo.portal().build()?;
//! let hooks = dodo.webhooks().on_payment_succeeded(mark_paid).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! | to | start at |
//! |---|---|
//! | set keys and mode | [`Dodo`] |
//! | take payments | [`checkout`] |
//! | let customers manage what they bought | [`CustomerPortal`] |
//! | learn what happened | [`Webhooks`], [`WebhookKey`] |
//! | know who brought the money | [`capture`], [`attribution`] |
//! | call the rest of Dodo's API | [`Client::call`], [`client`] |
//! | read amounts | [`money`] |
//! | test an application | [`testing`] |
//! | mount in a framework of your own | [`endpoint`] |
//!
//! [`prelude`] has the names of a first program.
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `reqwest` | yes | the HTTP client that talks to Dodo Payments; without it, bring a [`Transport`](client::Transport) |
//! | `tokio` | yes | timers: deadlines of bodies, callbacks and API calls, waits between retries |
//! | `unstable-internals` | no | for the companion crates; exempt from semantic versioning |
//! | `log` | no | [`log::init`](log/fn.init.html), for applications without a `tracing` subscriber of their own |
//!
//! The runtime needs its timer enabled for `tokio`, as `#[tokio::main]` does.
//!
//! # Logs
//!
//! Events of [`tracing`](https://docs.rs/tracing) under these targets; no secret and no personal data
//! in any of them. The companion crates add the last four.
//!
//! | target | says |
//! |---|---|
//! | `dodo::client` | calls of Dodo's API that failed or were repeated |
//! | `dodo::checkout`, `dodo::portal` | why a customer got no link |
//! | `dodo::capture` | what was not captured, and why |
//! | `dodo::webhook` | deliveries that were refused or not handled |
//! | `dodo::endpoint` | hooks of the application that panicked |
//! | `dodo::ledger`, `dodo::sink` | what could not be stored, booked or sent on |
//! | `dodo::billing` | what billing ignored, and why a route or a request of its own failed |
//! | `dodo::dashboard` | why the dashboard did not answer |

// Items that only `internals` shows are unused without it. The checks hold with the feature.
#![cfg_attr(
    not(feature = "unstable-internals"),
    allow(dead_code, unreachable_pub, reason = "used by the companion crates")
)]

pub mod attribution;
pub mod capture;
pub mod checkout;
pub mod client;
mod detached;
mod dodo;
pub mod endpoint;
pub mod env;
mod environment;
mod error;
pub mod event;
mod head;
mod id;
mod json;
pub mod log;
pub mod money;
mod panic;
pub mod portal;
pub mod prelude;
mod refusal;
mod repeats;
mod return_url;
pub mod testing;
mod time;
mod web_url;
pub mod webhook;

pub(crate) use self::id::{PaymentId, SessionId, SubscriptionId};
pub use self::{
    client::Client,
    dodo::Dodo,
    environment::Environment,
    error::{BoxError, Error, ErrorKind},
    event::{Event, EventKind},
    head::{RequestHead, SignedIn},
    id::{CustomerId, ProductId},
    portal::CustomerPortal,
    webhook::{WebhookKey, Webhooks},
};

/// For the companion crates. Exempt from semantic versioning.
#[cfg(feature = "unstable-internals")]
#[doc(hidden)]
pub mod internals {
    pub use crate::{
        attribution::{
            classify::{ChargeFacts, ChargeHistory, Classified, SubscriptionState, classify},
            facts::records_for_event,
        },
        capture::{
            candidates::CaptureSource,
            inject::ClientMetadata,
            keys::{MetadataKey, OWNER_KEY, metadata_keys},
            preset::PresetField,
            trace::{CaptureOutcome, TracedValue},
            value::SkipReason,
        },
        checkout::guard::own_fields,
        client::{retry::retry_after, transport::was_not_sent},
        detached::{Stopped, to_the_end},
        endpoint::private::Sealed as SealedEndpoint,
        error::with_pointer,
        money::currency::minor_to_major,
        panic::{Panicked, catch},
        webhook::envelope::Envelope,
    };
}

pub(crate) type BoxFuture<T> =
    std::pin::Pin<Box<dyn std::future::Future<Output = T> + Send + 'static>>;
