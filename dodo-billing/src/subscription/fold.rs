//! The summary of a subscription, without a clock.

use dodo_core::event::SubscriptionStatus as Status;
use jiff::{SignedDuration, Timestamp};

use super::{
    coverage::{Coverage, after, covering, interval, start_margin},
    observation::Observation,
};
use crate::{
    fact::{BoughtItem, PlannedChange, SubscriptionBody},
    history::History,
    payment::Payment,
    plan::days,
    plans::Plans,
    reason::ReasonCode,
    source::RenewalPrice,
    until::later,
};

/// Dodo Payments sends the first payment up to 10 minutes after the subscription.
pub(super) const FIRST_PAYMENT: SignedDuration = SignedDuration::from_mins(15);

/// A subscription, from all its observations and charges.
pub(crate) struct SubscriptionFold<'a> {
    pub(crate) id: &'a str,
    /// `None`: no observation has a status that counts.
    pub(super) status: Option<Status>,
    pub(crate) last_at: Option<Timestamp>,
    /// The last observation is an API response, so no check is requested.
    pub(crate) is_checked: bool,
    /// Dodo Payments confirmed the expiry by an API response.
    pub(super) expiry_is_checked: bool,
    /// Observations that contradict each other: the last one.
    pub(super) contradicted_at: Option<Timestamp>,
    pub(super) is_paused: bool,
    pub(super) paused_at: Option<Timestamp>,
    pub(super) cancelled_at: Option<Timestamp>,
    pub(super) cancel_scheduled: bool,
    pub(super) has_payment_method: bool,
    pub(super) on_demand: bool,
    pub(super) processing: bool,
    pub(crate) product: Option<&'a str>,
    pub(crate) quantity: u32,
    pub(crate) addons: &'a [BoughtItem],
    pub(crate) price: Option<RenewalPrice>,
    pub(crate) scheduled_change: Option<&'a PlannedChange>,
    pub(super) paid_through: Option<Timestamp>,
    pub(super) estimated_at: Option<Timestamp>,
    pub(super) started_at: Option<Timestamp>,
    /// The end of a trial that no charge has ended.
    pub(super) trial_end: Option<Timestamp>,
    pub(super) failure: Option<Failure>,
    /// The newest charge was reversed.
    pub(super) reversed: Option<(Timestamp, ReasonCode)>,
    pub(super) ended_by_app: Option<Timestamp>,
    /// A payment succeeded, a trial exists, or an API response confirmed the start.
    pub(super) is_confirmed: bool,
    /// The product of each snapshot that covers, by time.
    products: Vec<(Timestamp, &'a str)>,
}

/// The time from the first failed charge to the next success.
#[derive(Clone, Copy)]
pub(super) struct Failure {
    pub(super) since: Timestamp,
    /// The end of the grace.
    pub(super) grace_end: Timestamp,
}

