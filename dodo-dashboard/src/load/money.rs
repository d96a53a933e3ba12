//! The sums of money for the pages.

use dodo_ledger::{
    Error,
    query::{Breakdown, Compared, Dimension, MoneyQuery, Order, Sums},
};

use super::Loader;
use crate::{
    chart::COLORS,
    format::{self, Change},
    question::{By, Mode, Sort},
    range::Bucket,
};

/// Sums by the values of a dimension.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    /// The rows of this page of the table.
    pub(crate) rows: Vec<(String, Compared)>,
    /// Rows without a value.
    pub(crate) none: Compared,
    pub(crate) total: Compared,
    /// The values in all.
    pub(crate) count: u64,
    pub(crate) next: Option<String>,
}

/// Net by column of a chart and value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    pub(crate) buckets: Vec<Bucket>,
    pub(crate) rows: Vec<(String, Vec<i128>)>,
    pub(crate) other: Vec<i128>,
    pub(crate) none: Vec<i128>,
    pub(crate) total: Vec<Sums>,
    pub(crate) before: Option<Vec<i128>>,
}

/// The shares of the net of charges with a known channel, in tenths of a percent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attributed {
    /// The share with a campaign, a paid click or another site.
    pub(crate) now: Option<i128>,
    pub(crate) before: Option<i128>,
    /// The share with direct visits.
    pub(crate) seen: Option<i128>,
}

impl Loader<'_> {
    /// The money of the question: its mode, currency, period and conditions.
    pub(super) fn money(&self) -> MoneyQuery {
        let ledger = &self.settings.ledger;
        let mut money =
            ledger.money().currency(self.unit.currency).between(self.range).versus(self.before);
        if self.mode == Mode::Test {
            money = money.test_mode();
        }
        for condition in &self.question.conditions {
            let (dimension, value) = (condition.by.dimension(), condition.value.as_deref());
            money = match condition.excluded {
                true => money.exclude(dimension, value),
                false => money.filter(dimension, value),
            };
        }
        money
    }

    /// The rows of a dimension from the cursor on.
    pub(super) async fn groups(
        &self,
        by: Dimension,
        order: (Sort, bool),
        after: Option<&str>,
        limit: usize,
    ) -> Result<Groups, Error> {
        Ok(self.asked(order, after, limit).group_by(by).rows().await?.into())
    }

    /// The rows of several dimensions, and net by column, stacked by the most valuable values of the first
    /// dimension.
    pub(super) async fn charted(
        &self,
        by: &[Dimension],
        order: (Sort, bool),
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Groups>, Flow), Error> {
        let zone = self.now.time_zone();
        let best = u32::try_from(COLORS).unwrap_or(u32::MAX);
        let asked = self.asked(order, after, limit);
        let (groups, series) = asked.charted(by, best, self.interval.into_ledger(), zone).await?;
        Ok((groups.into_iter().map(Groups::from).collect(), self.flow(series)))
    }

    /// The question of a table, from the cursor on.
    pub(super) fn asked(
        &self,
        order: (Sort, bool),
        after: Option<&str>,
        limit: usize,
    ) -> MoneyQuery {
        let after = after.and_then(|after| after.parse().ok());
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        self.money().top(limit).order(order_of(order)).after(after)
    }

    fn flow(&self, found: dodo_ledger::query::Series) -> Flow {
        let nets = |sums: &[Sums]| sums.iter().map(|sums| sums.net).collect::<Vec<_>>();
        let columns = found.buckets.len();
        let (zone, now) = (self.now.time_zone(), self.now.timestamp());
        let bucket = |bucket| Bucket::from_query(bucket, self.interval, zone, now);
        Flow {
            buckets: found.buckets.iter().map(bucket).collect(),
            rows: found.rows.into_iter().map(|row| (row.value, nets(&row.sums))).collect(),
            other: nets(&found.other),
            none: nets(&found.none),
            before: found.before.map(|sums| {
                let mut before = nets(&sums);
                before.resize(columns, 0);
                before
            }),
            total: found.total,
        }
    }
}

impl From<Breakdown> for Groups {
    fn from(found: Breakdown) -> Self {
        Self {
            rows: found.rows.into_iter().map(|row| (row.value, row.sums)).collect(),
            none: found.none,
            total: found.total,
            count: found.count,
            next: found.next.map(|next| next.to_string()),
        }
    }
}

impl Attributed {
    /// The shares by the sums of each channel.
    pub(super) fn from_channels(channels: &Groups) -> Self {
        let part = |is_counted: fn(&str) -> bool, pick: fn(&Compared) -> Sums| {
            let rows = channels.rows.iter().filter(|(channel, _)| is_counted(channel));
            let net: i128 = rows.map(|(_, sums)| pick(sums).charges_net).sum();
            format::tenths(net, pick(&channels.total).charges_net)
        };
        let sent: fn(&str) -> bool = |channel| !matches!(channel, "direct" | "not_attributed");
        let now: fn(&Compared) -> Sums = |sums| sums.now;
        Self {
            now: part(sent, now),
            before: part(sent, |sums| sums.before.unwrap_or_default()),
            seen: part(|channel| channel != "not_attributed", now),
        }
    }
}

/// The change of a number since the period before.
pub(super) fn change(sums: &Compared, pick: fn(&Sums) -> i128) -> Change {
    sums.before.map_or(Change::Nothing, |before| Change::between(pick(&sums.now), pick(&before)))
}

fn order_of((sort, ascending): (Sort, bool)) -> Order {
    let by = match sort {
        Sort::Net => dodo_ledger::query::Sort::Net,
        Sort::Charges => dodo_ledger::query::Sort::Charges,
        Sort::Customers => dodo_ledger::query::Sort::NewCustomers,
    };
    Order { by, ascending }
}

/// The name of the rows without a value.
pub(super) fn none_label(by: By) -> &'static str {
    match by {
        By::Source => "not attributed",
        By::Reason => "attributed or direct",
        By::Medium => "no medium",
        By::Campaign => "no campaign",
        By::Content => "no content",
        By::Term => "no term",
        By::Link => "no link",
        By::Landing => "no landing page",
        By::Referrer => "no referrer",
        By::Device => "no device",
        By::Country => "no country",
        By::Product => "no product",
        By::Lead => "no lead",
        By::Kind | By::Channel => "none",
    }
}
