//! Whether a charge is a first one or a renewal.

use dodo_core::{Basis, NonRevenueReason, RecordKind};
use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};

use super::{
    evidence::{Charge, ChargeType},
    facts::SubscriptionFacts,
};

/// What a charge is, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) kind: RecordKind,
    pub(super) basis: Basis,
    pub(super) plan_change: bool,
    pub(super) on_demand: bool,
}

/// Classifies a payment that succeeded. `paid_before`: one of its subscriptions has a paid charge
/// that was made earlier. `known`: the facts of its subscriptions.
pub(super) fn classify(charge: &Charge, paid_before: bool, known: &[SubscriptionFacts]) -> Class {
    let says = charge.charge_type;
    let plan_change = says == Some(ChargeType::PlanChange)
        || (says.is_none()
            && !charge.card_update
            && paid_before
            && charge.retry_attempt == 0
            && known.iter().any(|facts| facts.plan_changed_around(charge.created_at)));
    let on_demand = says == Some(ChargeType::OnDemand)
        || (says.is_none() && known.iter().any(|facts| facts.on_demand));
    let (kind, basis) = kind_and_basis(charge, paid_before, known);
    let recurring = matches!(kind, RecordKind::SubscriptionNew | RecordKind::SubscriptionRenewal);
    Class { kind, basis, plan_change: plan_change && recurring, on_demand: on_demand && recurring }
}

fn kind_and_basis(
    charge: &Charge,
    paid_before: bool,
    known: &[SubscriptionFacts],
) -> (RecordKind, Basis) {
    use RecordKind::{NonRevenue, OneTime, SubscriptionNew, SubscriptionRenewal};

    let says = charge.charge_type;
    let shown = Basis::Event;
    let no_subscription = charge.subscription_ids.is_empty() && !charge.multi_subscription;
    if charge.card_update {
        return (NonRevenue { reason: NonRevenueReason::Setup }, shown);
    }
    if charge.total == 0 {
        return (NonRevenue { reason: NonRevenueReason::Free }, shown);
    }
    if no_subscription {
        return (OneTime, shown);
    }
    match says {
        Some(ChargeType::New) => return (SubscriptionNew, Basis::ChargeType),
        Some(ChargeType::Renewal) => return (SubscriptionRenewal, Basis::ChargeType),
        _ => {}
    }
    if charge.multi_subscription {
        return (SubscriptionNew, Basis::MultiFlag);
    }
    if paid_before {
        return (SubscriptionRenewal, Basis::History);
    }
    if charge.retry_attempt > 0 {
        return (SubscriptionRenewal, Basis::RetryAttempt);
    }
    if known.iter().any(|facts| is_past_first_charge(facts, charge.created_at)) {
        return (SubscriptionRenewal, Basis::SubscriptionAge);
    }
    match charge.earlier_paid {
        Some(true) => (SubscriptionRenewal, Basis::ApiLookup),
        Some(false) => (SubscriptionNew, Basis::ApiLookup),
        None => (SubscriptionNew, Basis::Assumed),
    }
}

/// Whether a charge at this time comes after the subscription's first one must have been made: its
/// creation, its trial and one interval ago, within a day or half the interval.
fn is_past_first_charge(facts: &SubscriptionFacts, at: Timestamp) -> bool {
    if facts.on_demand {
        return false; // charged when the merchant likes: its age says nothing
    }
    let (Some(created), Some(interval)) = (facts.created_at, facts.interval()) else {
        return false;
    };
    let due = || {
        let first = add(created, Span::new().try_days(facts.trial_days().max(0)).ok()?)?;
        let second = add(first, span(interval)?)?;
        let half = SignedDuration::from_secs(second.duration_since(first).as_secs() / 2);
        second.checked_sub(half.min(SignedDuration::from_hours(24))).ok()
    };
    due().is_some_and(|due| at >= due)
}

fn span((count, unit): (i64, &str)) -> Option<Span> {
    let span = Span::new();
    match unit {
        "day" => span.try_days(count),
        "week" => span.try_weeks(count),
        "month" => span.try_months(count),
        "year" => span.try_years(count),
        _ => return None,
    }
    .ok()
}

/// Calendar arithmetic in UTC: a month after 31 January is the last of February.
fn add(at: Timestamp, span: Span) -> Option<Timestamp> {
    at.to_zoned(TimeZone::UTC).checked_add(span).ok().map(|zoned| zoned.timestamp())
}
