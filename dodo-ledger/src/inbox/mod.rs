//! The durable inbox: committing deliveries, claiming them, and what becomes of them.

mod append;
mod booking;
pub(crate) mod claim;
mod erase;
pub(crate) mod operate;
mod writer;

pub use self::operate::{InboxStats, StoredEvent};
pub(crate) use self::{
    booking::{NotBooked, Seen, Unbooked},
    claim::{Claim, Verdict},
    writer::Writer,
};
