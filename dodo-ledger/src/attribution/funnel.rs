//! The funnel: checkout sessions, and the last step that each of them reached.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use dodo_core::EventKind;
use jiff::tz::TimeZone;

use super::{
    channel::Channel,
    dimension::{CAMPAIGN_TEXTS, CampaignTexts, Dimension, campaign_texts},
    fact::Fact,
    fact_kind::FactKind,
    money::{LAST_CHARGE, MoneyRow, TOTAL, buckets},
    objects::consent_of,
    record::Record,
    sanitize,
    timeline::Timeline,
};

/// A checkout session with a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunnelSession {
    /// `cks_...`.
    pub id: String,
    /// The time at which the checkout began, in microseconds since 1970.
    pub at: i64,
    /// `None`: a context does not know its mode, and the session has no payment.
    pub live: Option<bool>,
    /// A payment succeeded, failed or was begun.
    pub tried: bool,
    /// The time of the first charge, in microseconds since 1970.
    pub paid_at: Option<i64>,
    /// The charges exceed their reversals.
    pub kept: bool,
    /// The code of the last failed payment; empty: it has none.
    pub failure: Option<String>,
    /// The number of the [`Channel`].
    pub channel: i64,
    /// The values of the campaign.
    pub texts: CampaignTexts,
}

impl FunnelSession {
    /// The values in the dictionary, each with the number of its dimension.
    pub(crate) fn values(&self) -> impl Iterator<Item = (i64, &str)> {
        (1..).zip(&self.texts).filter_map(|(dim, text)| Some((dim, text.as_deref()?)))
    }

    /// The session of a context, before its payments are added.
    fn from_context(id: &str, context: &Fact) -> Self {
        let visit = context.person.as_ref().filter(|_| consent_of(context).allows());
        let campaign = visit.and_then(|visit| visit.own.campaign.as_ref());
        let visit_context = visit
            .and_then(|visit| Some(visit.visit_context.clone()?.with_click_ids(&visit.click_ids)));
        let channel = Channel::from_visit(campaign.is_some(), visit_context.as_ref());
        Self {
            id: id.to_owned(),
            at: context.occurred_at.as_microsecond(),
            live: None,
            tried: false,
            paid_at: None,
            kept: false,
            failure: None,
            channel: channel.number(),
            texts: campaign_texts(channel, campaign, visit_context.as_ref()),
        }
    }
}

/// The sessions with a context, sorted by id. `records` are those of the timeline.
#[must_use]
pub fn funnel_sessions<'a>(
    timeline: &'a Timeline,
    records: impl IntoIterator<Item = &'a Record>,
) -> Vec<FunnelSession> {
    let mut sessions: BTreeMap<&str, FunnelSession> = BTreeMap::new();
    for fact in timeline.facts() {
        if let FactKind::Context { session_id, .. } = &fact.kind {
            sessions.insert(session_id, FunnelSession::from_context(session_id, fact));
        }
    }
    if sessions.is_empty() {
        return Vec::new();
    }
    let mut paid_by: HashMap<&str, &str> = HashMap::new();
    for fact in timeline.facts() {
        let (session, failure) = match &fact.kind {
            FactKind::Charge(charge) => {
                let session = charge.session_id.as_deref();
                paid_by.extend(session.map(|session| (charge.payment_id.as_str(), session)));
                (session, None)
            }
            FactKind::FailedPayment(failed) => {
                let is_failure = fact.event_type == EventKind::PaymentFailed;
                let code = || failed.error_code.as_deref().map(str::trim).unwrap_or_default();
                (failed.session_id.as_deref(), is_failure.then(|| sanitize::column(code())))
            }
            _ => continue,
        };
        let Some(session) = session.and_then(|id| sessions.get_mut(id)) else { continue };
        session.tried = true;
        session.live = Some(fact.live);
        session.failure = failure.map(Cow::into_owned).or_else(|| session.failure.take());
    }
    let mut net: HashMap<(&str, String), i128> = HashMap::new();
    for record in records {
        let Some(session_id) = paid_by.get(record.record.payment_id.as_str()).copied() else {
            continue;
        };
        let Some(row) = MoneyRow::from_record(record) else { continue };
        let Some(session) = sessions.get_mut(session_id) else { continue };
        if row.kind <= LAST_CHARGE {
            session.paid_at = Some(session.paid_at.map_or(row.at, |at| at.min(row.at)));
        }
        *net.entry((session_id, row.currency)).or_default() += i128::from(row.net);
    }
    for ((session_id, _), net) in net {
        if let Some(session) = sessions.get_mut(session_id) {
            session.kept |= net > 0 && session.paid_at.is_some();
        }
    }
    sessions.into_values().collect()
}

