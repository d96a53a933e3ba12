//! The filter of a question, and the rows of each part of its span.

use std::collections::HashMap;

use dodo_core::money::Currency;
use jiff::{Timestamp, tz::TimeZone};

use super::{
    calendar::{Bucket, Range},
    span::{Part, extent, parts, whole_months},
};
use crate::{
    attribution::{Channel, Dimension, kind_number},
    error::Error,
    store::{
        Tx,
        sql::{Arg, Rows, Sql, args, sql},
    },
};

const BOOKS: Sql = sql!("SELECT zone, complete FROM dodo_books WHERE id = 1");
const FIND_VALUES: Sql = sql!(
    "SELECT dodo_value.dim, dodo_value.text, dodo_value.id
     FROM " (rows 1: 1 dim BIGINT, 2 text TEXT) " CROSS JOIN dodo_value
     WHERE dodo_value.dim = given.dim AND dodo_value.text = given.text"
);

/// The sums of `dodo_roll`.
pub(super) const STORED_SUMS: &str = "n, firsts, charges, refunds, disputes, net, charges_net, \
    charges_gross, refunds_gross, disputes_gross";
/// The id of a value that no row has.
const UNKNOWN: i64 = -1;
/// The values that a chart does not show one by one.
const OTHERS: &str = "CAST(-1 AS BIGINT)";
/// A placeholder column with the type of the other columns.
pub(super) const NOTHING: &str = "CAST(0 AS BIGINT)";

/// The arguments of a statement that is being built. Every value is an argument, never part of the
/// text.
///
/// Each argument is in a cast. With figures about its tables, SQLite plans a statement again for each new value of an
/// argument without a cast.
#[derive(Default)]
pub(super) struct Binder(pub(super) Vec<Arg>);

impl Binder {
    pub(super) fn bind(&mut self, arg: impl Into<Arg>) -> String {
        let arg = arg.into();
        let kind = if matches!(arg, Arg::Text(_)) { "TEXT" } else { "BIGINT" };
        self.0.push(arg);
        format!("CAST(${} AS {kind})", self.0.len())
    }

    pub(super) fn list(&mut self, numbers: &[i64]) -> String {
        let places: Vec<String> = numbers.iter().map(|number| self.bind(*number)).collect();
        places.join(", ")
    }
}

/// The rows that a question selects.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) test_mode: bool,
    pub(super) currency: Option<Currency>,
    pub(super) range: Option<Range>,
    /// The values to select. Several of one dimension: any of them.
    pub(super) only: Vec<(Dimension, Option<String>)>,
    /// The values to leave out.
    pub(super) not: Vec<(Dimension, Option<String>)>,
}

/// The filter with the numbers of its values.
#[derive(Debug)]
pub(super) struct Scope {
    live: bool,
    pub(super) currency: Currency,
    conditions: Vec<Condition>,
    /// The zone of the sums. `None`: they are not complete.
    zone: Option<TimeZone>,
    /// The span from the first money to the last. `None`: no money exists.
    extent: Option<Range>,
}

/// A condition on one dimension.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) dimension: Dimension,
    numbers: Vec<i64>,
    is_negated: bool,
}

/// The place of a row in a chart: see [`Slot::read`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Bucket(usize),
    Day(i64),
    Month(i64),
}

impl Slot {
    /// -1, -2 and so on are buckets; even numbers are days, odd numbers are months.
    pub(super) fn read(number: i64) -> Self {
        match number {
            ..0 => Self::Bucket(usize::try_from(-1 - number).unwrap_or_default()),
            _ if number % 2 == 0 => Self::Day(number / 2),
            _ => Self::Month(number / 2),
        }
    }

    fn number_of_bucket(index: usize) -> i64 {
        -1 - i64::try_from(index).unwrap_or_default()
    }
}

