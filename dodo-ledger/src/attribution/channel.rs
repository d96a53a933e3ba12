//! The channel of money: a campaign, another site, a direct visit, or unknown.

use std::fmt;

use serde::Serialize;

use super::{report::StepReason, visit_context::VisitContext};
use crate::attribution::Record;

/// The channel of the money of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Channel {
    /// A campaign brought the visitor.
    Campaign,
    /// An advertisement brought the visitor, by its click id and without a campaign.
    PaidClick,
    /// Another site sent the visitor, without a campaign.
    Referral,
    /// A page of the visit is known, but no campaign and no other site.
    Direct,
    /// The visit is unknown, or the rules ignore it. The reason of the record states the cause.
    NotAttributed,
}

impl Channel {
    /// Every channel in the order of the rules. The place of a channel is its stored number.
    pub(crate) const ALL: [Self; 5] =
        [Self::Campaign, Self::PaidClick, Self::Referral, Self::Direct, Self::NotAttributed];

    /// The number in stored sums: 1 for the first channel.
    pub(crate) fn number(self) -> i64 {
        (1..).zip(Self::ALL).find(|(_, channel)| *channel == self).map_or(0, |(number, _)| number)
    }

    /// The name in exports and groups.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::PaidClick => "paid_click",
            Self::Referral => "referral",
            Self::Direct => "direct",
            Self::NotAttributed => "not_attributed",
        }
    }

    /// The channel of a record.
    pub(crate) fn from_record(record: &Record) -> Self {
        match record.reason {
            Some(_) => Self::NotAttributed,
            None => {
                Self::from_visit(record.record.campaign.is_some(), record.visit_context.as_ref())
            }
        }
    }

    /// The channel of a visit that counts.
    pub(super) fn from_visit(has_campaign: bool, visit_context: Option<&VisitContext>) -> Self {
        if has_campaign {
            Self::Campaign
        } else if visit_context.is_some_and(|visit_context| visit_context.platform.is_some()) {
            Self::PaidClick
        } else if visit_context.is_some_and(|visit_context| visit_context.referrer_host.is_some()) {
            Self::Referral
        } else if visit_context.is_some_and(|visit_context| visit_context.landing_path.is_some()) {
            Self::Direct
        } else {
            Self::NotAttributed
        }
    }

    /// The name of the reason why the record is not attributed. `None`: it is attributed.
    pub(crate) fn reason(self, reason: Option<StepReason>) -> Option<&'static str> {
        (self == Self::NotAttributed).then(|| reason.map_or("unknown", StepReason::as_str))
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
