//! Queries of single records.

use std::{fmt, io, str::FromStr};

use dodo_core::{attribution::AttributionRecord, money::Currency};
use jiff::Timestamp;

use super::{
    calendar::Range,
    export::{ExportFormat, Writer},
    plan::{Binder, conditions_of},
};
use crate::{
    Ledger,
    attribution::{Channel, Dimension, Record, texts},
    error::Error,
    store::Tx,
    stored_record::{self, COLUMNS, WIDTH},
};

/// A record and its place in the order.
struct Found {
    place: RecordCursor,
    record: Record,
}

/// The place of a record in a list, by time and number: the next page begins after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordCursor {
    at: i64,
    no: i64,
}

impl fmt::Display for RecordCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at, self.no)
    }
}

impl FromStr for RecordCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let numbers =
            text.split_once('.').and_then(|(at, no)| Some((at.parse().ok()?, no.parse().ok()?)));
        match numbers {
            Some((at, no)) => Ok(Self { at, no }),
            None => Err(Error::config("a cursor is two numbers: take it from the page before")),
        }
    }
}

/// A page of records.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordPage {
    /// The records, in the order of the question.
    pub records: Vec<ListedRecord>,
    /// The place of the last one. `None`: the list ends here.
    pub next: Option<RecordCursor>,
}

/// A record of a page, with the values that sums group it by.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListedRecord {
    /// The record.
    pub record: AttributionRecord,
    /// The channel of the money.
    pub channel: Channel,
    /// The value of the record in [`Dimension::Source`]. `None`: not attributed.
    pub source: Option<String>,
}

/// Records of a page of an export.
const EXPORTED: u32 = 500;
/// The default number of records of a page.
const PAGE: u32 = 50;
/// A record with a money row, as `MoneyRow::from_record` decides.
const HAS_MONEY: &str = "state = 0 AND net IS NOT NULL AND kind <> 'non_revenue'";

/// A question for records of live mode, or of [`test_mode`](Self::test_mode), oldest first.
/// [`occurred_at`](AttributionRecord::occurred_at), the time when money moved, gives the order.
#[derive(Clone, Debug)]
#[must_use = "call `.fetch()`, `.page()` or `.export()`"]
pub struct Records {
    ledger: Ledger,
    test_mode: bool,
    range: Option<Range>,
    currency: Option<Currency>,
    only: Vec<(Dimension, Option<String>)>,
    not: Vec<(Dimension, Option<String>)>,
    payment_id: Option<String>,
    after: Option<RecordCursor>,
    limit: Option<u32>,
    newest_first: bool,
    money_only: bool,
}

impl Ledger {
    /// Returns a question for records.
    pub fn records(&self) -> Records {
        Records {
            ledger: self.clone(),
            test_mode: false,
            range: None,
            currency: None,
            only: Vec::new(),
            not: Vec::new(),
            payment_id: None,
            after: None,
            limit: None,
            newest_first: false,
            money_only: false,
        }
    }

    /// Returns one record by its key, such as `charge:pay_x`.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn record(&self, id: &str) -> Result<Option<AttributionRecord>, Error> {
        Ok(self.shared.groups().record(id).await?.map(|stored| stored.record))
    }
}

impl Records {
    /// Selects records that occurred from `from` to before `until`.
    pub fn between(mut self, from: Timestamp, until: Timestamp) -> Self {
        self.range = Some(Range::new(from, until));
        self
    }

    /// Selects records of this currency.
    pub fn currency(mut self, currency: Currency) -> Self {
        self.currency = Some(currency);
        self
    }

