//! The sources of an answer: stored sums by month and day, and single rows for the rest of a span.

use std::collections::HashMap;

use dodo_core::money::Currency;
use jiff::{Unit, civil::Date, tz::TimeZone};

use super::{
    calendar::{Bucket, Range, start_of},
    series::STORED_SUMS,
};
use crate::{
    attribution::{Channel, Dimension, day_number, kind_number, month_number},
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

/// Shorter spans are not split into months.
const DAYS: i32 = 62;
/// The id of a value that no row has.
const UNKNOWN: i64 = -1;
/// The values that a chart does not show one by one.
const OTHERS: &str = "CAST(-1 AS BIGINT)";
/// A placeholder column with the type of the other columns.
pub(super) const NOTHING: &str = "CAST(0 AS BIGINT)";

/// The arguments of a statement that is being built. Every value is an argument, never part of the
/// text.
#[derive(Default)]
pub(super) struct Binder(pub(super) Vec<Arg>);

impl Binder {
    pub(super) fn bind(&mut self, arg: impl Into<Arg>) -> String {
        self.0.push(arg.into());
        format!("${}", self.0.len())
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
}

/// A condition on one dimension.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) dimension: Dimension,
    numbers: Vec<i64>,
    is_negated: bool,
}

/// A part of a span, and the table that has its sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Single rows. `None`: without an end.
    Rows(Option<Range>),
    /// Sums by day, from the first number to before the second.
    Days(i64, i64),
    /// Sums by month. `None`: all.
    Months(Option<(i64, i64)>),
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
        let zone = sums_zone(tx, zone).await?;
        Ok(Self { live: !filter.test_mode, currency, conditions, zone })
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

    /// The parts of a span for a question by this dimension.
    pub(super) fn parts(
        &self,
        by: Option<Dimension>,
        range: Option<Range>,
        by_month: bool,
    ) -> Vec<Part> {
        match self.summed(by) {
            Some((_, zone)) => parts(range, zone, by_month),
            None => vec![Part::Rows(range)],
        }
    }

    /// A query of `slot, value` and sums for a part: single rows with their kind, or rows of `dodo_roll`. With
    /// `buckets`, single rows have the slot of their bucket. `values`: only these; single rows of the other
    /// values have the value -1.
    pub(super) fn select(
        &self,
        binder: &mut Binder,
        by: Option<Dimension>,
        part: Part,
        buckets: Option<&[Bucket]>,
        values: Option<&[i64]>,
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
                let value = match values {
                    None => value.to_owned(),
                    Some(values) => folded(binder, value, values),
                };
                let mut text = String::from("SELECT ");
                match buckets {
                    None => text.push_str(&format!(
                        "{NOTHING} AS slot, {value} AS value, kind, 1 AS n, gross, net, is_first AS firsts
                         FROM dodo_money WHERE live = {live} AND currency = {currency}"
                    )),
                    Some(buckets) => {
                        let mut rows = Vec::new();
                        for (index, bucket) in buckets.iter().enumerate() {
                            let slot = binder.bind(Slot::number_of_bucket(index));
                            let since = binder.bind(bucket.range.from.as_microsecond());
                            let until = binder.bind(bucket.range.until.as_microsecond());
                            rows.push(format!("({slot}, {since}, {until})"));
                        }
                        text.push_str(&format!(
                            "given.slot, {value} AS value, kind, 1 AS n, gross, net,
                                is_first AS firsts
                             FROM (SELECT column1 AS slot, column2 AS since, column3 AS until
                                 FROM (VALUES {}) AS listed) AS given
                             CROSS JOIN dodo_money
                             WHERE live = {live} AND currency = {currency}
                                AND at >= given.since AND at < given.until",
                            rows.join(", ")
                        ));
                    }
                }
                if let (Some(range), None) = (range, buckets) {
                    let from = binder.bind(range.from.as_microsecond());
                    let until = binder.bind(range.until.as_microsecond());
                    text.push_str(&format!(" AND at >= {from} AND at < {until}"));
                }
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

    fn select_sums(
        &self,
        binder: &mut Binder,
        by: Option<Dimension>,
        (live, currency): (String, String),
        grain: i64,
        span: Option<(i64, i64)>,
        values: Option<&[i64]>,
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
            text.push_str(&format!(" AND {value} IN ({})", binder.list(values)));
        }
        text
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

/// The value of a column, and -1 for all values that are not among these.
pub(super) fn folded(binder: &mut Binder, column: &str, values: &[i64]) -> String {
    format!("CASE WHEN {column} IN ({}) THEN {column} ELSE {OTHERS} END", binder.list(values))
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

/// The parts of a span.
pub(super) fn parts(range: Option<Range>, zone: &TimeZone, by_month: bool) -> Vec<Part> {
    let Some(range) = range else { return vec![Part::Months(None)] };
    if range.from >= range.until {
        return vec![Part::Rows(Some(range))];
    }
    let date = |at| zone.to_datetime(at).date();
    let from = date(range.from);
    let first = match start_of(from, zone) == range.from {
        true => from,
        false => from.tomorrow().unwrap_or(Date::MAX),
    };
    let last = date(range.until);
    if first >= last {
        return vec![Part::Rows(Some(range))];
    }
    let (start, end) = (start_of(first, zone), start_of(last, zone));
    let mut parts = Vec::new();
    if range.from < start {
        parts.push(Part::Rows(Some(Range::new(range.from, start))));
    }
    let days = |from: Date, until: Date| {
        (from < until).then(|| Part::Days(day_number(from), day_number(until)))
    };
    let is_long = last.since((Unit::Day, first)).is_ok_and(|span| span.get_days() > DAYS);
    let month = match first.first_of_month() == first {
        true => first,
        false => first.last_of_month().tomorrow().unwrap_or(Date::MAX),
    };
    let months = (month, last.first_of_month());
    if by_month && is_long && months.0 < months.1 {
        parts.extend(days(first, months.0));
        parts.push(Part::Months(Some((month_number(months.0), month_number(months.1)))));
        parts.extend(days(months.1, last));
    } else {
        parts.extend(days(first, last));
    }
    if end < range.until {
        parts.push(Part::Rows(Some(Range::new(end, range.until))));
    }
    parts
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_split_at_days_and_months() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| {
            text.parse::<jiff::civil::DateTime>()
                .unwrap()
                .to_zoned(zone.clone())
                .unwrap()
                .timestamp()
        };
        let range = |from: &str, until: &str| Some(Range::new(at(from), at(until)));
        let rows = |from: &str, until: &str| Part::Rows(range(from, until));
        let day = |text: &str| day_number(text.parse().unwrap());
        let month = |year: i64, month: i64| year * 12 + month - 1;
        for (span, by_month, expected) in [
            (None, true, vec![Part::Months(None)]),
            (
                range("2026-11-20T10:00", "2026-11-20T12:00"),
                true,
                vec![rows("2026-11-20T10:00", "2026-11-20T12:00")],
            ),
            (
                range("2026-11-20T10:00", "2026-11-21T12:00"),
                true,
                vec![rows("2026-11-20T10:00", "2026-11-21T12:00")],
            ),
            (
                range("2026-11-01T00:00", "2026-11-28T12:00"),
                true,
                vec![
                    Part::Days(day("2026-11-01"), day("2026-11-28")),
                    rows("2026-11-28T00:00", "2026-11-28T12:00"),
                ],
            ),
            (
                range("2026-01-15T06:00", "2026-11-28T12:00"),
                true,
                vec![
                    rows("2026-01-15T06:00", "2026-01-16T00:00"),
                    Part::Days(day("2026-01-16"), day("2026-02-01")),
                    Part::Months(Some((month(2026, 2), month(2026, 11)))),
                    Part::Days(day("2026-11-01"), day("2026-11-28")),
                    rows("2026-11-28T00:00", "2026-11-28T12:00"),
                ],
            ),
            (
                range("2026-01-01T00:00", "2026-12-01T00:00"),
                true,
                vec![Part::Months(Some((month(2026, 1), month(2026, 12))))],
            ),
            (
                range("2026-01-01T00:00", "2026-12-01T00:00"),
                false,
                vec![Part::Days(day("2026-01-01"), day("2026-12-01"))],
            ),
        ] {
            assert_eq!(parts(span, &zone, by_month), expected, "{span:?}");
        }
    }
}
