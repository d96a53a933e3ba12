//! Revenue, grouped and added up by the database.

use dodo_core::money::Currency;
use jiff::{Timestamp, civil::Date};

use super::filter::{Conditions, Filter};
use crate::{Ledger, attribution::Dimension, error::Error, store::sql::Row};

const MICROS_PER_DAY: i64 = 24 * 60 * 60 * 1_000_000;

impl Dimension {
    /// The expression of the group. Constant pieces and a number: nothing comes from outside.
    pub(super) fn expression(self, offset_micros: i64) -> String {
        let column = match self {
            Self::Visitor => "visitor",
            Self::Campaign => "campaign_id",
            Self::Link => "link_id",
            Self::Source => "source",
            Self::Medium => "medium",
            Self::Content => "content",
            Self::Term => "term",
            Self::Lead => "lead_id",
            Self::Channel => "channel",
            Self::Reason => "reason",
            Self::LandingPath => "landing_path",
            Self::Referrer => "referrer_host",
            Self::Device => "device",
            Self::Country => "country",
            Self::Product => "product_id",
            Self::Customer => "customer_id",
            Self::Kind => "kind",
            Self::Currency => "currency",
            Self::Day => {
                return format!("((occurred_micros + {offset_micros}) / {MICROS_PER_DAY})");
            }
        };
        column.to_owned()
    }
}

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
    /// One value per [`by`](Revenue::by), in their order. `None`: there is none. That alone does not
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
    /// The value of the first [`by`](Revenue::by).
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
        let offset = i64::from(self.offset_minutes) * 60_000_000;
        let conditions = Conditions::of(&self.filter, offset);
        let groups: Vec<String> = self.by.iter().map(|by| by.expression(offset)).collect();
        let columns: String = groups.iter().map(|group| format!("{group}, ")).collect();
        let text = format!(
            "SELECT {columns}currency, exponent, {}, {}, {},
                CAST(SUM(is_charge) AS BIGINT), CAST(SUM(1 - is_charge) AS BIGINT)
             FROM dodo_record
             WHERE state = 0 AND net IS NOT NULL AND {}
             GROUP BY {columns}currency, exponent",
            wide_sum("gross"),
            wide_sum("COALESCE(tax, 0)"),
            wide_sum("net"),
            conditions.text()
        );
        let mut tx = self.ledger.shared.store.read().await?;
        let found = tx.fetch_built(text, conditions.args).await?;
        let mut rows: Vec<RevenueRow> =
            found.into_iter().map(|row| read(row, &self.by)).collect::<Result<_, _>>()?;
        let by_day = self.by.contains(&Dimension::Day);
        rows.sort_by(|a, b| {
            let keys = || a.keys.cmp(&b.keys).then(a.currency.cmp(&b.currency));
            if by_day { keys() } else { b.net.cmp(&a.net).then_with(keys) }
        });
        Ok(rows)
    }
}

fn read(mut row: Row, by: &[Dimension]) -> Result<RevenueRow, Error> {
    let mut keys = Vec::with_capacity(by.len());
    for (column, dimension) in by.iter().enumerate() {
        keys.push(match dimension {
            Dimension::Day => row.opt_int(column)?.and_then(day_text),
            _ => row.opt_text(column)?,
        });
    }
    let at = by.len();
    let currency = row.text(at)?.parse().map_err(|error: dodo_core::Error| {
        Error::corrupt("a record has no readable currency").with_source(error)
    })?;
    let count = |value: i64| u64::try_from(value).unwrap_or_default();
    Ok(RevenueRow {
        keys,
        currency,
        exponent: u8::try_from(row.int(at + 1)?).unwrap_or(2),
        gross: read_wide(&mut row, at + 2)?,
        tax: read_wide(&mut row, at + 4)?,
        net: read_wide(&mut row, at + 6)?,
        charges: count(row.int(at + 8)?),
        reversals: count(row.int(at + 9)?),
    })
}

/// The sum of a column in two parts, high and low, that a `BIGINT` holds for any number of rows: SQLite
/// fails if a sum leaves 64 bits.
fn wide_sum(column: &str) -> String {
    format!("CAST(SUM(({column}) >> 32) AS BIGINT), CAST(SUM(({column}) & {LOW_BITS}) AS BIGINT)")
}

const LOW_BITS: i64 = 0xffff_ffff;

/// The sum whose two parts begin at this column.
fn read_wide(row: &mut Row, at: usize) -> Result<i128, Error> {
    Ok((i128::from(row.int(at)?) << 32) + i128::from(row.int(at + 1)?))
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