impl<'a> SubscriptionFold<'a> {
    pub(crate) fn new(id: &'a str, history: &mut History<'a>, plans: &Plans) -> Self {
        let mut observations = history.observations.remove(id).unwrap_or_default();
        let payments = history.payments_of(id);
        let mut charges: Vec<_> = payments.iter().copied().filter(|p| p.is_charge()).collect();
        charges.sort_by_key(|charge| (charge.paid_at, charge.id));
        if !charges.is_empty() {
            // The first payment succeeded, so an older status of the start no longer counts.
            observations.retain(|o| !matches!(o.status, Status::Pending | Status::Failed));
        }
        let newest = charges.iter().rev().find(|charge| charge.amount > 0);
        let newest_charge = newest.map(|charge| charge.paid_at);
        let last = observations.last();
        let body = observations.iter().rev().find_map(|o| o.snapshot);
        let flag = body.is_some_and(|body| body.cancel_at_next_billing_date);
        let status = last.map(|o| o.status.clone());
        let is_paused = match status {
            Some(Status::Paused) => true,
            Some(Status::OnHold) => body.is_some_and(|body| body.paused_at.is_some()),
            _ => false,
        };
        let started_at = started_at(&observations, &charges);
        let trial = Trial::new(&observations, &charges, started_at);
        let coverage = Coverage::new(&observations, &charges, id);
        let mut fold = Self {
            id,
            last_at: last.map(|o| o.at).max(newest_charge),
            is_checked: last.is_some_and(|o| o.from_api),
            expiry_is_checked: expiry_is_checked(&observations),
            contradicted_at: contradicted_at(&observations),
            is_paused,
            paused_at: is_paused.then(|| paused_at(body, &observations)).flatten(),
            cancelled_at: cancelled_at(body, &observations),
            cancel_scheduled: flag,
            has_payment_method: has_payment_method(&observations),
            on_demand: body.is_some_and(|body| body.on_demand),
            processing: payments.iter().any(|payment| payment.is_processing())
                || status == Some(Status::Pending),
            product: coverage.product.or_else(|| product_of_cart(&charges, plans)),
            quantity: coverage.quantity,
            addons: coverage.addons,
            price: price(&observations),
            scheduled_change: body.and_then(|body| body.scheduled_change.as_ref()),
            paid_through: coverage.paid_through.or(trial.end),
            estimated_at: coverage.estimated_at,
            started_at,
            trial_end: trial.end,
            failure: failure(&observations, newest.is_some(), plans.rules.hold_grace),
            reversed: newest.and_then(|charge| charge.reversed),
            ended_by_app: history.ended_by_app.get(id).copied(),
            is_confirmed: !charges.is_empty()
                || trial.exists
                || is_active_at_dodo(&observations, started_at),
            products: covering(&observations)
                .filter_map(|(at, body)| Some((at, body.product_id.as_deref()?)))
                .collect(),
            status,
        };
        fold.ended_by_app = fold.ended_by_app.filter(|at| Some(*at) >= newest_charge);
        if fold.paid_through.is_none() && fold.status == Some(Status::Cancelled) && !fold.on_demand
        {
            let interval = interval(&observations);
            fold.paid_through = newest_charge.zip(interval).and_then(|(at, i)| after(at, i));
            fold.estimated_at = fold.paid_through.and(fold.last_at);
        }
        fold
    }

    /// The product that the subscription covered at this time.
    pub(crate) fn product_at(&self, at: Timestamp) -> Option<&'a str> {
        let covered = self.products.iter().rev().find(|(since, _)| *since <= at);
        covered.or(self.products.first()).map(|(_, product)| *product).or(self.product)
    }

    /// A snapshot names the product as the product or an add-on of the subscription.
    pub(crate) fn explains(&self, product: &str) -> bool {
        self.product == Some(product)
            || self.products.iter().any(|(_, covered)| *covered == product)
            || self.addons.iter().any(|addon| addon.product_id == product)
    }

    /// No snapshot confirms the paid-through date.
    pub(crate) fn is_estimated(&self) -> bool {
        self.estimated_at.is_some()
    }

    /// Dodo Payments will charge again.
    pub(crate) fn renews(&self) -> bool {
        matches!(self.status, Some(Status::Active | Status::PastDue)) && !self.cancel_scheduled
    }
}

/// The subscription with this id. The list is sorted by id.
pub(crate) fn find<'b, 'a>(
    subscriptions: &'b [SubscriptionFold<'a>],
    id: &str,
) -> Option<&'b SubscriptionFold<'a>> {
    let at = subscriptions.binary_search_by(|subscription| subscription.id.cmp(id)).ok()?;
    subscriptions.get(at)
}

/// The trial of a subscription.
struct Trial {
    exists: bool,
    /// `None`: a charge ended it, or none exists.
    end: Option<Timestamp>,
}

