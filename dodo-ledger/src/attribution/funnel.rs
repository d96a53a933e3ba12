//! The funnel: checkout sessions, and the last step that each of them reached.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use dodo_core::EventKind;

use super::{
    channel::Channel,
    dimension::{CampaignTexts, campaign_texts},
    fact::Fact,
    fact_kind::FactKind,
    money::{LAST_CHARGE, MoneyRow},
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
