//! Revenue, grouped and added up by the database.

use std::collections::BTreeSet;

use dodo_core::money::Currency;
use jiff::{Timestamp, civil::Date};

use super::{
    breakdown::{name_of, names},
    filter::Filter,
    plan::{Binder, UNKNOWN, numbers_of},
    series::{LOW_BITS, read_wide},
};
use crate::{
    Ledger,
    attribution::{Dimension, LAST_CHARGE},
    error::Error,
    store::{Tx, sql::Row},
};

const MICROS_PER_DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// A question about revenue. Live money only, unless [`test_mode`](Self::test_mode) is asked for.
///
/// Revenue is net: Dodo Payments is the merchant of record, so tax is not the merchant's. Money
/// counts at the time when it moved, which is
/// [`occurred_at`](dodo_core::attribution::AttributionRecord::occurred_at) of its record: a payment
/// when it succeeded, and a refund when it was paid.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), dodo_ledger::Error> {
/// use dodo_ledger::{Ledger, query::Dimension};
///
/// # let ledger = Ledger::in_memory().await?;
/// let rows = ledger.revenue().group_by(Dimension::Source).group_by(Dimension::Kind).fetch().await?;
/// for row in rows {
///     println!("{:?}: {} {}", row.keys, row.net_major(), row.currency);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "call `.fetch()`"]
pub struct Revenue {
    ledger: Ledger,
    by: Vec<Dimension>,
    filter: Filter,
    offset_minutes: i32,
}

/// A sum in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevenueRow {
    /// One value per [`group_by`](Revenue::group_by), in their order. `None`: there is none. That alone does not
    /// mean that the money came directly: see [`Dimension::Channel`].
    pub keys: Vec<Option<String>>,
    /// The currency. Sums of two currencies are two rows.
    pub currency: Currency,
    /// The decimals of the currency.
    pub exponent: u8,
    /// The amounts paid with tax, minus reversals. Minor units.
    pub gross: i128,
    /// The tax in it, as far as it is known. Minor units.
    pub tax: i128,
    /// The revenue. Minor units.
    pub net: i128,
    /// How many charges are in it.
    pub charges: u64,
    /// How many refunds and disputes are in it, with what took them back.
    pub reversals: u64,
}

impl RevenueRow {
    /// The value of the first [`group_by`](Revenue::group_by).
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.keys.first().and_then(Option::as_deref)
    }

    /// The revenue in major units, as text: `17.00`.
    #[must_use]
    pub fn net_major(&self) -> String {
        dodo_core::internals::minor_to_major(self.net, self.exponent)
    }

    /// Returns the gross in major units, as text.
    #[must_use]
    pub fn gross_major(&self) -> String {
        dodo_core::internals::minor_to_major(self.gross, self.exponent)
    }

    /// The tax in major units, as text.
    #[must_use]
    pub fn tax_major(&self) -> String {
        dodo_core::internals::minor_to_major(self.tax, self.exponent)
    }
}

impl Ledger {
    /// Asks about revenue.
    pub fn revenue(&self) -> Revenue {
        Revenue {
            ledger: self.clone(),
            by: Vec::new(),
            filter: Filter::default(),
            offset_minutes: 0,
        }
    }
}

impl Revenue {
    /// Groups by this too.
    pub fn group_by(mut self, dimension: Dimension) -> Self {
        self.by.push(dimension);
        self
    }

    /// What occurred from `from` on and before `until`.
    pub fn between(mut self, from: Timestamp, until: Timestamp) -> Self {
        (self.filter.from, self.filter.until) = (Some(from), Some(until));
        self
    }

    /// Only this currency.
    pub fn currency(mut self, currency: Currency) -> Self {
        self.filter.currency = Some(currency);
        self
    }

