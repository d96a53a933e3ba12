//! The classification of charges: no revenue, one-time payment, first charge or renewal.

use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};

use super::{ClassificationBasis, NonRevenueReason, RecordKind};
use crate::event::{ChargeType, Date, Payment};

/// The data of a successful payment that decide its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChargeFacts {
    /// The time of the payment.
    pub made_at: Timestamp,
    /// The amount paid, with tax, in minor units.
    pub total: i64,
    /// Every subscription that the payment starts or pays for.
    pub subscription_ids: Vec<String>,
    /// The payment starts several subscriptions.
    pub multi_subscription: bool,
    /// The payment only checks a new card.
    pub card_update: bool,
    /// The number of the retry of a failed renewal; 0 is none.
    pub retry_attempt: i64,
    /// The statement of Dodo Payments, if the payload has it.
    pub charge_type: Option<ChargeType>,
}

impl ChargeFacts {
    /// Reads the data of a payment. `otherwise` replaces a missing creation time.
    #[must_use]
    pub fn from_payment(payment: &Payment, otherwise: Timestamp) -> Self {
        Self {
            made_at: payment.created_at.as_ref().and_then(Date::timestamp).unwrap_or(otherwise),
            total: payment.total_amount,
            subscription_ids: subscription_ids(payment),
            multi_subscription: payment.is_multi_subscription,
            card_update: payment.is_update_payment_method,
            retry_attempt: payment.retry_attempt.unwrap_or_default(),
            charge_type: payment.charge_type.clone(),
        }
    }
}

fn subscription_ids(payment: &Payment) -> Vec<String> {
    let mut ids = payment.subscription_ids.clone();
    if let Some(id) = &payment.subscription_id
        && !ids.contains(id)
    {
        ids.insert(0, id.clone());
    }
    ids
}

/// The context of a charge: its history and its subscriptions. Default: empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChargeHistory {
    /// One of the subscriptions has an earlier paid charge.
    pub paid_before: bool,
    /// The known subscriptions of the charge.
    pub subscriptions: Vec<SubscriptionState>,
}

/// The state of a subscription at the time of one of its charges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionState {
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// 0: no trial.
    pub trial_days: i64,
    /// The time between two charges: a number, and `day`, `week`, `month` or `year`.
    pub interval: Option<(i64, String)>,
    /// The merchant charges it on demand.
    pub on_demand: bool,
    /// The plan changed around the time of the charge.
    pub plan_changed: bool,
    /// The ledger has an event from the first 24 hours of the subscription, so it knows every
    /// earlier charge.
    pub seen_from_start: bool,
}

/// The kind of a charge, and the basis of the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Classified {
    /// The kind of the charge.
    pub kind: RecordKind,
    /// The basis of the decision.
    pub basis: ClassificationBasis,
    /// A plan change caused the charge. Never changes the kind.
    pub plan_change: bool,
    /// The charge was made through the API. Never changes the kind.
    pub on_demand: bool,
}

/// Classifies a payment that succeeded. The first matching row decides:
///
/// | # | condition | kind | basis |
/// |---|---|---|---|
/// | 1 | card update; zero amount; no subscription | no revenue; no revenue; one-time | [`Event`](ClassificationBasis::Event) |
/// | 2 | several subscriptions started | new | [`MultiFlag`](ClassificationBasis::MultiFlag) |
/// | 3 | an earlier paid charge of one of its subscriptions | renewal | [`History`](ClassificationBasis::History) |
/// | 4 | every known subscription was seen from its start | new | [`History`](ClassificationBasis::History) |
/// | 5 | a subscription is older than its trial and one interval | renewal | [`SubscriptionAge`](ClassificationBasis::SubscriptionAge) |
/// | 6 | `charge_type` is `new` or `renewal` | that | [`ChargeType`](ClassificationBasis::ChargeType) |
/// | 7 | the charge is a retry | renewal | [`RetryAttempt`](ClassificationBasis::RetryAttempt) |
/// | 8 | otherwise | new | [`Assumed`](ClassificationBasis::Assumed) |
///
/// Row 5 accepts a charge that is up to a day early, or half the interval if that is shorter. It ignores
/// subscriptions that are charged on demand.
#[must_use]
pub fn classify(charge: &ChargeFacts, history: &ChargeHistory) -> Classified {
    let (kind, basis) = kind_and_basis(charge, history);
    let recurring = matches!(kind, RecordKind::SubscriptionNew | RecordKind::SubscriptionRenewal);
    let (says_plan_change, says_on_demand) = match charge.charge_type {
        Some(ChargeType::PlanChange) => (true, false),
        Some(ChargeType::OnDemand) => (false, true),
        Some(ChargeType::New | ChargeType::Renewal) => (false, false),
        // An unknown type counts as absent.
        Some(ChargeType::Other(_)) | None => {
            let any = |is: fn(&SubscriptionState) -> bool| history.subscriptions.iter().any(is);
            let after_another = history.paid_before && charge.retry_attempt == 0;
            (after_another && any(|state| state.plan_changed), any(|state| state.on_demand))
        }
    };
    Classified {
        kind,
        basis,
        plan_change: says_plan_change && recurring,
        on_demand: says_on_demand && recurring,
    }
}

