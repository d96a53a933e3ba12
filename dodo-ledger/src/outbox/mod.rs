//! The outbox: rows of the booking transaction. One worker per sink sends them, with its own
//! retries and dead letters.

mod customer;
mod operate;
mod recipients;
mod replay;
mod rows;
mod sink;
mod worker;

pub use self::{
    operate::{DeadLetter, SinkStats},
    sink::{CustomerHistory, OutboxRecord, SendOutcome, Sink},
};
pub(crate) use self::{
    operate::{dead_letters, has_work, is_known, revive, stats},
    recipients::Recipients,
    replay::replay,
    sink::ErasedSink,
    worker::run,
};