    /// Only where this is the value; `None`: only where there is none.
    pub fn filter<'a>(mut self, dimension: Dimension, value: impl Into<Option<&'a str>>) -> Self {
        let value = value.into();
        let value = match dimension {
            Dimension::Day => value.map(|day| day_number(day).to_string()),
            _ => value.map(str::to_owned),
        };
        self.filter.values.push((dimension, value));
        self
    }

    /// Money of test mode instead of live money.
    pub fn test_mode(mut self) -> Self {
        self.filter.test_mode = true;
        self
    }

    /// Where days begin: minutes east of UTC.
    pub fn utc_offset_minutes(mut self, minutes: i32) -> Self {
        self.offset_minutes = minutes;
        self
    }

    /// Adds up. Days come in order; anything else by revenue, the most first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn fetch(self) -> Result<Vec<RevenueRow>, Error> {
        let mut tx = self.ledger.shared.store.read().await?;
        let mut binder = Binder::default();
        let conditions = self.conditions(&mut tx, &mut binder).await?;
        let groups: Vec<String> = self.by.iter().map(|by| self.column(*by)).collect();
        let columns: String = groups.iter().map(|group| format!("{group}, ")).collect();
        let text = format!(
            "SELECT {columns}currency, {}, {},
                CAST(SUM(CASE WHEN kind <= {LAST_CHARGE} THEN 1 ELSE 0 END) AS BIGINT), COUNT(*)
             FROM dodo_money WHERE {conditions} GROUP BY {columns}currency",
            wide_sum("gross"),
            wide_sum("net"),
        );
        let found = tx.fetch_built(text, binder.0).await?;
        let mut rows = Vec::with_capacity(found.len());
        for row in found {
            rows.push(self.read(row)?);
        }
        let numbers = rows.iter().flat_map(|(numbers, _)| numbers.iter().copied());
        let numbers: BTreeSet<i64> = numbers.collect();
        let names = names(&mut tx, numbers.into_iter().filter(|number| *number > 0)).await?;
        let named = |(numbers, row): (Vec<i64>, RevenueRow)| {
            let keys = self.by.iter().zip(numbers).zip(row.keys);
            let keys = keys.map(|((by, number), own)| match by {
                Dimension::Currency => own,
                Dimension::Day => day_text(number),
                by => Some(name_of(*by, number, &names)).filter(|_| number != 0),
            });
            RevenueRow { keys: keys.collect(), ..row }
        };
        let mut rows: Vec<RevenueRow> = rows.into_iter().map(named).collect();
        let by_day = self.by.contains(&Dimension::Day);
        rows.sort_by(|a, b| {
            let keys = || a.keys.cmp(&b.keys).then(a.currency.cmp(&b.currency));
            if by_day { keys() } else { b.net.cmp(&a.net).then_with(keys) }
        });
        Ok(rows)
    }

    /// The column of a group. Constant pieces and a number: nothing comes from outside.
    fn column(&self, by: Dimension) -> String {
        let offset = i64::from(self.offset_minutes) * 60_000_000;
        match by.column() {
            Some(column) => column.to_owned(),
            None if by == Dimension::Day => format!("((at + {offset}) / {MICROS_PER_DAY})"),
            None => "currency".to_owned(),
        }
    }

    async fn conditions(&self, tx: &mut Tx, binder: &mut Binder) -> Result<String, Error> {
        let filter = &self.filter;
        let mut all = vec![format!("live = {}", binder.bind(!filter.test_mode))];
        if let Some(from) = filter.from {
            all.push(format!("at >= {}", binder.bind(from.as_microsecond())));
        }
        if let Some(until) = filter.until {
            all.push(format!("at < {}", binder.bind(until.as_microsecond())));
        }
        if let Some(currency) = filter.currency {
            all.push(format!("currency = {}", binder.bind(currency.as_str())));
        }
        let numbers = numbers_of(tx, filter.values.iter()).await?;
        for (dimension, value) in &filter.values {
            let column = self.column(*dimension);
            let place = match (dimension, value) {
                (Dimension::Currency, value) => binder.bind(value.as_deref()),
                (Dimension::Day, Some(day)) => binder.bind(day.parse().unwrap_or(UNKNOWN)),
                (dimension, Some(text)) => {
                    let number = numbers.get(&(*dimension, text.clone()));
                    binder.bind(number.copied().unwrap_or(UNKNOWN))
                }
                (_, None) => binder.bind(0_i64),
            };
            all.push(format!("{column} = {place}"));
        }
        Ok(all.join(" AND "))
    }

    /// A row, and the numbers of its keys.
    fn read(&self, mut row: Row) -> Result<(Vec<i64>, RevenueRow), Error> {
        let (mut numbers, mut keys) = (Vec::new(), Vec::new());
        for (column, dimension) in self.by.iter().enumerate() {
            let is_text = *dimension == Dimension::Currency;
            keys.push(if is_text { row.opt_text(column)? } else { None });
            numbers.push(if is_text { 0 } else { row.int(column)? });
        }
        let at = self.by.len();
        let currency: Currency = row.text(at)?.parse().map_err(|error: dodo_core::Error| {
            Error::corrupt("a money row has no readable currency").with_source(error)
        })?;
        let (gross, net) = (read_wide(&mut row, at + 1)?, read_wide(&mut row, at + 3)?);
        let count = |value: i64| u64::try_from(value).unwrap_or_default();
        let (charges, all) = (count(row.int(at + 5)?), count(row.int(at + 6)?));
        let exponent = self.ledger.shared.rules().exponent_of(currency);
        let (tax, reversals) = (gross - net, all.saturating_sub(charges));
        let row = RevenueRow { keys, currency, exponent, gross, tax, net, charges, reversals };
        Ok((numbers, row))
    }
}

/// The sum of a column in two parts, high and low, that a `BIGINT` holds for any number of rows: SQLite
/// fails if a sum leaves 64 bits.
fn wide_sum(column: &str) -> String {
    format!("CAST(SUM(({column}) >> 32) AS BIGINT), CAST(SUM(({column}) & {LOW_BITS}) AS BIGINT)")
}

/// Returns the days since 1970 of a date such as `2026-11-20`, or -1, which no payment has, for an
/// invalid date.
fn day_number(day: &str) -> i64 {
    let at = day.parse::<Date>().ok().and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
    at.map_or(-1, |at| at.timestamp().as_second() / 86_400)
}

fn day_text(days: i64) -> Option<String> {
    let at = Timestamp::from_second(days.checked_mul(86_400)?).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string())
}
