//! Compares all tables with the facts and repairs them. After a change of the time zone, it
//! computes the sums again.

use std::collections::BTreeMap;

use jiff::{ToSpan, civil::Date, tz::TimeZone};

use super::{
    GroupStore,
    again::Rebuilt,
    books::{self, MoneyKey, ValueIds},
    funnel, recurring,
};
use crate::{
    attribution::{
        Dimension, MoneyRow, RollEntry, RollKey, RollSum, Rolls, buckets, day_number, roll, summed,
    },
    error::{Error, ErrorKind},
    store::{
        Tx,
        sql::{Arg, Row, Rows, Sql, args, sql},
    },
    stored_record,
};

/// If sums of another zone exist, they are not complete for the new zone.
const SET_ZONE: Sql = sql!(
    "UPDATE dodo_books SET zone = $1, change = change + 1,
        complete = CASE WHEN EXISTS (SELECT 1 FROM dodo_money)
            OR EXISTS (SELECT 1 FROM dodo_funnel) THEN 0 ELSE 1 END
     WHERE id = 1 AND zone <> $1"
);
const BOOKS: Sql = sql!("SELECT zone, complete FROM dodo_books WHERE id = 1");
const COMPLETE: Sql = sql!("UPDATE dodo_books SET complete = 1 WHERE id = 1 AND zone = $1");
const MONEY_SPANS: Sql =
    sql!("SELECT live, currency, MIN(at), MAX(at) FROM dodo_money GROUP BY live, currency");
const SUM_SPANS: Sql = sql!(
    "SELECT live, currency, MIN(bucket), MAX(bucket) FROM dodo_roll WHERE grain = 1
     GROUP BY live, currency"
);
const MONEY_OF_MONTH: Sql = sql!(
    "SELECT at, kind, is_first, channel, gross, net, source, medium, campaign, content, term, link,
        landing, referrer, device, country, product, lead, reason, visitor, customer
     FROM dodo_money WHERE live = $1 AND currency = $2 AND at >= $3 AND at < $4"
);
const SUMS_OF_MONTH: Sql = sql!(
    "SELECT dodo_roll.dim, dodo_roll.grain, bucket, value, n, firsts, charges, refunds, disputes, net,
        charges_net, charges_gross, refunds_gross, disputes_gross
     FROM " (rows 1: 1 live BIGINT, 2 currency TEXT, 3 dim BIGINT, 4 grain BIGINT, 5 since BIGINT,
        6 until BIGINT) "
     CROSS JOIN dodo_roll
     WHERE dodo_roll.live = given.live AND dodo_roll.currency = given.currency
        AND dodo_roll.dim = given.dim AND dodo_roll.grain = given.grain
        AND bucket >= given.since AND bucket < given.until"
);
const RECORDS: Sql = sql!(
    "SELECT " RECORD ", no FROM dodo_record WHERE no > $1 ORDER BY no LIMIT $2"
);
const MONEY_OF_RECORDS: Sql = sql!(
    "SELECT dodo_money.live, dodo_money.currency, dodo_money.at, dodo_money.no, kind, is_first, channel,
        gross, net, source, medium, campaign, content, term, link, landing, referrer, device, country,
        product, lead, reason, visitor, customer
     FROM " (rows 1: 1 live BIGINT, 2 currency TEXT, 3 at BIGINT, 4 no BIGINT) "
     CROSS JOIN dodo_money
     WHERE dodo_money.live = given.live AND dodo_money.currency = given.currency
        AND dodo_money.at = given.at AND dodo_money.no = given.no"
);
/// Money rows whose record should have no row, or a row under another key.
const DROP_STRAYS: Sql = sql!(
    "DELETE FROM dodo_money WHERE NOT EXISTS (
        SELECT 1 FROM dodo_record
        WHERE dodo_record.no = dodo_money.no AND state = 0 AND net IS NOT NULL
            AND dodo_record.kind <> 'non_revenue' AND dodo_record.live = dodo_money.live
            AND dodo_record.currency = dodo_money.currency AND occurred_micros = dodo_money.at)"
);
/// Sessions without a context.
const DROP_STRAY_SESSIONS: Sql = sql!(
    "DELETE FROM dodo_funnel WHERE session_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM dodo_fact WHERE dodo_fact.id = 'context:' || session_id)"
);
const UNUSED_VALUES: Sql = sql!("DELETE FROM dodo_value WHERE uses = 0");

