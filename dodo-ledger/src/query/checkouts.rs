//! The answers to questions about checkout sessions.

use jiff::SignedDuration;

use crate::{attribution::Dimension, error::Error, store::sql::Row};

/// The counts of some checkout sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunnelSums {
    /// Sessions that were opened.
    pub opened: u64,
    /// Of these, with a payment that succeeded, failed or was begun.
    pub tried: u64,
    /// Of these, with a charge.
    pub paid: u64,
    /// Of these, with a net amount above 0 after refunds and lost disputes.
    pub kept: u64,
    /// Opened less than 24 hours ago and not paid.
    pub open: u64,
    /// Paid, with a failed payment in the same session.
    pub recovered: u64,
}

impl FunnelSums {
    /// Opened 24 hours ago or earlier, and not paid.
    #[must_use]
    pub const fn abandoned(&self) -> u64 {
        self.opened.saturating_sub(self.paid).saturating_sub(self.open)
    }

    pub(super) fn read(row: &mut Row, at: usize) -> Result<Self, Error> {
        Ok(Self {
            opened: count(row.int(at)?),
            tried: count(row.int(at + 1)?),
            paid: count(row.int(at + 2)?),
            kept: count(row.int(at + 3)?),
            open: count(row.int(at + 4)?),
            recovered: count(row.int(at + 5)?),
        })
    }
}

/// The counts of a span, and of the span that it is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunnelCompared {
    /// The counts of the span.
    pub now: FunnelSums,
    /// The counts of the span of [`versus`](super::Funnel::versus).
    pub before: Option<FunnelSums>,
}

/// The values of a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunnelBreakdown {
    /// The dimension.
    pub by: Dimension,
    /// One row per value, the most opened sessions first.
    pub rows: Vec<FunnelRow>,
    /// Sessions without a value. They are in no row.
    pub none: FunnelCompared,
    /// All sessions.
    pub total: FunnelCompared,
    /// The number of all values, in `rows` or not.
    pub count: u64,
}

/// One value of a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunnelRow {
    /// The value.
    pub value: String,
    /// Its counts.
    pub sums: FunnelCompared,
}

/// Sessions whose last failed payment has the same code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunnelFailure {
    /// The code of Dodo Payments. `None`: the payment has none.
    pub code: Option<String>,
    /// The number of sessions.
    pub sessions: u64,
    /// Of these, paid.
    pub recovered: u64,
}

/// The time from the start of a checkout to its charge. Each class includes its bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunnelWaits {
    /// Sessions that were paid within an hour.
    pub hour: u64,
    /// Later, within 24 hours.
    pub day: u64,
    /// Later, within 7 days.
    pub week: u64,
    /// Later, within 30 days.
    pub month: u64,
    /// Later.
    pub longer: u64,
    /// The median time, rounded up: to a second up to 2 minutes, to a minute up to 2 hours, to an hour up
    /// to 2 days, and to a day beyond. `None`: no session was paid.
    pub median: Option<SignedDuration>,
}

pub(super) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
