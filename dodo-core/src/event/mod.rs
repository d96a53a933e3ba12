//! Events: their kinds, their payloads, and the lenient reader.

mod date;
mod decimal;
pub(crate) mod fields;
mod kind;
pub(crate) mod lenient;
mod open_enum;
mod payload;
mod raw;
pub(crate) mod readable;
mod scalar;
mod table;

use std::{fmt, sync::Arc};

use http::Extensions;
/// A point in time in events and records.
pub use jiff::Timestamp;

pub use self::{
    date::Date,
    decimal::Decimal,
    kind::EventKind,
    lenient::FieldWarning,
    payload::*,
    raw::RawJson,
    scalar::{Metadata, MetadataValue},
};
pub(crate) use self::{date::read as read_date, table::for_each_event};

/// A verified webhook event.
///
/// `S` is the type of the state of
/// [`WebhooksBuilder::with_state`](crate::webhook::WebhooksBuilder::with_state).
#[derive(Clone)]
#[non_exhaustive]
pub struct Event<T, S = ()> {
    /// The `webhook-id`: the same at every retry and replay, so it is the idempotency key.
    pub id: String,
    /// The type of the event. It takes precedence over a status in `data`, which is the state at
    /// delivery.
    pub kind: EventKind,
    /// The time of the event. If the body has none, it is the time of receipt, with a warning.
    pub timestamp: Timestamp,
    /// The merchant. Empty if the body has none.
    pub business_id: String,
    /// `true` in live mode. The mode comes from the configuration of the route, because the body
    /// has none.
    pub live: bool,
    /// The object in its state at delivery.
    pub data: T,
    /// The application's state.
    pub state: S,
    pub(crate) context: Context,
}

/// The parts that all views of one delivery share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) raw: RawJson,
    pub(crate) warnings: Arc<[FieldWarning]>,
    pub(crate) attempt: u32,
    pub(crate) extensions: Extensions,
}

impl<T, S> Event<T, S> {
    /// `data` as it was sent.
    #[must_use]
    pub fn raw(&self) -> &RawJson {
        &self.context.raw
    }

    /// The unreadable fields, which are absent from `data`.
    #[must_use]
    pub fn warnings(&self) -> &[FieldWarning] {
        &self.context.warnings
    }

    /// The number of this attempt, from 1. Without an inbox it is always 1, because a retry of Dodo
    /// Payments has no number.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.context.attempt
    }

    /// Returns the values that the inbox attached to the event, such as its transaction. Empty
    /// without an inbox.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.context.extensions
    }
}

impl<T: fmt::Debug, S> fmt::Debug for Event<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("timestamp", &self.timestamp)
            .field("live", &self.live)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// A signed event that cannot be read: the body is not JSON, it has no `type`, a required field is
/// missing, or an amount is out of range.
#[derive(Clone)]
#[non_exhaustive]
pub struct UnreadableEvent {
    /// The whole body.
    pub body: RawJson,
    /// The place of the fault in the body: a JSON Pointer (RFC 6901). Empty: the whole body.
    pub pointer: String,
    /// The problem, for people. Never quotes the body.
    pub problem: String,
}

impl fmt::Debug for UnreadableEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnreadableEvent")
            .field("body", &self.body)
            .field("pointer", &self.pointer)
            .finish_non_exhaustive()
    }
}