/// Records that one transaction compares.
const PAGE: u32 = 500;

/// The repairs of [`Ledger::rebuild`](crate::Ledger::rebuild). All are 0 if the tables were right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RebuildReport {
    /// Records that differed from the facts of their group.
    pub records: u64,
    /// Subscriptions and movements of the monthly revenue that differed from the facts.
    pub recurring: u64,
    /// Money rows that differed from their record.
    pub money_rows: u64,
    /// Checkout sessions of the funnel that differed from their facts. Sessions whose facts are gone stay.
    pub sessions: u64,
    /// Values with a wrong use count.
    pub values: u64,
    /// Sums by day or month that differed from their money rows or checkout sessions.
    pub sums: u64,
}

impl GroupStore {
    /// Sets the time zone of the books. The sums of another zone do not count until
    /// [`complete_sums`](Self::complete_sums) has repaired them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn keep_books_in(&self, zone: &str) -> Result<(), Error> {
        self.store.run(&SET_ZONE, args![zone]).await.map(drop)
    }

    /// Computes the sums in the zone of the books, if they are those of another zone.
    ///
    /// # Errors
    /// Those of the database. Call it again.
    pub async fn complete_sums(&self) -> Result<(), Error> {
        let (_, is_complete) = self.books().await?;
        if is_complete {
            return Ok(());
        }
        let sums = self.repair_sums().await?;
        tracing::info!(target: "dodo::ledger", sums, "sums computed in another time zone");
        Ok(())
    }

    /// Computes records, money rows, values, sums, the funnel, subscriptions and movements of the monthly
    /// revenue from the facts, and repairs the rows that differ. Bookings go on at the same time.
    ///
    /// # Errors
    /// Those of the database. Call it again.
    pub async fn rebuild(&self) -> Result<RebuildReport, Error> {
        let Rebuilt { records, recurring, sessions } = self.resolve_all().await?;
        let strays = self.drop_strays().await?;
        let (recurring, sessions) = (recurring + strays.0, sessions + strays.1);
        let money_rows = self.repair_money().await?;
        let values = self.repair_values().await?;
        let sums = self.repair_sums().await?;
        Ok(RebuildReport { records, recurring, money_rows, sessions, values, sums })
    }

    /// Deletes rows of subscriptions and checkout sessions that no fact names.
    async fn drop_strays(&self) -> Result<(u64, u64), Error> {
        let mut tx = self.store.begin_booking().await?;
        books::lock(&mut tx).await?;
        let recurring = recurring::drop_strays(&mut tx).await?;
        let sessions = tx.execute(&DROP_STRAY_SESSIONS, args![]).await?;
        tx.commit().await?;
        Ok((recurring, sessions))
    }

    /// The name of the zone, and whether the sums are complete.
    pub(crate) async fn books(&self) -> Result<(String, bool), Error> {
        let row = self.store.begin_read().await?.fetch_one(&BOOKS, args![]).await?;
        let mut row = row.ok_or_else(|| Error::corrupt("the row of dodo_books is missing"))?;
        Ok((row.text(0)?, row.int(1)? != 0))
    }

    async fn repair_money(&self) -> Result<u64, Error> {
        let (mut repaired, mut last) = (0, 0);
        loop {
            let mut tx = self.store.begin_booking().await?;
            books::lock(&mut tx).await?;
            let mut expected: BTreeMap<MoneyKey, MoneyRow> = BTreeMap::new();
            let page = tx.fetch(&RECORDS, args![last, PAGE]).await?;
            let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            for mut row in page {
                last = row.int(stored_record::WIDTH)?;
                if let Some(row) = MoneyRow::from_record(&stored_record::read(&mut row)?) {
                    expected.insert(books::key_of(&row, last), row);
                }
            }
            let values = expected.values().flat_map(MoneyRow::values).map(|value| (value, 0));
            let ids = books::count_values(&mut tx, &values.collect()).await?;
            let stored = stored_money(&mut tx, &expected).await?;
            expected.retain(|key, row| stored.get(key) != Some(&numbers(row, &ids)));
            // Use counts that are high enough for now. A later step sets the exact counts.
            let mut uses: BTreeMap<(i64, &str), i64> = BTreeMap::new();
            for value in expected.values().flat_map(MoneyRow::values) {
                *uses.entry(value).or_default() += 1;
            }
            books::count_values(&mut tx, &uses).await?;
            books::put_money(&mut tx, &expected, &ids).await?;
            let mut found = u64::try_from(expected.len()).unwrap_or(u64::MAX);
            if is_last {
                found += tx.execute(&DROP_STRAYS, args![]).await?;
            }
            repaired += found;
            tx.commit().await?;
            if is_last {
                return Ok(repaired);
            }
        }
    }

    async fn repair_values(&self) -> Result<u64, Error> {
        let mut tx = self.store.begin_booking().await?;
        books::lock(&mut tx).await?;
        let column = |dimension: &Dimension| {
            let column = dimension.column()?;
            let of = |table: &str| {
                format!(
                    "SELECT {column} AS id, COUNT(*) AS n FROM {table} WHERE {column} <> 0
                     GROUP BY {column}"
                )
            };
            let is_campaign = Dimension::CAMPAIGN.contains(dimension);
            let funnel = is_campaign.then(|| format!(" UNION ALL {}", of("dodo_funnel")));
            Some(of("dodo_money") + &funnel.unwrap_or_default())
        };
        let counts: Vec<String> = Dimension::TEXTS.iter().filter_map(column).collect();
        let text = format!(
            "UPDATE dodo_value SET uses = COALESCE(counted.n, 0)
             FROM dodo_value AS value LEFT JOIN (
                SELECT id, CAST(SUM(n) AS BIGINT) AS n FROM ({}) AS used GROUP BY id) AS counted ON counted.id = value.id
             WHERE dodo_value.id = value.id AND dodo_value.uses <> COALESCE(counted.n, 0)
             RETURNING dodo_value.id",
            counts.join(" UNION ALL ")
        );
        let repaired = tx.fetch_built(text, args![]).await?.len();
        tx.execute(&UNUSED_VALUES, args![]).await?;
        tx.commit().await?;
        Ok(u64::try_from(repaired).unwrap_or(u64::MAX))
    }

    /// Repairs month by month, so that bookings wait for one month at most.
    async fn repair_sums(&self) -> Result<u64, Error> {
        let (name, _) = self.books().await?;
        let zone = books::zone_of(&name)?;
        let mut spans: BTreeMap<(bool, String), (i64, i64)> = BTreeMap::new();
        let mut tx = self.store.read().await?;
        let money = tx.fetch(&MONEY_SPANS, args![]).await?;
        let sums = tx.fetch(&SUM_SPANS, args![]).await?;
        let checkouts = funnel::months(&mut tx, &zone).await?;
        drop(tx);
        let money = money.into_iter().map(|row| (row, true));
        for (mut row, is_money) in money.chain(sums.into_iter().map(|row| (row, false))) {
            let month = |at: i64| match is_money {
                true => buckets(at, &zone).1,
                false => at,
            };
            let (live, currency) = (row.int(0)? != 0, row.text(1)?);
            let (first, last) = (month(row.int(2)?), month(row.int(3)?));
            let span = spans.entry((live, currency)).or_insert((first, last));
            *span = (span.0.min(first), span.1.max(last));
        }
        let mut repaired = 0;
        for ((live, currency), (first, last)) in spans {
            for month in first..=last {
                repaired += self.repair_month(live, &currency, month, &zone).await?;
            }
        }
        if let Some((first, last)) = checkouts {
            for month in first..=last {
                repaired += self.repair_checkouts(month, &zone).await?;
            }
        }
        self.store.run(&COMPLETE, args![&name]).await?;
        Ok(repaired)
    }

    async fn repair_checkouts(&self, month: i64, zone: &TimeZone) -> Result<u64, Error> {
        let Some((first, next)) = days_of(month) else { return Ok(0) };
        let mut tx = self.begin_repair(zone).await?;
        let span = (start_of(first, zone)?, start_of(next, zone)?);
        let repaired = funnel::repair_month(&mut tx, month, (first, next), span, zone).await?;
        if repaired > 0 {
            tx.commit().await?;
        }
        Ok(repaired)
    }

    /// Locks the books, which must still be in this zone.
    async fn begin_repair(&self, zone: &TimeZone) -> Result<Tx, Error> {
        let mut tx = self.store.begin_booking().await?;
        let current = books::lock(&mut tx).await?;
        if current.iana_name() != zone.iana_name() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the time zone of the books changed: compute the sums again",
            ));
        }
        Ok(tx)
    }

    async fn repair_month(
        &self,
        live: bool,
        currency: &str,
        month: i64,
        zone: &TimeZone,
    ) -> Result<u64, Error> {
        let Some((first, next)) = days_of(month) else { return Ok(0) };
        let mut tx = self.begin_repair(zone).await?;
        let mut difference = Rolls::new();
        let range = args![live, currency, start_of(first, zone)?, start_of(next, zone)?];
        for row in tx.fetch(&MONEY_OF_MONTH, range).await? {
            roll(&mut difference, &read_entry(row, live, currency)?, zone, 1);
        }
        let mut wanted = Rows::default();
        for dim in summed() {
            let (first, next) = (day_number(first), day_number(next));
            wanted.push(args![live, currency, dim, 0_i64, first, next]);
            wanted.push(args![live, currency, dim, 1_i64, month, month + 1]);
        }
        for mut row in tx.fetch(&SUMS_OF_MONTH, args![wanted]).await? {
            let key = RollKey {
                live,
                currency: currency.to_owned(),
                dim: row.int(0)?,
                grain: row.int(1)?,
                bucket: row.int(2)?,
                value: row.int(3)?,
            };
            for (column, sum) in (4..).zip(difference.entry(key).or_default()) {
                *sum = sum.saturating_sub(row.int(column)?);
            }
        }
        difference.retain(|_, sum| *sum != RollSum::default());
        let repaired = u64::try_from(difference.len()).unwrap_or(u64::MAX);
        if repaired > 0 {
            books::add_sums(&mut tx, difference).await?;
            tx.commit().await?;
        }
        Ok(repaired)
    }
}

