//! The funnel: the numbers of checkouts that were opened, tried, paid and kept.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    breakdown::{name_of, names},
    calendar::Range,
    plan::{Binder, Condition, conditions_of},
};
use crate::{
    Ledger,
    attribution::Dimension,
    error::Error,
    store::{Tx, sql::Row},
};

/// The time for which a session without a charge counts as open.
const OPEN: SignedDuration = SignedDuration::from_hours(24);
/// The default number of rows of a list.
const TOP: u32 = 10;
/// The time from the start of a checkout to its charge, in microseconds.
const WAIT: &str = "CASE WHEN paid_at > at THEN paid_at - at ELSE 0 END";
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
const COUNTS: &str = "opened, tried, paid, kept, open, recovered";

/// A question about checkout sessions: how many were opened, tried, paid and kept.
///
/// The unit is a checkout session with a stored checkout context. It counts at the time when it was opened.
/// The context does not know its mode, so a session without a payment counts in both modes. After
/// [the retention of contexts](crate::Retention::contexts) the counts of unpaid sessions stay.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), dodo_ledger::Error> {
/// use dodo_ledger::{Ledger, query::{Dimension, Period}};
///
/// # let ledger = Ledger::in_memory().await?;
/// let month = Period::Days(28).range(jiff::Timestamp::now(), ledger.zone());
/// let sources = ledger.funnel().between(month).by(Dimension::Source).rows().await?;
/// for row in sources.rows {
///     println!("{}: {} of {} paid", row.value, row.sums.now.paid, row.sums.now.opened);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "call `.totals()`, `.rows()`, `.failures()` or `.waits()`"]
pub struct Funnel {
    ledger: Ledger,
    test_mode: bool,
    range: Option<Range>,
    before: Option<Range>,
    only: Vec<(Dimension, Option<String>)>,
    not: Vec<(Dimension, Option<String>)>,
    by: Option<Dimension>,
    top: u32,
    now: Timestamp,
}

/// The counts of some checkout sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunnelSums {
    /// Sessions that were opened.
    pub opened: u64,
    /// Of these, with a payment that succeeded, failed or was begun.
    pub tried: u64,
    /// Of these, with a charge.
    pub paid: u64,
    /// Of these, with a net amount above 0 after refunds and lost disputes.
    pub kept: u64,
    /// Opened less than 24 hours ago and not paid.
    pub open: u64,
    /// Paid, with a failed payment in the same session.
    pub recovered: u64,
}

impl FunnelSums {
    /// Opened 24 hours ago or earlier, and not paid.
    #[must_use]
    pub const fn abandoned(&self) -> u64 {
        self.opened.saturating_sub(self.paid).saturating_sub(self.open)
    }

    fn read(row: &mut Row, at: usize) -> Result<Self, Error> {
        Ok(Self {
            opened: count(row.int(at)?),
            tried: count(row.int(at + 1)?),
            paid: count(row.int(at + 2)?),
            kept: count(row.int(at + 3)?),
            open: count(row.int(at + 4)?),
            recovered: count(row.int(at + 5)?),
        })
    }
}

/// The counts of a span, and of the span that it is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunnelCompared {
    /// The counts of the span.
    pub now: FunnelSums,
    /// The counts of the span of [`versus`](Funnel::versus).
    pub before: Option<FunnelSums>,
}

/// The values of a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunnelBreakdown {
    /// The dimension.
    pub by: Dimension,
    /// One row per value, the most opened sessions first.
    pub rows: Vec<FunnelRow>,
    /// Sessions without a value. They are in no row.
    pub none: FunnelCompared,
    /// All sessions.
    pub total: FunnelCompared,
    /// The number of all values, in `rows` or not.
    pub count: u64,
}

/// One value of a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunnelRow {
    /// The value.
    pub value: String,
    /// Its counts.
    pub sums: FunnelCompared,
}

/// Sessions whose last failed payment has the same code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunnelFailure {
    /// The code of Dodo Payments. `None`: the payment has none.
    pub code: Option<String>,
    /// The number of sessions.
    pub sessions: u64,
    /// Of these, paid.
    pub recovered: u64,
}

