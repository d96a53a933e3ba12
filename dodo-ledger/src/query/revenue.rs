//! Revenue by groups, added up by the database.

use std::collections::{BTreeMap, BTreeSet};

use dodo_core::money::Currency;
use jiff::{Timestamp, civil::Date};

use super::{
    breakdown::{name_of, names},
    calendar::Range,
    plan::{Binder, Filter, NOTHING, Scope, conditions_of},
    series::{currencies, read, summed_rows, sums_of_values},
};
use crate::{
    Ledger,
    attribution::Dimension,
    error::Error,
    store::{Tx, sql::Row},
};

const MICROS_PER_DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// A question about revenue of live mode, or of [`test_mode`](Self::test_mode).
///
/// Revenue is net: Dodo Payments is the merchant of record, so tax does not belong to the merchant.
/// Money counts at the time when it moved, which is
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
    test_mode: bool,
    range: Option<Range>,
    currency: Option<Currency>,
    values: Vec<(Dimension, Option<String>)>,
    offset_minutes: i32,
}

/// The sums of a group: the numbers of its keys by dimension, and its currency.
type Groups = BTreeMap<(Vec<i64>, Currency), Group>;

#[derive(Default)]
struct Group {
    gross: i128,
    net: i128,
    charges: u64,
    reversals: u64,
}

impl Group {
    /// Adds the sums of a row; `at` is the column of the first one.
    fn add(&mut self, row: &mut Row, at: usize) -> Result<(), Error> {
        let (n, sums) = (u64::try_from(row.int(at)?).unwrap_or_default(), read(row, at)?);
        self.charges += sums.charges;
        self.reversals += n.saturating_sub(sums.charges);
        self.gross += sums.gross;
        self.net += sums.net;
        Ok(())
    }
}

/// A sum in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevenueRow {
    /// One value for each [`group_by`](Revenue::group_by), in their order. `None`: the record has
    /// no value. A record without a campaign can still have another channel: see
    /// [`Dimension::Channel`].
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
    /// The number of charges.
    pub charges: u64,
    /// The number of refunds and disputes, and of their own reversals.
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
    /// Returns a question about revenue.
    pub fn revenue(&self) -> Revenue {
        Revenue {
            ledger: self.clone(),
            by: Vec::new(),
            test_mode: false,
            range: None,
            currency: None,
            values: Vec::new(),
            offset_minutes: 0,
        }
    }
}

impl Revenue {
    /// Adds a dimension to group by.
    pub fn group_by(mut self, dimension: Dimension) -> Self {
        self.by.push(dimension);
        self
    }

    /// Selects money that moved from `from` to before `until`.
    pub fn between(mut self, from: Timestamp, until: Timestamp) -> Self {
        self.range = Some(Range::new(from, until));
        self
    }

    /// Selects money of this currency.
    pub fn currency(mut self, currency: Currency) -> Self {
        self.currency = Some(currency);
        self
    }

