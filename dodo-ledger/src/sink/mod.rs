//! Sinks: whom the ledger tells about booked records.
//!
//! Every sink is told through the outbox: a row is written in the booking's transaction, and a worker
//! of its own delivers it, with retries, `Retry-After`, dead letters and replay. A sink that is down
//! delays nobody else. Repeats carry the same id, the record's.
//!
//! | sink | what it tells |
//! |---|---|
//! | [`Segment`] | events in the Dodo or the e-commerce vocabulary, over `/v1/batch`; RudderStack takes the same |
//! | [`Forwarder`] | each record as a signed webhook (Standard Webhooks) |
//! | [`JsonLines`] | each record as a line of a file |
//! | [`Callback`] | each record to a closure, or to any [`AttributionSink`](dodo_core::AttributionSink) |
//!
//! For a sink of your own, implement [`Sink`](crate::Sink).

mod audience;
mod callback;
mod forwarder;
mod http;
mod json_lines;
mod segment;

pub use self::{
    callback::Callback,
    forwarder::Forwarder,
    json_lines::{Fsync, JsonLines},
    segment::{Profile, RefundSign, Segment},
};
