//! How money came in: by a campaign, another site, directly, or not known.

use std::fmt;

use dodo_core::attribution::AttributionRecord;
use serde::Serialize;

use crate::attribution::{Derived, Journey, Reason};

/// How the money of a record came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Channel {
    /// A campaign brought the visitor.
    Campaign,
    /// Another site sent the visitor, without a campaign.
    Referral,
    /// A page of the visit is known, but no campaign and no other site.
    Direct,
    /// Nothing of the visit is known, or it does not count. The reason says why.
    NotAttributed,
}

/// [`Channel::of`] in SQL, over the columns of an entry.
pub(super) const CHANNEL: &str = "CASE WHEN reason IS NOT NULL THEN 'not_attributed'
    WHEN campaign_step < 8 THEN 'campaign'
    WHEN referrer_host IS NOT NULL THEN 'referral'
    WHEN landing_path IS NOT NULL THEN 'direct'
    ELSE 'not_attributed' END";

/// [`Dimension::Reason`](super::Dimension::Reason) in SQL. An entry of an older version has no reason.
pub(super) const REASON: &str = "CASE WHEN campaign_step = 8 AND referrer_host IS NULL
    AND landing_path IS NULL THEN COALESCE(reason, 'unknown') ELSE reason END";

impl Channel {
    /// The name in exports and groups.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::Referral => "referral",
            Self::Direct => "direct",
            Self::NotAttributed => "not_attributed",
        }
    }

    pub(super) fn of(record: &AttributionRecord, derived: &Derived) -> Self {
        let journey = derived.journey.as_ref();
        let knows = |part: fn(&Journey) -> bool| journey.is_some_and(part);
        if derived.reason.is_some() {
            Self::NotAttributed
        } else if record.campaign.is_some() {
            Self::Campaign
        } else if knows(|journey| journey.referrer_host.is_some()) {
            Self::Referral
        } else if knows(|journey| journey.landing_path.is_some()) {
            Self::Direct
        } else {
            Self::NotAttributed
        }
    }

    /// Why it is not attributed, if it is not.
    pub(super) fn reason(self, derived: &Derived) -> Option<&'static str> {
        let reason = || derived.reason.map_or("unknown", Reason::as_str);
        (self == Self::NotAttributed).then(reason)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
