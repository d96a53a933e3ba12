//! Durable webhook inbox and attribution ledger for [Dodo Payments](https://dodopayments.com), on
//! SQLite or PostgreSQL through sqlx 0.9.
//!
//! [`Ledger::attach`] makes the ledger the inbox of a [`Webhooks`](dodo_core::Webhooks): the ledger
//! commits a delivery before the route answers 200, books it exactly once, and runs its callbacks
//! until they succeed. With [`SqliteTx`] or [`PgTx`] a callback writes to its own tables exactly once.
//! [`Ledger`] has an example of a server, [`SqliteTx`] of such a callback. To attribute payments,
//! also give the ledger to the checkout:
//! [`context_store`](dodo_core::checkout::CheckoutBuilder::context_store).

// `inbox` stores and claims deliveries. `attribution` turns them into facts and records. `booking` stores
// facts and records, and calls each `projection`. `worker` runs the bookings and the callbacks. `outbox` sends records to sinks.
// `schema` holds the tables, and `store` is the seam to the databases.

// The crate needs one of the two databases.
#![cfg(any(feature = "sqlite", feature = "postgres"))]

mod admin;
mod attach;
pub mod attribution;
mod audit;
#[doc(hidden)]
pub mod booking;
mod builder;
#[cfg(feature = "cli")]
pub mod cli;
mod context_store;
mod counters;
mod erasure;
mod error;
mod handle;
mod identity;
mod inbox;
mod ledger;
mod notify;
mod outbox;
pub mod projection;
pub mod query;
mod reconcile;
mod redact;
mod schema;
mod settings;
pub mod sink;
pub mod store;
mod stored_record;
mod supervisor;
mod tx;
mod void;
mod worker;

#[doc(hidden)]
pub use self::handle::LedgerHandle;
#[cfg(feature = "postgres")]
pub use self::tx::PgTx;
#[cfg(feature = "sqlite")]
pub use self::tx::SqliteTx;
pub use self::{
    audit::AuditEntry,
    booking::RebuildReport,
    builder::LedgerBuilder,
    erasure::ErasureReport,
    error::{Error, ErrorKind},
    identity::Identity,
    inbox::{FailedEventCursor, FailedEventPage, InboxStats, StoredEvent},
    ledger::Ledger,
    outbox::{CustomerHistory, DeadLetter, OutboxRecord, SendOutcome, Sink, SinkStats},
    reconcile::ReconcileReport,
    settings::{Jitter, Retention, RetryPolicy},
    store::Store,
    void::VoidOutcome,
    worker::Workers,
};
pub use sqlx;
