//! The observations of a subscription, and their order.
//!
//! A webhook gives two observations. The *transition* is the meaning of its type at the time of the event.
//! The *snapshot* is its body, which Dodo Payments renders at each attempt, so it can be newer. An API
//! response is one snapshot.

use dodo_core::{EventKind, event::SubscriptionStatus as Status};
use jiff::Timestamp;

use crate::fact::{BillingFact, BillingFactKind, SubscriptionBody};

/// One observation of a subscription.
pub(crate) struct Observation<'a> {
    pub(crate) at: Timestamp,
    pub(crate) from_api: bool,
    pub(crate) status: Status,
    /// `None`: a transition.
    pub(crate) snapshot: Option<&'a SubscriptionBody>,
    next_billing_date: Option<Timestamp>,
    progress: u8,
    id: &'a str,
}

/// The order of observations: time, API after webhooks, later billing date, progress, id, snapshot last.
type Order<'a> = (Timestamp, bool, Option<Timestamp>, u8, &'a str, bool);

impl<'a> Observation<'a> {
    /// Returns the observations of a fact. A body without a status has none.
    pub(crate) fn from_fact(fact: &'a BillingFact) -> impl Iterator<Item = Self> {
        let (transition, snapshot) = match &fact.kind {
            BillingFactKind::Subscription { event, attempt_at, body } => {
                let meaning = event.subscription_status();
                let new = |at, status: Status, snapshot| {
                    let progress = progress(event, &status);
                    let next_billing_date = body.next_billing_date;
                    let id = &*fact.id;
                    Self { at, from_api: false, status, snapshot, next_billing_date, progress, id }
                };
                let at = as_of(fact.at, attempt_at.unwrap_or(fact.at), meaning.as_ref(), body);
                let status = body.status.clone().or_else(|| meaning.clone());
                let transition = meaning.map(|status| new(fact.at, status, None));
                (transition, status.map(|status| new(at, status, Some(&**body))))
            }
            BillingFactKind::Snapshot { body } => {
                let snapshot = body.status.clone().map(|status| Self {
                    at: fact.at,
                    from_api: true,
                    progress: progress_of(&status),
                    status,
                    snapshot: Some(body),
                    next_billing_date: body.next_billing_date,
                    id: &fact.id,
                });
                (None, snapshot)
            }
            _ => (None, None),
        };
        transition.into_iter().chain(snapshot)
    }

    /// Whole-second times and a frozen test clock are common, so the time alone decides too little.
    pub(crate) fn order(&self) -> Order<'_> {
        let is_snapshot = self.snapshot.is_some();
        (self.at, self.from_api, self.next_billing_date, self.progress, self.id, is_snapshot)
    }
}

/// The time that a body describes: between the event and the attempt that rendered it.
fn as_of(
    event_at: Timestamp,
    attempt_at: Timestamp,
    meaning: Option<&Status>,
    body: &SubscriptionBody,
) -> Timestamp {
    let contradicts = meaning.zip(body.status.as_ref()).is_some_and(|(of, in_body)| of != in_body);
    if contradicts {
        return attempt_at.max(event_at);
    }
    let due = matches!(body.status.as_ref().or(meaning), Some(Status::OnHold | Status::PastDue))
        .then_some(body.next_billing_date)
        .flatten();
    let expiry = matches!(body.status.as_ref().or(meaning), Some(Status::Expired))
        .then_some(body.expires_at)
        .flatten();
    let times = [body.previous_billing_date, body.cancelled_at, body.paused_at, due, expiry];
    let times = times.into_iter().flatten().filter(|at| *at <= attempt_at);
    times.chain([event_at]).max().unwrap_or(event_at)
}

/// The place of an observation in the life of a subscription, for observations of one instant.
fn progress(event: &EventKind, status: &Status) -> u8 {
    match (event, status) {
        (EventKind::SubscriptionRenewed, Status::Active) => 3,
        (EventKind::SubscriptionUnpaused, Status::Active) => 4,
        (EventKind::SubscriptionPlanChanged, Status::Active) => 5,
        (EventKind::SubscriptionUpdated, Status::Active) => 6,
        (EventKind::SubscriptionUpdatePaymentMethod, Status::Active) => 7,
        (_, status) => progress_of(status),
    }
}

fn progress_of(status: &Status) -> u8 {
    match status {
        Status::Pending => 0,
        Status::Failed => 1,
        Status::PastDue => 8,
        Status::OnHold => 9,
        Status::Paused => 10,
        Status::Cancelled => 11,
        Status::Expired => 12,
        _ => 2,
    }
}
