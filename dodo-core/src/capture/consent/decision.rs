//! The consent of a visitor.

use serde::{Deserialize, Serialize};

/// The decision of the visitor on attribution. The checkout reads it, the ledger stores it with the
/// payment, and each sink checks it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Consent {
    /// No consent gate is configured and no signal denies, so the capture runs.
    #[default]
    NotAsked,
    /// A consent gate granted.
    Granted,
    /// A consent gate or `Sec-GPC: 1` denied: the capture injects nothing, and third-party sinks
    /// skip the records.
    Denied,
}

impl Consent {
    /// Whether the payment may be linked to the visitor.
    #[must_use]
    pub const fn allows(self) -> bool {
        !matches!(self, Self::Denied)
    }
}
