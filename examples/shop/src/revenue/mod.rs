//! Who brought which money: the numbers behind the revenue page.
//!
//! Input are [`Cell`]s, output is a [`Report`]. Currencies are never added to one another, and
//! "revenue" alone means net: Dodo Payments is the merchant of record, so tax is not the shop's.

mod booking;
mod chart;
mod filter;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use dodo_core::{capture::Campaign, money::Currency};
use dodo_ledger::query::Channel;
use jiff::civil::Date;

pub(crate) use self::chart::Columns;
pub(crate) use self::{
    booking::{Booking, Explanation},
    filter::Filter,
};

/// What kind of money this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A single purchase.
    OneTime,
    /// The first paid charge of a subscription.
    FirstCharge,
    /// A later charge of a subscription.
    Renewal,
    /// Money given back.
    Refund,
    /// Money that the cardholder's bank reversed or restored.
    Dispute,
}

impl Kind {
    /// The name on the page.
    #[must_use]
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::OneTime => "One-time",
            Self::FirstCharge => "First charge",
            Self::Renewal => "Renewal",
            Self::Refund => "Refund",
            Self::Dispute => "Dispute",
        }
    }
}

/// A sum of money, in minor units; negative for money given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// How many payments, refunds or disputes.
    pub count: u64,
    /// What the customers paid.
    pub gross: i64,
    /// The tax in it.
    pub tax: i64,
    /// The revenue: gross minus tax.
    pub net: i64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.gross = self.gross.saturating_add(other.gross);
        self.tax = self.tax.saturating_add(other.tax);
        self.net = self.net.saturating_add(other.net);
    }
}

/// The money of one kind, day, visitor, campaign and currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// The day it was booked, in UTC.
    pub day: Date,
    /// Who brought it.
    pub visitor: Option<String>,
    /// What brought them.
    pub campaign: Campaign,
    /// How the money came in.
    pub channel: Channel,
    /// What kind of money.
    pub kind: Kind,
    /// The currency.
    pub currency: Currency,
    /// How many decimals the currency has.
    pub exponent: u8,
    /// How much.
    pub sum: Sum,
}

/// Where a visitor came from, as one short text: the campaign's source, else the channel. Money is
/// direct only if a visit was seen.
#[must_use]
pub(crate) fn source_of(campaign: &Campaign, channel: Channel) -> &str {
    match (campaign.source.as_deref(), channel) {
        (Some(source), _) => source,
        (None, Channel::NotAttributed) => "not attributed",
        (None, channel) => channel.as_str(),
    }
}

/// The revenue page in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// One part per currency, the one with the most payments first.
    pub currencies: Vec<CurrencyReport>,
    /// Every source, the one with the most payments first: a source has one color on the page.
    pub legend: Vec<String>,
}

/// The revenue in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CurrencyReport {
    /// The currency.
    pub currency: Currency,
    /// How many decimals it has.
    pub exponent: u8,
    /// All of it.
    pub total: Sum,
    /// By kind; kinds that did not occur are absent.
    pub kinds: BTreeMap<Kind, Sum>,
    /// By source, the most net first.
    pub sources: Vec<(String, Sum)>,
    /// By visitor and campaign, the most net first.
    pub earners: Vec<Earner>,
    /// By day and source.
    pub(crate) days: Days,
}

/// Net by day and source.
pub(crate) type Days = BTreeMap<Date, BTreeMap<String, Flow>>;

/// The charges and the reversals of one day: a refund does not hide the sale of the same day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Not negative.
    pub(crate) came: i64,
    /// Not positive.
    pub(crate) went: i64,
}

impl Flow {
    fn add(&mut self, net: i64) {
        let side = if net < 0 { &mut self.went } else { &mut self.came };
        *side = side.saturating_add(net);
    }
}

/// What one visitor brought through one campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Earner {
    /// Who.
    pub visitor: Option<String>,
    /// Through what.
    pub campaign: Campaign,
    /// How the money came in.
    pub channel: Channel,
    /// All of it.
    pub total: Sum,
    /// By kind.
    pub kinds: BTreeMap<Kind, Sum>,
}

impl Report {
    /// Adds the cells up.
    pub(crate) fn new(cells: impl IntoIterator<Item = Cell>) -> Self {
        let mut currencies = BTreeMap::<Currency, Builder>::new();
        let mut sources = BTreeMap::<String, u64>::new();
        for cell in cells {
            *sources.entry(source_of(&cell.campaign, cell.channel).to_owned()).or_default() +=
                cell.sum.count;
            currencies.entry(cell.currency).or_default().add(cell);
        }
        let finish = |(currency, builder): (Currency, Builder)| builder.finish(currency);
        let mut currencies: Vec<_> = currencies.into_iter().map(finish).collect();
        currencies.sort_by_key(|of| Reverse(of.total.count));
        let mut legend: Vec<_> = sources.into_iter().collect();
        legend.sort_by_key(|(_, count)| Reverse(*count));
        Self { currencies, legend: legend.into_iter().map(|(source, _)| source).collect() }
    }
}