/// The time from the start of a checkout to its charge. Each class includes its bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunnelWaits {
    /// Sessions that were paid within an hour.
    pub hour: u64,
    /// Later, within 24 hours.
    pub day: u64,
    /// Later, within 7 days.
    pub week: u64,
    /// Later, within 30 days.
    pub month: u64,
    /// Later.
    pub longer: u64,
    /// The median time. `None`: no session was paid.
    pub median: Option<SignedDuration>,
}

impl Ledger {
    /// Returns a question about checkout sessions.
    pub fn funnel(&self) -> Funnel {
        Funnel {
            ledger: self.clone(),
            test_mode: false,
            range: None,
            before: None,
            only: Vec::new(),
            not: Vec::new(),
            by: None,
            top: TOP,
            now: Timestamp::now(),
        }
    }
}

impl Funnel {
    /// Selects sessions of test mode instead of live mode.
    pub fn test_mode(mut self) -> Self {
        self.test_mode = true;
        self
    }

    /// Selects sessions that were opened in this span. Default: all.
    pub fn between(mut self, range: Range) -> Self {
        self.range = Some(range);
        self
    }

    /// Adds the counts of this span, to compare with.
    pub fn versus(mut self, range: impl Into<Option<Range>>) -> Self {
        self.before = range.into();
        self
    }

