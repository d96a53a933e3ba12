//! The stored answer of an owner. It is valid until its next change. After that, billing derives
//! the answer from the facts.

use jiff::Timestamp;

use crate::access::Access;

/// The serialized answer of the row.
pub(crate) fn to_json(access: &Access) -> String {
    serde_json::to_string(access).unwrap_or_default()
}

/// The answer that was stored last. `None`: the owner is new.
pub(crate) fn stored(json: &str) -> Option<Access> {
    serde_json::from_str(json).ok()
}

/// The stored answer, if it holds at this time.
pub(crate) fn current(json: &str, now: Timestamp) -> Option<Access> {
    stored(json).filter(|access| access.next_change().is_none_or(|change| now < change))
}
