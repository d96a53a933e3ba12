//! Subscriptions: a list, their sums, and the monthly recurring revenue over time.

use std::{fmt, str::FromStr};

use dodo_core::money::Currency;
use jiff::{Timestamp, tz::TimeZone};

use super::{
    calendar::{Bucket, Interval, Range},
    plan::Binder,
    sums::{divide, permille},
};
use crate::{
    Ledger,
    attribution::ChurnReason,
    error::Error,
    store::sql::{Row, Sql, args, sql},
};

/// The revenue of a month before a span, and the number of customers.
const BEFORE: Sql = sql!(
    "SELECT CAST(COALESCE(SUM(amount >> 32), 0) AS BIGINT),
        CAST(COALESCE(SUM(amount & 4294967295), 0) AS BIGINT),
        CAST(COALESCE(SUM(CASE WHEN kind IN (1, 3) THEN 1 WHEN kind = 5 THEN -1 ELSE 0 END), 0) AS BIGINT)
     FROM dodo_mrr WHERE live = $1 AND currency = $2 AND at < $3"
);

/// Which subscriptions a list has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Which {
    /// All of them.
    #[default]
    All,
    /// Those that bring recurring revenue now.
    Counting,
    /// Past due or on hold, while they count.
    AtRisk,
    /// Canceled, and paid until a later time.
    Ending,
    /// In a trial, with nothing paid.
    Trial,
    /// Counting, with the next charge before this time.
    Due(Timestamp),
}

/// A question about subscriptions. Live ones, unless [`test_mode`](Self::test_mode) is asked for.
#[derive(Clone, Debug)]
#[must_use = "call `.page(..)`, `.summary()`, `.by_plan()` or `.by_source()`"]
pub struct Subscriptions {
    ledger: Ledger,
    live: bool,
    currency: Option<Currency>,
    customer: Option<String>,
    product: Option<String>,
    which: Which,
    now: Timestamp,
}

/// One subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionItem {
    /// `sub_...`.
    pub subscription_id: String,
    /// The currency.
    pub currency: Currency,
    /// Its number of decimals.
    pub exponent: u8,
    /// `None`: erased.
    pub customer_id: Option<String>,
    /// The plan.
    pub product_id: Option<String>,
    /// Who brought the first charge: a value of [`Dimension::Source`](super::Dimension::Source).
    pub source: Option<String>,
    /// The status, as Dodo Payments names it.
    pub status: Option<String>,
    /// The time of the event that set the status.
    pub since: Option<Timestamp>,
    /// Minor units per renewal, before tax.
    pub amount: i64,
    /// `Day`, `Week`, `Month` or `Year`.
    pub interval: Option<String>,
    /// Charged every so many intervals.
    pub count: i64,
    /// Minor units that count per month now.
    pub mrr: i64,
    /// The last renewal failed, and it counts for some time.
    pub at_risk: bool,
    /// It was canceled, and counts until `counts_until`.
    pub ending: bool,
    /// The moment at which it stops to count. `None`: it goes on.
    pub counts_until: Option<Timestamp>,
    /// The next charge.
    pub next_billing_date: Option<Timestamp>,
    /// The end of the trial.
    pub trial_ends_at: Option<Timestamp>,
}

/// The place of a subscription in a list: the next page begins after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionCursor {
    mrr: i64,
    id: String,
}

impl fmt::Display for SubscriptionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.mrr, self.id)
    }
}

impl FromStr for SubscriptionCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (mrr, id) = text.split_once('.').unwrap_or_default();
        match mrr.parse() {
            Ok(mrr) => Ok(Self { mrr, id: id.to_owned() }),
            Err(_) => Err(Error::config("take a cursor from the page before")),
        }
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionPage {
    /// The largest amount per month first.
    pub subscriptions: Vec<SubscriptionItem>,
    /// The place of the last one. `None`: the list ends here.
    pub next: Option<SubscriptionCursor>,
}