fn kind_and_basis(
    charge: &ChargeFacts,
    history: &ChargeHistory,
) -> (RecordKind, ClassificationBasis) {
    use RecordKind::{NonRevenue, OneTime, SubscriptionNew, SubscriptionRenewal};

    if charge.card_update {
        return (NonRevenue { reason: NonRevenueReason::Setup }, ClassificationBasis::Event);
    }
    if charge.total == 0 {
        return (NonRevenue { reason: NonRevenueReason::Free }, ClassificationBasis::Event);
    }
    if charge.subscription_ids.is_empty() && !charge.multi_subscription {
        return (OneTime, ClassificationBasis::Event);
    }
    if charge.multi_subscription {
        return (SubscriptionNew, ClassificationBasis::MultiFlag);
    }
    if history.paid_before {
        return (SubscriptionRenewal, ClassificationBasis::History);
    }
    let subscriptions = &history.subscriptions;
    if !subscriptions.is_empty() && subscriptions.iter().all(|state| state.seen_from_start) {
        return (SubscriptionNew, ClassificationBasis::History);
    }
    if subscriptions.iter().any(|state| is_past_first_charge(state, charge.made_at)) {
        return (SubscriptionRenewal, ClassificationBasis::SubscriptionAge);
    }
    match charge.charge_type {
        Some(ChargeType::New) => return (SubscriptionNew, ClassificationBasis::ChargeType),
        Some(ChargeType::Renewal) => return (SubscriptionRenewal, ClassificationBasis::ChargeType),
        _ => {}
    }
    if charge.retry_attempt > 0 {
        return (SubscriptionRenewal, ClassificationBasis::RetryAttempt);
    }
    (SubscriptionNew, ClassificationBasis::Assumed)
}

/// Whether a charge at this time must be later than the first charge of the subscription.
fn is_past_first_charge(state: &SubscriptionState, at: Timestamp) -> bool {
    if state.on_demand {
        return false; // the age of a subscription on demand shows nothing
    }
    let (Some(created), Some((count, unit))) = (state.created_at, &state.interval) else {
        return false;
    };
    let due = || {
        let first = add(created, Span::new().try_days(state.trial_days.max(0)).ok()?)?;
        let second = add(first, span(*count, unit)?)?;
        let half = SignedDuration::from_secs(second.duration_since(first).as_secs() / 2);
        second.checked_sub(half.min(SignedDuration::from_hours(24))).ok()
    };
    due().is_some_and(|due| at >= due)
}