impl Trial {
    fn new(
        observations: &[Observation<'_>],
        charges: &[&Payment<'_>],
        started_at: Option<Timestamp>,
    ) -> Self {
        let length = observations.iter().find_map(|o| o.snapshot?.trial_period_days);
        let (Some(length @ 1..), Some(start)) = (length, started_at) else {
            return Self { exists: false, end: None };
        };
        // A paid trial has a charge at its start.
        let over = later(start, start_margin(days(length)));
        if charges.iter().any(|charge| charge.amount > 0 && charge.paid_at >= over) {
            return Self { exists: true, end: None };
        }
        let first_date = covering(observations).find_map(|(_, body)| body.next_billing_date);
        Self { exists: true, end: first_date.or(Some(later(start, days(length)))) }
    }
}

fn started_at(observations: &[Observation<'_>], charges: &[&Payment<'_>]) -> Option<Timestamp> {
    let created = observations.iter().filter_map(|o| o.snapshot?.created_at).min();
    let first = observations.first().map(|o| o.at);
    created.or(first).or(charges.first().map(|charge| charge.paid_at))
}

/// An API response after the usual delay of the first payment shows an active subscription.
fn is_active_at_dodo(observations: &[Observation<'_>], started_at: Option<Timestamp>) -> bool {
    let confirmed = started_at.map(|at| later(at, FIRST_PAYMENT));
    let mut active = observations.iter().filter(|o| o.from_api && o.status == Status::Active);
    active.any(|o| Some(o.at) >= confirmed)
}

fn expiry_is_checked(observations: &[Observation<'_>]) -> bool {
    let expired = observations.iter().rev().take_while(|o| o.status == Status::Expired);
    expired.into_iter().any(|o| o.from_api)
}

/// The status is active, although the subscription ended before, or an event states a failure at the same
/// time. A body that shows the status before the success is not a contradiction.
fn contradicted_at(observations: &[Observation<'_>]) -> Option<Timestamp> {
    let last = observations.last().filter(|o| o.status == Status::Active && !o.from_api)?;
    let unchecked = observations.iter().rev().take_while(|o| !o.from_api);
    let mut ends = unchecked.filter(|o| match o.status {
        Status::Cancelled | Status::Expired => true,
        Status::PastDue | Status::OnHold | Status::Failed => {
            o.at == last.at && o.snapshot.is_none()
        }
        _ => false,
    });
    ends.next().map(|_| last.at)
}

fn paused_at(
    body: Option<&SubscriptionBody>,
    observations: &[Observation<'_>],
) -> Option<Timestamp> {
    let pause = observations.iter().rev().take_while(|o| o.status == Status::Paused);
    body.and_then(|body| body.paused_at).or(pause.last().map(|o| o.at))
}

fn cancelled_at(
    body: Option<&SubscriptionBody>,
    observations: &[Observation<'_>],
) -> Option<Timestamp> {
    let end = observations.iter().rev().take_while(|o| o.status == Status::Cancelled);
    body.and_then(|body| body.cancelled_at).or(end.last().map(|o| o.at))
}

/// The last known price.
fn price(observations: &[Observation<'_>]) -> Option<RenewalPrice> {
    let mut bodies = observations.iter().rev().filter_map(|o| o.snapshot);
    let (amount, currency) = bodies.find_map(|body| body.renewal_amount.zip(body.currency))?;
    let interval = interval(observations);
    Some(RenewalPrice {
        amount,
        currency,
        interval: interval.map(|interval| interval.unit.as_str().to_owned()),
        interval_count: interval.map_or(1, |interval| interval.count),
    })
}

fn has_payment_method(observations: &[Observation<'_>]) -> bool {
    let known = observations.iter().rev().find_map(|o| o.snapshot?.has_payment_method);
    known.unwrap_or(true)
}

/// Retries inside of a failure do not start it again.
fn failure(
    observations: &[Observation<'_>],
    has_paid: bool,
    hold_grace: SignedDuration,
) -> Option<Failure> {
    let mut open: Option<(Timestamp, Option<Timestamp>)> = None;
    for observation in observations {
        match observation.status {
            Status::Active => open = None,
            Status::PastDue | Status::OnHold => {
                let (_, ends_at) = open.get_or_insert((observation.at, None));
                let of_dodo = observation.snapshot.and_then(|body| body.past_due_ends_at);
                *ends_at = of_dodo.or(*ends_at);
            }
            _ => {}
        }
    }
    let (since, ends_at) = open?;
    // A trial whose first charge fails was never paid.
    let own = if has_paid { later(since, hold_grace) } else { since };
    Some(Failure { since, grace_end: ends_at.unwrap_or(own) })
}

/// The product of a subscription without snapshots, from the cart of its payment.
fn product_of_cart<'a>(charges: &[&Payment<'a>], plans: &Plans) -> Option<&'a str> {
    let items = charges.iter().flat_map(|charge| charge.items).map(|item| &*item.product_id);
    items.clone().find(|item| plans.plan_of(item).is_some()).or_else(|| items.clone().next())
}
