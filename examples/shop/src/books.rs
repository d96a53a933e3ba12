//! What was booked: every attribution record, in memory.
//!
//! Records may arrive twice and in any order, so they are kept by their business key, and what one
//! inherits from another (a refund the visitor of its payment) is found when it is looked at.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use dodo_core::{AttributionRecord, AttributionSink, Campaign, Money, RecordKind, Resolved, Step};
use jiff::tz::TimeZone;

use crate::{
    catalog::Catalog,
    revenue::{Booking, Cell, Explanation, Filter, Kind, Sum, Tried},
};

/// Shared by all clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books(Arc<Mutex<BTreeMap<String, AttributionRecord>>>);

impl AttributionSink for Books {
    type Error = Infallible;

    async fn emit(&self, record: &AttributionRecord) -> Result<(), Infallible> {
        if record.is_revenue() {
            self.lock().entry(record.id.clone()).or_insert_with(|| record.clone());
        }
        Ok(())
    }
}

impl Books {
    /// What was booked on these days, newest first.
    pub(crate) fn bookings(&self, filter: Filter, catalog: &Catalog) -> Vec<Booking> {
        let records = self.lock();
        let shown =
            |r: &&AttributionRecord| filter.shows(r.occurred_at.to_zoned(TimeZone::UTC).date());
        let mut bookings: Vec<_> = records
            .values()
            .filter(shown)
            .filter_map(|record| booking(&records, record, catalog))
            .collect();
        bookings.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
        bookings
    }

    /// The same as numbers.
    pub(crate) fn cells(&self, filter: Filter) -> Vec<Cell> {
        let bookings = self.bookings(filter, &Catalog::default());
        let cell = |booking: Booking| {
            let money = booking.money?;
            Some(Cell {
                day: booking.at.to_zoned(TimeZone::UTC).date(),
                visitor: booking.visitor,
                campaign: booking.campaign,
                kind: booking.kind,
                currency: money.currency,
                exponent: money.exponent,
                sum: Sum {
                    count: 1,
                    gross: money.gross,
                    tax: money.tax.unwrap_or(0),
                    net: money.net,
                },
            })
        };
        bookings.into_iter().filter_map(cell).collect()
    }

    /// How a record found its visitor and campaign.
    pub(crate) fn explain(&self, id: &str, catalog: &Catalog) -> Option<Explanation> {
        let records = self.lock();
        let record = records.get(id)?;
        let visitor = inherited(&records, record, |r| r.visitor.as_ref());
        let campaign = inherited(&records, record, |r| r.campaign.as_ref());
        let facts = [
            ("Payment", Some(record.payment_id.clone())),
            ("Refund", record.refund_id.clone()),
            ("Dispute", record.dispute_id.clone()),
            ("Subscription", record.subscription_ids.first().cloned()),
            ("Webhook", Some(record.webhook_id.clone())),
        ];
        Some(Explanation {
            booking: booking(&records, record, catalog)?,
            facts: facts.into_iter().filter_map(|(name, id)| Some((name, id?))).collect(),
            chains: vec![
                ("The visitor", chain(visitor.as_ref())),
                ("The campaign", chain(campaign.as_ref())),
            ],
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, AttributionRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn booking(
    records: &BTreeMap<String, AttributionRecord>,
    record: &AttributionRecord,
    catalog: &Catalog,
) -> Option<Booking> {
    let kind = match record.kind {
        RecordKind::OneTime => Kind::OneTime,
        RecordKind::SubscriptionNew => Kind::FirstCharge,
        RecordKind::SubscriptionRenewal => Kind::Renewal,
        RecordKind::Refund { .. } => Kind::Refund,
        RecordKind::DisputeLoss { .. } | RecordKind::DisputeReversal => Kind::Dispute,
        _ => return None,
    };
    let product = record.product_ids.first().map(|id| catalog.name(id).to_owned());
    Some(Booking {
        id: record.id.clone(),
        at: record.occurred_at,
        kind,
        product,
        visitor: inherited(records, record, |r| r.visitor.as_ref()).map(|v| v.value),
        campaign: inherited(records, record, |r| r.campaign.as_ref())
            .map_or_else(Campaign::default, |c| c.value),
        money: record.money.map(|money| without_tax(records, record, money)),
    })
}

/// Gives a refund its payment's share of tax: its own event does not say it.
fn without_tax(
    records: &BTreeMap<String, AttributionRecord>,
    record: &AttributionRecord,
    money: Money,
) -> Money {
    let payment = records.get(&format!("charge:{}", record.payment_id));
    let paid = payment.and_then(|payment| payment.money).filter(|p| p.currency == money.currency);
    let Some(paid) = paid.filter(|paid| record.flags.net_is_gross && paid.gross != 0) else {
        return money;
    };
    let net = i128::from(money.gross) * i128::from(paid.net) / i128::from(paid.gross);
    let net = i64::try_from(net).unwrap_or(money.net);
    let mut money = money.with_net(net);
    money.tax = Some(money.gross - net);
    money
}

/// What a record has itself, else what its payment has, else what its subscription has.
fn inherited<T: Clone>(
    records: &BTreeMap<String, AttributionRecord>,
    record: &AttributionRecord,
    of: impl Fn(&AttributionRecord) -> Option<&Resolved<T>>,
) -> Option<Resolved<T>> {
    if let Some(own) = of(record) {
        return Some(own.clone());
    }
    let from = |parent: &AttributionRecord, step| {
        of(parent).map(|found| Resolved {
            value: found.value.clone(),
            step,
            from: parent.id.clone(),
        })
    };
    let payment = records.get(&format!("charge:{}", record.payment_id));
    let of_payment = payment.and_then(|payment| from(payment, Step::PaymentRecord));
    of_payment.or_else(|| {
        records
            .values()
            .filter(|r| r.subscription_ids.iter().any(|id| record.subscription_ids.contains(id)))
            .find_map(|sibling| from(sibling, Step::SubscriptionRecord))
    })
}

/// The steps that the shop's own books know, up to the one that decided.
fn chain<T>(found: Option<&Resolved<T>>) -> Vec<Tried> {
    let steps = [
        (Step::EventMetadata, "The metadata of the payment or refund"),
        (Step::PaymentRecord, "The payment that is refunded or disputed"),
        (Step::SubscriptionRecord, "An earlier charge of the subscription"),
    ];
    let last = found.map_or(Step::SubscriptionRecord, |f| f.step);
    let tried = |(step, name): (Step, &str)| {
        let found = found.filter(|f| f.step == step);
        Tried {
            name: name.to_owned(),
            text: found.map_or("Nothing there.".into(), |f| format!("Found in {}.", f.from)),
            won: found.is_some(),
        }
    };
    steps.into_iter().filter(|(step, _)| *step <= last).map(tried).collect()
}
