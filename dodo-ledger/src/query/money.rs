//! Questions about money: totals, the values of a dimension, and a chart.

use std::{collections::HashMap, fmt, str::FromStr};

use dodo_core::money::Currency;
use jiff::{Timestamp, tz::TimeZone};

use super::{
    calendar::{Bucket, Interval, Range},
    plan::{Binder, Filter, Part, Scope, Slot},
    sums::Sums,
};
use crate::{
    Ledger,
    attribution::{Channel, Dimension, day_number, kind_name, month_number},
    error::Error,
    store::{
        Tx,
        sql::{Row, Rows, Sql, args, sql},
    },
};

/// By one jump through the key for each currency.
const CURRENCIES: Sql = sql!(
    "WITH RECURSIVE found (currency) AS (
        SELECT MIN(currency) FROM dodo_money WHERE live = $1
        UNION ALL
        SELECT (SELECT MIN(currency) FROM dodo_money
                WHERE live = $1 AND currency > found.currency)
        FROM found WHERE found.currency IS NOT NULL
     ) SELECT currency FROM found WHERE currency IS NOT NULL"
);
const SPAN: Sql = sql!("SELECT MIN(at), MAX(at) FROM dodo_money WHERE live = $1 AND currency = $2");
const TEXTS: Sql = sql!(
    "SELECT dodo_value.id, dodo_value.text FROM " (rows 1: 1 id BIGINT) "
     CROSS JOIN dodo_value WHERE dodo_value.id = given.id"
);
const CHANGE: Sql = sql!("SELECT change FROM dodo_books WHERE id = 1");

/// Rows of a list unless a question asks for more.
const TOP: u32 = 10;

/// A question about money. Live money only, unless [`test_mode`](Self::test_mode) is asked for.
///
/// Money counts at the time when it moved, which is
/// [`occurred_at`](dodo_core::attribution::AttributionRecord::occurred_at) of its record. All amounts are
/// minor units. Sums of whole days and months in the [zone of the books](crate::LedgerBuilder::books_in) are
/// stored, so a question without a filter costs the same at any number of payments.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), dodo_ledger::Error> {
/// use dodo_core::money::Currency;
/// use dodo_ledger::{Ledger, query::{Dimension, Period}};
///
/// # let ledger = Ledger::in_memory().await?;
/// let november = Period::Days(28).range(jiff::Timestamp::now(), ledger.zone());
/// let question = ledger.money().currency(Currency::EUR).between(november);
/// let sources = question.only(Dimension::Country, "DE").by(Dimension::Source).rows().await?;
/// for row in sources.rows {
///     println!("{}: {}", row.value, row.sums.now.net);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "call `.totals()`, `.rows()` or `.series(..)`"]
pub struct MoneyQuery {
    ledger: Ledger,
    filter: Filter,
    before: Option<Range>,
    by: Option<Dimension>,
    top: u32,
    order: Order,
    after: Option<Cursor>,
}

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
    high: i64,
    low: i64,
    value: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.high, self.low, self.value)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut numbers = text.splitn(3, '.').map(str::parse);
        let mut next = || numbers.next().and_then(Result::ok);
        match (next(), next(), next()) {
            (Some(high), Some(low), Some(value)) => Ok(Self { high, low, value }),
            _ => Err(Error::config("a cursor is three numbers: take it from the page before")),
        }
    }
}

/// Sums, and those of the span to compare with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compared {
    /// The sums of the span.
    pub now: Sums,
    /// Those of [`versus`](MoneyQuery::versus).
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
    /// The number of values, also of those that are not in `rows`.
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
    /// The parts of the span, also those without money.
    pub buckets: Vec<Bucket>,
    /// All records.
    pub total: Vec<Sums>,
    /// The span of [`versus`](MoneyQuery::versus), part by part from its beginning.
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

impl Ledger {
    /// Asks about money.
    pub fn money(&self) -> MoneyQuery {
        MoneyQuery {
            ledger: self.clone(),
            filter: Filter::default(),
            before: None,
            by: None,
            top: TOP,
            order: Order::default(),
            after: None,
        }
    }

