//! The durable inbox: committing deliveries, claiming them, and what becomes of them.

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
