//! Monthly recurring revenue: the monthly amount of each subscription, and its movements for each
//! customer.
//!
//! The history is derived from all dated states of a subscription, so the order of deliveries has
//! no effect. An end that is already certain, such as the end of a canceled subscription, is a
//! movement with a future date.

use std::collections::BTreeMap;

use dodo_core::{attribution::SubscriptionTerms, event::SubscriptionStatus};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::{
    dimension::{Dimension, texts},
    record::{Record, RecordState},
    subscription::{DatedState, dated_states},
    timeline::Timeline,
};

/// The period in which Dodo Payments retries a failed renewal. A subscription on hold counts during
/// it.
const HOLD: SignedDuration = SignedDuration::from_hours(13 * 24);
/// Changes of a customer within this time are one movement.
const NETTED: SignedDuration = SignedDuration::from_mins(60);

/// The minor units of these terms in a month of 365/12 days, rounded half to even. The amount
/// includes quantity, add-ons and lasting discounts.
#[must_use]
pub fn monthly(terms: &SubscriptionTerms) -> i64 {
    let amount = i128::from(terms.recurring_pre_tax_amount.unwrap_or_default());
    let count = i128::from(terms.payment_frequency_count.unwrap_or(1).max(1));
    let unit = terms.payment_frequency_interval.as_deref().map(str::to_ascii_lowercase);
    let (factor, divisor) = match unit.as_deref() {
        Some("day") => (365, 12),
        Some("week") => (365, 84),
        Some("year") => (1, 12),
        _ => (1, 1),
    };
    let (dividend, divisor) = (amount * factor, divisor * count);
    let (floor, rest) = (dividend.div_euclid(divisor), dividend.rem_euclid(divisor));
    let up = match (rest * 2).cmp(&divisor) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Greater => 1,
        std::cmp::Ordering::Equal => floor & 1,
    };
    i64::try_from(floor + up).unwrap_or(i64::MAX)
}

/// The reason why a subscription stopped. The number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i64)]
#[non_exhaustive]
pub enum ChurnReason {
    /// The customer canceled it.
    Asked = 1,
    /// The renewal was not paid within 13 days.
    PaymentFailed = 2,
    /// It is paused.
    Paused = 3,
    /// Its term ended.
    Expired = 4,
    /// The merchant canceled it.
    Merchant = 5,
}

impl ChurnReason {
    /// The reason of a stored number.
    pub(crate) fn from_number(number: i64) -> Option<Self> {
        [Self::Asked, Self::PaymentFailed, Self::Paused, Self::Expired, Self::Merchant]
            .into_iter()
            .find(|reason| *reason as i64 == number)
    }

    /// The name in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::PaymentFailed => "payment_failed",
            Self::Paused => "paused",
            Self::Expired => "expired",
            Self::Merchant => "merchant",
        }
    }
}

/// The kind of a movement. The number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i64)]
#[non_exhaustive]
pub enum MovementKind {
    /// A customer pays recurring revenue for the first time.
    New = 1,
    /// The recurring revenue of a customer grows.
    Expansion = 2,
    /// A customer pays recurring revenue again.
    Reactivation = 3,
    /// The recurring revenue of a customer falls.
    Contraction = 4,
    /// The recurring revenue of a customer ends.
    Churn = 5,
}

/// A change of the monthly revenue of one customer in one currency.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Movement {
    /// `true` in live mode.
    pub live: bool,
    /// The currency.
    pub currency: String,
    /// The time. It can be in the future.
    pub at: Timestamp,
    /// The subscription with the largest part of the change.
    pub subscription_id: String,
    /// The kind.
    pub kind: MovementKind,
    /// Minor units per month. Negative: contraction and churn.
    pub amount: i64,
    /// The reason of the churn.
    pub reason: Option<ChurnReason>,
}

/// A subscription with the values of lists and sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// `sub_...`.
    pub id: String,
    /// `true` in live mode.
    pub live: bool,
    /// The currency.
    pub currency: String,
    /// `None`: erased or not known.
    pub customer_id: Option<String>,
    /// The plan.
    pub product_id: Option<String>,
    /// The source of the first charge: its value of [`Dimension::Source`].
    pub source: Option<String>,
    /// The status.
    pub status: Option<String>,
    /// The time of the first event since which the status is the same.
    pub since: Option<Timestamp>,
    /// Minor units per renewal, before tax.
    pub amount: i64,
    /// `Day`, `Week`, `Month` or `Year`.
    pub interval: Option<String>,
    /// The number of intervals between two charges.
    pub count: i64,
    /// Minor units per month that count until `counts_until`.
    pub mrr: i64,
    /// The time at which the subscription stops to count. `None`: no end is known.
    pub counts_until: Option<Timestamp>,
    /// The last renewal failed: past due or on hold.
    pub at_risk: bool,
    /// The subscription was canceled and ends at `counts_until`.
    pub ending: bool,
    /// The next charge.
    pub next_billing_date: Option<Timestamp>,
    /// The end of a trial without a paid charge.
    pub trial_ends_at: Option<Timestamp>,
    /// Minor units per month if the trial converts; 0: no trial.
    pub trial_mrr: i64,
}

