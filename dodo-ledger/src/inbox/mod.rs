//! The durable inbox: committing deliveries, claiming them, and what becomes of them.

pub(crate) mod admin;
mod append;
mod booking;
pub(crate) mod claim;
mod erase;
mod writer;

pub use self::admin::{InboxStats, StoredEvent};
pub(crate) use self::{
    booking::{NotBooked, Seen, Unbooked},
    claim::{AttemptOutcome, Claim},
    writer::Writer,
};
