//! What was there to forget.

/// What was known of somebody who was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forgotten {
    /// Records that were changed.
    pub records: u64,
    /// Deliveries whose body was erased, or will be when a callback that waits for it is done.
    pub deliveries: u64,
    /// Whether anything was there: records, deliveries, or what was learned from events that bring no
    /// money. `false`: nobody of that id or address is known.
    pub anything: bool,
}
