//! Where a subscription stands: by the event that happened last, never by the one that came last.

use dodo_core::{EventKind, event::SubscriptionStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    evidence::{Origin, Subscription},
    facts::{self, Dated, SubscriptionFacts},
    history::History,
};
use crate::{engine::progress, error::Error};

/// What one event says about where its subscription stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Said {
    /// By the type of the event where it names one: the body may be newer than the event.
    pub status: Option<SubscriptionStatus>,
    /// When the next charge is due.
    pub next_billing_date: Option<Timestamp>,
    /// Whether it ends then instead.
    pub cancel_at_next_billing_date: Option<bool>,
}

impl Said {
    /// What a `subscription.*` event says.
    pub(super) fn of(kind: &EventKind, subscription: &dodo_core::event::Subscription) -> Self {
        Self {
            status: Self::status(kind).or_else(|| subscription.status.clone()),
            next_billing_date: subscription
                .next_billing_date
                .as_ref()
                .and_then(dodo_core::event::Date::timestamp),
            cancel_at_next_billing_date: Some(subscription.cancel_at_next_billing_date),
        }
    }

    /// The status that a type of event means.
    pub(super) fn status(kind: &EventKind) -> Option<SubscriptionStatus> {
        Some(match kind {
            EventKind::SubscriptionActive
            | EventKind::SubscriptionRenewed
            | EventKind::SubscriptionUnpaused => SubscriptionStatus::Active,
            EventKind::SubscriptionOnHold => SubscriptionStatus::OnHold,
            EventKind::SubscriptionPastDue => SubscriptionStatus::PastDue,
            EventKind::SubscriptionPaused => SubscriptionStatus::Paused,
            EventKind::SubscriptionCancelled => SubscriptionStatus::Cancelled,
            EventKind::SubscriptionFailed => SubscriptionStatus::Failed,
            EventKind::SubscriptionExpired => SubscriptionStatus::Expired,
            _ => return None,
        })
    }
}

/// What is known from all events of a subscription, each piece by the last one that said it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Standing {
    status: Option<Dated<SubscriptionStatus>>,
    product_id: Option<Dated<String>>,
    next_billing_date: Option<Dated<Timestamp>>,
    cancel_at_next_billing_date: Option<Dated<bool>>,
}

impl Standing {
    pub(super) fn learn(&mut self, origin: &Origin, subscription: &Subscription) {
        let Said { status, next_billing_date, cancel_at_next_billing_date } =
            subscription.said.clone();
        let tie = (next_billing_date, progress(&origin.event_type, status.as_ref()));
        Dated::last(&mut self.status, origin, tie, status);
        Dated::last(&mut self.product_id, origin, tie, subscription.product_id.clone());
        Dated::last(&mut self.next_billing_date, origin, tie, next_billing_date);
        let cancels = cancel_at_next_billing_date;
        Dated::last(&mut self.cancel_at_next_billing_date, origin, tie, cancels);
    }
}

/// Where a subscription stands, by the events that happened last, in whatever order they came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionStanding {
    /// `sub_...`.
    pub subscription_id: String,
    /// `None`: no event said.
    pub status: Option<SubscriptionStatus>,
    /// When the event happened that says so.
    pub since: Option<Timestamp>,
    /// The plan.
    pub product_id: Option<String>,
    /// When the next charge is due.
    pub next_billing_date: Option<Timestamp>,
    /// Whether it ends then instead.
    pub cancel_at_next_billing_date: bool,
}

/// Where a subscription stands; `None`: no event of it was booked.
pub(crate) async fn standing<H: History>(
    history: &mut H,
    subscription_id: &str,
) -> Result<Option<SubscriptionStanding>, Error> {
    let stored = history.facts(&[facts::key("subscription", subscription_id)]).await?;
    let known: Option<SubscriptionFacts> = facts::read(stored.first().and_then(Option::as_ref))?;
    Ok(known.map(|SubscriptionFacts { standing, .. }| SubscriptionStanding {
        subscription_id: subscription_id.to_owned(),
        since: standing.status.as_ref().map(Dated::at),
        status: standing.status.map(|dated| dated.value),
        product_id: standing.product_id.map(|dated| dated.value),
        next_billing_date: standing.next_billing_date.map(|dated| dated.value),
        cancel_at_next_billing_date: standing
            .cancel_at_next_billing_date
            .is_some_and(|dated| dated.value),
    }))
}
