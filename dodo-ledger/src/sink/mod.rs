//! Sinks: destinations for booked records.
//!
//! Every sink receives records through the outbox: the booking transaction writes a row, and a
//! worker of the sink sends it, with retries, `Retry-After`, dead letters and replay. A sink that
//! is down delays no other sink. Each attempt has the same record id.
//!
//! | sink | content |
//! |---|---|
//! | [`Segment`] | events in the Dodo or the e-commerce vocabulary, over `/v1/batch`; RudderStack takes the same |
//! | [`DataFast`], [`Dub`], [`PostHog`], [`Ga4`] | events in the format of each tool |
//! | [`WebhookSink`] | each record as a signed webhook (Standard Webhooks) |
//! | [`JsonLines`] | each record as a line of a file |
//! | [`FnSink`] | each record to a closure, or to any [`AttributionSink`](dodo_core::attribution::AttributionSink) |
//!
//! For a sink of your own, implement [`Sink`](crate::Sink).

mod datafast;
mod dub;
mod filter;
mod fn_sink;
mod ga4;
mod http;
mod json;
mod json_lines;
mod options;
mod posthog;
mod segment;
mod webhook_sink;

pub use self::{
    datafast::DataFast,
    dub::Dub,
    fn_sink::FnSink,
    ga4::Ga4,
    json_lines::{Fsync, JsonLines},
    posthog::PostHog,
    segment::{EventNames, RefundSign, Segment, SegmentEvent},
    webhook_sink::WebhookSink,
};