    /// A number that grows with each booking that changes money or subscriptions. Equal numbers: equal
    /// answers.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn change_number(&self) -> Result<u64, Error> {
        let row = self.shared.store.look().await?.fetch_one(&CHANGE, args![]).await?;
        let change = row.map(|mut row| row.int(0)).transpose()?.unwrap_or_default();
        Ok(u64::try_from(change).unwrap_or_default())
    }
}

impl MoneyQuery {
    /// Money of test mode instead of live money.
    pub fn test_mode(mut self) -> Self {
        self.filter.test_mode = true;
        self
    }

    /// This currency. Currencies are never added, so every question but
    /// [`currencies`](Self::currencies) needs one.
    pub fn currency(mut self, currency: Currency) -> Self {
        self.filter.currency = Some(currency);
        self
    }

    /// Money that moved in this span. Default: all.
    pub fn between(mut self, range: Range) -> Self {
        self.filter.range = Some(range);
        self
    }

    /// Compares with this span.
    pub fn versus(mut self, range: impl Into<Option<Range>>) -> Self {
        self.before = range.into();
        self
    }

    /// Only where this is the value; `None`: only where there is none. Several values of one dimension: any
    /// of them.
    pub fn only<'a>(mut self, dimension: Dimension, value: impl Into<Option<&'a str>>) -> Self {
        self.filter.only.push((dimension, value.into().map(str::to_owned)));
        self
    }

    /// Only where this is not the value; `None`: only where there is one.
    pub fn not<'a>(mut self, dimension: Dimension, value: impl Into<Option<&'a str>>) -> Self {
        self.filter.not.push((dimension, value.into().map(str::to_owned)));
        self
    }

    /// Groups by this dimension.
    pub fn by(mut self, dimension: Dimension) -> Self {
        self.by = Some(dimension);
        self
    }

    /// At most so many rows. Default: 10.
    pub fn top(mut self, rows: u32) -> Self {
        self.top = rows;
        self
    }

    /// The order of the rows. Default: the largest net amount first.
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// The rows after this place.
    pub fn after(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.after = cursor.into();
        self
    }

    /// The sums of each currency with money, those with the most charges first. Currency, grouping and
    /// comparison of the question do not count.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn currencies(self) -> Result<Vec<CurrencySums>, Error> {
        let mut tx = self.ledger.shared.store.read().await?;
        let mut all = Vec::new();
        for mut row in tx.fetch(&CURRENCIES, args![!self.filter.test_mode]).await? {
            let currency: Currency = row.text(0)?.parse().map_err(|error: dodo_core::Error| {
                Error::corrupt("a money row has no readable currency").with_source(error)
            })?;
            let filter = Filter { currency: Some(currency), ..self.filter.clone() };
            let scope = Scope::of(&mut tx, &filter, self.ledger.zone()).await?;
            let sums = total(&mut tx, &scope, filter.range).await?;
            let exponent = self.ledger.shared.rules().exponent_of(currency);
            all.push(CurrencySums { currency, exponent, sums });
        }
        all.sort_by_key(|row| (std::cmp::Reverse(row.sums.charges), row.currency));
        Ok(all)
    }

    /// The time of the first and of the last money, as a span. `None`: there is none. Only mode and
    /// currency of the question count.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) without a currency,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn span(self) -> Result<Option<Range>, Error> {
        let currency = self.filter.currency.ok_or_else(|| Error::config("name a currency"))?;
        let mut tx = self.ledger.shared.store.read().await?;
        let asked = args![!self.filter.test_mode, currency.as_str()];
        let Some(mut row) = tx.fetch_one(&SPAN, asked).await? else { return Ok(None) };
        let at = |micros: i64| Timestamp::from_microsecond(micros).unwrap_or_default();
        Ok(row
            .opt_int(0)?
            .zip(row.opt_int(1)?)
            .map(|(first, last)| Range::new(at(first), at(last.saturating_add(1)))))
    }

    /// The sums of everything.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) without a currency,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn totals(self) -> Result<Compared, Error> {
        let mut tx = self.ledger.shared.store.read().await?;
        let scope = Scope::of(&mut tx, &self.filter, self.ledger.zone()).await?;
        let now = total(&mut tx, &scope, self.filter.range).await?;
        let before = match self.before {
            Some(range) => Some(total(&mut tx, &scope, Some(range)).await?),
            None => None,
        };
        Ok(Compared { now, before })
    }

    /// The values of the dimension of [`by`](Self::by).
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) without a currency or a dimension,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn rows(self) -> Result<Breakdown, Error> {
        let by = self.by.ok_or_else(|| Error::config("name a dimension by `.by(..)`"))?;
        let mut all = self.breakdowns(&[by]).await?;
        all.pop().ok_or_else(|| Error::config("name a dimension by `.by(..)`"))
    }

    /// The values of several dimensions. With a filter, the database reads the rows once for all of them.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub async fn breakdowns(self, by: &[Dimension]) -> Result<Vec<Breakdown>, Error> {
        let mut tx = self.ledger.shared.store.read().await?;
        let scope = Scope::of(&mut tx, &self.filter, self.ledger.zone()).await?;
        self.breakdowns_in(&mut tx, &scope, by).await
    }

    async fn breakdowns_in(
        &self,
        tx: &mut Tx,
        scope: &Scope,
        by: &[Dimension],
    ) -> Result<Vec<Breakdown>, Error> {
        if by.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = self.found(tx, scope, by, self.filter.range, None).await?;
        if let Some(range) = self.before {
            let shown: Vec<Vec<i64>> = found.iter().map(Found::shown).collect();
            let before = self.found(tx, scope, by, Some(range), Some(&shown)).await?;
            for (found, before) in found.iter_mut().zip(before) {
                found.compare(before);
            }
        }
        let wanted = found.iter().flat_map(|found| found.shown());
        let names = names(tx, wanted).await?;
        Ok(found.into_iter().map(|found| found.named(&names)).collect())
    }

    /// The values of each dimension, not yet named. `shown`: these, instead of the best.
    async fn found(
        &self,
        tx: &mut Tx,
        scope: &Scope,
        by: &[Dimension],
        range: Option<Range>,
        shown: Option<&[Vec<i64>]>,
    ) -> Result<Vec<Found>, Error> {
        let mut binder = Binder::default();
        let shares = by.len() > 1 && by.iter().any(|by| scope.reads_rows(Some(*by)));
        let mut tables = Vec::new();
        if shares {
            let rows = scope.select_rows(&mut binder, by, range)?;
            tables.push(format!("picked AS MATERIALIZED ({rows})"));
        }
        let mut parts = Vec::new();
        for (nth, by) in by.iter().enumerate() {
            let base = match scope.reads_rows(Some(*by)) && shares {
                true => {
                    let column = by.column().ok_or_else(|| {
                        Error::config("money is not grouped by this dimension: use `.series(..)`")
                    })?;
                    format!(
                        "SELECT 0 AS slot, {column} AS value, kind, n, gross, net, firsts FROM picked"
                    )
                }
                false => {
                    let parts = scope
                        .parts(Some(*by), range, true)
                        .into_iter()
                        .map(|part| scope.select(&mut binder, Some(*by), part, None, None));
                    parts.collect::<Result<Vec<_>, _>>()?.join(" UNION ALL ")
                }
            };
            tables.push(format!("sums{nth} AS MATERIALIZED ({})", summed("value", &base)));
            let list = match shown.and_then(|shown| shown.get(nth)) {
                Some(shown) => {
                    let numbers: Vec<String> =
                        shown.iter().map(|number| binder.bind(*number)).collect();
                    let numbers = if numbers.is_empty() { "-1".into() } else { numbers.join(", ") };
                    tables.push(format!(
                        "top{nth} AS (SELECT DISTINCT value, 0 AS high, 0 AS low FROM sums{nth}
                         WHERE value IN ({numbers}))"
                    ));
                    String::new()
                }
                None => {
                    let (ranked, top) = self.ranked(nth, &mut binder);
                    tables.push(format!("ranked{nth} AS MATERIALIZED ({ranked})"));
                    tables.push(format!("top{nth} AS MATERIALIZED ({top})"));
                    format!(
                        " UNION ALL SELECT {nth}, 3, 0, 0, 0, 0, COUNT(*), 0, 0, 0, 0, 0
                         FROM ranked{nth}"
                    )
                }
            };
            parts.push(format!(
                "SELECT CAST({nth} AS BIGINT) AS nth, CAST(0 AS BIGINT) AS part, CAST(0 AS BIGINT) AS value,
                    CAST(0 AS BIGINT) AS high, CAST(0 AS BIGINT) AS low, {KIND_SUMS}
                 FROM sums{nth} GROUP BY kind
                 UNION ALL SELECT {nth}, 1, 0, 0, 0, {PLAIN_SUMS} FROM sums{nth} WHERE value = 0
                 UNION ALL SELECT {nth}, 2, top{nth}.value, top{nth}.high, top{nth}.low, {PLAIN_SUMS}
                 FROM top{nth} CROSS JOIN sums{nth} WHERE sums{nth}.value = top{nth}.value{list}"
            ));
        }
        let text = format!("WITH {} {}", tables.join(", "), parts.join(" UNION ALL "));
        let mut found: Vec<Found> = by.iter().map(|by| Found::new(*by)).collect();
        for row in tx.fetch_built(text, binder.0).await? {
            Found::read(&mut found, row)?;
        }
        for found in &mut found {
            found.arrange(self.order, self.top);
        }
        Ok(found)
    }

    /// All values with the two halves of their place, and the best of them.
    fn ranked(&self, nth: usize, binder: &mut Binder) -> (String, String) {
        let (high, low) = match self.order.by {
            Sort::Net => ("SUM(net_high) + (CAST(SUM(net_low) AS BIGINT) >> 32)", "SUM(net_low)"),
            Sort::Charges => ("0", "SUM(CASE WHEN kind <= 3 THEN n ELSE 0 END)"),
            Sort::NewCustomers => ("0", "SUM(firsts)"),
        };
        let low = match self.order.by {
            Sort::Net => format!("CAST({low} AS BIGINT) & {LOW_BITS}"),
            _ => format!("CAST({low} AS BIGINT)"),
        };
        let ranked = format!(
            "SELECT value, CAST({high} AS BIGINT) AS high, {low} AS low FROM sums{nth}
             WHERE value <> 0 GROUP BY value"
        );
        let (order, beyond) = if self.order.ascending { ("ASC", ">") } else { ("DESC", "<") };
        let mut top = format!("SELECT value, high, low FROM ranked{nth}");
        if let Some(Cursor { high, low, value }) = self.after {
            let (high, low, value) = (binder.bind(high), binder.bind(low), binder.bind(value));
            top.push_str(&format!(
                " WHERE high {beyond} {high} OR (high = {high} AND (low {beyond} {low}
                    OR (low = {low} AND value > {value})))"
            ));
        }
        let limit = binder.bind(i64::from(self.top) + 1);
        top.push_str(&format!(" ORDER BY high {order}, low {order}, value LIMIT {limit}"));
        (ranked, top)
    }

    /// Sums over time. With [`by`](Self::by), also those of its best values. Without
    /// [`between`](Self::between), from the first money to the last.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) without a currency,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn series(mut self, interval: Interval, zone: &TimeZone) -> Result<Series, Error> {
        if self.filter.range.is_none() {
            let none = Range::new(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
            self.filter.range = Some(self.clone().span().await?.unwrap_or(none));
        }
        let mut tx = self.ledger.shared.store.read().await?;
        let scope = Scope::of(&mut tx, &self.filter, self.ledger.zone()).await?;
        let range = self.filter.range;
        let buckets = range.map(|range| range.buckets(interval, zone)).unwrap_or_default();
        let is_books_zone = zone.iana_name() == self.ledger.zone().iana_name();
        let chart = Chart { scope: &scope, interval, is_books_zone };
        let mut total = chart.sums(&mut tx, None, range, &buckets, None).await?;
        let total = total.remove(&0).unwrap_or_else(|| vec![Sums::default(); buckets.len()]);
        let before = match self.before {
            Some(before) => {
                let buckets = before.buckets(interval, zone);
                let mut sums = chart.sums(&mut tx, None, Some(before), &buckets, None).await?;
                Some(sums.remove(&0).unwrap_or_default())
            }
            None => None,
        };
        let empty = || vec![Sums::default(); buckets.len()];
        let (mut rows, mut none, mut other) = (Vec::new(), empty(), total.clone());
        if let Some(by) = self.by {
            let mut best = self.found(&mut tx, &scope, &[by], range, None).await?;
            let values = best.pop().map(|best| best.shown()).unwrap_or_default();
            let wanted: Vec<i64> = values.iter().copied().chain([0]).collect();
            let mut sums = chart.sums(&mut tx, Some(by), range, &buckets, Some(&wanted)).await?;
            let names = names(&mut tx, values.iter().copied()).await?;
            none = sums.remove(&0).unwrap_or_else(empty);
            for value in values {
                let sums = sums.remove(&value).unwrap_or_else(empty);
                rows.push(SeriesRow { value: name_of(by, value, &names), sums });
            }
            for list in rows.iter().map(|row| &row.sums).chain([&none]) {
                for (other, sums) in other.iter_mut().zip(list) {
                    *other = other.less(sums);
                }
            }
        }
        Ok(Series { buckets, total, before, rows, none, other })
    }
}