impl Scope {
    /// Finds the numbers of the values.
    pub(super) async fn read(tx: &mut Tx, filter: &Filter, zone: &TimeZone) -> Result<Self, Error> {
        let currency = filter.currency.ok_or_else(|| {
            Error::config(
                "a question about money needs `.currency(..)`: currencies are never added",
            )
        })?;
        let conditions = conditions_of(tx, &filter.only, &filter.not).await?;
        let (live, zone) = (!filter.test_mode, sums_zone(tx, zone).await?);
        let extent = extent(tx, live, currency).await?;
        Ok(Self { live, currency, conditions, zone, extent })
    }

    /// The dimension of the stored sums that answer a question by this dimension. `None`: the
    /// question needs single rows.
    fn summed(&self, by: Option<Dimension>) -> Option<(Option<Dimension>, &TimeZone)> {
        let zone = self.zone.as_ref()?;
        Some((sums_by(&self.conditions, by)?, zone))
    }

    /// Whether a question by this dimension needs single rows.
    pub(super) fn reads_rows(&self, by: Option<Dimension>) -> bool {
        self.summed(by).is_none()
    }

    /// Whether a question for few values of this dimension reads the rows of all values. Customers and visitors
    /// have an index.
    pub(super) fn folds(&self, by: Dimension) -> bool {
        self.reads_rows(Some(by)) && by.has_sums()
    }

    /// Whether stored sums answer a question by each of these dimensions.
    pub(super) fn reads_sums(&self, by: &[Dimension]) -> bool {
        by.iter().all(|by| !self.reads_rows(Some(*by)))
    }

    /// The parts of a span for a question by this dimension.
    pub(super) fn parts(
        &self,
        by: Option<Dimension>,
        range: Option<Range>,
        by_month: bool,
    ) -> Vec<Part> {
        match self.summed(by) {
            Some((_, zone)) => parts(whole_months(range, self.extent, zone), zone, by_month),
            None => vec![Part::Rows(range)],
        }
    }

    /// A query of `slot, value` and sums for a part: single rows with their kind, or rows of `dodo_roll`. With
    /// `buckets`, single rows have the slot of their bucket. `values`: a list or a query of the only values; if
    /// single rows of the other values are read, they have the value -1.
    pub(super) fn select(
        &self,
        binder: &mut Binder,
        by: Option<Dimension>,
        part: Part,
        buckets: Option<&[Bucket]>,
        values: Option<&str>,
    ) -> Result<String, Error> {
        let (live, currency) = (binder.bind(self.live), binder.bind(self.currency.as_str()));
        match part {
            Part::Rows(range) => {
                let value = match by {
                    None => NOTHING,
                    Some(by) => by.column().ok_or_else(|| {
                        Error::config("money is not grouped by this dimension: use `.series(..)`")
                    })?,
                };
                let folds = by.is_none_or(Dimension::has_sums);
                let listed = values.filter(|_| !folds);
                let listed = listed.map(|values| format!(" AND {value} IN ({values})"));
                let ordered = by == Some(Dimension::Customer) && values.is_none();
                let (at, value) = match range.filter(|_| ordered) {
                    Some(range) if self.is_long(range) => ("CAST(at AS BIGINT)", value),
                    Some(_) => ("at", "+customer"),
                    None => ("at", value),
                };
                let value = match values.filter(|_| folds) {
                    None => value.to_owned(),
                    Some(values) => folded(value, values),
                };
                let slot = match buckets {
                    None => NOTHING.to_owned(),
                    Some(buckets) => slot_of(binder, &touched(buckets, range)),
                };
                let mut text = format!(
                    "SELECT {slot} AS slot, {value} AS value, kind, 1 AS n, gross, net, is_first AS firsts
                     FROM dodo_money WHERE live = {live} AND currency = {currency}"
                );
                if let Some(range) = range {
                    let from = binder.bind(range.from.as_microsecond());
                    let until = binder.bind(range.until.as_microsecond());
                    text.push_str(&format!(" AND {at} >= {from} AND {at} < {until}"));
                }
                text.push_str(&listed.unwrap_or_default());
                for condition in &self.conditions {
                    let column = condition.dimension.column().ok_or_else(|| {
                        Error::config("days and currencies have their own filter: `.between(..)`, `.currency(..)`")
                    })?;
                    text.push_str(&condition.text(binder, column));
                }
                Ok(text)
            }
            Part::Days(first, until) => {
                Ok(self.select_sums(binder, by, (live, currency), 0, Some((first, until)), values))
            }
            Part::Months(months) => {
                Ok(self.select_sums(binder, by, (live, currency), 1, months, values))
            }
        }
    }