/// A number of subscriptions, their customers, and their minor units per month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionSums {
    /// The number of subscriptions.
    pub subscriptions: u64,
    /// The number of customers. All erased customers count as one.
    pub customers: u64,
    /// Minor units per month.
    pub mrr: i128,
}

/// All subscriptions of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionSummary {
    /// The currency.
    pub currency: Currency,
    /// Its number of decimals.
    pub exponent: u8,
    /// Those that count now.
    pub counting: SubscriptionSums,
    /// Of these, past due and on hold.
    pub at_risk: SubscriptionSums,
    /// Of these, canceled.
    pub ending: SubscriptionSums,
    /// In a trial. The amount is the one if all convert.
    pub trials: SubscriptionSums,
}

/// The subscriptions that count now and share a plan or a source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionGroup {
    /// The plan or the source. `None`: not known.
    pub value: Option<String>,
    /// Their sums.
    pub sums: SubscriptionSums,
}

impl Ledger {
    /// Asks about subscriptions.
    pub fn subscriptions(&self) -> Subscriptions {
        Subscriptions {
            ledger: self.clone(),
            live: true,
            currency: None,
            customer: None,
            product: None,
            which: Which::All,
            now: Timestamp::now(),
        }
    }

    /// Asks about monthly recurring revenue.
    pub fn mrr(&self) -> Mrr {
        Mrr { ledger: self.clone(), live: true, currency: None }
    }
}

impl Subscriptions {
    /// Subscriptions of test mode instead of live ones.
    pub fn test_mode(mut self) -> Self {
        self.live = false;
        self
    }

    /// Only this currency.
    pub fn currency(mut self, currency: Currency) -> Self {
        self.currency = Some(currency);
        self
    }

    /// Only those of this customer.
    pub fn customer(mut self, customer_id: impl Into<String>) -> Self {
        self.customer = Some(customer_id.into());
        self
    }

    /// Only this plan.
    pub fn product(mut self, product_id: impl Into<String>) -> Self {
        self.product = Some(product_id.into());
        self
    }

    /// Only these.
    pub fn only(mut self, which: Which) -> Self {
        self.which = which;
        self
    }

    /// As of this time. Default: now.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// The condition of the question. `counts`: the condition that a subscription counts now.
    fn condition(&self, binder: &mut Binder) -> (String, String) {
        let (live, now) = (binder.bind(self.live), binder.bind(self.now.as_microsecond()));
        let counts = format!("(mrr > 0 AND (counts_until IS NULL OR counts_until > {now}))");
        let mut text = format!("live = {live}");
        if let Some(currency) = self.currency {
            text.push_str(&format!(" AND currency = {}", binder.bind(currency.as_str())));
        }
        if let Some(customer) = &self.customer {
            text.push_str(&format!(" AND customer_id = {}", binder.bind(customer.as_str())));
        }
        if let Some(product) = &self.product {
            text.push_str(&format!(" AND product_id = {}", binder.bind(product.as_str())));
        }
        text.push_str(&match self.which {
            Which::All => String::new(),
            Which::Counting => format!(" AND {counts}"),
            Which::AtRisk => format!(" AND at_risk = 1 AND {counts}"),
            Which::Ending => format!(" AND ending = 1 AND {counts}"),
            Which::Trial => " AND trial_mrr > 0".to_owned(),
            Which::Due(before) => {
                let before = binder.bind(before.as_microsecond());
                format!(" AND ending = 0 AND next_billing < {before} AND {counts}")
            }
        });
        (text, counts)
    }

