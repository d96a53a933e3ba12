//! Sums of money, as the pages need them.

use std::collections::BTreeMap;

use dodo_core::money::Currency;
use dodo_ledger::{
    Error,
    query::{Dimension, Revenue, RevenueRow},
};

use super::Loader;
use crate::{
    format::{self, Change, Unit},
    question::{By, Interval, Mode, Sort},
    range::{Bucket, Range},
};

/// Sums of one currency. Reversals are negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) gross: i128,
    pub(crate) net: i128,
    pub(crate) charges: u64,
    pub(crate) charges_gross: i128,
    pub(crate) charges_net: i128,
    pub(crate) refunds: u64,
    pub(crate) refunds_gross: i128,
}

impl Sums {
    /// The net of a charge.
    pub(crate) fn average(&self) -> Option<i128> {
        format::average(self.charges_net, self.charges)
    }

    /// The gross of refunds against that of charges, in tenths of a percent.
    pub(crate) fn refund_rate(&self) -> Option<i128> {
        format::tenths(-self.refunds_gross, self.charges_gross)
    }

    fn add(&mut self, kind: Option<&str>, row: &RevenueRow) {
        self.gross += row.gross;
        self.net += row.net;
        if row.charges > 0 {
            self.charges += row.charges;
            self.charges_gross += row.gross;
            self.charges_net += row.net;
        }
        if matches!(kind, Some("refund" | "refund_reversal")) {
            self.refunds_gross += row.gross;
            self.refunds += if kind == Some("refund") { row.reversals } else { 0 };
        }
    }
}

/// Sums of a period and of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) now: Sums,
    pub(crate) before: Option<Sums>,
}

impl Compared {
    pub(crate) fn change(&self, pick: fn(&Sums) -> i128) -> Change {
        self.before.map_or(Change::Nothing, |before| Change::of(pick(&self.now), pick(&before)))
    }
}

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