const LOW_BITS: i64 = 0xffff_ffff;
/// The columns of a group of sums, after its value.
const PLAIN_SUMS: &str = "kind, n, gross_high, gross_low, net_high, net_low, firsts";
const KIND_SUMS: &str = "kind, CAST(SUM(n) AS BIGINT), CAST(SUM(gross_high) AS BIGINT),
    CAST(SUM(gross_low) AS BIGINT), CAST(SUM(net_high) AS BIGINT), CAST(SUM(net_low) AS BIGINT),
    CAST(SUM(firsts) AS BIGINT)";

/// The sums of a query of rows by these columns and by kind. A sum is in two parts, high and low, that a
/// `BIGINT` holds for any number of rows: SQLite fails if a sum leaves 64 bits.
fn summed(columns: &str, base: &str) -> String {
    format!(
        "SELECT {columns}, kind, CAST(SUM(n) AS BIGINT) AS n,
            CAST(SUM(gross >> 32) AS BIGINT) AS gross_high,
            CAST(SUM(gross & {LOW_BITS}) AS BIGINT) AS gross_low,
            CAST(SUM(net >> 32) AS BIGINT) AS net_high,
            CAST(SUM(net & {LOW_BITS}) AS BIGINT) AS net_low,
            CAST(SUM(firsts) AS BIGINT) AS firsts
         FROM ({base}) AS base GROUP BY {columns}, kind"
    )
}