    /// Selects records with this value; `None`: without a value. Several values of one dimension:
    /// any of them. It selects as [`MoneyQuery::filter`](super::MoneyQuery::filter) does. For days, use
    /// [`between`](Self::between).
    pub fn filter<'a>(mut self, dimension: Dimension, value: impl Into<Option<&'a str>>) -> Self {
        self.only.push((dimension, value.into().map(str::to_owned)));
        self
    }

    /// Leaves out records with this value; `None`: without a value.
    pub fn exclude<'a>(mut self, dimension: Dimension, value: impl Into<Option<&'a str>>) -> Self {
        self.not.push((dimension, value.into().map(str::to_owned)));
        self
    }

    /// Selects a payment and its reversals.
    pub fn payment(mut self, payment_id: impl Into<String>) -> Self {
        self.payment_id = Some(payment_id.into());
        self
    }

    /// Selects records that count as revenue: the charges and reversals that [`Ledger::money`] adds
    /// up.
    pub fn revenue_only(mut self) -> Self {
        self.money_only = true;
        self
    }

    /// Selects records of test mode instead of live mode.
    pub fn test_mode(mut self) -> Self {
        self.test_mode = true;
        self
    }

    /// Sorts the newest record first.
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// Sets the largest number of records.
    pub fn limit(mut self, records: u32) -> Self {
        self.limit = Some(records);
        self
    }

    /// Starts after this place, in the same order.
    pub fn after(mut self, cursor: impl Into<Option<RecordCursor>>) -> Self {
        self.after = cursor.into();
        self
    }

    /// Reads all selected records.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for a filter by days,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn fetch(self) -> Result<Vec<AttributionRecord>, Error> {
        let found = self.read(self.after, self.limit).await?;
        Ok(found.into_iter().map(|found| found.record.record).collect())
    }

    /// Reads a page of [`limit`](Self::limit) records. Default: 50.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), dodo_ledger::Error> {
    /// use dodo_core::money::Currency;
    /// use dodo_ledger::Ledger;
    ///
    /// # let ledger = Ledger::in_memory().await?;
    /// let payments = ledger.records().revenue_only().currency(Currency::EUR).newest_first();
    /// let mut page = payments.clone().page().await?;
    /// while let Some(next) = page.next {
    ///     page = payments.clone().after(next).page().await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    pub async fn page(self) -> Result<RecordPage, Error> {
        let limit = self.limit.unwrap_or(PAGE);
        let mut found = self.read(self.after, Some(limit.saturating_add(1))).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| has_more).map(|found| found.place);
        let listed = |found: Found| {
            let channel = Channel::from_record(&found.record);
            let [source, ..] = texts(&found.record);
            ListedRecord { record: found.record.record, channel, source }
        };
        Ok(RecordPage { records: found.into_iter().map(listed).collect(), next })
    }

    /// Writes the records to `out`, page by page, and returns their number.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use dodo_ledger::{Ledger, query::ExportFormat};
    ///
    /// # let ledger = Ledger::in_memory().await?;
    /// let mut file = Vec::new();
    /// ledger.records().revenue_only().export(ExportFormat::Csv, &mut file).await?;
    /// assert!(file.starts_with(b"id,kind,"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database, and
    /// [`Config`](crate::ErrorKind::Config) if `out` fails.
    pub async fn export(
        self,
        format: ExportFormat,
        out: &mut (impl io::Write + Send),
    ) -> Result<u64, Error> {
        let failed =
            |error: io::Error| Error::config("the export cannot be written").with_source(error);
        let mut writer = Writer::begin(format, out).map_err(failed)?;
        let (mut written, mut after) = (0_u64, self.after);
        loop {
            let left = self.limit.map(|limit| u64::from(limit).saturating_sub(written));
            let size =
                left.map_or(EXPORTED, |left| u32::try_from(left).unwrap_or(EXPORTED).min(EXPORTED));
            let page = self.read(after, Some(size)).await?;
            for found in &page {
                writer.record(&found.record).map_err(failed)?;
            }
            written += u64::try_from(page.len()).unwrap_or_default();
            after = page.last().map(|found| found.place);
            if after.is_none() || size < EXPORTED {
                return Ok(written);
            }
        }
    }

    /// Some records and their places.
    async fn read(
        &self,
        after: Option<RecordCursor>,
        limit: Option<u32>,
    ) -> Result<Vec<Found>, Error> {
        let mut tx = self.ledger.shared.store.question().await?;
        let mut binder = Binder::default();
        let text = match self.currency.filter(|_| self.reads_money()) {
            Some(currency) => {
                self.select_money(&mut tx, &mut binder, currency, (after, limit)).await?
            }
            None => self.select_records(&mut binder, (after, limit))?,
        };
        let rows = tx.fetch_built(text, binder.0).await?;
        rows.into_iter()
            .map(|mut row| {
                let (at, no) = (row.int(WIDTH)?, row.int(WIDTH + 1)?);
                let record = stored_record::read(&mut row)?;
                Ok(Found { place: RecordCursor { at, no }, record })
            })
            .collect()
    }

    /// Whether the query starts at the narrow money rows. Payments, customers and visitors have an
    /// index of their own.
    fn reads_money(&self) -> bool {
        let is_indexed = |(dimension, _): &(Dimension, _)| {
            matches!(dimension, Dimension::Customer | Dimension::Visitor | Dimension::Currency)
        };
        self.money_only
            && self.payment_id.is_none()
            && !self.only.iter().chain(&self.not).any(is_indexed)
    }

    async fn select_money(
        &self,
        tx: &mut Tx,
        binder: &mut Binder,
        currency: Currency,
        page: (Option<RecordCursor>, Option<u32>),
    ) -> Result<String, Error> {
        let (live, code) = (binder.bind(!self.test_mode), binder.bind(currency.as_str()));
        let mut text = format!(
            "WITH found AS MATERIALIZED (
                SELECT at, no FROM dodo_money WHERE live = {live} AND currency = {code}"
        );
        for condition in conditions_of(tx, &self.only, &self.not).await? {
            let column = condition.dimension.column().ok_or_else(no_days)?;
            text.push_str(&condition.text(binder, column));
        }
        text.push_str(&self.place(binder, "at", page));
        let order = self.order();
        text.push_str(&format!(
            ") SELECT {COLUMNS}, occurred_micros, dodo_record.no
             FROM found CROSS JOIN dodo_record WHERE dodo_record.no = found.no
             ORDER BY occurred_micros {order}, dodo_record.no {order}"
        ));
        Ok(text)
    }

    fn select_records(
        &self,
        binder: &mut Binder,
        page: (Option<RecordCursor>, Option<u32>),
    ) -> Result<String, Error> {
        let live = binder.bind(!self.test_mode);
        let mut text =
            format!("SELECT {COLUMNS}, occurred_micros, no FROM dodo_record WHERE live = {live}");
        if let Some(currency) = self.currency {
            text.push_str(&format!(" AND currency = {}", binder.bind(currency.as_str())));
        }
        if let Some(payment) = &self.payment_id {
            text.push_str(&format!(" AND payment_id = {}", binder.bind(payment.as_str())));
        }
        if self.money_only {
            text.push_str(&format!(" AND {HAS_MONEY}"));
        }
        let mut dimensions: Vec<Dimension> =
            self.only.iter().map(|(dimension, _)| *dimension).collect();
        dimensions.sort_unstable();
        dimensions.dedup();
        for dimension in dimensions {
            let column = dimension.record_column().ok_or_else(no_days)?;
            let values = self.only.iter().filter(|(other, _)| *other == dimension);
            let any: Vec<String> = values
                .map(|(_, value)| match value {
                    Some(value) => format!("{column} = {}", binder.bind(value.as_str())),
                    None => format!("{column} IS NULL"),
                })
                .collect();
            text.push_str(&format!(" AND ({})", any.join(" OR ")));
        }
        for (dimension, value) in &self.not {
            let column = dimension.record_column().ok_or_else(no_days)?;
            text.push_str(&match value {
                Some(value) => {
                    let value = binder.bind(value.as_str());
                    format!(" AND ({column} IS NULL OR {column} <> {value})")
                }
                None => format!(" AND {column} IS NOT NULL"),
            });
        }
        text.push_str(&self.place(binder, "occurred_micros", page));
        Ok(text)
    }

    /// Span, place, order and limit.
    fn place(
        &self,
        binder: &mut Binder,
        at: &str,
        (after, limit): (Option<RecordCursor>, Option<u32>),
    ) -> String {
        let mut text = String::new();
        // Without bounds, SQLite reads and sorts the whole table for a short list.
        let range = self.range.unwrap_or(Range::new(Timestamp::MIN, Timestamp::MAX));
        let from = binder.bind(range.from.as_microsecond());
        let until = binder.bind(range.until.as_microsecond());
        text.push_str(&format!(" AND {at} >= {from} AND {at} < {until}"));
        let comparison = if self.newest_first { "<" } else { ">" };
        if let Some(place) = after {
            let (time, no) = (binder.bind(place.at), binder.bind(place.no));
            text.push_str(&format!(" AND ({at}, no) {comparison} ({time}, {no})"));
        }
        let order = self.order();
        text.push_str(&format!(" ORDER BY {at} {order}, no {order}"));
        if let Some(limit) = limit {
            text.push_str(&format!(" LIMIT {limit}"));
        }
        text
    }

    const fn order(&self) -> &'static str {
        if self.newest_first { "DESC" } else { "ASC" }
    }
}

fn no_days() -> Error {
    Error::config("days have their own filter: use `.between(..)`")
}
