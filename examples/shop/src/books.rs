//! What the ledger says, as the revenue page shows it.

use dodo_core::{
    BoxError, Environment,
    attribution::{AttributionRecord, RecordKind},
    capture::Campaign,
};
use dodo_ledger::query::{Channel, Dimension, RevenueRow};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};

use crate::{
    Shop,
    revenue::{Booking, Cell, Explanation, Filter, Kind, Sum},
};

/// The most bookings that the page lists; the sums are over all of them.
const BOOKINGS: u32 = 100;

/// How money can come in.
const CHANNELS: [Channel; 4] =
    [Channel::Campaign, Channel::Referral, Channel::Direct, Channel::NotAttributed];

/// What the page's sums are made of.
const CELL: [Dimension; 8] = [
    Dimension::Day,
    Dimension::Kind,
    Dimension::Visitor,
    Dimension::Source,
    Dimension::Medium,
    Dimension::Campaign,
    Dimension::Link,
    Dimension::Channel,
];

impl Shop {
    /// The money of these days.
    pub(crate) async fn cells(&self, filter: Filter) -> Result<Vec<Cell>, BoxError> {
        let (from, until) = span(filter);
        let mut question = self.ledger().revenue().between(from, until);
        for dimension in CELL {
            question = question.group_by(dimension);
        }
        if self.in_test_mode() {
            question = question.test_mode();
        }
        Ok(question.fetch().await?.into_iter().filter_map(cell).collect())
    }

    /// Returns the records of these days, newest first.
    pub(crate) async fn bookings(&self, filter: Filter) -> Result<Vec<Booking>, BoxError> {
        let (from, until) = span(filter);
        let mut found = Vec::new();
        for channel in CHANNELS {
            let question = self.ledger().records().between(from, until);
            let question = question.filter(Dimension::Channel, channel.as_str());
            let mut question = question.revenue_only().newest_first().limit(BOOKINGS);
            if self.in_test_mode() {
                question = question.test_mode();
            }
            let records = question.fetch().await?;
            found.extend(records.iter().filter_map(|record| self.booking(record, channel)));
        }
        found.sort_by(|one, other| (other.at, &other.id).cmp(&(one.at, &one.id)));
        found.truncate(BOOKINGS as usize);
        Ok(found)
    }

    /// How a record found its visitor and campaign, in the ledger's words.
    pub(crate) async fn explanation(&self, id: &str) -> Result<Option<Explanation>, BoxError> {
        let Some(record) = self.ledger().record(id).await? else { return Ok(None) };
        let Some(explained) = self.ledger().explain(&record.payment_id).await? else {
            return Ok(None);
        };
        let hints = explained.hints;
        let mut of_payment = explained.records.into_iter();
        let found = of_payment.find(|explained| explained.record.id == id);
        Ok(found.and_then(|explained| {
            let record = explained.record;
            let booking = self.booking(&record, explained.channel)?;
            Some(Explanation {
                facts: facts(&record),
                sentences: explained.sentences,
                hints: if record.visitor.is_none() { hints } else { Vec::new() },
                booking,
            })
        }))
    }

    fn booking(&self, record: &AttributionRecord, channel: Channel) -> Option<Booking> {
        Some(Booking {
            id: record.id.clone(),
            at: record.occurred_at,
            kind: kind(record.kind.as_str())?,
            product: record.product_ids.first().map(|id| self.catalog().name(id).to_owned()),
            visitor: record.visitor.as_ref().map(|found| found.value.clone()),
            campaign: record.campaign.as_ref().map_or_else(Campaign::default, |c| c.value.clone()),
            channel,
            money: record.money,
        })
    }

    /// Payments of test mode count as revenue only on the pages of a shop in test mode.
    fn in_test_mode(&self) -> bool {
        self.dodo().environment() == Environment::Test
    }
}

fn cell(row: RevenueRow) -> Option<Cell> {
    let small = |sum: i128| i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX });
    let (gross, tax, net) = (small(row.gross), small(row.tax), small(row.net));
    let sum = Sum { count: row.charges.saturating_add(row.reversals), gross, tax, net };
    let (currency, exponent) = (row.currency, row.exponent);
    let [day, kind_name, visitor, source, medium, campaign_id, link_id, channel] =
        <[Option<String>; 8]>::try_from(row.keys).ok()?;
    let mut campaign = Campaign::default();
    campaign.source = source;
    campaign.medium = medium;
    campaign.campaign_id = campaign_id;
    campaign.link_id = link_id;
    let (day, kind, name) = (day?.parse().ok()?, kind(&kind_name?)?, channel?);
    let channel = CHANNELS.into_iter().find(|channel| channel.as_str() == name)?;
    Some(Cell { day, visitor, campaign, channel, kind, currency, exponent, sum })
}

/// The page's word for a [`RecordKind`].
fn kind(name: &str) -> Option<Kind> {
    const REFUND: RecordKind = RecordKind::Refund { partial: false };
    [
        (RecordKind::OneTime, Kind::OneTime),
        (RecordKind::SubscriptionNew, Kind::FirstCharge),
        (RecordKind::SubscriptionRenewal, Kind::Renewal),
        (REFUND, Kind::Refund),
        (RecordKind::RefundReversal, Kind::Refund),
        (RecordKind::DisputeLoss { rdr: false }, Kind::Dispute),
        (RecordKind::DisputeReversal, Kind::Dispute),
    ]
    .into_iter()
    .find_map(|(of, kind)| (of.as_str() == name).then_some(kind))
}

/// The ids of a record, by name.
fn facts(record: &AttributionRecord) -> Vec<(&'static str, String)> {
    let ids = [
        ("Payment", Some(record.payment_id.clone())),
        ("Refund", record.refund_id.clone()),
        ("Dispute", record.dispute_id.clone()),
        ("Subscription", record.subscription_ids.first().cloned()),
        ("Webhook", Some(record.webhook_id.clone())),
    ];
    ids.into_iter().filter_map(|(name, id)| Some((name, id.filter(|id| !id.is_empty())?))).collect()
}

/// The filter's days in UTC; the end is not in it any more.
fn span(filter: Filter) -> (Timestamp, Timestamp) {
    let midnight = |day: Date| {
        day.to_zoned(TimeZone::UTC).map(|start| start.timestamp()).unwrap_or(Timestamp::MAX)
    };
    let from = filter.from.map_or(Timestamp::MIN, midnight);
    let until = filter.to.map_or(Timestamp::MAX, |day| midnight(day.saturating_add(1.day())));
    (from, until)
}