/// Adds `kind, n, gross, net, firsts` of a row; `at` is the column of `kind`.
fn add(sums: &mut Sums, row: &mut Row, at: usize) -> Result<(), Error> {
    let wide = |row: &mut Row, at: usize| -> Result<i128, Error> {
        Ok((i128::from(row.int(at)?) << 32) + i128::from(row.int(at + 1)?))
    };
    let (kind, n) = (row.int(at)?, row.int(at + 1)?);
    let (gross, net) = (wide(row, at + 2)?, wide(row, at + 4)?);
    sums.add(kind, n, gross, net, row.int(at + 6)?);
    Ok(())
}

/// The sums of a span.
async fn total(tx: &mut Tx, scope: &Scope, range: Option<Range>) -> Result<Sums, Error> {
    let mut binder = Binder::default();
    let parts = scope.parts(None, range, true).into_iter();
    let parts = parts.map(|part| scope.select(&mut binder, None, part, None, None));
    let base = parts.collect::<Result<Vec<_>, _>>()?.join(" UNION ALL ");
    let mut sums = Sums::default();
    for mut row in tx.fetch_built(summed("value", &base), binder.0).await? {
        add(&mut sums, &mut row, 1)?;
    }
    Ok(sums)
}

/// What a chart reads.
struct Chart<'a> {
    scope: &'a Scope,
    interval: Interval,
    is_books_zone: bool,
}