    /// A page of the list, the largest amount per month first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn page(
        self,
        limit: u32,
        after: Option<SubscriptionCursor>,
    ) -> Result<SubscriptionPage, Error> {
        let mut binder = Binder::default();
        let (mut condition, _) = self.condition(&mut binder);
        if let Some(SubscriptionCursor { mrr, id }) = after {
            let (mrr, id) = (binder.bind(mrr), binder.bind(id));
            condition.push_str(&format!(" AND (mrr < {mrr} OR (mrr = {mrr} AND id < {id}))"));
        }
        let bound = binder.bind(i64::from(limit) + 1);
        let text = format!(
            "SELECT id, currency, customer_id, product_id, source, status, since, amount, unit, count,
                mrr, at_risk, ending, counts_until, next_billing, trial_end
             FROM dodo_subscription WHERE {condition} ORDER BY mrr DESC, id DESC LIMIT {bound}"
        );
        let mut tx = self.ledger.shared.store.read().await?;
        let rows = tx.fetch_built(text, binder.0).await?;
        let mut all = Vec::new();
        for row in rows {
            all.push(self.item(row)?);
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = all.len() > limit;
        all.truncate(limit);
        let next = all.last().filter(|_| has_more);
        let next = next
            .map(|(mrr, item)| SubscriptionCursor { mrr: *mrr, id: item.subscription_id.clone() });
        Ok(SubscriptionPage {
            subscriptions: all.into_iter().map(|(_, item)| item).collect(),
            next,
        })
    }

    /// The subscription of a row, with its stored amount per month.
    fn item(&self, mut row: Row) -> Result<(i64, SubscriptionItem), Error> {
        let at = |micros: Option<i64>| micros.and_then(|at| Timestamp::from_microsecond(at).ok());
        let currency = read_currency(&row.text(1)?)?;
        let (stored, counts_until) = (row.int(10)?, at(row.opt_int(13)?));
        let counts = counts_until.is_none_or(|until| until > self.now);
        let item = SubscriptionItem {
            subscription_id: row.text(0)?,
            currency,
            exponent: self.ledger.shared.rules().exponent_of(currency),
            customer_id: row.opt_text(2)?,
            product_id: row.opt_text(3)?,
            source: row.opt_text(4)?,
            status: row.opt_text(5)?,
            since: at(row.opt_int(6)?),
            amount: row.int(7)?,
            interval: row.opt_text(8)?,
            count: row.int(9)?,
            mrr: if counts { stored } else { 0 },
            at_risk: counts && stored > 0 && row.int(11)? != 0,
            ending: counts && row.int(12)? != 0,
            counts_until,
            next_billing_date: at(row.opt_int(14)?),
            trial_ends_at: at(row.opt_int(15)?),
        };
        Ok((stored, item))
    }

    /// The sums of each currency, the most money first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn summary(self) -> Result<Vec<SubscriptionSummary>, Error> {
        let mut binder = Binder::default();
        let (condition, counts) = self.condition(&mut binder);
        let parts = [
            (0, counts.clone(), "mrr"),
            (1, format!("at_risk = 1 AND {counts}"), "mrr"),
            (2, format!("ending = 1 AND {counts}"), "mrr"),
            (3, "trial_mrr > 0".to_owned(), "trial_mrr"),
        ];
        let parts = parts.map(|(part, which, amount)| {
            format!(
                "SELECT CAST({part} AS BIGINT) AS part, currency, {}
                 FROM dodo_subscription WHERE {condition} AND {which} GROUP BY currency",
                sums_of(amount)
            )
        });
        let mut tx = self.ledger.shared.store.read().await?;
        let mut all: Vec<SubscriptionSummary> = Vec::new();
        for mut row in tx.fetch_built(parts.join(" UNION ALL "), binder.0).await? {
            let currency = read_currency(&row.text(1)?)?;
            let sums = read_sums(&mut row, 2)?;
            let at = all.iter().position(|known| known.currency == currency).unwrap_or(all.len());
            if at == all.len() {
                let none = SubscriptionSums::default();
                all.push(SubscriptionSummary {
                    currency,
                    exponent: self.ledger.shared.rules().exponent_of(currency),
                    counting: none,
                    at_risk: none,
                    ending: none,
                    trials: none,
                });
            }
            let Some(summary) = all.get_mut(at) else { continue };
            match row.int(0)? {
                0 => summary.counting = sums,
                1 => summary.at_risk = sums,
                2 => summary.ending = sums,
                _ => summary.trials = sums,
            }
        }
        all.sort_by_key(|summary| (std::cmp::Reverse(summary.counting.mrr), summary.currency));
        Ok(all)
    }

    /// Those that count now, by plan, the most money first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn by_plan(self) -> Result<Vec<SubscriptionGroup>, Error> {
        self.by("product_id").await
    }

    /// Those that count now, by the source of the first charge, the most money first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn by_source(self) -> Result<Vec<SubscriptionGroup>, Error> {
        self.by("source").await
    }

    async fn by(self, column: &str) -> Result<Vec<SubscriptionGroup>, Error> {
        let mut binder = Binder::default();
        let (condition, counts) = self.condition(&mut binder);
        let text = format!(
            "SELECT {column}, {} FROM dodo_subscription WHERE {condition} AND {counts}
             GROUP BY {column}",
            sums_of("mrr")
        );
        let mut tx = self.ledger.shared.store.read().await?;
        let rows = tx.fetch_built(text, binder.0).await?;
        let read = |mut row: Row| {
            Ok(SubscriptionGroup { value: row.opt_text(0)?, sums: read_sums(&mut row, 1)? })
        };
        let mut all: Vec<SubscriptionGroup> =
            rows.into_iter().map(read).collect::<Result<_, Error>>()?;
        all.sort_by(|a, b| (b.sums.mrr, &a.value).cmp(&(a.sums.mrr, &b.value)));
        Ok(all)
    }
}

