//! The durable inbox: stores deliveries, hands them to workers, and stores the results.

pub(crate) mod admin;
mod append;
mod booking;
pub(crate) mod claim;
mod erase;
mod writer;

pub use self::admin::{FailedEventCursor, FailedEventPage, InboxStats, StoredEvent};
pub(crate) use self::{
    booking::{EventMeta, NotBooked, Unbooked},
    claim::{AttemptOutcome, LeasedEvent},
    writer::Writer,
};
