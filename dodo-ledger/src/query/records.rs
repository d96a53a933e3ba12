//! Records one by one.

use std::io;

use dodo_core::attribution::AttributionRecord;
use jiff::Timestamp;

use super::{
    export::{ExportFormat, Writer},
    filter::{Conditions, Filter},
};
use crate::{
    Ledger,
    attribution::{Dimension, Record},
    booking::{STORED, read_stored},
    error::Error,
};

/// A record and its place in the order.
struct Found {
    position: (i64, String),
    record: Record,
}

/// Records of a page of an export.
const PAGE: u32 = 500;

/// A question for records, oldest first: by [`occurred_at`](AttributionRecord::occurred_at), when
/// money moved. Live ones only, unless [`test_mode`](Self::test_mode) is
/// asked for.
#[derive(Clone, Debug)]
#[must_use = "call `.fetch()` or `.export()`"]
pub struct Records {
    ledger: Ledger,
    filter: Filter,
    payment_id: Option<String>,
    limit: Option<u32>,
    newest_first: bool,
    money_only: bool,
}

impl Ledger {
    /// Asks for records.
    pub fn records(&self) -> Records {
        Records {
            ledger: self.clone(),
            filter: Filter::default(),
            payment_id: None,
            limit: None,
            newest_first: false,
            money_only: false,
        }
    }

    /// One record by its key, such as `charge:pay_x`.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn record(&self, id: &str) -> Result<Option<AttributionRecord>, Error> {
        Ok(self.shared.groups().record(id).await?.map(|stored| stored.record))
    }
}

impl Records {
    /// What occurred from `from` on and before `until`.
    pub fn between(mut self, from: Timestamp, until: Timestamp) -> Self {
        (self.filter.from, self.filter.until) = (Some(from), Some(until));
        self
    }

    /// Only where this is the value; `None`: only where there is none. Not for days: use
    /// [`between`](Self::between).
    pub fn filter<'a>(mut self, dimension: Dimension, value: impl Into<Option<&'a str>>) -> Self {
        self.filter.values.push((dimension, value.into().map(str::to_owned)));
        self
    }

    /// Selects a payment and its reversals.
    pub fn payment(mut self, payment_id: impl Into<String>) -> Self {
        self.payment_id = Some(payment_id.into());
        self
    }

    /// Only records that count as revenue.
    pub fn revenue_only(mut self) -> Self {
        self.money_only = true;
        self
    }

    /// Records of test mode instead of live ones.
    pub fn test_mode(mut self) -> Self {
        self.filter.test_mode = true;
        self
    }

    /// The newest first.
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// At most so many.
    pub fn limit(mut self, records: u32) -> Self {
        self.limit = Some(records);
        self
    }

    /// Reads them all.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn fetch(self) -> Result<Vec<AttributionRecord>, Error> {
        let page = self.page(None, self.limit).await?;
        Ok(page.into_iter().map(|found| found.record.record).collect())
    }

    /// Writes them to `out`, page by page, and says how many there were.
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
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database, and as the kind
    /// [`Config`](crate::ErrorKind::Config) what `out` fails with.
    pub async fn export(
        self,
        format: ExportFormat,
        out: &mut (impl io::Write + Send),
    ) -> Result<u64, Error> {
        let failed =
            |error: io::Error| Error::config("the export cannot be written").with_source(error);
        let mut writer = Writer::begin(format, out).map_err(failed)?;
        let (mut written, mut after) = (0_u64, None);
        loop {
            let left = self.limit.map(|limit| u64::from(limit).saturating_sub(written));
            let size = left.map_or(PAGE, |left| u32::try_from(left).unwrap_or(PAGE).min(PAGE));
            let page = self.page(after.as_ref(), Some(size)).await?;
            for found in &page {
                writer.record(&found.record).map_err(failed)?;
            }
            written += u64::try_from(page.len()).unwrap_or_default();
            after = page.into_iter().next_back().map(|found| found.position);
            if after.is_none() || size < PAGE {
                return Ok(written);
            }
        }
    }

    /// Some records and where each stands.
    async fn page(
        &self,
        after: Option<&(i64, String)>,
        limit: Option<u32>,
    ) -> Result<Vec<Found>, Error> {
        let mut conditions = Conditions::from_filter(&self.filter);
        if let Some(payment) = &self.payment_id {
            let payment = conditions.bind(payment.as_str());
            conditions.push(format!("payment_id = {payment}"));
        }
        if self.money_only {
            conditions.push("net IS NOT NULL".to_owned());
        }
        let (order, comparison) = if self.newest_first { ("DESC", "<") } else { ("ASC", ">") };
        if let Some((at, id)) = after {
            let (at, id) = (conditions.bind(*at), conditions.bind(id.as_str()));
            conditions.push(format!("(occurred_micros, id) {comparison} ({at}, {id})"));
        }
        let limit = limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
        let text = format!(
            "SELECT {STORED}, occurred_micros, id FROM dodo_record WHERE {}
             ORDER BY occurred_micros {order}, id {order}{limit}",
            conditions.text()
        );
        let mut tx = self.ledger.shared.store.read().await?;
        let rows = tx.fetch_built(text, conditions.args).await?;
        rows.into_iter()
            .map(|mut row| {
                let position = (row.int(8)?, row.text(9)?);
                Ok(Found { position, record: read_stored(row)? })
            })
            .collect()
    }
}