    /// Selects money with this value; `None`: without a value. Several values of one dimension: any
    /// of them.
    pub fn filter<'a>(mut self, dimension: Dimension, value: impl Into<Option<&'a str>>) -> Self {
        self.values.push((dimension, value.into().map(str::to_owned)));
        self
    }

    /// Selects money of test mode instead of live mode.
    pub fn test_mode(mut self) -> Self {
        self.test_mode = true;
        self
    }

    /// Sets the offset of midnight in minutes east of UTC.
    pub fn utc_offset_minutes(mut self, minutes: i32) -> Self {
        self.offset_minutes = minutes;
        self
    }

    /// Returns the sums. Groups by day are in the order of the days; other groups have the most
    /// revenue first.
    ///
    /// Grouped and filtered by one dimension beside the currency, it reads the sums of days and months.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn fetch(self) -> Result<Vec<RevenueRow>, Error> {
        let mut tx = self.ledger.shared.store.question().await?;
        let is_other = |by: &&Dimension| **by != Dimension::Currency;
        let by: BTreeSet<Dimension> = self.by.iter().filter(is_other).copied().collect();
        let is_day = |(dimension, _): &(Dimension, _)| *dimension == Dimension::Day;
        let reads_rows =
            by.len() > 1 || by.contains(&Dimension::Day) || self.values.iter().any(is_day);
        let mut groups = Groups::new();
        for currency in self.currencies(&mut tx).await? {
            match reads_rows {
                true => self.add_rows(&mut tx, currency, &mut groups).await?,
                false => self.add_sums(&mut tx, currency, by.first().copied(), &mut groups).await?,
            }
        }
        let numbers = groups.keys().flat_map(|(numbers, _)| numbers.iter().copied());
        let numbers: BTreeSet<i64> = numbers.filter(|number| *number > 0).collect();
        let names = names(&mut tx, numbers.into_iter()).await?;
        let row = |((numbers, currency), group): ((Vec<i64>, Currency), Group)| {
            let keys = self.by.iter().zip(numbers).map(|(by, number)| match by {
                Dimension::Currency => Some(currency.to_string()),
                Dimension::Day => day_text(number),
                by => Some(name_of(*by, number, &names)).filter(|_| number != 0),
            });
            let Group { gross, net, charges, reversals } = group;
            RevenueRow {
                keys: keys.collect(),
                currency,
                exponent: self.ledger.shared.rules().exponent_of(currency),
                gross,
                tax: gross - net,
                net,
                charges,
                reversals,
            }
        };
        let mut rows: Vec<RevenueRow> = groups.into_iter().map(row).collect();
        let by_day = self.by.contains(&Dimension::Day);
        rows.sort_by(|a, b| {
            let keys = || a.keys.cmp(&b.keys).then(a.currency.cmp(&b.currency));
            if by_day { keys() } else { b.net.cmp(&a.net).then_with(keys) }
        });
        Ok(rows)
    }

    /// The currencies of the question.
    async fn currencies(&self, tx: &mut Tx) -> Result<Vec<Currency>, Error> {
        let mut all = currencies(tx, "dodo_money", !self.test_mode).await?;
        let wanted: Vec<&Option<String>> = self
            .values
            .iter()
            .filter(|(dimension, _)| *dimension == Dimension::Currency)
            .map(|(_, value)| value)
            .collect();
        all.retain(|currency| {
            let named = |value: &&Option<String>| value.as_deref() == Some(currency.as_str());
            self.currency.is_none_or(|only| only == *currency)
                && (wanted.is_empty() || wanted.iter().any(named))
        });
        Ok(all)
    }

    /// Loads the values of dimensions that are stored as numbers.
    fn only(&self) -> Vec<(Dimension, Option<String>)> {
        let has_numbers = |(dimension, _): &&(Dimension, _)| {
            !matches!(dimension, Dimension::Currency | Dimension::Day)
        };
        self.values.iter().filter(has_numbers).cloned().collect()
    }

    async fn add_sums(
        &self,
        tx: &mut Tx,
        currency: Currency,
        by: Option<Dimension>,
        groups: &mut Groups,
    ) -> Result<(), Error> {
        let filter = Filter {
            test_mode: self.test_mode,
            currency: Some(currency),
            range: self.range,
            only: self.only(),
            not: Vec::new(),
        };
        let scope = Scope::read(tx, &filter, self.ledger.zone()).await?;
        for mut row in sums_of_values(tx, &scope, by, self.range).await? {
            let value = row.int(0)?;
            let numbers = self.by.iter().map(|by| match by {
                Dimension::Currency => 0,
                _ => value,
            });
            groups.entry((numbers.collect(), currency)).or_default().add(&mut row, 1)?;
        }
        Ok(())
    }

    async fn add_rows(
        &self,
        tx: &mut Tx,
        currency: Currency,
        groups: &mut Groups,
    ) -> Result<(), Error> {
        let mut binder = Binder::default();
        let (live, code) = (binder.bind(!self.test_mode), binder.bind(currency.as_str()));
        let mut conditions = format!("live = {live} AND currency = {code}");
        if let Some(range) = self.range {
            let from = binder.bind(range.from.as_microsecond());
            let until = binder.bind(range.until.as_microsecond());
            conditions.push_str(&format!(" AND at >= {from} AND at < {until}"));
        }
        for condition in conditions_of(tx, &self.only(), &[]).await? {
            let column = self.column(condition.dimension);
            conditions.push_str(&condition.text(&mut binder, &column));
        }
        let days = self.values.iter().filter(|(dimension, _)| *dimension == Dimension::Day);
        let days: Vec<i64> =
            days.map(|(_, day)| day.as_deref().map_or(NO_DAY, day_number)).collect();
        if !days.is_empty() {
            let column = self.column(Dimension::Day);
            conditions.push_str(&format!(" AND {column} IN ({})", binder.list(&days)));
        }
        let columns: Vec<String> = (0..self.by.len()).map(|nth| format!("key{nth}")).collect();
        let selected = self.by.iter().zip(&columns);
        let selected: String =
            selected.map(|(by, name)| format!("{} AS {name}, ", self.column(*by))).collect();
        let base = format!(
            "SELECT {selected}{NOTHING} AS value, kind, 1 AS n, gross, net, is_first AS firsts
             FROM dodo_money WHERE {conditions}"
        );
        let by = columns.iter().map(String::as_str).chain(["value"]).collect::<Vec<_>>().join(", ");
        for mut row in tx.fetch_built(summed_rows(&by, &base), binder.0).await? {
            let numbers = (0..columns.len()).map(|column| row.int(column));
            let numbers = numbers.collect::<Result<Vec<i64>, _>>()?;
            let group = groups.entry((numbers, currency)).or_default();
            group.add(&mut row, columns.len() + 1)?;
        }
        Ok(())
    }

    /// The column of a group, from constant texts and a number. No input is part of it.
    fn column(&self, by: Dimension) -> String {
        let offset = i64::from(self.offset_minutes) * 60_000_000;
        match by.column() {
            Some(column) => column.to_owned(),
            None if by == Dimension::Day => format!("((at + {offset}) / {MICROS_PER_DAY})"),
            None => "CAST(0 AS BIGINT)".to_owned(),
        }
    }
}

/// A day before every payment.
const NO_DAY: i64 = -1;

/// Returns the days since 1970 of a date such as `2026-11-20`.
fn day_number(day: &str) -> i64 {
    let at = day.parse::<Date>().ok().and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
    at.map_or(NO_DAY, |at| at.timestamp().as_second() / 86_400)
}

fn day_text(days: i64) -> Option<String> {
    let at = Timestamp::from_second(days.checked_mul(86_400)?).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string())
}
