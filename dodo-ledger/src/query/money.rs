//! Questions about money: totals, the values of a dimension, and a chart.

use dodo_core::money::Currency;
use jiff::{Timestamp, tz::TimeZone};

use super::{
    breakdown::{
        Breakdown, Compared, CurrencySums, Cursor, Found, Order, Series, SeriesRow, Sort, name_of,
        names,
    },
    calendar::{Interval, Range},
    plan::{Binder, Filter, Scope, folded},
    series::{Chart, LOW_BITS, PLAIN_SUMS, added, currencies, read, summed, summed_rows, total},
    sums::Sums,
};
use crate::{
    Ledger,
    attribution::Dimension,
    error::Error,
    store::{
        Tx,
        sql::{Sql, args, sql},
    },
};

const SPAN: Sql = sql!("SELECT MIN(at), MAX(at) FROM dodo_money WHERE live = $1 AND currency = $2");
const CHANGE: Sql = sql!("SELECT change FROM dodo_books WHERE id = 1");

/// The default number of rows of a list.
const TOP: u32 = 10;

/// A question about money of live mode, or of [`test_mode`](Self::test_mode).
///
/// Money counts at the time when it moved, which is
/// [`occurred_at`](dodo_core::attribution::AttributionRecord::occurred_at) of its record. All
/// amounts are minor units. Sums of whole days and months in the [zone of the
/// books](crate::LedgerBuilder::books_in) are stored, so the cost of a question without a filter
/// does not depend on the number of payments.
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
/// let sources = question.filter(Dimension::Country, "DE").group_by(Dimension::Source).rows().await?;
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

impl Ledger {
    /// Returns a question about money.
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

    /// A number that grows with each booking that changes money, subscriptions or the funnel. Equal numbers:
    /// equal answers.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn change_number(&self) -> Result<u64, Error> {
        let row = self.shared.store.begin_read().await?.fetch_one(&CHANGE, args![]).await?;
        let change = row.map(|mut row| row.int(0)).transpose()?.unwrap_or_default();
        Ok(u64::try_from(change).unwrap_or_default())
    }
}

impl MoneyQuery {
    /// Selects money of test mode instead of live mode.
    pub fn test_mode(mut self) -> Self {
        self.filter.test_mode = true;
        self
    }

    /// Selects a currency. Every question except [`currencies`](Self::currencies) needs one,
    /// because amounts of two currencies are never added.
    pub fn currency(mut self, currency: Currency) -> Self {
        self.filter.currency = Some(currency);
        self
    }

    /// Selects money that moved in this span. Default: all.
    pub fn between(mut self, range: Range) -> Self {
        self.filter.range = Some(range);
        self
    }

    /// Adds the sums of this span, to compare with.
    pub fn versus(mut self, range: impl Into<Option<Range>>) -> Self {
        self.before = range.into();
        self
    }

