//! The product, the quantity and the paid-through date of a subscription.

use dodo_core::event::{BillingInterval, SubscriptionStatus as Status};
use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};

use super::observation::Observation;
use crate::{
    fact::{BillingPeriod, BoughtItem, SubscriptionBody},
    payment::Payment,
    plan::days,
    until::later,
};

/// The coverage of a subscription: product, quantity and paid-through date.
#[derive(Default)]
pub(super) struct Coverage<'a> {
    pub(super) product: Option<&'a str>,
    pub(super) quantity: u32,
    pub(super) addons: &'a [BoughtItem],
    /// The instant until which money was taken and not returned. `None`: no fact tells it.
    pub(super) paid_through: Option<Timestamp>,
    /// No snapshot confirms the paid-through date.
    pub(super) estimated_at: Option<Timestamp>,
}

/// A body with another status covers nothing, because its billing date is not paid.
fn covers(observation: &&Observation<'_>) -> bool {
    matches!(observation.status, Status::Active | Status::Cancelled | Status::Paused)
}

/// The snapshots that cover, in order.
pub(super) fn covering<'a, 'b>(
    observations: &'b [Observation<'a>],
) -> impl DoubleEndedIterator<Item = (Timestamp, &'a SubscriptionBody)> + 'b {
    observations.iter().filter(covers).filter_map(|o| Some((o.at, o.snapshot?)))
}

impl<'a> Coverage<'a> {
    /// The last snapshot that covers decides, then later charges.
    ///
    /// It is not the latest date ever seen: a change from yearly to monthly moves the date back.
    pub(super) fn new(
        observations: &[Observation<'a>],
        charges: &[&Payment<'a>],
        id: &str,
    ) -> Self {
        let Some((last_at, last)) = covering(observations).next_back() else {
            return Self { quantity: 1, ..Self::default() };
        };
        let mut coverage = Self {
            product: covering(observations).rev().find_map(|(_, b)| b.product_id.as_deref()),
            quantity: covering(observations).rev().find_map(|(_, b)| b.quantity).unwrap_or(1),
            addons: &last.addons,
            paid_through: None,
            estimated_at: None,
        };
        if last.on_demand {
            return coverage;
        }
        let dated =
            covering(observations).rev().find_map(|(at, b)| Some((at, b.next_billing_date?)));
        if let Some((at, date)) = dated {
            coverage.paid_through = Some(date);
            coverage.estimated_at =
                (at != last_at || last.next_billing_date.is_none()).then_some(last_at);
            coverage.extend(at, charges, interval(observations), id);
        }
        let expires_at = observations.iter().rev().find_map(|o| o.snapshot?.expires_at);
        coverage.paid_through = match (coverage.paid_through, expires_at) {
            (Some(paid), Some(end)) => Some(paid.min(end)),
            (paid, _) => paid,
        };
        coverage
    }

    /// Charges after the snapshot move the date forward, although no snapshot shows it yet.
    fn extend(
        &mut self,
        as_of: Timestamp,
        charges: &[&Payment<'a>],
        interval: Option<&BillingPeriod>,
        id: &str,
    ) {
        for charge in charges.iter().filter(|c| c.amount > 0 && c.paid_at > as_of) {
            let Some(paid) = self.paid_through else { return };
            if let Some(end) = charge.service_periods.get(id) {
                self.paid_through = Some(paid.max(*end));
                continue;
            }
            let Some(interval) = interval else { continue };
            let Some(next) = after(paid, interval) else { continue };
            let quarter = next.duration_since(paid) / 4;
            if charge.paid_at < later(paid, -quarter.min(days(1))) {
                continue;
            }
            let next =
                if charge.paid_at < next { Some(next) } else { after(charge.paid_at, interval) };
            self.paid_through = next.or(self.paid_through);
            self.estimated_at = Some(charge.paid_at);
        }
    }
}

/// The last known time between two charges.
pub(super) fn interval<'a>(observations: &[Observation<'a>]) -> Option<&'a BillingPeriod> {
    observations.iter().rev().find_map(|o| o.snapshot?.interval.as_ref())
}

/// One interval later, in the calendar of UTC. `None`: the unit is unknown, or the time does not exist.
pub(super) fn after(at: Timestamp, interval: &BillingPeriod) -> Option<Timestamp> {
    let count = i64::from(interval.count.max(1));
    let span = match interval.unit {
        BillingInterval::Day => Span::new().try_days(count),
        BillingInterval::Week => Span::new().try_weeks(count),
        BillingInterval::Month => Span::new().try_months(count),
        BillingInterval::Year => Span::new().try_years(count),
        _ => return None,
    };
    let zoned = at.to_zoned(TimeZone::UTC).checked_add(span.ok()?).ok()?;
    Some(zoned.timestamp())
}

/// The first charge of a trial may be this late.
pub(super) fn start_margin(trial: SignedDuration) -> SignedDuration {
    (trial / 4).min(days(1))
}
