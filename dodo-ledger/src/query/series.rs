//! Sums of money by statement: of a span, and of each bucket of a chart.

use std::collections::HashMap;

use dodo_core::money::Currency;

use super::{
    calendar::{Bucket, Interval, Range},
    plan::{Binder, Part, Scope, Slot},
    sums::Sums,
};
use crate::{
    attribution::{Dimension, day_number, month_number},
    error::Error,
    store::{
        Tx,
        sql::{Row, Sql, args, sql},
    },
};

/// Reads one index entry for each currency.
const CURRENCIES: Sql = sql!(
    "WITH RECURSIVE found (currency) AS (
        SELECT MIN(currency) FROM dodo_money WHERE live = $1
        UNION ALL
        SELECT (SELECT MIN(currency) FROM dodo_money
                WHERE live = $1 AND currency > found.currency)
        FROM found WHERE found.currency IS NOT NULL
     ) SELECT currency FROM found WHERE currency IS NOT NULL"
);
pub(super) const LOW_BITS: i64 = 0xffff_ffff;
/// The columns of a group of sums, after its value.
pub(super) const PLAIN_SUMS: &str = "kind, n, gross_high, gross_low, net_high, net_low, firsts";
pub(super) const KIND_SUMS: &str = "kind, CAST(SUM(n) AS BIGINT), CAST(SUM(gross_high) AS BIGINT),
    CAST(SUM(gross_low) AS BIGINT), CAST(SUM(net_high) AS BIGINT), CAST(SUM(net_low) AS BIGINT),
    CAST(SUM(firsts) AS BIGINT)";

/// The currencies with money.
pub(super) async fn currencies(tx: &mut Tx, live: bool) -> Result<Vec<Currency>, Error> {
    let read = |text: String| {
        text.parse().map_err(|error: dodo_core::Error| {
            Error::corrupt("a money row has no readable currency").with_source(error)
        })
    };
    let rows = tx.fetch(&CURRENCIES, args![live]).await?;
    rows.into_iter().map(|mut row| read(row.text(0)?)).collect()
}

/// The sums of a query of rows by these columns and by kind. A sum is in two parts, high and low, that a
/// `BIGINT` holds for any number of rows: SQLite fails if a sum leaves 64 bits.
pub(super) fn summed(columns: &str, base: &str) -> String {
    let columns = if columns.is_empty() { String::new() } else { format!("{columns}, ") };
    format!(
        "SELECT {columns}kind, CAST(SUM(n) AS BIGINT) AS n,
            CAST(SUM(gross >> 32) AS BIGINT) AS gross_high,
            CAST(SUM(gross & {LOW_BITS}) AS BIGINT) AS gross_low,
            CAST(SUM(net >> 32) AS BIGINT) AS net_high,
            CAST(SUM(net & {LOW_BITS}) AS BIGINT) AS net_low,
            CAST(SUM(firsts) AS BIGINT) AS firsts
         FROM ({base}) AS base GROUP BY {columns}kind"
    )
}

/// A sum from its high and low parts, in this column and the next one.
pub(super) fn read_wide(row: &mut Row, at: usize) -> Result<i128, Error> {
    Ok((i128::from(row.int(at)?) << 32) + i128::from(row.int(at + 1)?))
}

/// Adds `kind, n, gross, net, firsts` of a row; `at` is the column of `kind`.
pub(super) fn add(sums: &mut Sums, row: &mut Row, at: usize) -> Result<(), Error> {
    let (kind, n) = (row.int(at)?, row.int(at + 1)?);
    let (gross, net) = (read_wide(row, at + 2)?, read_wide(row, at + 4)?);
    sums.add(kind, n, gross, net, row.int(at + 6)?);
    Ok(())
}

/// The sums of a span by the values of a dimension and by kind: `value, kind, n` and the parts of the sums.
pub(super) async fn sums_of_values(
    tx: &mut Tx,
    scope: &Scope,
    by: Option<Dimension>,
    range: Option<Range>,
) -> Result<Vec<Row>, Error> {
    let mut binder = Binder::default();
    let base = scope.sums_of(&mut binder, by, range, None)?;
    tx.fetch_built(summed("value", &base), binder.0).await
}

