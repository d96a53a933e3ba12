//! Events: their kinds, their payloads, and how leniently they are read.

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
/// A moment in time, as events and records carry it.
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
/// `S` is what [`WebhooksBuilder::with_state`](crate::webhook::WebhooksBuilder::with_state) was given.
#[derive(Clone)]
#[non_exhaustive]
pub struct Event<T, S = ()> {
    /// The `webhook-id`: the same at every retry and replay, so it is the idempotency key.
    pub id: String,
    /// What happened. Counts more than a status in `data`, which is the state at delivery.
    pub kind: EventKind,
    /// When it happened; when it was received, if the body does not say (with a warning).
    pub timestamp: Timestamp,
    /// The merchant; empty if the body does not say.
    pub business_id: String,
    /// Whether real money moves: what the route was configured with, as the body does not say.
    pub live: bool,
    /// The object, as it is at delivery.
    pub data: T,
    /// The application's state.
    pub state: S,
    pub(crate) context: Context,
}

/// What every view of one delivery shares.
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

    /// What could not be read and is therefore absent from `data`.
    #[must_use]
    pub fn warnings(&self) -> &[FieldWarning] {
        &self.context.warnings
    }

    /// Which attempt to handle it this is, from 1. Without an inbox always 1: retries of Dodo
    /// Payments do not say which they are.
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
    /// Where in the body the fault is: a JSON Pointer (RFC 6901). Empty: everywhere.
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