/// The subscriptions of a group and the movements of its customers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recurring {
    /// Sorted by id.
    pub subscriptions: Vec<SubscriptionRow>,
    /// Sorted.
    pub movements: Vec<Movement>,
}

/// The monthly revenue from a point in time on.
#[derive(Clone, Copy)]
struct Level {
    at: Timestamp,
    amount: i64,
    reason: ChurnReason,
}

/// The subscriptions and movements that follow from a timeline and its records.
#[must_use]
pub fn recurring<'a>(
    timeline: &Timeline,
    records: impl IntoIterator<Item = &'a Record>,
) -> Recurring {
    let mut first: BTreeMap<&str, &Record> = BTreeMap::new();
    let charges = records
        .into_iter()
        .filter(|record| record.state == RecordState::Valid && record.record.kind.is_charge());
    for record in charges {
        for id in &record.record.subscription_ids {
            let known = first.entry(id).or_insert(record);
            let order = record.record.occurred_at.cmp(&known.record.occurred_at);
            if order.then_with(|| record.id().cmp(known.id())).is_lt() {
                *known = record;
            }
        }
    }
    let mut out = Recurring::default();
    let mut changes: BTreeMap<(bool, String, Option<String>), Vec<Change>> = BTreeMap::new();
    for (id, states) in dated_states(timeline) {
        let first = first.get(id.as_str()).copied();
        let Some(last) = states.last().map(|dated| &dated.state) else { continue };
        let Some(currency) = last.terms.currency else { continue };
        let levels = levels(&states, first.map(|first| first.record.occurred_at));
        let key = (last.live, currency.to_string(), last.customer_id.clone());
        let mut before = 0;
        for level in &levels {
            changes.entry(key.clone()).or_default().push(Change {
                at: level.at,
                subscription: id.clone(),
                amount: level.amount - before,
                reason: level.reason,
            });
            before = level.amount;
        }
        out.subscriptions.push(row(last, currency.to_string(), &levels, first));
    }
    for ((live, currency, _), changes) in changes {
        out.movements.extend(movements(live, &currency, changes));
    }
    out.movements.sort();
    out
}

fn row(
    state: &super::SubscriptionState,
    currency: String,
    levels: &[Level],
    first: Option<&Record>,
) -> SubscriptionRow {
    let source = first.and_then(|first| {
        let position = Dimension::TEXTS.iter().position(|known| *known == Dimension::Source)?;
        texts(first).get(position).cloned().flatten()
    });
    // If a subscription ends, its last level is that end.
    let (mrr, counts_until) = match levels {
        [.., level, end] if end.amount == 0 && end.at > state.since.unwrap_or(end.at) => {
            (level.amount, Some(end.at))
        }
        [.., level] => (level.amount, None),
        [] => (0, None),
    };
    let trial_days = state.terms.trial_period_days.unwrap_or_default();
    let is_trial = first.is_none()
        && trial_days > 0
        && !state.on_demand
        && state.status == Some(SubscriptionStatus::Active);
    let days = i32::try_from(trial_days).unwrap_or(i32::MAX);
    let end =
        |created: Timestamp| created.checked_add(i64::from(days).saturating_mul(24).hours()).ok();
    SubscriptionRow {
        id: state.subscription_id.clone(),
        live: state.live,
        currency,
        customer_id: state.customer_id.clone(),
        product_id: state.product_id.clone(),
        source,
        status: state.status.as_ref().map(|status| status.as_str().to_owned()),
        since: state.since,
        amount: state.terms.recurring_pre_tax_amount.unwrap_or_default(),
        interval: state.terms.payment_frequency_interval.clone(),
        count: state.terms.payment_frequency_count.unwrap_or(1),
        mrr,
        counts_until,
        at_risk: matches!(
            state.status,
            Some(SubscriptionStatus::PastDue | SubscriptionStatus::OnHold)
        ),
        ending: counts_until.is_some() && state.status != Some(SubscriptionStatus::OnHold),
        next_billing_date: state.terms.next_billing_date,
        trial_ends_at: is_trial.then(|| state.created_at.and_then(end)).flatten(),
        trial_mrr: if is_trial { monthly(&state.terms) } else { 0 },
    }
}