    /// Selects sessions with this value; `None`: without a value. Several values of one dimension:
    /// any of them. Possible dimensions: those of a campaign, and the channel. See
    /// [`Dimension::has_funnel`].
    pub fn only<'a>(mut self, dimension: Dimension, value: impl Into<Option<&'a str>>) -> Self {
        self.only.push((dimension, value.into().map(str::to_owned)));
        self
    }

    /// Leaves out sessions with this value; `None`: without a value.
    pub fn not<'a>(mut self, dimension: Dimension, value: impl Into<Option<&'a str>>) -> Self {
        self.not.push((dimension, value.into().map(str::to_owned)));
        self
    }

    /// Groups by this dimension: one of a campaign, or the channel.
    pub fn by(mut self, dimension: Dimension) -> Self {
        self.by = Some(dimension);
        self
    }

    /// Sets the largest number of rows. Default: 10.
    pub fn top(mut self, rows: u32) -> Self {
        self.top = rows;
        self
    }

    /// Sets the time that decides which sessions are open. Default: now.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// The counts of all sessions.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for a filter by another dimension,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn totals(self) -> Result<FunnelCompared, Error> {
        let mut tx = self.ledger.shared.store.read().await?;
        let conditions = self.conditions(&mut tx).await?;
        let mut all = FunnelCompared::default();
        for (range, is_before) in self.spans() {
            let mut binder = Binder::default();
            let text = self.select(&mut binder, "CAST(0 AS BIGINT)", &conditions, range, None);
            let row = tx.fetch_built(text, binder.0).await?.pop();
            let sums = row.map(|mut row| FunnelSums::read(&mut row, 1)).transpose()?;
            match is_before {
                false => all.now = sums.unwrap_or_default(),
                true => all.before = Some(sums.unwrap_or_default()),
            }
        }
        Ok(all)
    }

    /// The values of the dimension of [`by`](Self::by).
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) without a dimension or with another one,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn rows(self) -> Result<FunnelBreakdown, Error> {
        let by = self.by.ok_or_else(|| Error::config("name a dimension by `.by(..)`"))?;
        let column = column(by)?;
        let mut tx = self.ledger.shared.store.read().await?;
        let conditions = self.conditions(&mut tx).await?;
        let (mut total, mut none) = (FunnelCompared::default(), FunnelCompared::default());
        let (mut found, mut values) = (Vec::<(i64, FunnelCompared)>::new(), 0);
        for (range, is_before) in self.spans() {
            let mut binder = Binder::default();
            let shown: Vec<i64> = found.iter().map(|(value, _)| *value).collect();
            let sums = self.select(&mut binder, column, &conditions, range, Some(column));
            let rows = match is_before {
                false => {
                    let limit = binder.bind(self.top);
                    format!(" WHERE value <> 0 ORDER BY opened DESC, value LIMIT {limit}")
                }
                true if shown.is_empty() => " WHERE value < 0".to_owned(),
                true => format!(" WHERE value IN ({})", binder.list(&shown)),
            };
            let all: Vec<String> =
                COUNTS.split(", ").map(|name| format!("COALESCE(SUM({name}), 0)")).collect();
            let all: Vec<String> =
                all.into_iter().map(|sum| format!("CAST({sum} AS BIGINT)")).collect();
            let text = format!(
                "WITH sums AS MATERIALIZED ({sums})
                 SELECT CAST(0 AS BIGINT) AS part,
                    CAST(COALESCE(SUM(CASE WHEN value <> 0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS value, {}
                 FROM sums
                 UNION ALL SELECT 1, value, {COUNTS} FROM sums WHERE value = 0
                 UNION ALL SELECT 2, value, {COUNTS} FROM (SELECT * FROM sums{rows}) AS best",
                all.join(", ")
            );
            let put = |to: &mut FunnelCompared, sums| match is_before {
                false => to.now = sums,
                true => to.before = Some(sums),
            };
            if is_before {
                let compared =
                    found.iter_mut().map(|(_, sums)| sums).chain([&mut total, &mut none]);
                compared.for_each(|sums| sums.before = Some(FunnelSums::default()));
            }
            for mut row in tx.fetch_built(text, binder.0).await? {
                let (part, value) = (row.int(0)?, row.int(1)?);
                let sums = FunnelSums::read(&mut row, 2)?;
                match part {
                    0 => {
                        put(&mut total, sums);
                        values = if is_before { values } else { count(value) };
                    }
                    1 => put(&mut none, sums),
                    _ if is_before => {
                        let known = found.iter_mut().filter(|(known, _)| *known == value);
                        known.for_each(|(_, all)| put(all, sums));
                    }
                    _ => found.push((value, FunnelCompared { now: sums, before: None })),
                }
            }
        }
        found.sort_by_key(|(value, sums)| (std::cmp::Reverse(sums.now.opened), *value));
        let names: HashMap<i64, String> =
            names(&mut tx, found.iter().map(|(value, _)| *value)).await?;
        let row = |(value, sums): (i64, FunnelCompared)| FunnelRow {
            value: name_of(by, value, &names),
            sums,
        };
        let rows = found.into_iter().map(row).collect();
        Ok(FunnelBreakdown { by, rows, none, total, count: values })
    }

    /// The sessions with a failed payment, by the code of the last one, the most sessions first.
    ///
    /// # Errors
    /// As [`totals`](Self::totals).
    pub async fn failures(self) -> Result<Vec<FunnelFailure>, Error> {
        let mut tx = self.ledger.shared.store.read().await?;
        let conditions = self.conditions(&mut tx).await?;
        let mut binder = Binder::default();
        let condition = self.condition(&mut binder, &conditions, self.range);
        let limit = binder.bind(self.top);
        let text = format!(
            "SELECT failure, COUNT(*) AS sessions, COUNT(paid_at) FROM dodo_funnel
             WHERE {condition} AND failure IS NOT NULL
             GROUP BY failure ORDER BY sessions DESC, failure LIMIT {limit}"
        );
        let read = |mut row: Row| {
            Ok(FunnelFailure {
                code: row.opt_text(0)?.filter(|code| !code.is_empty()),
                sessions: count(row.int(1)?),
                recovered: count(row.int(2)?),
            })
        };
        tx.fetch_built(text, binder.0).await?.into_iter().map(read).collect()
    }

    /// Returns the times of the paid sessions from their start to their charge.
    ///
    /// # Errors
    /// As [`totals`](Self::totals).
    pub async fn waits(self) -> Result<FunnelWaits, Error> {
        let mut tx = self.ledger.shared.store.read().await?;
        let conditions = self.conditions(&mut tx).await?;
        let mut binder = Binder::default();
        let condition = self.condition(&mut binder, &conditions, self.range);
        let text = format!(
            "SELECT CAST(class AS BIGINT), COUNT(*) FROM (
                SELECT CASE WHEN wait <= {HOUR} THEN 0 WHEN wait <= {DAY} THEN 1
                    WHEN wait <= 7 * {DAY} THEN 2 WHEN wait <= 30 * {DAY} THEN 3 ELSE 4 END AS class
                FROM (SELECT {WAIT} AS wait FROM dodo_funnel
                    WHERE {condition} AND paid_at IS NOT NULL) AS waits) AS classes
             GROUP BY class"
        );
        let mut waits = FunnelWaits::default();
        for mut row in tx.fetch_built(text, binder.0).await? {
            let class = match row.int(0)? {
                0 => &mut waits.hour,
                1 => &mut waits.day,
                2 => &mut waits.week,
                3 => &mut waits.month,
                _ => &mut waits.longer,
            };
            *class = count(row.int(1)?);
        }
        let all =
            [waits.hour, waits.day, waits.week, waits.month, waits.longer].iter().sum::<u64>();
        if all == 0 {
            return Ok(waits);
        }
        // The median is the middle value, or the mean of the two middle values.
        let mut binder = Binder::default();
        let condition = self.condition(&mut binder, &conditions, self.range);
        let before = binder.bind(i64::try_from((all - 1) / 2).unwrap_or_default());
        let middle = binder.bind(if all % 2 == 0 { 2_i64 } else { 1 });
        let text = format!(
            "SELECT {WAIT} AS wait FROM dodo_funnel WHERE {condition} AND paid_at IS NOT NULL
             ORDER BY wait LIMIT {middle} OFFSET {before}"
        );
        let rows = tx.fetch_built(text, binder.0).await?;
        let middle: Vec<i64> =
            rows.into_iter().map(|mut row| row.int(0)).collect::<Result<_, _>>()?;
        if let (Some(first), Some(last)) = (middle.first(), middle.last()) {
            waits.median = Some(SignedDuration::from_micros(first + (last - first) / 2));
        }
        Ok(waits)
    }

    /// The span of the question, and the span that it is compared with.
    fn spans(&self) -> impl Iterator<Item = (Option<Range>, bool)> + use<> {
        [(self.range, false)].into_iter().chain(self.before.map(|range| (Some(range), true)))
    }

    async fn conditions(&self, tx: &mut Tx) -> Result<Vec<Condition>, Error> {
        self.only
            .iter()
            .chain(&self.not)
            .try_for_each(|(dimension, _)| column(*dimension).map(drop))?;
        conditions_of(tx, &self.only, &self.not).await
    }

    fn condition(
        &self,
        binder: &mut Binder,
        conditions: &[Condition],
        range: Option<Range>,
    ) -> String {
        // -1: not known.
        let other_mode = binder.bind(self.test_mode);
        let mut text = format!("live <> {other_mode}");
        if let Some(range) = range {
            let from = binder.bind(range.from.as_microsecond());
            let until = binder.bind(range.until.as_microsecond());
            text.push_str(&format!(" AND at >= {from} AND at < {until}"));
        }
        for condition in conditions {
            let column = condition.dimension.column().unwrap_or_default();
            text.push_str(&condition.text(binder, column));
        }
        text
    }

    /// A query of a value and its counts.
    fn select(
        &self,
        binder: &mut Binder,
        value: &str,
        conditions: &[Condition],
        range: Option<Range>,
        group: Option<&str>,
    ) -> String {
        let open = self.now.checked_sub(OPEN).unwrap_or(Timestamp::MIN);
        let open = binder.bind(open.as_microsecond());
        let condition = self.condition(binder, conditions, range);
        let group = group.map(|group| format!(" GROUP BY {group}")).unwrap_or_default();
        let sum = |column: &str| format!("CAST(COALESCE(SUM({column}), 0) AS BIGINT)");
        format!(
            "SELECT {value} AS value, COUNT(*) AS opened, {} AS tried, COUNT(paid_at) AS paid,
                {} AS kept, {} AS open, {} AS recovered
             FROM dodo_funnel WHERE {condition}{group}",
            sum("tried"),
            sum("kept"),
            sum(&format!("CASE WHEN paid_at IS NULL AND at > {open} THEN 1 ELSE 0 END")),
            sum("CASE WHEN paid_at IS NOT NULL AND failure IS NOT NULL THEN 1 ELSE 0 END"),
        )
    }
}

/// The column of a dimension of the funnel.
fn column(dimension: Dimension) -> Result<&'static str, Error> {
    dimension.column().filter(|_| dimension.has_funnel()).ok_or_else(|| {
        Error::config(
            "the funnel has the dimensions of a campaign and the channel: name one of them",
        )
    })
}

fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