    /// Whether SQLite reads an index of all customers in their order sooner than it sorts the rows of the span. A
    /// `+` before a column, or a cast of it, keeps SQLite from an index. PostgreSQL ignores a cast to the same type.
    fn is_long(&self, range: Range) -> bool {
        self.extent.is_some_and(|all| {
            let (from, until) = (range.from.max(all.from), range.until.min(all.until));
            from.duration_until(until) > all.from.duration_until(all.until) / 5
        })
    }

    fn select_sums(
        &self,
        binder: &mut Binder,
        by: Option<Dimension>,
        (live, currency): (String, String),
        grain: i64,
        span: Option<(i64, i64)>,
        values: Option<&str>,
    ) -> String {
        let dimension = self.summed(by).and_then(|(dimension, _)| dimension);
        let dim = binder.bind(dimension.and_then(Dimension::number).unwrap_or_default());
        let value = if by.is_some() { "value" } else { NOTHING };
        let mut text = format!(
            "SELECT bucket * 2 + {grain} AS slot, {value} AS value, {STORED_SUMS} FROM dodo_roll
             WHERE live = {live} AND currency = {currency} AND dim = {dim} AND grain = {grain}"
        );
        if let Some((first, until)) = span {
            let (first, until) = (binder.bind(first), binder.bind(until));
            text.push_str(&format!(" AND bucket >= {first} AND bucket < {until}"));
        }
        for condition in &self.conditions {
            text.push_str(&condition.text(binder, "value"));
        }
        if let Some(values) = values {
            // As a filter of the rows of the span: a search for each value would read the span for each.
            text.push_str(&format!(" AND ({value} IN ({values})) IS TRUE"));
        }
        text
    }

    /// The rows of each part of a span, as [`select`](Self::select) reads them.
    pub(super) fn bases(
        &self,
        binder: &mut Binder,
        by: Dimension,
        range: Option<Range>,
    ) -> Result<Vec<(Part, String)>, Error> {
        let parts = self.parts(Some(by), range, true).into_iter();
        parts.map(|part| Ok((part, self.select(binder, Some(by), part, None, None)?))).collect()
    }

    /// A query of the rows of a span that several questions share: the columns of these dimensions.
    pub(super) fn select_rows(
        &self,
        binder: &mut Binder,
        by: &[Dimension],
        range: Option<Range>,
    ) -> Result<String, Error> {
        let text = self.select(binder, None, Part::Rows(range), None, None)?;
        let mut columns: Vec<&str> = by.iter().filter_map(|by| by.column()).collect();
        columns.sort_unstable();
        columns.dedup();
        columns.retain(|column| *column != "kind"); // every row has the kind
        let columns: String = columns.iter().map(|column| format!("{column}, ")).collect();
        let own = format!("{NOTHING} AS slot, {NOTHING} AS value, ");
        Ok(text.replacen(&own, &columns, 1))
    }
}

/// The buckets with a part of a span, each with its place in the chart.
fn touched(buckets: &[Bucket], range: Option<Range>) -> Vec<(usize, Timestamp)> {
    let touches = |(_, bucket): &(usize, &Bucket)| {
        range.is_none_or(|range| bucket.range.from < range.until && range.from < bucket.range.until)
    };
    let found = buckets.iter().enumerate().filter(touches);
    found.map(|(index, bucket)| (index, bucket.range.from)).collect()
}

/// The slot of a row by its time, among buckets that follow one another: a binary search.
fn slot_of(binder: &mut Binder, buckets: &[(usize, Timestamp)]) -> String {
    let (before, after) = buckets.split_at(buckets.len() / 2);
    let Some((index, start)) = after.first() else { return NOTHING.to_owned() };
    if before.is_empty() {
        return format!("CAST({} AS BIGINT)", Slot::number_of_bucket(*index));
    }
    let start = binder.bind(start.as_microsecond());
    let (before, after) = (slot_of(binder, before), slot_of(binder, after));
    format!("CASE WHEN at < {start} THEN {before} ELSE {after} END")
}

