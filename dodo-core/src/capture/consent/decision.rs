//! What a visitor agreed to.

use serde::{Deserialize, Serialize};

/// Whether the visitor agreed to be attributed. Taken at checkout, kept with the payment, and
/// checked again by each sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Consent {
    /// No consent gate is configured and no signal denies: capture is on.
    #[default]
    NotAsked,
    /// A consent gate granted.
    Granted,
    /// A consent gate or `Sec-GPC: 1` denied: the capture injects nothing, and third-party sinks
    /// skip the records.
    Denied,
}

impl Consent {
    /// Whether the visitor may be tied to the payment.
    #[must_use]
    pub const fn allows(self) -> bool {
        !matches!(self, Self::Denied)
    }
}
