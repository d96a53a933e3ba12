//! The funnel: the numbers of checkouts that were opened, tried, paid and kept.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    breakdown::{name_of, names},
    calendar::Range,
    checkouts::{
        FunnelBreakdown, FunnelCompared, FunnelFailure, FunnelRow, FunnelSums, FunnelWaits, count,
    },
    plan::{Binder, Condition, Filter, NOTHING, conditions_of, sums_by, sums_zone},
    span::{Part, parts},
};
use crate::{
    Ledger,
    attribution::{Dimension, WAIT_UNITS, WAITS},
    error::Error,
    store::{Tx, sql::Row},
};

/// The time for which a session without a charge counts as open.
const OPEN: SignedDuration = SignedDuration::from_micros(24 * 3_600_000_000 - 1);
/// The default number of rows of a list.
const TOP: u32 = 10;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const COUNTS: [&str; 6] = ["opened", "tried", "paid", "kept", "open", "recovered"];

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
/// let sources = ledger.funnel().between(month).group_by(Dimension::Source).rows().await?;
/// for row in sources.rows {
///     println!("{}: {} of {} paid", row.value, row.sums.now.paid, row.sums.now.opened);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "call `.totals()`, `.rows()`, `.failures()` or `.waits()`"]
pub struct Funnel {
    ledger: Ledger,
    filter: Filter,
    before: Option<Range>,
    by: Option<Dimension>,
    top: u32,
    now: Timestamp,
}

impl Ledger {
    /// Returns a question about checkout sessions.
    pub fn funnel(&self) -> Funnel {
        Funnel {
            ledger: self.clone(),
            filter: Filter::default(),
            before: None,
            by: None,
            top: TOP,
            now: Timestamp::now(),
        }
    }
}

impl Funnel {
    /// Selects sessions of test mode instead of live mode.
    pub fn test_mode(mut self) -> Self {
        self.filter.test_mode = true;
        self
    }

    /// Selects sessions that were opened in this span. Default: all.
    pub fn between(mut self, range: Range) -> Self {
        self.filter.range = Some(range);
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
    pub fn filter<'a>(mut self, dimension: Dimension, value: impl Into<Option<&'a str>>) -> Self {
        self.filter.only.push((dimension, value.into().map(str::to_owned)));
        self
    }

