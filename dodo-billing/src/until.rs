//! The end of an access.

use std::cmp::Ordering;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The end of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Access ends at this time. At the time itself it is over.
    At(Timestamp),
    /// No fact tells the end. A check is requested.
    Unknown,
    /// Access has no end.
    NoEnd,
}

impl Until {
    /// The time, if it is known.
    #[must_use]
    pub fn time(self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Unknown | Self::NoEnd => None,
        }
    }
}

impl From<Option<Timestamp>> for Until {
    fn from(end: Option<Timestamp>) -> Self {
        end.map_or(Self::NoEnd, Self::At)
    }
}

/// An earlier end is less than a later end. No end is the greatest, an unknown end the least.
impl Ord for Until {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |until: &Self| match until {
            Self::Unknown => (0, Timestamp::MIN),
            Self::At(at) => (1, *at),
            Self::NoEnd => (2, Timestamp::MIN),
        };
        rank(self).cmp(&rank(other))
    }
}

impl PartialOrd for Until {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A time and a duration, limited to the times that exist.
pub(crate) fn later(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}