/// The sums of a span.
pub(super) async fn total(tx: &mut Tx, scope: &Scope, range: Option<Range>) -> Result<Sums, Error> {
    let mut sums = Sums::default();
    for mut row in sums_of_values(tx, scope, None, range).await? {
        add(&mut sums, &mut row, 1)?;
    }
    Ok(sums)
}

/// The sums that a chart reads.
pub(super) struct Chart<'a> {
    pub(super) scope: &'a Scope,
    pub(super) interval: Interval,
    pub(super) is_books_zone: bool,
}

impl Chart<'_> {
    /// The sums of all values in each bucket.
    pub(super) async fn total(
        &self,
        tx: &mut Tx,
        range: Option<Range>,
        buckets: &[Bucket],
    ) -> Result<Vec<Sums>, Error> {
        let mut sums = self.sums(tx, None, range, buckets, None).await?;
        Ok(sums.remove(&0).unwrap_or_else(|| vec![Sums::default(); buckets.len()]))
    }

    /// The sums of these values in each bucket, and those of all values. Single rows are read once for both.
    pub(super) async fn values(
        &self,
        tx: &mut Tx,
        by: Dimension,
        range: Option<Range>,
        buckets: &[Bucket],
        values: &[i64],
    ) -> Result<(HashMap<i64, Vec<Sums>>, Vec<Sums>), Error> {
        let sums = self.sums(tx, Some(by), range, buckets, Some(values)).await?;
        let is_whole = self.parts(Some(by), range).iter().all(|part| matches!(part, Part::Rows(_)));
        if !is_whole {
            return Ok((sums, self.total(tx, range, buckets).await?));
        }
        let mut total = vec![Sums::default(); buckets.len()];
        for list in sums.values() {
            total.iter_mut().zip(list).for_each(|(total, sums)| *total = total.more(sums));
        }
        Ok((sums, total))
    }

    fn parts(&self, by: Option<Dimension>, range: Option<Range>) -> Vec<Part> {
        let by_month = matches!(self.interval, Interval::Month | Interval::Year);
        match self.is_books_zone && self.interval != Interval::Hour {
            true => self.scope.parts(by, range, by_month),
            false => vec![Part::Rows(range)],
        }
    }

    /// The sums of each value in each bucket. Single rows of other values than `values` are at -1.
    async fn sums(
        &self,
        tx: &mut Tx,
        by: Option<Dimension>,
        range: Option<Range>,
        buckets: &[Bucket],
        values: Option<&[i64]>,
    ) -> Result<HashMap<i64, Vec<Sums>>, Error> {
        let mut all: HashMap<i64, Vec<Sums>> = HashMap::new();
        if buckets.is_empty() {
            return Ok(all);
        }
        let parts = self.parts(by, range);
        let mut binder = Binder::default();
        let mut base = Vec::new();
        for part in parts {
            // A part with bounds is in the buckets that it touches. A part without bounds is in all
            // buckets.
            let touched: Vec<Bucket> = match part {
                Part::Rows(Some(part)) => buckets
                    .iter()
                    .copied()
                    .map(|bucket| {
                        let from = bucket.range.from.max(part.from);
                        let until = bucket.range.until.min(part.until).max(from);
                        Bucket { range: Range::new(from, until), ..bucket }
                    })
                    .collect(),
                _ => buckets.to_vec(),
            };
            base.push(self.scope.select(&mut binder, by, part, Some(&touched), values)?);
        }
        let days: Vec<i64> = buckets.iter().map(|bucket| day_number(bucket.date)).collect();
        let months: Vec<i64> = buckets.iter().map(|bucket| month_number(bucket.date)).collect();
        let text = summed("slot, value", &base.join(" UNION ALL "));
        for mut row in tx.fetch_built(text, binder.0).await? {
            let index = match Slot::read(row.int(0)?) {
                Slot::Bucket(index) => index,
                Slot::Day(day) => days.partition_point(|first| *first <= day).saturating_sub(1),
                Slot::Month(month) => {
                    months.partition_point(|first| *first <= month).saturating_sub(1)
                }
            };
            let value = row.int(1)?;
            let list = all.entry(value).or_insert_with(|| vec![Sums::default(); buckets.len()]);
            if let Some(sums) = list.get_mut(index) {
                add(sums, &mut row, 2)?;
            }
        }
        Ok(all)
    }
}
