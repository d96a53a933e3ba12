//! The answers to questions about money, and the values of a dimension by their numbers.

use std::{collections::HashMap, fmt, str::FromStr};

use dodo_core::money::Currency;

use super::{calendar::Bucket, series::read, sums::Sums};
use crate::{
    attribution::{Channel, Dimension, kind_name},
    error::Error,
    store::{
        Tx,
        sql::{Row, Rows, Sql, args, sql},
    },
};

const TEXTS: Sql = sql!(
    "SELECT dodo_value.id, dodo_value.text FROM " (rows 1: 1 id BIGINT) "
     CROSS JOIN dodo_value WHERE dodo_value.id = given.id"
);

/// The order of the rows of a list. Rows with equal values are in the order of their first booking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Order {
    /// The number that decides.
    pub by: Sort,
    /// The smallest first.
    pub ascending: bool,
}

/// The number that decides the order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sort {
    /// The net amount.
    #[default]
    Net,
    /// The number of charges.
    Charges,
    /// The number of new customers.
    NewCustomers,
}

/// The place of a row in a list: the next page begins after it. It is valid for the same question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    pub(super) number: i64,
    pub(super) value: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.number, self.value)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let numbers = text.split_once('.').map(|(number, value)| (number.parse(), value.parse()));
        match numbers {
            Some((Ok(number), Ok(value))) => Ok(Self { number, value }),
            _ => Err(Error::config("a cursor is two numbers: take it from the page before")),
        }
    }
}

/// The sums of a span, and of the span that it is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compared {
    /// The sums of the span.
    pub now: Sums,
    /// The sums of the span of [`versus`](super::MoneyQuery::versus).
    pub before: Option<Sums>,
}

/// The sums of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CurrencySums {
    /// The currency.
    pub currency: Currency,
    /// Its number of decimals.
    pub exponent: u8,
    /// Its sums.
    pub sums: Sums,
}

/// The values of a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breakdown {
    /// The dimension.
    pub by: Dimension,
    /// One row per value, in the order of the question.
    pub rows: Vec<BreakdownRow>,
    /// Records without a value, such as those without an attribution. They are in no row.
    pub none: Compared,
    /// All records.
    pub total: Compared,
    /// The number of all values, in `rows` or not.
    pub count: u64,
    /// The place of the last row. `None`: the list ends here.
    pub next: Option<Cursor>,
}

/// One value of a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakdownRow {
    /// The value.
    pub value: String,
    /// Its sums.
    pub sums: Compared,
}

/// Sums over time. Every list has one entry per bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Series {
    /// The parts of the span, with or without money.
    pub buckets: Vec<Bucket>,
    /// All records.
    pub total: Vec<Sums>,
    /// The span of [`versus`](super::MoneyQuery::versus), part by part from its beginning.
    pub before: Option<Vec<Sums>>,
    /// The best values of the dimension, in the order of the question.
    pub rows: Vec<SeriesRow>,
    /// Records without a value.
    pub none: Vec<Sums>,
    /// Records of values that are not in `rows`.
    pub other: Vec<Sums>,
}

/// One value over time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeriesRow {
    /// The value.
    pub value: String,
    /// Its sums, one per bucket.
    pub sums: Vec<Sums>,
}

/// The values of a dimension by their numbers.
pub(super) struct Found {
    pub(super) by: Dimension,
    pub(super) total: Compared,
    pub(super) none: Compared,
    pub(super) rows: Vec<(Cursor, Compared)>,
    pub(super) count: u64,
    pub(super) next: Option<Cursor>,
}

impl Found {
    pub(super) fn new(by: Dimension) -> Self {
        let (total, none) = Default::default();
        Self { by, total, none, rows: Vec::new(), count: 0, next: None }
    }

    /// Takes a row of `nth, part, value, number` and sums.
    pub(super) fn read(all: &mut [Self], mut row: Row) -> Result<(), Error> {
        let nth = usize::try_from(row.int(0)?).unwrap_or_default();
        let Some(found) = all.get_mut(nth) else { return Ok(()) };
        match row.int(1)? {
            0 => found.total.now = read(&mut row, 4)?,
            1 => found.none.now = read(&mut row, 4)?,
            2 => {
                let cursor = Cursor { value: row.int(2)?, number: row.int(3)? };
                let now = read(&mut row, 4)?;
                found.rows.push((cursor, Compared { now, before: None }));
            }
            _ => found.count = u64::try_from(row.int(4)?).unwrap_or_default(),
        }
        Ok(())
    }

    /// Sorts the rows, and removes the extra row that only shows that more rows exist.
    pub(super) fn arrange(&mut self, order: Order, top: u32) {
        self.rows.sort_by(|(a, _), (b, _)| {
            let place = a.number.cmp(&b.number);
            let place = if order.ascending { place } else { place.reverse() };
            place.then(a.value.cmp(&b.value))
        });
        let top = usize::try_from(top).unwrap_or(usize::MAX);
        if self.rows.len() > top {
            self.rows.truncate(top);
            self.next = self.rows.last().map(|(cursor, _)| *cursor);
        }
    }

    pub(super) fn shown(&self) -> Vec<i64> {
        self.rows.iter().map(|(cursor, _)| cursor.value).collect()
    }

    pub(super) fn compare(&mut self, before: Self) {
        self.total.before = Some(before.total.now);
        self.none.before = Some(before.none.now);
        let known: HashMap<i64, Sums> =
            before.rows.into_iter().map(|(cursor, sums)| (cursor.value, sums.now)).collect();
        for (cursor, sums) in &mut self.rows {
            sums.before = Some(known.get(&cursor.value).copied().unwrap_or_default());
        }
    }

    pub(super) fn named(self, names: &HashMap<i64, String>) -> Breakdown {
        let by = self.by;
        let row = |(cursor, sums): (Cursor, Compared)| BreakdownRow {
            value: name_of(by, cursor.value, names),
            sums,
        };
        let rows = self.rows.into_iter().map(row).collect();
        let Self { total, none, count, next, .. } = self;
        Breakdown { by, rows, none, total, count, next }
    }
}

/// The texts of values.
pub(super) async fn names(
    tx: &mut Tx,
    values: impl Iterator<Item = i64>,
) -> Result<HashMap<i64, String>, Error> {
    let mut wanted = Rows::default();
    values.for_each(|value| wanted.push(args![value]));
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = tx.fetch(&TEXTS, args![wanted]).await?;
    rows.into_iter().map(|mut row| Ok((row.int(0)?, row.text(1)?))).collect()
}

pub(super) fn name_of(by: Dimension, value: i64, names: &HashMap<i64, String>) -> String {
    let text = match by {
        Dimension::Channel => {
            let channel = Channel::ALL.into_iter().find(|channel| channel.number() == value);
            channel.map(Channel::as_str)
        }
        Dimension::Kind => kind_name(value),
        _ => names.get(&value).map(String::as_str),
    };
    text.unwrap_or_default().to_owned()
}