impl Chart<'_> {
    /// The sums of each value in each bucket.
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
        let by_month = matches!(self.interval, Interval::Month | Interval::Year);
        let parts = match self.is_books_zone && self.interval != Interval::Hour {
            true => self.scope.parts(by, range, by_month),
            false => vec![Part::Rows(range)],
        };
        let mut binder = Binder::default();
        let mut base = Vec::new();
        for part in parts {
            // The rest of a day is in one bucket, and single rows of a whole span are in all of them.
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

/// The values of a dimension by their numbers.
struct Found {
    by: Dimension,
    total: Compared,
    none: Compared,
    rows: Vec<(Cursor, Compared)>,
    count: u64,
    next: Option<Cursor>,
}

impl Found {
    fn new(by: Dimension) -> Self {
        let (total, none) = Default::default();
        Self { by, total, none, rows: Vec::new(), count: 0, next: None }
    }

    /// Takes a row of `nth, part, value, high, low` and the sums of one kind.
    fn read(all: &mut [Self], mut row: Row) -> Result<(), Error> {
        let nth = usize::try_from(row.int(0)?).unwrap_or_default();
        let Some(found) = all.get_mut(nth) else { return Ok(()) };
        match row.int(1)? {
            0 => add(&mut found.total.now, &mut row, 5),
            1 => add(&mut found.none.now, &mut row, 5),
            2 => {
                let cursor = Cursor { value: row.int(2)?, high: row.int(3)?, low: row.int(4)? };
                let at = found.rows.iter().position(|(known, _)| known.value == cursor.value);
                let at = at.unwrap_or_else(|| {
                    found.rows.push((cursor, Compared::default()));
                    found.rows.len() - 1
                });
                match found.rows.get_mut(at) {
                    Some((_, sums)) => add(&mut sums.now, &mut row, 5),
                    None => Ok(()),
                }
            }
            _ => {
                found.count = u64::try_from(row.int(6)?).unwrap_or_default();
                Ok(())
            }
        }
    }

    /// Sorts the rows, and cuts the one that only shows that there are more.
    fn arrange(&mut self, order: Order, top: u32) {
        self.rows.sort_by(|(a, _), (b, _)| {
            let place = (a.high, a.low).cmp(&(b.high, b.low));
            let place = if order.ascending { place } else { place.reverse() };
            place.then(a.value.cmp(&b.value))
        });
        let top = usize::try_from(top).unwrap_or(usize::MAX);
        if self.rows.len() > top {
            self.rows.truncate(top);
            self.next = self.rows.last().map(|(cursor, _)| *cursor);
        }
    }

    fn shown(&self) -> Vec<i64> {
        self.rows.iter().map(|(cursor, _)| cursor.value).collect()
    }

    fn compare(&mut self, before: Self) {
        self.total.before = Some(before.total.now);
        self.none.before = Some(before.none.now);
        let known: HashMap<i64, Sums> =
            before.rows.into_iter().map(|(cursor, sums)| (cursor.value, sums.now)).collect();
        for (cursor, sums) in &mut self.rows {
            sums.before = Some(known.get(&cursor.value).copied().unwrap_or_default());
        }
    }

    fn named(self, names: &HashMap<i64, String>) -> Breakdown {
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
