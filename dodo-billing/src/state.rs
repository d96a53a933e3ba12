//! The states of an access, best first.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of an access. The first states are better than the later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessState {
    /// Paid, granted, or without an end.
    Active,
    /// In a trial.
    Trialing,
    /// Canceled. The paid time or the trial still runs.
    Cancelled,
    /// After the paid time, because a charge failed or a renewal is not confirmed.
    Grace,
    /// Paused: no access.
    Paused,
    /// Ended: no access.
    Ended,
    /// Without any purchase: no access.
    None,
}

impl AccessState {
    /// Whether the state gives access.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Active | Self::Trialing | Self::Cancelled | Self::Grace)
    }

    /// The state as text, such as `trialing`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Trialing => "trialing",
            Self::Cancelled => "cancelled",
            Self::Grace => "grace",
            Self::Paused => "paused",
            Self::Ended => "ended",
            Self::None => "none",
        }
    }
}

impl fmt::Display for AccessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
