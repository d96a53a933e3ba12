//! Sums of money by statement: of a span, and of each bucket of a chart.

use std::collections::HashMap;

use dodo_core::money::Currency;

use super::{
    calendar::{Bucket, Interval, Range},
    plan::{Binder, STORED_SUMS, Scope, Slot},
    span::Part,
    sums::Sums,
};
use crate::{
    attribution::{Dimension, day_number, month_number},
    error::Error,
    store::{
        Tx,
        sql::{Row, args},
    },
};

const LOW_BITS: i64 = 0xffff_ffff;
/// The sums that are counts.
const COUNTS: [&str; 5] = ["n", "firsts", "charges", "refunds", "disputes"];
/// The columns of a group of sums, after its value.
pub(super) const PLAIN_SUMS: &str = "n, firsts, charges, refunds, disputes, net_high, net_low, \
    charges_net_high, charges_net_low, charges_gross_high, charges_gross_low, refunds_gross_high, \
    refunds_gross_low, disputes_gross_high, disputes_gross_low";

/// The currencies in a table: reads one index entry for each.
pub(super) async fn currencies(
    tx: &mut Tx,
    table: &str,
    live: bool,
) -> Result<Vec<Currency>, Error> {
    let text = format!(
        "WITH RECURSIVE found (currency) AS (
            SELECT MIN(currency) FROM {table} WHERE live = $1
            UNION ALL
            SELECT (SELECT MIN(currency) FROM {table} WHERE live = $1 AND currency > found.currency)
            FROM found WHERE found.currency IS NOT NULL
         ) SELECT currency FROM found WHERE currency IS NOT NULL"
    );
    let rows = tx.fetch_built(text, args![live]).await?;
    rows.into_iter().map(|mut row| read_currency(&row.text(0)?)).collect()
}

pub(super) fn read_currency(text: &str) -> Result<Currency, Error> {
    text.parse().map_err(|error: dodo_core::Error| {
        Error::corrupt("a row has no readable currency").with_source(error)
    })
}

/// The sums of these columns. The sum of an amount is in two parts, high and low, that a `BIGINT` holds for
/// any number of rows: SQLite fails if a sum leaves 64 bits.
fn split(names: &str) -> String {
    let sum = |name: &str| match COUNTS.contains(&name) {
        true => format!("CAST(SUM({name}) AS BIGINT) AS {name}"),
        false => format!(
            "CAST(SUM({name} >> 32) AS BIGINT) AS {name}_high,
             CAST(SUM({name} & {LOW_BITS}) AS BIGINT) AS {name}_low"
        ),
    };
    names.split(", ").map(sum).collect::<Vec<_>>().join(", ")
}

/// The sums of single rows by these columns and by kind, as the columns of [`PLAIN_SUMS`]. The database adds
/// up few columns of many rows, and tells the kinds apart in few groups.
pub(super) fn summed_rows(columns: &str, base: &str) -> String {
    let when = |kinds: &str, name: &str| format!("CASE WHEN kind {kinds} THEN {name} ELSE 0 END");
    let all: Vec<String> = [
        ("<= 3", "n", "charges"),
        ("= 4", "n", "refunds"),
        ("= 6", "n", "disputes"),
        ("> 0", "net_high", "net_high"),
        ("> 0", "net_low", "net_low"),
        ("<= 3", "net_high", "charges_net_high"),
        ("<= 3", "net_low", "charges_net_low"),
        ("<= 3", "gross_high", "charges_gross_high"),
        ("<= 3", "gross_low", "charges_gross_low"),
        ("IN (4, 5)", "gross_high", "refunds_gross_high"),
        ("IN (4, 5)", "gross_low", "refunds_gross_low"),
        ("> 5", "gross_high", "disputes_gross_high"),
        ("> 5", "gross_low", "disputes_gross_low"),
    ]
    .into_iter()
    .map(|(kinds, sum, name)| format!("{} AS {name}", when(kinds, sum)))
    .collect();
    format!(
        "SELECT {columns}, n, firsts, {} FROM (
            SELECT {columns}, kind, {} FROM ({base}) AS base GROUP BY {columns}, kind) AS kinds",
        all.join(", "),
        split("n, firsts, gross, net")
    )
}