/// The levels of a subscription. Each differs from the level before. `paid`: the first paid charge.
fn levels(states: &[DatedState], paid: Option<Timestamp>) -> Vec<Level> {
    let Some(paid) = paid else { return Vec::new() };
    let mut all: Vec<Level> = Vec::new();
    let mut held_since: Option<Timestamp> = None;
    let mut ending: Option<ChurnReason> = None;
    for (nth, dated) in states.iter().enumerate() {
        let next = states.get(nth + 1).map(|next| next.at);
        let is_held = dated.state.status == Some(SubscriptionStatus::OnHold);
        let was_held = held_since.is_some();
        held_since = is_held.then(|| held_since.unwrap_or(dated.at));
        let (amount, end, mut reason) = level(dated, held_since, was_held);
        // The requested end counts, even if Dodo Payments sends another reason at that time.
        if let (0, Some(known)) = (amount, ending) {
            reason = known;
        }
        ending = end.filter(|_| !is_held).map(|_| reason);
        match end {
            Some(end) if end <= dated.at => {
                all.push(Level { at: dated.at, amount: 0, reason });
            }
            end => {
                all.push(Level { at: dated.at, amount, reason });
                if let Some(at) = end.filter(|end| next.is_none_or(|next| *end <= next)) {
                    all.push(Level { at, amount: 0, reason });
                }
            }
        }
    }
    // A subscription does not count before its first paid charge.
    let mut counted: Vec<Level> = Vec::new();
    for level in all {
        let level = Level { at: level.at.max(paid), ..level };
        while let Some(last) = counted.last().copied().filter(|last| last.at == level.at) {
            if last.amount == level.amount {
                break;
            }
            counted.pop();
        }
        if counted.last().map_or(0, |last| last.amount) != level.amount {
            counted.push(level);
        }
    }
    counted
}

/// The monthly amount of a state, the time of its end, and the reason of the end.
fn level(
    dated: &DatedState,
    held_since: Option<Timestamp>,
    was_held: bool,
) -> (i64, Option<Timestamp>, ChurnReason) {
    use SubscriptionStatus as Status;
    let DatedState { state, cancelled_by, .. } = dated;
    let amount = if state.on_demand { 0 } else { monthly(&state.terms) };
    let asked = match cancelled_by.as_deref() {
        Some("merchant") => ChurnReason::Merchant,
        Some("customer") => ChurnReason::Asked,
        _ if was_held => ChurnReason::PaymentFailed,
        _ => ChurnReason::Asked,
    };
    let flagged = state.terms.next_billing_date.filter(|_| state.terms.cancel_at_next_billing_date);
    match &state.status {
        Some(Status::Active | Status::PastDue) => (amount, flagged, asked),
        Some(Status::OnHold) => {
            let end = held_since.and_then(|since| since.checked_add(HOLD).ok());
            (amount, end, ChurnReason::PaymentFailed)
        }
        Some(Status::Cancelled) if flagged.is_some() => (amount, flagged, asked),
        Some(Status::Cancelled) => (0, None, asked),
        Some(Status::Paused) => (0, None, ChurnReason::Paused),
        Some(Status::Expired) => (0, None, ChurnReason::Expired),
        _ => (0, None, ChurnReason::Asked),
    }
}

/// A change of one subscription.
struct Change {
    at: Timestamp,
    subscription: String,
    amount: i64,
    reason: ChurnReason,
}

/// The movements of one customer in one currency.
fn movements(live: bool, currency: &str, mut changes: Vec<Change>) -> Vec<Movement> {
    changes.sort_by(|a, b| (a.at, &a.subscription).cmp(&(b.at, &b.subscription)));
    let mut out = Vec::new();
    let (mut amount, mut was_customer) = (0_i64, false);
    let mut rest = changes.as_slice();
    while let Some(first) = rest.first() {
        let is_same = |change: &Change| change.at.duration_since(first.at) <= NETTED;
        let (cluster, later) = rest.split_at(rest.partition_point(is_same));
        rest = later;
        let net: i64 = cluster.iter().fold(0, |sum, change| sum.saturating_add(change.amount));
        let after = amount.saturating_add(net);
        let kind = match (amount, after) {
            (before, after) if before == after => None,
            (..=0, _) if was_customer => Some(MovementKind::Reactivation),
            (..=0, _) => Some(MovementKind::New),
            (_, ..=0) => Some(MovementKind::Churn),
            _ if net > 0 => Some(MovementKind::Expansion),
            _ => Some(MovementKind::Contraction),
        };
        let largest = cluster.iter().max_by_key(|change| {
            (change.amount.saturating_mul(net.signum()), std::cmp::Reverse(&change.subscription))
        });
        let ended = cluster.iter().rfind(|change| change.amount < 0);
        if let (Some(kind), Some(largest)) = (kind, largest) {
            out.push(Movement {
                live,
                currency: currency.to_owned(),
                at: first.at,
                subscription_id: largest.subscription.clone(),
                kind,
                amount: net,
                reason: ended.filter(|_| kind == MovementKind::Churn).map(|ended| ended.reason),
            });
        }
        was_customer |= after > 0;
        amount = after;
    }
    out
}
