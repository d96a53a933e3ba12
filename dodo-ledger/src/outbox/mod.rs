//! The outbox: rows of the booking transaction. One worker per sink sends them, with its own
//! retries and dead letters.

mod admin;
mod customer_history;
mod queue;
mod recipients;
mod replay;
mod sink;
mod worker;

#[cfg(feature = "cli")]
pub(crate) use self::admin::is_known;
pub use self::{
    admin::{DeadLetter, SinkStats},
    sink::{CustomerHistory, OutboxRecord, SendOutcome, Sink},
};
pub(crate) use self::{
    admin::{dead_letters, has_work, redrive, stats},
    recipients::Recipients,
    replay::replay,
    sink::{CALLBACK_FAILED, ErasedSink},
    worker::run,
};