#[derive(Default)]
struct Builder {
    exponent: u8,
    total: Sum,
    kinds: BTreeMap<Kind, Sum>,
    sources: BTreeMap<String, Sum>,
    earners: Vec<Earner>,
    /// Where each of them is.
    places: HashMap<(Option<String>, Campaign, Channel), usize>,
    days: Days,
}

impl Builder {
    fn add(&mut self, cell: Cell) {
        self.exponent = cell.exponent;
        self.total.add(cell.sum);
        self.kinds.entry(cell.kind).or_default().add(cell.sum);
        let source = source_of(&cell.campaign, cell.channel).to_owned();
        self.sources.entry(source.clone()).or_default().add(cell.sum);
        self.days.entry(cell.day).or_default().entry(source).or_default().add(cell.sum.net);
        let Self { earners, places, .. } = self;
        let key = (cell.visitor, cell.campaign, cell.channel);
        let at = *places.entry(key).or_insert_with_key(|(visitor, campaign, channel)| {
            let (visitor, campaign, channel) = (visitor.clone(), campaign.clone(), *channel);
            let (total, kinds) = (Sum::default(), BTreeMap::new());
            earners.push(Earner { visitor, campaign, channel, total, kinds });
            earners.len() - 1
        });
        let Some(earner) = earners.get_mut(at) else { return };
        earner.total.add(cell.sum);
        earner.kinds.entry(cell.kind).or_default().add(cell.sum);
    }

    fn finish(mut self, currency: Currency) -> CurrencyReport {
        let mut sources: Vec<_> = self.sources.into_iter().collect();
        sources.sort_by_key(|(_, sum)| Reverse(sum.net));
        self.earners.sort_by_key(|earner| Reverse(earner.total.net));
        CurrencyReport {
            currency,
            exponent: self.exponent,
            total: self.total,
            kinds: self.kinds,
            sources,
            earners: self.earners,
            days: self.days,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn cell(visitor: &str, source: Option<&str>, kind: Kind, currency: Currency, net: i64) -> Cell {
        let mut campaign = Campaign::default();
        campaign.source = source.map(Into::into);
        let channel = if source.is_some() { Channel::Campaign } else { Channel::Direct };
        Cell {
            day: date(2026, 11, 20),
            visitor: Some(visitor.into()),
            campaign,
            channel,
            kind,
            currency,
            exponent: currency.exponent(),
            sum: Sum { count: 1, gross: net + 100, tax: 100, net },
        }
    }

    #[test]
    fn currencies_stay_apart_and_refunds_count_against() {
        use Kind::{OneTime, Refund, Renewal};
        let report = Report::new([
            cell("v1", Some("newsletter"), OneTime, Currency::USD, 1900),
            cell("v1", Some("newsletter"), Renewal, Currency::USD, 1200),
            cell("v2", None, OneTime, Currency::USD, 1900),
            cell("v2", None, Refund, Currency::USD, -1900),
            cell("v1", Some("newsletter"), OneTime, Currency::JPY, 1500),
        ]);
        let [usd, jpy] = report.currencies.as_slice() else { panic!("{report:#?}") };
        assert_eq!((usd.currency, usd.total.net), (Currency::USD, 3100));
        assert_eq!((jpy.currency, jpy.exponent, jpy.total.net), (Currency::JPY, 0, 1500));
        assert_eq!(
            usd.sources,
            [
                ("newsletter".into(), Sum { count: 2, gross: 3300, tax: 200, net: 3100 }),
                ("direct".into(), Sum { count: 2, gross: 200, tax: 200, net: 0 }),
            ]
        );
        assert_eq!(usd.earners[0].kinds[&Renewal].net, 1200);
        assert_eq!(usd.earners[1].total.net, 0);
        let day = &usd.days[&date(2026, 11, 20)];
        assert_eq!(day["newsletter"], Flow { came: 3100, went: 0 });
        assert_eq!(day["direct"], Flow { came: 1900, went: -1900 });
        assert_eq!(report.legend, ["newsletter", "direct"]);
    }

    #[test]
    fn money_without_a_seen_visit_is_not_direct() {
        let seen = cell("v1", None, Kind::OneTime, Currency::USD, 100);
        let unseen = Cell { channel: Channel::NotAttributed, ..seen.clone() };
        let sent = Cell { channel: Channel::Referral, ..seen.clone() };
        let report = Report::new([seen, unseen, sent]);
        let sources: Vec<_> = report.currencies[0].sources.iter().map(|of| of.0.as_str()).collect();
        for source in ["direct", "not attributed", "referral"] {
            assert!(sources.contains(&source), "{source} of {sources:?}");
        }
        assert_eq!(report.currencies[0].earners.len(), 3);
    }

    #[test]
    fn two_campaigns_of_one_visitor_are_two_rows() {
        let report = Report::new([
            cell("v1", Some("newsletter"), Kind::OneTime, Currency::USD, 100),
            cell("v1", Some("instagram"), Kind::OneTime, Currency::USD, 200),
        ]);
        let rows: Vec<_> = report.currencies[0].earners.iter().map(|e| e.total.net).collect();
        assert_eq!(rows, [200, 100]);
    }
}
