//! The durable inbox: committing deliveries, claiming them, and what becomes of them.

mod append;
mod booking;
pub(crate) mod claim;
pub(crate) mod operate;
mod postpone;
mod writer;

pub use self::operate::{InboxStats, StoredEvent};
pub(crate) use self::{
    booking::{Seen, Unbooked},
    claim::{Claim, Verdict},
    postpone::postpone,
    writer::Writer,
};