/// The number of the times to pay, beside the numbers of the dimensions.
pub(crate) const WAITS: i64 = -1;
/// The units of a time to pay, in microseconds, each with the longest time that it measures.
pub(crate) const WAIT_UNITS: [(i64, i64); 4] = [
    (1_000_000, 120_000_000),
    (60_000_000, 7_200_000_000),
    (3_600_000_000, 172_800_000_000),
    (86_400_000_000, i64::MAX),
];

/// One sum of the funnel: a mode, a dimension with one value, and a day or a month of the opening.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FunnelKey {
    /// -1: not known.
    pub(crate) live: i64,
    /// The number of the dimension. 0: all sessions. [`WAITS`]: paid sessions, by their time to pay.
    pub(crate) dim: i64,
    /// As in [`RollKey`](super::RollKey).
    pub(crate) grain: i64,
    pub(crate) bucket: i64,
    /// The id of the value. For the channel: its number. For a time to pay: seconds.
    pub(crate) value: i64,
}

/// The counts of some sessions: opened, tried, paid, kept, recovered.
pub(crate) type FunnelCounts = [i64; 5];

/// The counts of sessions by key.
pub(crate) type FunnelRolls = BTreeMap<FunnelKey, FunnelCounts>;

/// A session with the ids of its values in the order of the dimensions; 0: none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FunnelEntry {
    pub(crate) at: i64,
    pub(crate) live: i64,
    pub(crate) tried: bool,
    pub(crate) paid_at: Option<i64>,
    pub(crate) kept: bool,
    pub(crate) has_failed: bool,
    pub(crate) channel: i64,
    pub(crate) values: [i64; CAMPAIGN_TEXTS],
}

impl FunnelEntry {
    /// Adds the session to the counts (`sign` 1) or takes it from them (`sign` -1).
    pub(crate) fn roll(&self, rolls: &mut FunnelRolls, zone: &TimeZone, sign: i64) {
        let is_paid = self.paid_at.is_some();
        let counts = [true, self.tried, is_paid, self.kept, is_paid && self.has_failed];
        let (day, month) = buckets(self.at, zone);
        let wait = self.paid_at.map(|paid_at| (WAITS, wait_of(self.at, paid_at)));
        let channel = Dimension::Channel.number().map(|number| (number, self.channel));
        let values = (1..).zip(self.values);
        for (dim, value) in [(TOTAL, 0)].into_iter().chain(values).chain(channel).chain(wait) {
            for (grain, bucket) in [(0, day), (1, month)] {
                let key = FunnelKey { live: self.live, dim, grain, bucket, value };
                let sums = rolls.entry(key).or_default();
                sums.iter_mut().zip(counts).for_each(|(sum, n)| *sum += i64::from(n) * sign);
            }
        }
    }
}

/// The seconds from the start of a checkout to its charge, rounded up to its unit.
fn wait_of(at: i64, paid_at: i64) -> i64 {
    let wait = paid_at.saturating_sub(at).max(0);
    let (unit, _) = WAIT_UNITS.into_iter().find(|(_, most)| wait <= *most).unwrap_or_default();
    (wait / unit + i64::from(wait % unit > 0)) * (unit / 1_000_000)
}

/// The numbers of the dimensions with counts.
pub(crate) fn funnel_dims() -> impl Iterator<Item = i64> {
    let channel = Dimension::Channel.number();
    let campaign = Dimension::CAMPAIGN.into_iter().filter_map(Dimension::number);
    [WAITS, TOTAL].into_iter().chain(campaign).chain(channel)
}
