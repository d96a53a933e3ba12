//! The records that a sink receives.

use dodo_core::{
    attribution::{AttributionRecord, RecordKind},
    capture::consent::Consent,
};

/// The records that a sink receives.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordFilter {
    /// A service of a third party: it receives no record of visitors who denied consent.
    pub(super) third_party: bool,
    /// It receives only records of visitors who granted consent.
    pub(super) only_granted: bool,
    /// It also receives records of test mode.
    pub(super) test_mode: bool,
}

impl RecordFilter {
    pub(super) const THIRD_PARTY: Self =
        Self { third_party: true, only_granted: false, test_mode: false };
    pub(super) const FIRST_PARTY: Self =
        Self { third_party: false, only_granted: false, test_mode: false };

    /// Returns whether this sink may receive this record.
    pub(super) fn accepts(self, record: &AttributionRecord) -> bool {
        let consent = match record.consent {
            Consent::Granted => true,
            Consent::Denied => !self.third_party && !self.only_granted,
            _ => !self.only_granted,
        };
        consent && (record.live || self.test_mode) && says_something(record)
    }
}

/// Skips card updates, payments of zero, and amounts clamped to zero.
fn says_something(record: &AttributionRecord) -> bool {
    match record.kind {
        RecordKind::NonRevenue { .. } => false,
        _ if record.kind.is_revenue() => record.money.is_none_or(|money| money.gross != 0),
        _ => true,
    }
}