    /// Leaves out sessions with this value; `None`: without a value.
    pub fn exclude<'a>(mut self, dimension: Dimension, value: impl Into<Option<&'a str>>) -> Self {
        self.filter.not.push((dimension, value.into().map(str::to_owned)));
        self
    }

    /// Groups by this dimension: one of a campaign, or the channel.
    pub fn group_by(mut self, dimension: Dimension) -> Self {
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
        let mut tx = self.ledger.shared.store.question().await?;
        let sessions = Sessions::read(&mut tx, &self).await?;
        let mut all = FunnelCompared::default();
        for (range, is_before) in self.spans() {
            let mut binder = Binder::default();
            let base = sessions.select(&mut binder, None, range)?;
            let text = format!("SELECT {} FROM ({base}) AS base", summed().join(", "));
            let row = tx.fetch_built(text, binder.0).await?.pop();
            let sums = row.map(|mut row| FunnelSums::read(&mut row, 0)).transpose()?;
            match is_before {
                false => all.now = sums.unwrap_or_default(),
                true => all.before = Some(sums.unwrap_or_default()),
            }
        }
        Ok(all)
    }

    /// The values of the dimension of [`by`](Self::group_by).
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) without a dimension or with another one,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn rows(self) -> Result<FunnelBreakdown, Error> {
        let by = self.by.ok_or_else(|| Error::config("name a dimension by `.group_by(..)`"))?;
        let mut tx = self.ledger.shared.store.question().await?;
        let sessions = Sessions::read(&mut tx, &self).await?;
        let (mut total, mut none) = (FunnelCompared::default(), FunnelCompared::default());
        let (mut found, mut values) = (Vec::<(i64, FunnelCompared)>::new(), 0);
        let counts = COUNTS.join(", ");
        for (range, is_before) in self.spans() {
            let mut binder = Binder::default();
            let shown: Vec<i64> = found.iter().map(|(value, _)| *value).collect();
            let base = sessions.select(&mut binder, Some(by), range)?;
            let rows = match is_before {
                false => {
                    let limit = binder.bind(self.top);
                    format!(" WHERE value <> 0 ORDER BY opened DESC, value LIMIT {limit}")
                }
                true if shown.is_empty() => " WHERE value < 0".to_owned(),
                true => format!(" WHERE value IN ({})", binder.list(&shown)),
            };
            let named: Vec<String> = summed()
                .into_iter()
                .zip(COUNTS)
                .map(|(sum, name)| format!("{sum} AS {name}"))
                .collect();
            let text = format!(
                "WITH sums AS MATERIALIZED (
                    SELECT value, {} FROM ({base}) AS base GROUP BY value)
                 SELECT CAST(0 AS BIGINT) AS part,
                    CAST(COALESCE(SUM(CASE WHEN value <> 0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS value, {}
                 FROM sums
                 UNION ALL SELECT 1, value, {counts} FROM sums WHERE value = 0
                 UNION ALL SELECT 2, value, {counts} FROM (SELECT * FROM sums{rows}) AS best",
                named.join(", "),
                summed().join(", ")
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
        let mut tx = self.ledger.shared.store.question().await?;
        let sessions = Sessions::read(&mut tx, &self).await?;
        let mut binder = Binder::default();
        let condition = sessions.condition(&mut binder, self.filter.range);
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
        let mut tx = self.ledger.shared.store.question().await?;
        let sessions = Sessions::read(&mut tx, &self).await?;
        let mut binder = Binder::default();
        let base = sessions.select_waits(&mut binder, self.filter.range);
        let text = format!(
            "SELECT value, CAST(SUM(paid) AS BIGINT) FROM ({base}) AS base GROUP BY value ORDER BY value"
        );
        let mut waits = FunnelWaits::default();
        let mut found: Vec<(i64, u64)> = Vec::new();
        for mut row in tx.fetch_built(text, binder.0).await? {
            let (seconds, sessions) = (row.int(0)?, count(row.int(1)?));
            let class = match seconds {
                _ if seconds <= HOUR => &mut waits.hour,
                _ if seconds <= DAY => &mut waits.day,
                _ if seconds <= 7 * DAY => &mut waits.week,
                _ if seconds <= 30 * DAY => &mut waits.month,
                _ => &mut waits.longer,
            };
            *class += sessions;
            found.push((seconds, sessions));
        }
        let all: u64 = found.iter().map(|(_, sessions)| sessions).sum();
        // The wait of the session at this place.
        let wait = |place: u64| {
            let mut until = 0;
            found.iter().find_map(|(seconds, sessions)| {
                until += sessions;
                (place < until).then_some(*seconds)
            })
        };
        // The median is the middle value, or the mean of the two middle values.
        let middle = wait(all.saturating_sub(1) / 2).zip(wait(all / 2));
        waits.median = middle
            .map(|(first, last)| SignedDuration::from_millis(first * 1000 + (last - first) * 500));
        Ok(waits)
    }

    /// The span of the question, and the span that it is compared with.
    fn spans(&self) -> impl Iterator<Item = (Option<Range>, bool)> + use<> {
        let before = self.before.map(|range| (Some(range), true));
        [(self.filter.range, false)].into_iter().chain(before)
    }
}

/// The selected sessions of a question: as stored sums, or one by one.
struct Sessions {
    live: bool,
    conditions: Vec<Condition>,
    /// The zone of the sums. `None`: they are not complete.
    zone: Option<jiff::tz::TimeZone>,
    /// A session without a charge from this time on is open.
    open: Timestamp,
}

impl Sessions {
    async fn read(tx: &mut Tx, asked: &Funnel) -> Result<Self, Error> {
        let Filter { only, not, test_mode, .. } = &asked.filter;
        only.iter().chain(not).try_for_each(|(dimension, _)| column(*dimension).map(drop))?;
        Ok(Self {
            live: !test_mode,
            conditions: conditions_of(tx, only, not).await?,
            zone: sums_zone(tx, asked.ledger.zone()).await?,
            open: asked.now.checked_sub(OPEN).unwrap_or(Timestamp::MIN),
        })
    }

    fn condition(&self, binder: &mut Binder, range: Option<Range>) -> String {
        // -1: not known.
        let other_mode = binder.bind(!self.live);
        let mut text = format!("live <> {other_mode}");
        if let Some(range) = range {
            let from = binder.bind(range.from.as_microsecond());
            let until = binder.bind(range.until.as_microsecond());
            text.push_str(&format!(" AND at >= {from} AND at < {until}"));
        }
        for condition in &self.conditions {
            let column = condition.dimension.column().unwrap_or_default();
            text.push_str(&condition.text(binder, column));
        }
        text
    }

    /// A query of `value` and the counts.
    fn select(
        &self,
        binder: &mut Binder,
        by: Option<Dimension>,
        range: Option<Range>,
    ) -> Result<String, Error> {
        let value = by.map_or(Ok(NOTHING), column)?;
        let mut all = Vec::new();
        let sums = sums_by(&self.conditions, by);
        let dim = sums.map(|dimension| dimension.and_then(Dimension::number).unwrap_or_default());
        for part in self.parts(dim.is_some(), range) {
            let text = match part {
                Part::Rows(range) => {
                    let condition = self.condition(binder, range);
                    format!(
                        "SELECT {value} AS value, 1 AS opened, tried,
                            CASE WHEN paid_at IS NULL THEN 0 ELSE 1 END AS paid, kept, 0 AS open,
                            CASE WHEN paid_at IS NULL OR failure IS NULL THEN 0 ELSE 1 END AS recovered
                         FROM dodo_funnel WHERE {condition}"
                    )
                }
                sums => {
                    let value = if by.is_some() { "value" } else { NOTHING };
                    let mut condition = self.sums(binder, dim.unwrap_or_default(), sums);
                    for each in &self.conditions {
                        condition.push_str(&each.text(binder, "value"));
                    }
                    format!(
                        "SELECT {value} AS value, opened, tried, paid, kept, 0 AS open, recovered
                         FROM dodo_funnel_roll WHERE {condition}"
                    )
                }
            };
            all.push(text);
        }
        // The open sessions depend on the time of the question, so they have no stored sum.
        let range = range.unwrap_or(Range::new(Timestamp::MIN, Timestamp::MAX));
        let condition =
            self.condition(binder, Some(Range::new(range.from.max(self.open), range.until)));
        all.push(format!(
            "SELECT {value} AS value, 0 AS opened, 0 AS tried, 0 AS paid, 0 AS kept, 1 AS open, 0 AS recovered
             FROM dodo_funnel WHERE {condition} AND paid_at IS NULL"
        ));
        Ok(all.join(" UNION ALL "))
    }

    /// A query of `value`, the time to pay in seconds, and `paid`.
    fn select_waits(&self, binder: &mut Binder, range: Option<Range>) -> String {
        let mut all = Vec::new();
        for part in self.parts(self.conditions.is_empty(), range) {
            all.push(match part {
                Part::Rows(range) => {
                    let condition = self.condition(binder, range);
                    format!(
                        "SELECT {} AS value, 1 AS paid FROM (
                            SELECT CASE WHEN paid_at > at THEN paid_at - at ELSE 0 END AS wait
                            FROM dodo_funnel WHERE {condition} AND paid_at IS NOT NULL) AS waits",
                        rounded_wait()
                    )
                }
                sums => {
                    let condition = self.sums(binder, WAITS, sums);
                    format!("SELECT value, paid FROM dodo_funnel_roll WHERE {condition}")
                }
            });
        }
        all.join(" UNION ALL ")
    }

    fn parts(&self, has_sums: bool, range: Option<Range>) -> Vec<Part> {
        match &self.zone {
            Some(zone) if has_sums => parts(range, zone, true),
            _ => vec![Part::Rows(range)],
        }
    }

    /// The condition of stored sums.
    fn sums(&self, binder: &mut Binder, dim: i64, part: Part) -> String {
        let (grain, span) = match part {
            Part::Days(first, until) => (0, Some((first, until))),
            Part::Months(months) => (1, months),
            Part::Rows(_) => (0, Some((0, 0))),
        };
        let (live, dim) = (binder.bind(self.live), binder.bind(dim));
        let mut text = format!("live IN (-1, {live}) AND dim = {dim} AND grain = {grain}");
        if let Some((first, until)) = span {
            let (first, until) = (binder.bind(first), binder.bind(until));
            text.push_str(&format!(" AND bucket >= {first} AND bucket < {until}"));
        }
        text
    }
}

/// The seconds of the column `wait`, rounded up to their unit.
fn rounded_wait() -> String {
    let unit = |(unit, most): (i64, i64)| {
        let (less, seconds) = (unit - 1, unit / 1_000_000);
        format!("WHEN wait <= {most} THEN (wait + {less}) / {unit} * {seconds}")
    };
    format!("CASE {} END", WAIT_UNITS.map(unit).join(" "))
}

/// The sums of the counts.
fn summed() -> [String; 6] {
    COUNTS.map(|count| format!("CAST(COALESCE(SUM({count}), 0) AS BIGINT)"))
}

/// The column of a dimension of the funnel.
fn column(dimension: Dimension) -> Result<&'static str, Error> {
    dimension.column().filter(|_| dimension.has_funnel()).ok_or_else(|| {
        Error::config(
            "the funnel has the dimensions of a campaign and the channel: name one of them",
        )
    })
}
