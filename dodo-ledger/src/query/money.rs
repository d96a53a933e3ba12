//! Questions about money: totals, the values of a dimension, and a chart.

use std::collections::HashMap;

use dodo_core::money::Currency;
use jiff::{Timestamp, tz::TimeZone};

use super::{
    breakdown::{
        Breakdown, Compared, CurrencySums, Cursor, Found, Order, Series, SeriesRow, name_of, names,
    },
    calendar::{Interval, Range},
    plan::{Binder, Filter, Scope},
    ranking::{self, Ranking, Selection},
    series::{Chart, PLAIN_SUMS, currencies, read, total},
    span::extent,
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
    ranking: Ranking,
}

impl Ledger {
    /// Returns a question about money.
    pub fn money(&self) -> MoneyQuery {
        MoneyQuery {
            ledger: self.clone(),
            filter: Filter::default(),
            before: None,
            by: None,
            ranking: Ranking::best(TOP),
        }
    }

    /// A number that grows with each booking that adds or changes a fact or a record. Equal numbers: equal
    /// answers.
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
        self.ranking.top = rows;
        self
    }

    /// Sets the order of the rows. Default: the largest net amount first.
    pub fn order(mut self, order: Order) -> Self {
        self.ranking.order = order;
        self
    }

    /// Starts after this place: the cursor of the page before.
    pub fn after(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.ranking.after = cursor.into();
        self
    }

    /// Returns the sums of each currency with money, the most charges first. It ignores currency,
    /// grouping and comparison of the question.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn currencies(self) -> Result<Vec<CurrencySums>, Error> {
        let mut tx = self.ledger.shared.store.question().await?;
        let found = currencies(&mut tx, "dodo_money", !self.filter.test_mode).await?;
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
        let mut tx = self.ledger.shared.store.question().await?;
        extent(&mut tx, !self.filter.test_mode, currency).await
    }

    /// Returns the sums of all selected money.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) without a currency,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn totals(self) -> Result<Compared, Error> {
        let mut tx = self.ledger.shared.store.question().await?;
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
        let mut tx = self.ledger.shared.store.question().await?;
        let scope = Scope::read(&mut tx, &self.filter, self.ledger.zone()).await?;
        let ranked = Selection::Best(&self.ranking);
        let found = ranking::found(&mut tx, &scope, by, self.filter.range, ranked).await?;
        let shown: Vec<Vec<i64>> = found.iter().map(Found::shown).collect();
        let names = names(&mut tx, shown.iter().flatten().copied()).await?;
        let before = match self.before {
            Some(range) => Some(
                ranking::found(&mut tx, &scope, by, Some(range), Selection::These(&shown)).await?,
            ),
            None => None,
        };
        Ok(named(found, before, &names))
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
        let mut tx = self.ledger.shared.store.question().await?;
        let scope = Scope::read(&mut tx, &self.filter, self.ledger.zone()).await?;
        let best = match self.by {
            Some(by) => {
                let ranked = Selection::Best(&self.ranking);
                let range = self.filter.range;
                let mut best = ranking::found(&mut tx, &scope, &[by], range, ranked).await?;
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
        let (store, range) = (&self.ledger.shared.store, self.filter.range);
        let mut tx = store.question().await?;
        let scope = Scope::read(&mut tx, &self.filter, self.ledger.zone()).await?;
        drop(tx);
        let begin = async || match scope.reads_sums(by) {
            true => store.stored_sums().await,
            false => store.question().await,
        };
        let now = async {
            let mut tx = begin().await?;
            let ranked = Selection::Best(&self.ranking);
            let found = ranking::found(&mut tx, &scope, by, range, ranked).await?;
            let shown: Vec<Vec<i64>> = found.iter().map(Found::shown).collect();
            let names = names(&mut tx, shown.iter().flatten().copied()).await?;
            let colored = match (by.first(), shown.first()) {
                (Some(first), Some(shown)) if self.ranking.is_best(best) => {
                    let best = usize::try_from(best).unwrap_or(usize::MAX);
                    Some((*first, shown.iter().copied().take(best).collect()))
                }
                (Some(first), _) => {
                    let ranking = Ranking::best(best);
                    let ranked = Selection::Best(&ranking);
                    let found = ranking::found(&mut tx, &scope, &[*first], range, ranked).await?;
                    Some((*first, found.first().map(Found::shown).unwrap_or_default()))
                }
                (None, _) => None,
            };
            Ok::<_, Error>((found, shown, names, colored))
        };
        let before = async |selection: Selection<'_>| {
            let Some(range) = self.before else { return Ok(None) };
            let mut tx = begin().await?;
            ranking::found(&mut tx, &scope, by, Some(range), selection).await.map(Some)
        };
        let series = async |colored| {
            let mut tx = begin().await?;
            self.series_in(&mut tx, &scope, colored, interval, zone).await
        };
        // Two connections at a time, and none waits for the other one. Single rows are read for all values, so that
        // the span before does not wait for the values on the page.
        let (found, before, names, series) = if by.iter().any(|by| scope.folds(*by)) {
            let charted = async {
                let (found, _, names, colored) = now.await?;
                Ok::<_, Error>((found, names, series(colored).await?))
            };
            let ((found, names, series), before) =
                tokio::try_join!(charted, before(Selection::All))?;
            (found, before, names, series)
        } else {
            let (found, shown, names, colored) = now.await?;
            let (series, before) =
                tokio::try_join!(series(colored), before(Selection::These(&shown)))?;
            (found, before, names, series)
        };
        Ok((named(found, before, &names), series))
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

/// The answer for each dimension.
fn named(
    mut found: Vec<Found>,
    before: Option<Vec<Found>>,
    names: &HashMap<i64, String>,
) -> Vec<Breakdown> {
    for (found, before) in found.iter_mut().zip(before.into_iter().flatten()) {
        found.compare(before);
    }
    found.into_iter().map(|found| found.named(names)).collect()
}