/// Number, customers, and the two halves of an amount.
fn sums_of(amount: &str) -> String {
    format!(
        "COUNT(*), COUNT(DISTINCT COALESCE(customer_id, '')),
         CAST(COALESCE(SUM({amount} >> 32), 0) AS BIGINT),
         CAST(COALESCE(SUM({amount} & 4294967295), 0) AS BIGINT)"
    )
}

fn read_sums(row: &mut Row, at: usize) -> Result<SubscriptionSums, Error> {
    let count = |value: i64| u64::try_from(value).unwrap_or_default();
    Ok(SubscriptionSums {
        subscriptions: count(row.int(at)?),
        customers: count(row.int(at + 1)?),
        mrr: read_wide(row, at + 2)?,
    })
}

fn read_wide(row: &mut Row, at: usize) -> Result<i128, Error> {
    Ok((i128::from(row.int(at)?) << 32) + i128::from(row.int(at + 1)?))
}

fn read_currency(text: &str) -> Result<Currency, Error> {
    text.parse().map_err(|error: dodo_core::Error| {
        Error::corrupt("a subscription has no readable currency").with_source(error)
    })
}

/// A question about monthly recurring revenue.
#[derive(Clone, Debug)]
#[must_use = "call `.months(..)`"]
pub struct Mrr {
    ledger: Ledger,
    live: bool,
    currency: Option<Currency>,
}

/// The movements of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MovementSums {
    /// Minor units per month. Negative: contraction and churn.
    pub amount: i128,
    /// The number of movements. A customer that leaves and returns within the span counts twice.
    pub customers: u64,
}

/// The monthly recurring revenue of one month: where it began, what moved it, and where it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MrrMonth {
    /// The month, or its part in the span.
    pub bucket: Bucket,
    /// Minor units at its start.
    pub start: i128,
    /// Customers that bring revenue for the first time.
    pub new: MovementSums,
    /// Customers that bring more.
    pub expansion: MovementSums,
    /// Customers that came back.
    pub reactivation: MovementSums,
    /// Customers that bring less.
    pub contraction: MovementSums,
    /// Customers that left.
    pub churn: MovementSums,
    /// The churn by reason, the largest loss first.
    pub churn_reasons: Vec<(ChurnReason, MovementSums)>,
    /// Minor units at its end.
    pub end: i128,
    /// Customers at its start.
    pub customers_start: u64,
    /// Customers at its end.
    pub customers_end: u64,
}

impl Mrr {
    /// Test mode instead of live mode.
    pub fn test_mode(mut self) -> Self {
        self.live = false;
        self
    }

    /// This currency. Needed: currencies are never added.
    pub fn currency(mut self, currency: Currency) -> Self {
        self.currency = Some(currency);
        self
    }

