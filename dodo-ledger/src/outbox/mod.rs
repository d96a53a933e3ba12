//! What sinks have still to be told: rows written in the booking's transaction, delivered by one
//! worker per sink, each with its own retry and dead letters.

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