fn span(count: i64, unit: &str) -> Option<Span> {
    if count < 1 {
        return None;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const PAID_AT: &str = "2026-03-31T12:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap_or_default()
    }

    /// A plain charge of a subscription.
    fn charge() -> ChargeFacts {
        ChargeFacts {
            made_at: at(PAID_AT),
            total: 2000,
            subscription_ids: vec!["sub_1".to_owned()],
            ..ChargeFacts::default()
        }
    }

    fn typed(text: &str) -> ChargeFacts {
        ChargeFacts { charge_type: Some(text.into()), ..charge() }
    }

    /// A monthly subscription that was created at this time.
    fn since(created: &str) -> SubscriptionState {
        SubscriptionState {
            created_at: Some(at(created)),
            interval: Some((1, "month".to_owned())),
            ..SubscriptionState::default()
        }
    }

    fn with(state: SubscriptionState) -> ChargeHistory {
        ChargeHistory { subscriptions: vec![state], ..ChargeHistory::default() }
    }

    const SETUP: RecordKind = RecordKind::NonRevenue { reason: NonRevenueReason::Setup };
    const FREE: RecordKind = RecordKind::NonRevenue { reason: NonRevenueReason::Free };
    use ClassificationBasis::{Assumed, Event, History, MultiFlag, RetryAttempt, SubscriptionAge};
    use RecordKind::{OneTime, SubscriptionNew as New, SubscriptionRenewal as Renewal};

    #[test]
    fn first_matching_row_decides() {
        let none = ChargeHistory::default;
        let paid = || ChargeHistory { paid_before: true, ..none() };
        let old = || with(since("2025-10-31T12:00:00Z"));
        // All other rules come later.
        let everything = || ChargeHistory { paid_before: true, ..old() };
        let one_time = ChargeFacts { subscription_ids: Vec::new(), ..charge() };
        let multi = ChargeFacts { multi_subscription: true, ..charge() };
        let retry = ChargeFacts { retry_attempt: 2, ..charge() };
        let said_new_retry = ChargeFacts { retry_attempt: 1, ..typed("new") };
        let was_seen = |state| SubscriptionState { seen_from_start: true, ..state };
        let seen = || with(was_seen(since(PAID_AT)));
        let seen_and_old = || with(was_seen(since("2025-10-31T12:00:00Z")));
        let seen_and_paid = || ChargeHistory { paid_before: true, ..seen() };
        let one_seen = || ChargeHistory {
            subscriptions: vec![was_seen(since(PAID_AT)), since(PAID_AT)],
            ..none()
        };
        let card = |of: &ChargeFacts| ChargeFacts { card_update: true, ..of.clone() };
        let free = |of: &ChargeFacts| ChargeFacts { total: 0, ..of.clone() };
        let rows = [
            ("a card update", card(&free(&typed("renewal"))), everything(), SETUP, Event),
            ("nothing was paid", free(&typed("new")), everything(), FREE, Event),
            ("no subscription", one_time.clone(), everything(), OneTime, Event),
            (
                "no subscription, whatever the type",
                { ChargeFacts { charge_type: Some("new".into()), ..one_time.clone() } },
                none(),
                OneTime,
                Event,
            ),
            ("said to be new", typed("new"), none(), New, ClassificationBasis::ChargeType),
            ("said to be new, paid before", typed("new"), everything(), Renewal, History),
            ("said to be new, and old", typed("new"), old(), Renewal, SubscriptionAge),
            (
                "said to be new, though retried",
                said_new_retry,
                none(),
                New,
                ClassificationBasis::ChargeType,
            ),
            (
                "said to be a renewal",
                typed("renewal"),
                none(),
                Renewal,
                ClassificationBasis::ChargeType,
            ),
            ("said to be a renewal, seen from its start", typed("renewal"), seen(), New, History),
            ("a retry, seen from its start", retry.clone(), seen(), New, History),
            ("old, seen from its start", charge(), seen_and_old(), New, History),
            ("paid before, seen from its start", charge(), seen_and_paid(), Renewal, History),
            (
                "one of two seen from its start",
                typed("renewal"),
                one_seen(),
                Renewal,
                ClassificationBasis::ChargeType,
            ),
            ("several", multi.clone(), everything(), New, MultiFlag),
            (
                "several, unnamed",
                ChargeFacts { subscription_ids: Vec::new(), ..multi },
                none(),
                New,
                MultiFlag,
            ),
            ("paid before", charge(), everything(), Renewal, History),
            ("paid before, though retried", retry.clone(), paid(), Renewal, History),
            ("a retry", retry, with(since(PAID_AT)), Renewal, RetryAttempt),
            ("an old subscription", charge(), old(), Renewal, SubscriptionAge),
            ("nothing is known", charge(), none(), New, Assumed),
            ("a change of plan", typed("plan_change"), none(), New, Assumed),
            ("a change of plan, paid before", typed("plan_change"), paid(), Renewal, History),
            ("on demand", typed("on_demand"), paid(), Renewal, History),
            ("a type of the future", typed("teleported"), paid(), Renewal, History),
        ];
        for (title, charge, history, kind, basis) in rows {
            let found = classify(&charge, &history);
            assert_eq!((found.kind, found.basis), (kind, basis), "{title}");
        }
    }

    #[test]
    fn age_counts_trial_and_one_interval_less_a_day_or_half_of_it() {
        let every = |count, unit: &str, created| SubscriptionState {
            interval: Some((count, unit.to_owned())),
            ..since(created)
        };
        let tried = |days, created| SubscriptionState { trial_days: days, ..since(created) };
        let rows = [
            ("a month less a day", since("2026-03-01T12:00:00Z"), true),
            ("a second earlier", since("2026-03-01T12:00:01Z"), false),
            ("after the trial", tried(14, "2026-02-15T12:00:00Z"), true),
            ("within the month after the trial", tried(14, "2026-02-16T12:00:00Z"), false),
            ("a trial below zero is none", tried(-14, "2026-03-01T12:00:00Z"), true),
            ("half a day", every(1, "day", "2026-03-31T00:00:00Z"), true),
            ("less than half a day", every(1, "day", "2026-03-31T00:00:01Z"), false),
            ("two weeks less a day", every(2, "week", "2026-03-18T12:00:00Z"), true),
            ("two weeks less more", every(2, "week", "2026-03-18T12:00:01Z"), false),
            ("a year less a day", every(1, "year", "2025-04-01T12:00:00Z"), true),
            ("a year less more", every(1, "year", "2025-04-01T12:00:01Z"), false),
            ("an unknown unit", every(1, "moon", "2020-01-01T00:00:00Z"), false),
            ("too long to count", every(i64::MAX, "year", "2020-01-01T00:00:00Z"), false),
            (
                "no interval",
                SubscriptionState { interval: None, ..since("2020-01-01T00:00:00Z") },
                false,
            ),
            ("no beginning", SubscriptionState { created_at: None, ..since(PAID_AT) }, false),
            (
                "on demand",
                SubscriptionState { on_demand: true, ..since("2020-01-01T00:00:00Z") },
                false,
            ),
        ];
        for (title, state, is_renewal) in rows {
            let expected = if is_renewal { (Renewal, SubscriptionAge) } else { (New, Assumed) };
            let found = classify(&charge(), &with(state));
            assert_eq!((found.kind, found.basis), expected, "{title}");
        }
    }

    #[test]
    fn marks_follow_charge_type_of_subscription_charges() {
        let changed = || SubscriptionState { plan_changed: true, ..SubscriptionState::default() };
        let demand = || SubscriptionState { on_demand: true, ..SubscriptionState::default() };
        let paid = |history| ChargeHistory { paid_before: true, ..history };
        let one_time = |of| ChargeFacts { subscription_ids: Vec::new(), ..of };
        let retry = ChargeFacts { retry_attempt: 1, ..charge() };
        let rows = [
            ("plan_change", typed("plan_change"), ChargeHistory::default(), (true, false)),
            ("on_demand", typed("on_demand"), ChargeHistory::default(), (false, true)),
            ("one-time", one_time(typed("plan_change")), ChargeHistory::default(), (false, false)),
            (
                "free",
                ChargeFacts { total: 0, ..typed("on_demand") },
                with(demand()),
                (false, false),
            ),
            ("the plan changed, paid before", charge(), paid(with(changed())), (true, false)),
            ("the plan changed, the first", charge(), with(changed()), (false, false)),
            ("the plan changed, a retry", retry, paid(with(changed())), (false, false)),
            ("on demand by the subscription", charge(), with(demand()), (false, true)),
            (
                "both",
                charge(),
                paid(ChargeHistory {
                    subscriptions: vec![changed(), demand()],
                    ..ChargeHistory::default()
                }),
                (true, true),
            ),
            ("the type says renewal", typed("renewal"), paid(with(changed())), (false, false)),
            ("the type says plan_change", typed("plan_change"), with(demand()), (true, false)),
            ("a type of the future", typed("teleported"), with(demand()), (false, true)),
        ];
        for (title, charge, history, marks) in rows {
            let found = classify(&charge, &history);
            assert_eq!((found.plan_change, found.on_demand), marks, "{title}");
        }
    }
}