    /// The months of a span in this zone. A movement can be later than now: an end that is certain has
    /// its date.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) without a currency,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn months(self, range: Range, zone: &TimeZone) -> Result<Vec<MrrMonth>, Error> {
        let currency = self.currency.ok_or_else(|| Error::config("name a currency"))?;
        let buckets = range.buckets(Interval::Month, zone);
        if buckets.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.ledger.shared.store.read().await?;
        let asked = args![self.live, currency.as_str(), range.from.as_microsecond()];
        let before = tx.fetch_one(&BEFORE, asked).await?;
        let mut before = before.ok_or_else(|| Error::corrupt("a sum has no row"))?;
        let (mut amount, mut customers) = (read_wide(&mut before, 0)?, before.int(2)?);
        let mut binder = Binder::default();
        let (live, code) = (binder.bind(self.live), binder.bind(currency.as_str()));
        let parts: Vec<String> = buckets
            .iter()
            .enumerate()
            .map(|(nth, bucket)| {
                let from = binder.bind(bucket.range.from.as_microsecond());
                let until = binder.bind(bucket.range.until.as_microsecond());
                format!(
                    "SELECT CAST({nth} AS BIGINT) AS nth, kind, reason, COUNT(*),
                        CAST(SUM(amount >> 32) AS BIGINT), CAST(SUM(amount & 4294967295) AS BIGINT)
                     FROM dodo_mrr WHERE live = {live} AND currency = {code}
                        AND at >= {from} AND at < {until} GROUP BY kind, reason"
                )
            })
            .collect();
        let mut months: Vec<MrrMonth> = buckets.into_iter().map(MrrMonth::empty).collect();
        for mut row in tx.fetch_built(parts.join(" UNION ALL "), binder.0).await? {
            let nth = usize::try_from(row.int(0)?).unwrap_or_default();
            let (kind, reason) = (row.int(1)?, row.int(2)?);
            let customers = u64::try_from(row.int(3)?).unwrap_or_default();
            let sums = MovementSums { amount: read_wide(&mut row, 4)?, customers };
            if let Some(month) = months.get_mut(nth) {
                month.add(kind, reason, sums);
            }
        }
        for month in &mut months {
            (month.start, month.customers_start) = (amount, count(customers));
            amount += month.net();
            customers = customers.saturating_add(month.customers_gained());
            (month.end, month.customers_end) = (amount, count(customers));
            month.churn_reasons.sort_by_key(|(_, sums)| sums.amount);
        }
        Ok(months)
    }
}

fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

impl MrrMonth {
    fn empty(bucket: Bucket) -> Self {
        let none = MovementSums::default();
        Self {
            bucket,
            start: 0,
            new: none,
            expansion: none,
            reactivation: none,
            contraction: none,
            churn: none,
            churn_reasons: Vec::new(),
            end: 0,
            customers_start: 0,
            customers_end: 0,
        }
    }

    fn add(&mut self, kind: i64, reason: i64, sums: MovementSums) {
        let slot = match kind {
            1 => &mut self.new,
            2 => &mut self.expansion,
            3 => &mut self.reactivation,
            4 => &mut self.contraction,
            _ => &mut self.churn,
        };
        slot.amount += sums.amount;
        slot.customers += sums.customers;
        let reason = ChurnReason::ALL.into_iter().find(|known| *known as i64 == reason);
        if let Some(reason) = reason {
            self.churn_reasons.push((reason, sums));
        }
    }

    fn net(&self) -> i128 {
        self.new.amount
            + self.expansion.amount
            + self.reactivation.amount
            + self.contraction.amount
            + self.churn.amount
    }

    fn customers_gained(&self) -> i64 {
        let of = |sums: MovementSums| i64::try_from(sums.customers).unwrap_or_default();
        of(self.new) + of(self.reactivation) - of(self.churn)
    }

    /// Customers that churned of those at the start, in tenths of a percent. `None`: there were none.
    #[must_use]
    pub fn customer_churn(&self) -> Option<i64> {
        permille(i128::from(self.churn.customers), i128::from(self.customers_start))
    }

