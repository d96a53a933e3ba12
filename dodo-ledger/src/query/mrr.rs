//! Monthly recurring revenue over time: movements, rates and the lifetime value.

use dodo_core::money::Currency;
use jiff::tz::TimeZone;

use super::{
    calendar::{Bucket, Interval, Range},
    plan::Binder,
    series::read_wide,
    sums::{divide, permille},
};
use crate::{
    Ledger,
    attribution::ChurnReason,
    error::Error,
    store::sql::{Sql, args, sql},
};

/// The revenue of a month before a span, and the number of customers.
const BEFORE: Sql = sql!(
    "SELECT CAST(COALESCE(SUM(amount >> 32), 0) AS BIGINT),
        CAST(COALESCE(SUM(amount & 4294967295), 0) AS BIGINT),
        CAST(COALESCE(SUM(CASE WHEN kind IN (1, 3) THEN 1 WHEN kind = 5 THEN -1 ELSE 0 END), 0) AS BIGINT)
     FROM dodo_mrr WHERE live = $1 AND currency = $2 AND at < $3"
);

const LOSSES: Sql = sql!(
    "SELECT product_id, reason, COUNT(*), CAST(SUM(dodo_mrr.amount >> 32) AS BIGINT),
        CAST(SUM(dodo_mrr.amount & 4294967295) AS BIGINT)
     FROM dodo_mrr LEFT JOIN dodo_subscription ON dodo_subscription.id = subscription_id
     WHERE dodo_mrr.live = $1 AND dodo_mrr.currency = $2 AND at >= $3 AND at < $4 AND kind = 5
     GROUP BY product_id, reason"
);

/// A question about monthly recurring revenue.
#[derive(Clone, Debug)]
#[must_use = "call `.months(..)` or `.losses(..)`"]
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

/// The monthly recurring revenue of one month: its start, its movements and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MrrMonth {
    /// The month, or its part in the span.
    pub bucket: Bucket,
    /// Minor units at its start.
    pub start: i128,
    /// Customers that pay recurring revenue for the first time.
    pub new: MovementSums,
    /// Customers whose recurring revenue grew.
    pub expansion: MovementSums,
    /// Customers that pay recurring revenue again.
    pub reactivation: MovementSums,
    /// Customers whose recurring revenue fell.
    pub contraction: MovementSums,
    /// Customers whose recurring revenue ended.
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

/// The churn of a plan for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// The plan of the subscription that ended last. `None`: the ledger does not know it.
    pub product_id: Option<String>,
    /// The reason.
    pub reason: ChurnReason,
    /// The lost revenue, as a negative amount, and the customers.
    pub sums: MovementSums,
}

impl Ledger {
    /// Returns a question about monthly recurring revenue.
    pub fn mrr(&self) -> Mrr {
        Mrr { ledger: self.clone(), live: true, currency: None }
    }
}

impl Mrr {
    /// Selects test mode instead of live mode.
    pub fn test_mode(mut self) -> Self {
        self.live = false;
        self
    }

    /// Selects the currency. It is required, because amounts of two currencies are never added.
    pub fn currency(mut self, currency: Currency) -> Self {
        self.currency = Some(currency);
        self
    }

    /// Returns the months of a span in this zone. A movement can be in the future, because a
    /// certain end has its date already.
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
        let mut tx = self.ledger.shared.store.question().await?;
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

    /// Returns the churn of a span by plan and reason, the largest loss first.
    ///
    /// # Errors
    /// As [`months`](Self::months).
    pub async fn losses(self, range: Range) -> Result<Vec<Loss>, Error> {
        let currency = self.currency.ok_or_else(|| Error::config("name a currency"))?;
        let (from, until) = (range.from.as_microsecond(), range.until.as_microsecond());
        let mut tx = self.ledger.shared.store.question().await?;
        let mut losses = Vec::new();
        for mut row in tx.fetch(&LOSSES, args![self.live, currency.as_str(), from, until]).await? {
            let (product_id, reason) = (row.opt_text(0)?, row.int(1)?);
            let customers = u64::try_from(row.int(2)?).unwrap_or_default();
            let sums = MovementSums { amount: read_wide(&mut row, 3)?, customers };
            if let Some(reason) = ChurnReason::from_number(reason) {
                losses.push(Loss { product_id, reason, sums });
            }
        }
        losses.sort_by(|a, b| (a.sums.amount, &a.product_id).cmp(&(b.sums.amount, &b.product_id)));
        Ok(losses)
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
        if let Some(reason) = ChurnReason::from_number(reason) {
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

    /// Returns the share of the customers at the start that churned, in tenths of a percent.
    /// `None`: no customer at the start.
    #[must_use]
    pub fn customer_churn(&self) -> Option<i64> {
        permille(i128::from(self.churn.customers), i128::from(self.customers_start))
    }

    /// Returns contraction and churn as a share of the start, in tenths of a percent. `None`: the
    /// start is 0.
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

    /// Returns the growth as a share of the start, in tenths of a percent.
    #[must_use]
    pub fn growth(&self) -> Option<i64> {
        permille(self.end - self.start, self.start)
    }

    /// Returns the quick ratio, won amount / lost amount, in hundredths. `None`: no loss.
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

/// Returns the lifetime value of a customer in minor units: the revenue of an average customer at
/// the end of the last month, divided by the mean customer churn of these months (give the last
/// three full ones). `None`: no customer churned.
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
    use jiff::Timestamp;

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
        assert_eq!((v6.end, v6.growth(), v6.customers_end), (11600, Some(160), 11));
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
