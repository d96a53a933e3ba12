//! Subscriptions: a list, and their sums.

use std::{fmt, str::FromStr};

use dodo_core::money::Currency;
use jiff::Timestamp;

use super::{
    plan::Binder,
    series::{currencies, read_currency, read_wide},
};
use crate::{Ledger, error::Error, store::sql::Row};

/// The subscriptions of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Which {
    /// All of them.
    #[default]
    All,
    /// Subscriptions that count in the recurring revenue now.
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

/// `mrr` for sums: a `+` keeps SQLite from the index of the list, which lacks the columns of a sum.
const ALL_ROWS: &str = "+mrr";

/// A question about subscriptions of live mode, or of [`test_mode`](Self::test_mode).
#[derive(Clone, Debug)]
#[must_use = "call `.page(..)`, `.summary()`, `.by_plan()` or `.by_source()`"]
pub struct Subscriptions {
    ledger: Ledger,
    live: bool,
    currency: Option<Currency>,
    customer: Option<String>,
    product: Option<String>,
    id: Option<String>,
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
    /// The source of the first charge: a value of [`Dimension::Source`](super::Dimension::Source).
    pub source: Option<String>,
    /// The status, as Dodo Payments names it.
    pub status: Option<String>,
    /// The time of the first event since which the status is the same.
    pub since: Option<Timestamp>,
    /// Minor units per renewal, before tax.
    pub amount: i64,
    /// `Day`, `Week`, `Month` or `Year`.
    pub interval: Option<String>,
    /// The number of intervals between two charges.
    pub count: i64,
    /// Minor units that count per month now.
    pub mrr: i64,
    /// The last renewal failed. The subscription still counts during the retries.
    pub at_risk: bool,
    /// The subscription was canceled, and counts until `counts_until`.
    pub ending: bool,
    /// The time at which the subscription stops to count. `None`: no end is known.
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
    /// Subscriptions in a trial. The amount assumes that all of them convert.
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
    /// Returns a question about subscriptions.
    pub fn subscriptions(&self) -> Subscriptions {
        Subscriptions {
            ledger: self.clone(),
            live: true,
            currency: None,
            customer: None,
            product: None,
            id: None,
            which: Which::All,
            now: Timestamp::now(),
        }
    }
}

impl Subscriptions {
    /// Selects subscriptions of test mode instead of live mode.
    pub fn test_mode(mut self) -> Self {
        self.live = false;
        self
    }

    /// Selects subscriptions of this currency.
    pub fn currency(mut self, currency: Currency) -> Self {
        self.currency = Some(currency);
        self
    }

    /// Selects subscriptions of this customer.
    pub fn customer(mut self, customer_id: impl Into<String>) -> Self {
        self.customer = Some(customer_id.into());
        self
    }

    /// Selects subscriptions of this plan.
    pub fn product(mut self, product_id: impl Into<String>) -> Self {
        self.product = Some(product_id.into());
        self
    }

    /// Selects one subscription.
    pub fn subscription(mut self, subscription_id: impl Into<String>) -> Self {
        self.id = Some(subscription_id.into());
        self
    }

    /// Selects this kind of subscriptions.
    pub fn only(mut self, which: Which) -> Self {
        self.which = which;
        self
    }

    /// Sets the time of the answer. Default: now.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// The condition of the question, and the condition that a subscription counts now. `mrr`: the column, or
    /// [`ALL_ROWS`].
    fn condition(&self, binder: &mut Binder, mrr: &str) -> (String, String) {
        let (live, now) = (binder.bind(self.live), binder.bind(self.now.as_microsecond()));
        let counts = format!("({mrr} > 0 AND (counts_until IS NULL OR counts_until > {now}))");
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
        if let Some(id) = &self.id {
            text.push_str(&format!(" AND id = {}", binder.bind(id.as_str())));
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

    /// Returns a page of the list, the largest amount per month first. A list of [due](Which::Due)
    /// subscriptions has one page, the first one due first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn page(
        self,
        limit: u32,
        after: Option<SubscriptionCursor>,
    ) -> Result<SubscriptionPage, Error> {
        let mut binder = Binder::default();
        let (mut condition, _) = self.condition(&mut binder, "mrr");
        if let Some(SubscriptionCursor { mrr, id }) = after {
            let (mrr, id) = (binder.bind(mrr), binder.bind(id));
            condition.push_str(&format!(" AND (mrr < {mrr} OR (mrr = {mrr} AND id < {id}))"));
        }
        let bound = binder.bind(i64::from(limit) + 1);
        let is_due = matches!(self.which, Which::Due(_));
        let order = if is_due { "next_billing, id" } else { "mrr DESC, id DESC" };
        let text = format!(
            "SELECT id, currency, customer_id, product_id, source, status, since, amount, unit, count,
                mrr, at_risk, ending, counts_until, next_billing, trial_end
             FROM dodo_subscription WHERE {condition} ORDER BY {order} LIMIT {bound}"
        );
        let mut tx = self.ledger.shared.store.question().await?;
        let rows = tx.fetch_built(text, binder.0).await?;
        let mut all = Vec::new();
        for row in rows {
            all.push(self.item(row)?);
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = all.len() > limit;
        all.truncate(limit);
        let next = all.last().filter(|_| has_more && !is_due);
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

    /// The currencies of subscriptions, each with its number of decimals. It uses only the mode of the
    /// question.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn currencies(self) -> Result<Vec<(Currency, u8)>, Error> {
        let mut tx = self.ledger.shared.store.question().await?;
        let found = currencies(&mut tx, "dodo_subscription", self.live).await?;
        let rules = self.ledger.shared.rules();
        Ok(found.into_iter().map(|currency| (currency, rules.exponent_of(currency))).collect())
    }

    /// The sums of each currency, the most money first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn summary(self) -> Result<Vec<SubscriptionSummary>, Error> {
        let mut binder = Binder::default();
        let (condition, counts) = self.condition(&mut binder, ALL_ROWS);
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
        let mut tx = self.ledger.shared.store.question().await?;
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

    /// Returns the subscriptions that count now by plan, the most money first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn by_plan(self) -> Result<Vec<SubscriptionGroup>, Error> {
        self.by("product_id").await
    }

    /// Returns the subscriptions that count now by the source of the first charge, the most money
    /// first.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without the database.
    pub async fn by_source(self) -> Result<Vec<SubscriptionGroup>, Error> {
        self.by("source").await
    }

    async fn by(self, column: &str) -> Result<Vec<SubscriptionGroup>, Error> {
        let mut binder = Binder::default();
        let (condition, counts) = self.condition(&mut binder, ALL_ROWS);
        let text = format!(
            "SELECT {column}, {} FROM dodo_subscription WHERE {condition} AND {counts}
             GROUP BY {column}",
            sums_of("mrr")
        );
        let mut tx = self.ledger.shared.store.question().await?;
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

/// Reads the number, the customers, and the two parts of an amount.
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
