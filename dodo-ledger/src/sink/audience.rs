//! Which records a sink is told at all.

use dodo_core::{
    attribution::{AttributionRecord, RecordKind},
    capture::consent::Consent,
};

/// Which records a sink is told at all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Audience {
    /// Somebody else's service: not told about visitors who said no.
    pub(super) third_party: bool,
    /// Only told about visitors who said yes.
    pub(super) only_granted: bool,
    /// Told about test mode, too.
    pub(super) test_mode: bool,
}

impl Audience {
    pub(super) const THIRD_PARTY: Self =
        Self { third_party: true, only_granted: false, test_mode: false };
    pub(super) const FIRST_PARTY: Self =
        Self { third_party: false, only_granted: false, test_mode: false };

    /// Whether this sink may be told this record.
    pub(super) fn admits(self, record: &AttributionRecord) -> bool {
        let consent = match record.consent {
            Consent::Granted => true,
            Consent::Denied => !self.third_party && !self.only_granted,
            _ => !self.only_granted,
        };
        consent && (record.live || self.test_mode) && says_something(record)
    }
}

/// Card updates and payments of nothing are no news, and neither is money that was claimed beyond
/// what was paid.
fn says_something(record: &AttributionRecord) -> bool {
    match record.kind {
        RecordKind::NonRevenue { .. } => false,
        _ if record.is_revenue() => record.money.is_none_or(|money| money.gross != 0),
        _ => true,
    }
}