    /// Contraction and churn of the start, in tenths of a percent. `None`: the start is 0.
    #[must_use]
    pub fn gross_churn(&self) -> Option<i64> {
        permille(-(self.contraction.amount + self.churn.amount), self.start)
    }

    /// As [`gross_churn`](Self::gross_churn), less expansion and reactivation.
    #[must_use]
    pub fn net_churn(&self) -> Option<i64> {
        let lost = -(self.contraction.amount + self.churn.amount);
        permille(lost - self.expansion.amount - self.reactivation.amount, self.start)
    }

    /// The growth of the start, in tenths of a percent.
    #[must_use]
    pub fn growth(&self) -> Option<i64> {
        permille(self.end - self.start, self.start)
    }

    /// The won amount for each lost unit, in hundredths. `None`: no loss.
    #[must_use]
    pub fn quick_ratio(&self) -> Option<i64> {
        let won = self.new.amount + self.expansion.amount + self.reactivation.amount;
        let ratio = divide(won.checked_mul(100)?, -(self.contraction.amount + self.churn.amount))?;
        i64::try_from(ratio).ok()
    }

    /// Minor units per month of an average customer at the end, half to even. `None`: no customers.
    #[must_use]
    pub fn arpa(&self) -> Option<i128> {
        divide(self.end, i128::from(self.customers_end))
    }
}

/// What a customer brings in a lifetime, minor units: the revenue of an average customer at the end of the
/// last month, divided by the mean customer churn of these months (give the last three full ones). `None`:
/// no customer churned.
#[must_use]
pub fn lifetime_value(months: &[MrrMonth]) -> Option<i128> {
    let last = months.last()?;
    let arpa = last.arpa()?;
    // The mean of rates: churned / start, month by month, over a common divisor of a million.
    let rates = months.iter().filter_map(|month| {
        let start = i128::from(month.customers_start);
        divide(i128::from(month.churn.customers) * 1_000_000, start)
    });
    let (sum, count) = rates.fold((0, 0), |(sum, count), rate| (sum + rate, count + 1));
    divide(arpa.checked_mul(1_000_000)?.checked_mul(count)?, sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(start: i128, customers: u64, moved: [(i128, u64); 5]) -> MrrMonth {
        let at = Timestamp::UNIX_EPOCH;
        let bucket = Bucket { date: jiff::civil::date(2026, 11, 1), range: Range::new(at, at) };
        let mut month = MrrMonth::empty(bucket);
        for (kind, (amount, customers)) in (1..).zip(moved) {
            month.add(kind, 0, MovementSums { amount, customers });
        }
        (month.start, month.customers_start) = (start, customers);
        month.end = start + month.net();
        month.customers_end = count(i64::try_from(customers).unwrap() + month.customers_gained());
        month
    }

    /// Worked rows V6 to V9.
    #[test]
    fn rates_of_a_month() {
        let moved = [(2000, 1), (500, 1), (300, 1), (-400, 1), (-800, 1)];
        let v6 = month(10000, 10, moved);
        assert_eq!((v6.end, v6.growth()), (11600, Some(160)));
        assert_eq!(
            (v6.gross_churn(), v6.net_churn(), v6.quick_ratio()),
            (Some(120), Some(40), Some(233))
        );
        let v7 = month(1_000_000, 400, [(90_000, 30), (0, 0), (0, 0), (0, 0), (-30_000, 12)]);
        assert_eq!((v7.customer_churn(), v7.customers_end), (Some(30), 418), "V7");
        let mut v8 = month(1_160_000, 400, [(0, 0), (0, 0), (0, 0), (0, 0), (0, 12)]);
        (v8.end, v8.customers_end) = (1_160_000, 400);
        assert_eq!((v8.arpa(), lifetime_value(&[v8])), (Some(2900), Some(96667)), "V8");
        let v9 = month(1000, 1, [(100, 1), (0, 0), (0, 0), (0, 0), (0, 0)]);
        assert_eq!((v9.quick_ratio(), lifetime_value(&[v9])), (None, None), "V9");
    }
}