    /// Selects money with this value; `None`: without a value. Several values of one dimension: any
    /// of them.
    pub fn filter<'a>(mut self, dimension: Dimension, value: impl Into<Option<&'a str>>) -> Self {
        self.filter.only.push((dimension, value.into().map(str::to_owned)));
        self
    }

    /// Leaves out money with this value; `None`: without a value.
    pub fn exclude<'a>(mut self, dimension: Dimension, value: impl Into<Option<&'a str>>) -> Self {
        self.filter.not.push((dimension, value.into().map(str::to_owned)));
        self
    }

    /// Groups by this dimension.
    pub fn group_by(mut self, dimension: Dimension) -> Self {
        self.by = Some(dimension);
        self
    }

    /// Sets the largest number of rows. Default: 10.
    pub fn top(mut self, rows: u32) -> Self {
        self.top = rows;
        self
    }

    /// Sets the order of the rows. Default: the largest net amount first.
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Starts after this place: the cursor of the page before.
    pub fn after(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.after = cursor.into();
        self
    }

    /// Returns the sums of each currency with money, the most charges first. It ignores currency,
    /// grouping and comparison of the question.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn currencies(self) -> Result<Vec<CurrencySums>, Error> {
        let mut tx = self.ledger.shared.store.read().await?;
        let found = currencies(&mut tx, !self.filter.test_mode).await?;
        let Some(first) = found.first() else { return Ok(Vec::new()) };
        let filter = Filter { currency: Some(*first), ..self.filter };
        let mut scope = Scope::read(&mut tx, &filter, self.ledger.zone()).await?;
        let (mut binder, mut parts) = (Binder::default(), Vec::new());
        for (nth, currency) in found.iter().enumerate() {
            scope.currency = *currency;
            let sums = scope.sums_of(&mut binder, None, filter.range, None)?;
            parts.push(format!(
                "SELECT CAST({nth} AS BIGINT) AS nth, {PLAIN_SUMS} FROM ({sums}) AS part"
            ));
        }
        let all = found.into_iter().map(|currency| CurrencySums {
            currency,
            exponent: self.ledger.shared.rules().exponent_of(currency),
            sums: Sums::default(),
        });
        let mut all: Vec<CurrencySums> = all.collect();
        for mut row in tx.fetch_built(parts.join(" UNION ALL "), binder.0).await? {
            let nth = usize::try_from(row.int(0)?).unwrap_or(usize::MAX);
            if let Some(found) = all.get_mut(nth) {
                found.sums = read(&mut row, 1)?;
            }
        }
        all.sort_by_key(|row| (std::cmp::Reverse(row.sums.charges), row.currency));
        Ok(all)
    }

    /// Returns the span from the first money to the last. `None`: no money exists. It uses only
    /// mode and currency of the question.
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

    /// Returns the sums of all selected money.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) without a currency,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn totals(self) -> Result<Compared, Error> {
        let mut tx = self.ledger.shared.store.read().await?;
        let scope = Scope::read(&mut tx, &self.filter, self.ledger.zone()).await?;
        let now = total(&mut tx, &scope, self.filter.range).await?;
        let before = match self.before {
            Some(range) => Some(total(&mut tx, &scope, Some(range)).await?),
            None => None,
        };
        Ok(Compared { now, before })
    }

    /// The values of the dimension of [`by`](Self::group_by).
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) without a currency or a dimension,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn rows(self) -> Result<Breakdown, Error> {
        let by = self.by.ok_or_else(|| Error::config("name a dimension by `.group_by(..)`"))?;
        let mut all = self.breakdowns(&[by]).await?;
        all.pop().ok_or_else(|| Error::config("name a dimension by `.group_by(..)`"))
    }

    /// The values of several dimensions. With a filter, the database reads the rows once for all of them.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub async fn breakdowns(self, by: &[Dimension]) -> Result<Vec<Breakdown>, Error> {
        let mut tx = self.ledger.shared.store.read().await?;
        let scope = Scope::read(&mut tx, &self.filter, self.ledger.zone()).await?;
        let all = self.breakdowns_in(&mut tx, &scope, by).await?;
        Ok(all.into_iter().map(|(breakdown, _)| breakdown).collect())
    }

    /// Each breakdown with the ids of its rows.
    async fn breakdowns_in(
        &self,
        tx: &mut Tx,
        scope: &Scope,
        by: &[Dimension],
    ) -> Result<Vec<(Breakdown, Vec<i64>)>, Error> {
        if by.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = self.found(tx, scope, by, self.filter.range, None).await?;
        if let Some(range) = self.before {
            let shown: Vec<Vec<i64>> = found.iter().map(Found::shown).collect();
            let mut before = self.found(tx, scope, by, Some(range), Some(&shown)).await?;
            if !scope.reads_rows(None) {
                // Stored sums of the shown values alone were read.
                let total = total(tx, scope, Some(range)).await?;
                before.iter_mut().for_each(|found| found.total.now = total);
            }
            for (found, before) in found.iter_mut().zip(before) {
                found.compare(before);
            }
        }
        let wanted = found.iter().flat_map(|found| found.shown());
        let names = names(tx, wanted).await?;
        Ok(found
            .into_iter()
            .map(|found| {
                let shown = found.shown();
                (found.named(&names), shown)
            })
            .collect())
    }

    /// Returns the values of each dimension as ids. `shown`: these values instead of the best ones.
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
            // Other values than the shown ones count in the total alone.
            let mut values = shown.map(|shown| shown.get(nth).cloned().unwrap_or_default());
            values.iter_mut().for_each(|values| values.push(0));
            let sums = match scope.reads_rows(Some(*by)) && shares {
                true => {
                    let column = by.column().ok_or_else(|| {
                        Error::config("money is not grouped by this dimension: use `.series(..)`")
                    })?;
                    let value = match &values {
                        Some(values) => folded(&mut binder, column, values),
                        None => column.to_owned(),
                    };
                    let base =
                        format!("SELECT {value} AS value, kind, n, gross, net, firsts FROM picked");
                    summed("value", &summed_rows("value", &base))
                }
                false => scope.sums_of(&mut binder, Some(*by), range, values.as_deref())?,
            };
            tables.push(format!("sums{nth} AS MATERIALIZED ({sums})"));
            let list = match shown.and_then(|shown| shown.get(nth)) {
                Some(shown) => {
                    let numbers: Vec<String> =
                        shown.iter().map(|number| binder.bind(*number)).collect();
                    let numbers = if numbers.is_empty() { "-1".into() } else { numbers.join(", ") };
                    tables.push(format!(
                        "top{nth} AS (SELECT value, 0 AS high, 0 AS low FROM sums{nth}
                         WHERE value IN ({numbers}))"
                    ));
                    String::new()
                }
                None => {
                    let (ranked, top) = self.ranked(nth, &mut binder);
                    tables.push(format!("ranked{nth} AS MATERIALIZED ({ranked})"));
                    tables.push(format!("top{nth} AS MATERIALIZED ({top})"));
                    format!(
                        " UNION ALL SELECT {nth}, 3, 0, 0, 0, COUNT(*){} FROM ranked{nth}",
                        ", 0".repeat(14)
                    )
                }
            };
            parts.push(format!(
                "SELECT CAST({nth} AS BIGINT) AS nth, CAST(0 AS BIGINT) AS part, CAST(0 AS BIGINT) AS value,
                    CAST(0 AS BIGINT) AS high, CAST(0 AS BIGINT) AS low, {}
                 FROM sums{nth} HAVING COUNT(*) > 0
                 UNION ALL SELECT {nth}, 1, 0, 0, 0, {PLAIN_SUMS} FROM sums{nth} WHERE value = 0
                 UNION ALL SELECT {nth}, 2, top{nth}.value, top{nth}.high, top{nth}.low, {PLAIN_SUMS}
                 FROM top{nth} CROSS JOIN sums{nth} WHERE sums{nth}.value = top{nth}.value{list}",
                added()
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

    /// The query of all values with the two parts of their rank, and the query of the best values.
    fn ranked(&self, nth: usize, binder: &mut Binder) -> (String, String) {
        let (high, low) = match self.order.by {
            Sort::Net => ("net_high + (net_low >> 32)", format!("net_low & {LOW_BITS}")),
            Sort::Charges => ("0", "charges".to_owned()),
            Sort::NewCustomers => ("0", "firsts".to_owned()),
        };
        let ranked = format!(
            "SELECT value, CAST({high} AS BIGINT) AS high, {low} AS low FROM sums{nth}
             WHERE value <> 0"
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

    /// Returns sums over time. With [`by`](Self::group_by), it adds the sums of the best values of the
    /// dimension. Without [`between`](Self::between), it starts at the first money and ends at the
    /// last.
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
        let scope = Scope::read(&mut tx, &self.filter, self.ledger.zone()).await?;
        let best = match self.by {
            Some(by) => {
                let mut best = self.found(&mut tx, &scope, &[by], self.filter.range, None).await?;
                best.pop().map(|best| (by, best.shown()))
            }
            None => None,
        };
        self.series_in(&mut tx, &scope, best, interval, zone).await
    }

    /// The values of several dimensions, and sums over time with the `best` values of the first one by their
    /// net amount. Give a span by [`between`](Self::between).
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub async fn charted(
        self,
        by: &[Dimension],
        best: u32,
        interval: Interval,
        zone: &TimeZone,
    ) -> Result<(Vec<Breakdown>, Series), Error> {
        let mut tx = self.ledger.shared.store.read().await?;
        let scope = Scope::read(&mut tx, &self.filter, self.ledger.zone()).await?;
        let breakdowns = self.breakdowns_in(&mut tx, &scope, by).await?;
        let is_best = self.order == Order::default() && self.after.is_none() && self.top >= best;
        let best = match by.first() {
            None => None,
            Some(first) => {
                let mut shown = match breakdowns.first() {
                    Some((_, shown)) if is_best => shown.clone(),
                    _ => {
                        let all = Self {
                            order: Order::default(),
                            after: None,
                            top: best,
                            ..self.clone()
                        };
                        let range = self.filter.range;
                        let found = all.found(&mut tx, &scope, &[*first], range, None).await?;
                        found.first().map(Found::shown).unwrap_or_default()
                    }
                };
                shown.truncate(usize::try_from(best).unwrap_or(usize::MAX));
                Some((*first, shown))
            }
        };
        let series = self.series_in(&mut tx, &scope, best, interval, zone).await?;
        Ok((breakdowns.into_iter().map(|(breakdown, _)| breakdown).collect(), series))
    }

    /// Sums over time, with these values of a dimension.
    async fn series_in(
        &self,
        tx: &mut Tx,
        scope: &Scope,
        best: Option<(Dimension, Vec<i64>)>,
        interval: Interval,
        zone: &TimeZone,
    ) -> Result<Series, Error> {
        let range = self.filter.range;
        let buckets = range.map(|range| range.buckets(interval, zone)).unwrap_or_default();
        let is_books_zone = zone.iana_name() == self.ledger.zone().iana_name();
        let chart = Chart { scope, interval, is_books_zone };
        let before = match self.before {
            Some(before) => {
                Some(chart.total(tx, Some(before), &before.buckets(interval, zone)).await?)
            }
            None => None,
        };
        let empty = || vec![Sums::default(); buckets.len()];
        let Some((by, values)) = best else {
            let total = chart.total(tx, range, &buckets).await?;
            let (rows, none, other) = (Vec::new(), empty(), total.clone());
            return Ok(Series { buckets, total, before, rows, none, other });
        };
        let wanted: Vec<i64> = values.iter().copied().chain([0]).collect();
        let (mut sums, total) = chart.values(tx, by, range, &buckets, &wanted).await?;
        let names = names(tx, values.iter().copied()).await?;
        let none = sums.remove(&0).unwrap_or_else(empty);
        let (mut rows, mut other) = (Vec::new(), total.clone());
        for value in values {
            let sums = sums.remove(&value).unwrap_or_else(empty);
            rows.push(SeriesRow { value: name_of(by, value, &names), sums });
        }
        for list in rows.iter().map(|row| &row.sums).chain([&none]) {
            for (other, sums) in other.iter_mut().zip(list) {
                *other = other.less(sums);
            }
        }
        Ok(Series { buckets, total, before, rows, none, other })
    }
}