/// The start of a day, in microseconds.
fn start_of(date: Date, zone: &TimeZone) -> Result<i64, Error> {
    let start = date.to_zoned(zone.clone()).map_err(|error| {
        Error::corrupt("a month of the books is out of range").with_source(error)
    })?;
    Ok(start.timestamp().as_microsecond())
}

/// The first day of a month, and of the next one.
fn days_of(month: i64) -> Option<(Date, Date)> {
    let year = i16::try_from(month.div_euclid(12)).ok()?;
    let first = Date::new(year, i8::try_from(month.rem_euclid(12) + 1).ok()?, 1).ok()?;
    Some((first, first.checked_add(1.month()).ok()?))
}

fn read_entry<'a>(mut row: Row, live: bool, currency: &'a str) -> Result<RollEntry<'a>, Error> {
    let mut entry = RollEntry {
        live,
        currency,
        at: row.int(0)?,
        kind: row.int(1)?,
        is_first: row.int(2)? != 0,
        channel: row.int(3)?,
        gross: row.int(4)?,
        net: row.int(5)?,
        values: Default::default(),
    };
    for (column, value) in (6..).zip(&mut entry.values) {
        *value = row.int(column)?;
    }
    Ok(entry)
}

/// The columns of a money row after its key.
fn numbers(row: &MoneyRow, ids: &ValueIds) -> Vec<i64> {
    let own = [row.kind, i64::from(row.is_first), row.channel, row.gross, row.net];
    own.into_iter().chain(books::value_ids(row, ids)).collect()
}

/// The stored columns of the same rows.
async fn stored_money(
    tx: &mut Tx,
    expected: &BTreeMap<MoneyKey, MoneyRow>,
) -> Result<BTreeMap<MoneyKey, Vec<i64>>, Error> {
    let mut wanted = Rows::default();
    for (live, currency, at, no) in expected.keys() {
        wanted.push(vec![(*live).into(), currency.into(), (*at).into(), Arg::from(*no)]);
    }
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let read = |mut row: Row| {
        let key = (row.int(0)? != 0, row.text(1)?, row.int(2)?, row.int(3)?);
        let numbers = (4..24).map(|column| row.int(column)).collect::<Result<_, Error>>()?;
        Ok((key, numbers))
    };
    tx.fetch(&MONEY_OF_RECORDS, args![wanted]).await?.into_iter().map(read).collect()
}