impl Loader<'_> {
    pub(super) fn asked(&self, range: &Range) -> Revenue {
        let mut asked = self
            .settings
            .ledger
            .revenue()
            .currency(self.unit.currency)
            .between(range.from.timestamp(), range.until.timestamp());
        if self.mode == Mode::Test {
            asked = asked.test_mode();
        }
        for condition in self.question.conditions.iter().filter(|each| !each.excluded) {
            if let Some(dimension) = condition.by.dimension() {
                asked = asked.filter(dimension, condition.value.as_deref());
            }
        }
        asked
    }

    /// The currencies with charges in a period, most charges first.
    pub(super) async fn currencies_of(
        &self,
        range: &Range,
        mode: Mode,
    ) -> Result<Vec<(Unit, Sums)>, Error> {
        let mut asked =
            self.settings.ledger.revenue().between(range.from.timestamp(), range.until.timestamp());
        if mode == Mode::Test {
            asked = asked.test_mode();
        }
        let mut found: BTreeMap<Currency, (Unit, Sums)> = BTreeMap::new();
        for row in asked.group_by(Dimension::Kind).fetch().await? {
            let unit = Unit { currency: row.currency, exponent: row.exponent };
            found.entry(row.currency).or_insert((unit, Sums::default())).1.add(row.key(), &row);
        }
        let mut found: Vec<_> = found.into_values().collect();
        found.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.charges));
        Ok(found)
    }

    async fn sums(&self, range: &Range) -> Result<Sums, Error> {
        let mut sums = Sums::default();
        for row in self.asked(range).group_by(Dimension::Kind).fetch().await? {
            sums.add(row.key(), &row);
        }
        Ok(sums)
    }

    pub(super) async fn totals(&self) -> Result<Compared, Error> {
        let before = match &self.before {
            Some(before) => Some(self.sums(before).await?),
            None => None,
        };
        Ok(Compared { now: self.sums(&self.range).await?, before })
    }

    async fn grouped(
        &self,
        by: Dimension,
        range: &Range,
    ) -> Result<BTreeMap<Option<String>, Sums>, Error> {
        let mut found: BTreeMap<Option<String>, Sums> = BTreeMap::new();
        for row in self.asked(range).group_by(by).group_by(Dimension::Kind).fetch().await? {
            let kind = row.keys.get(1).and_then(Option::as_deref);
            found.entry(row.keys.first().cloned().flatten()).or_default().add(kind, &row);
        }
        Ok(found)
    }

    /// The rows of a dimension from the cursor on.
    pub(super) async fn groups(
        &self,
        by: Dimension,
        order: (Sort, bool),
        after: Option<&str>,
        limit: usize,
    ) -> Result<Groups, Error> {
        let mut now = self.grouped(by, &self.range).await?;
        let mut earlier = match &self.before {
            Some(before) => Some(self.grouped(by, before).await?),
            None => None,
        };
        let mut compared = |key: &Option<String>, sums: Sums| Compared {
            now: sums,
            before: earlier.as_mut().map(|all| all.remove(key).unwrap_or_default()),
        };
        let none = now.remove(&None).unwrap_or_default();
        let none = compared(&None, none);
        let mut rows: Vec<(String, Compared)> = now
            .into_iter()
            .filter_map(|(key, sums)| {
                let compared = compared(&key, sums);
                Some((key?, compared))
            })
            .collect();
        let (sort, ascending) = order;
        let number = |sums: &Sums| match sort {
            Sort::Charges => i128::from(sums.charges),
            Sort::Refunds => sums.refunds_gross,
            _ => sums.net,
        };
        rows.sort_by(|(a, left), (b, right)| {
            let by_value = if sort == Sort::Name {
                b.cmp(a)
            } else {
                number(&left.now).cmp(&number(&right.now))
            };
            let by_value = if ascending { by_value } else { by_value.reverse() };
            by_value.then_with(|| a.cmp(b))
        });
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let from = after.and_then(|after| after.parse().ok()).unwrap_or(0_usize).min(rows.len());
        let mut rows = rows.split_off(from);
        let next = (rows.len() > limit).then(|| (from + limit).to_string());
        rows.truncate(limit);
        Ok(Groups { rows, none, total: self.totals().await?, count, next })
    }

    /// Net by column, stacked by the most valuable values of a dimension.
    pub(super) async fn flow(
        &self,
        by: Dimension,
        interval: Interval,
        most: usize,
    ) -> Result<Flow, Error> {
        let buckets = self.range.buckets(interval);
        let top = self.groups(by, (Sort::Net, false), None, most).await?;
        let mut flow = Flow {
            rows: top.rows.into_iter().map(|(value, _)| (value, Vec::new())).collect(),
            ..Flow::default()
        };
        for bucket in &buckets {
            let range = self.of_bucket(bucket);
            let mut found = self.grouped(by, &range).await?;
            let mut total = Sums::default();
            for sums in found.values() {
                total.net += sums.net;
                total.charges += sums.charges;
            }
            flow.none.push(found.remove(&None).unwrap_or_default().net);
            for (value, nets) in &mut flow.rows {
                nets.push(found.remove(&Some(value.clone())).unwrap_or_default().net);
            }
            flow.other.push(found.values().map(|sums| sums.net).sum());
            flow.total.push(total);
        }
        if let Some(before) = &self.before {
            let mut nets = Vec::new();
            for bucket in before.buckets(interval).iter().take(buckets.len()) {
                nets.push(self.sums(&self.of_bucket(bucket)).await?.net);
            }
            nets.resize(buckets.len(), 0);
            flow.before = Some(nets);
        }
        flow.buckets = buckets;
        Ok(flow)
    }

    fn of_bucket(&self, bucket: &Bucket) -> Range {
        let zoned = |at: jiff::Timestamp| at.to_zoned(self.now.time_zone().clone());
        Range { from: zoned(bucket.from), until: zoned(bucket.until) }
    }

    /// The net of charges by the way in which it came: attributed, and seen, in tenths of a percent.
    pub(super) async fn attributed(
        &self,
        range: &Range,
    ) -> Result<(Option<i128>, Option<i128>), Error> {
        let (mut all, mut attributed, mut seen) = (0, 0, 0);
        for (channel, sums) in self.grouped(Dimension::Channel, range).await? {
            all += sums.charges_net;
            match channel.as_deref() {
                None | Some("not_attributed") => {}
                Some("direct") => seen += sums.charges_net,
                Some(_) => {
                    seen += sums.charges_net;
                    attributed += sums.charges_net;
                }
            }
        }
        Ok((format::tenths(attributed, all), format::tenths(seen, all)))
    }
}

/// The name of the rows without a value.
pub(crate) fn none_label(by: By) -> &'static str {
    if by.is_of_visit() { "not attributed" } else { "none" }
}