/// The value of a column, and -1 for all values that are not in this list or query.
fn folded(column: &str, values: &str) -> String {
    format!("CASE WHEN {column} IN ({values}) THEN {column} ELSE {OTHERS} END")
}

/// The zone of the stored sums. `None`: they are not complete, or of another zone.
pub(super) async fn sums_zone(tx: &mut Tx, zone: &TimeZone) -> Result<Option<TimeZone>, Error> {
    let books = tx.fetch_one(&BOOKS, args![]).await?;
    let mut books = books.ok_or_else(|| Error::corrupt("the row of dodo_books is missing"))?;
    let is_usable = zone.iana_name() == Some(&books.text(0)?) && books.int(1)? != 0;
    Ok(is_usable.then(|| zone.clone()))
}

/// The dimension of the stored sums that answer a question; inner `None`: the sums of all rows. Outer `None`:
/// the question needs single rows.
pub(super) fn sums_by(
    conditions: &[Condition],
    by: Option<Dimension>,
) -> Option<Option<Dimension>> {
    let mut needed = conditions.iter().map(|condition| condition.dimension).chain(by);
    let first = needed.next();
    let same = needed.all(|other| Some(other) == first);
    (same && first.is_none_or(Dimension::has_sums)).then_some(first)
}

/// The conditions of a filter, with the numbers of its values. Several values of one dimension: any of them.
pub(super) async fn conditions_of(
    tx: &mut Tx,
    only: &[(Dimension, Option<String>)],
    not: &[(Dimension, Option<String>)],
) -> Result<Vec<Condition>, Error> {
    let texts = numbers_of(tx, only.iter().chain(not)).await?;
    let mut conditions: Vec<Condition> = Vec::new();
    for (values, is_negated) in [(only, false), (not, true)] {
        for (dimension, value) in values {
            let number = match value {
                None => 0,
                Some(text) => {
                    let known = texts.get(&(*dimension, text.clone()));
                    known.copied().unwrap_or(UNKNOWN)
                }
            };
            let known = conditions
                .iter_mut()
                .find(|known| known.dimension == *dimension && known.is_negated == is_negated);
            match known {
                Some(known) => known.numbers.push(number),
                None => conditions.push(Condition {
                    dimension: *dimension,
                    numbers: vec![number],
                    is_negated,
                }),
            }
        }
    }
    Ok(conditions)
}

impl Condition {
    pub(super) fn text(&self, binder: &mut Binder, column: &str) -> String {
        let not = if self.is_negated { "NOT " } else { "" };
        format!(" AND {column} {not}IN ({})", binder.list(&self.numbers))
    }
}

/// The numbers of values: ids of texts, and the numbers of channels and kinds.
async fn numbers_of(
    tx: &mut Tx,
    values: impl Iterator<Item = &(Dimension, Option<String>)>,
) -> Result<HashMap<(Dimension, String), i64>, Error> {
    let (mut known, mut wanted) = (HashMap::new(), Rows::default());
    for (dimension, text) in values {
        let Some(text) = text else { continue };
        let number = match dimension {
            Dimension::Channel => {
                let channel = Channel::ALL.into_iter().find(|channel| channel.as_str() == text);
                channel.map(Channel::number)
            }
            Dimension::Kind => kind_number(text),
            _ => None,
        };
        match (number, dimension.number()) {
            (Some(number), _) => {
                known.insert((*dimension, text.clone()), number);
            }
            (None, Some(dim)) => wanted.push(args![dim, text]),
            _ => {}
        }
    }
    if !wanted.is_empty() {
        for mut row in tx.fetch(&FIND_VALUES, args![wanted]).await? {
            let (dim, text, id) = (row.int(0)?, row.text(1)?, row.int(2)?);
            let dimension = Dimension::TEXTS.into_iter().find(|known| known.number() == Some(dim));
            known.extend(dimension.map(|dimension| ((dimension, text), id)));
        }
    }
    Ok(known)
}