/// The sums of groups that are not whole yet.
pub(super) fn added() -> String {
    let sum = |name| format!("CAST(SUM({name}) AS BIGINT) AS {name}");
    PLAIN_SUMS.split(", ").map(sum).collect::<Vec<_>>().join(", ")
}

/// The sums of groups by these columns: one row each.
pub(super) fn summed(columns: &str, base: &str) -> String {
    format!("SELECT {columns}, {} FROM ({base}) AS parts GROUP BY {columns}", added())
}

/// A sum from its high and low parts, in this column and the next one.
pub(super) fn read_wide(row: &mut Row, at: usize) -> Result<i128, Error> {
    Ok((i128::from(row.int(at)?) << 32) + i128::from(row.int(at + 1)?))
}

/// The sums of a row; `at` is the column of the first one.
pub(super) fn read(row: &mut Row, at: usize) -> Result<Sums, Error> {
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    let (new_customers, charges) = (count(row.int(at + 1)?), count(row.int(at + 2)?));
    let (refunds, disputes) = (count(row.int(at + 3)?), count(row.int(at + 4)?));
    let (net, charges_net) = (read_wide(row, at + 5)?, read_wide(row, at + 7)?);
    let (charges_gross, refunds_gross) = (read_wide(row, at + 9)?, read_wide(row, at + 11)?);
    let disputes_gross = read_wide(row, at + 13)?;
    let gross = charges_gross + refunds_gross + disputes_gross;
    Ok(Sums {
        gross,
        net,
        charges,
        charges_gross,
        charges_net,
        refunds,
        refunds_gross,
        disputes,
        disputes_gross,
        new_customers,
    })
}

impl Scope {
    /// The sums of a part by these columns: `slot`, `value` or both.
    fn grouped(
        &self,
        binder: &mut Binder,
        columns: &str,
        by: Option<Dimension>,
        part: Part,
        buckets: Option<&[Bucket]>,
        values: Option<&str>,
    ) -> Result<String, Error> {
        let base = self.select(binder, by, part, buckets, values)?;
        Ok(match part {
            Part::Rows(_) => summed_rows(columns, &base),
            _ => format!(
                "SELECT {columns}, {} FROM ({base}) AS base GROUP BY {columns}",
                split(STORED_SUMS)
            ),
        })
    }

    /// The sums of a span by `value`.
    pub(super) fn sums_of(
        &self,
        binder: &mut Binder,
        by: Option<Dimension>,
        range: Option<Range>,
        values: Option<&str>,
    ) -> Result<String, Error> {
        let parts = self.parts(by, range, true).into_iter();
        let parts = parts.map(|part| self.grouped(binder, "value", by, part, None, values));
        Ok(summed("value", &parts.collect::<Result<Vec<_>, _>>()?.join(" UNION ALL ")))
    }
}

/// The sums of a span by the values of a dimension: `value` and [`PLAIN_SUMS`].
pub(super) async fn sums_of_values(
    tx: &mut Tx,
    scope: &Scope,
    by: Option<Dimension>,
    range: Option<Range>,
) -> Result<Vec<Row>, Error> {
    let mut binder = Binder::default();
    let text = scope.sums_of(&mut binder, by, range, None)?;
    tx.fetch_built(text, binder.0).await
}

/// The sums of a span.
pub(super) async fn total(tx: &mut Tx, scope: &Scope, range: Option<Range>) -> Result<Sums, Error> {
    let row = sums_of_values(tx, scope, None, range).await?.pop();
    row.map_or(Ok(Sums::default()), |mut row| read(&mut row, 1))
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
        let is_single = |part: &Part| matches!(part, Part::Rows(_));
        // Single rows of all values are read, if the dimension has no index.
        let is_whole = by.has_sums() && self.parts(Some(by), range).iter().all(is_single);
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
        let values = values.map(|values| binder.list(values));
        let mut base = Vec::new();
        for part in parts {
            base.push(self.scope.grouped(
                &mut binder,
                "slot, value",
                by,
                part,
                Some(buckets),
                values.as_deref(),
            )?);
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
                *sums = sums.more(&read(&mut row, 2)?);
            }
        }
        Ok(all)
    }
}
