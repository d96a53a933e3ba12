//! The money rows and their sums, as the last statements of a booking.
//!
//! The row of `dodo_books` is the lock: a booking that changes money takes it first, so two
//! bookings never wait for each other's sums. A transaction that holds this lock waits for no other
//! lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::tz::TimeZone;

use super::rows::WrittenRecord;
use crate::{
    attribution::{MoneyDelta, MoneyRow, RecordChange, RollKey, RollSum, Rolls, TEXTS, roll},
    error::Error,
    store::{
        Tx,
        sql::{Arg, Rows, Sql, args, sql},
    },
};

const LOCK: Sql = sql!("UPDATE dodo_books SET change = change + 1 WHERE id = 1 RETURNING zone");
const INVALIDATE: Sql = sql!("UPDATE dodo_books SET complete = 0 WHERE id = 1");
/// The statement also locks rows whose count does not change, so that no other booking deletes
/// them. PostgreSQL would use up a number for each row that exists already, if it tried to insert the row:
/// after two billion of them, an id would not fit its column in `dodo_money`.
const COUNT_VALUES: Sql = Sql {
    sqlite: sql!(
        "INSERT INTO dodo_value (dim, text, uses)
         SELECT dim, text, uses FROM " (rows 1: 1 dim BIGINT, 2 text TEXT, 3 uses BIGINT) "
         WHERE true ON CONFLICT (dim, text) DO UPDATE SET uses = dodo_value.uses + excluded.uses
         RETURNING dim, text, id"
    )
    .sqlite,
    postgres: sql!(
        "WITH known AS (
            UPDATE dodo_value SET uses = dodo_value.uses + given.uses
            FROM " (rows 1: 1 dim BIGINT, 2 text TEXT, 3 uses BIGINT) "
            WHERE dodo_value.dim = given.dim AND dodo_value.text = given.text
            RETURNING dodo_value.dim, dodo_value.text, id
         ), fresh AS (
            INSERT INTO dodo_value (dim, text, uses)
            SELECT dim, text, uses FROM " (rows 1: 1 dim BIGINT, 2 text TEXT, 3 uses BIGINT) "
            WHERE NOT EXISTS (
                SELECT 1 FROM known WHERE known.dim = given.dim AND known.text = given.text)
            RETURNING dim, text, id
         ) SELECT dim, text, id FROM known UNION ALL SELECT dim, text, id FROM fresh"
    )
    .postgres,
};
const DROP_VALUES: Sql = sql!(
    "DELETE FROM dodo_value
     WHERE uses <= 0 AND id IN (SELECT given.id FROM " (rows 1: 1 id BIGINT) ")"
);
const DROP_MONEY: Sql = sql!(
    "DELETE FROM dodo_money WHERE (live, currency, at, no) IN (
        SELECT given.live, given.currency, given.at, given.no FROM " (rows 1:
            1 live BIGINT, 2 currency TEXT, 3 at BIGINT, 4 no BIGINT) ")"
);
const PUT_MONEY: Sql = sql!(
    "INSERT INTO dodo_money (
        live, currency, at, no, kind, is_first, channel, gross, net, source, medium, campaign, content,
        term, link, landing, referrer, device, country, product, lead, reason, visitor, customer
     ) SELECT live, currency, at, no, kind, is_first, channel, gross, net, source, medium, campaign,
        content, term, link, landing, referrer, device, country, product, lead, reason, visitor, customer
     FROM " (rows 1:
        1 live BIGINT, 2 currency TEXT, 3 at BIGINT, 4 no BIGINT, 5 kind BIGINT, 6 is_first BIGINT,
        7 channel BIGINT, 8 gross BIGINT, 9 net BIGINT, 10 source BIGINT, 11 medium BIGINT,
        12 campaign BIGINT, 13 content BIGINT, 14 term BIGINT, 15 link BIGINT, 16 landing BIGINT,
        17 referrer BIGINT, 18 device BIGINT, 19 country BIGINT, 20 product BIGINT, 21 lead BIGINT,
        22 reason BIGINT, 23 visitor BIGINT, 24 customer BIGINT) "
     WHERE true ON CONFLICT (live, currency, at, no) DO UPDATE SET
        kind = excluded.kind, is_first = excluded.is_first, channel = excluded.channel,
        gross = excluded.gross, net = excluded.net, source = excluded.source,
        medium = excluded.medium, campaign = excluded.campaign, content = excluded.content,
        term = excluded.term, link = excluded.link, landing = excluded.landing,
        referrer = excluded.referrer, device = excluded.device, country = excluded.country,
        product = excluded.product, lead = excluded.lead, reason = excluded.reason,
        visitor = excluded.visitor, customer = excluded.customer"
);
const ADD_SUMS: Sql = sql!(
    "INSERT INTO dodo_roll
        (live, currency, dim, grain, bucket, value, n, firsts, charges, refunds, disputes, net,
        charges_net, charges_gross, refunds_gross, disputes_gross)
     SELECT live, currency, dim, grain, bucket, value, n, firsts, charges, refunds, disputes, net,
        charges_net, charges_gross, refunds_gross, disputes_gross FROM " (rows 1:
        1 live BIGINT, 2 currency TEXT, 3 dim BIGINT, 4 grain BIGINT, 5 bucket BIGINT,
        6 value BIGINT, 7 n BIGINT, 8 firsts BIGINT, 9 charges BIGINT, 10 refunds BIGINT,
        11 disputes BIGINT, 12 net BIGINT, 13 charges_net BIGINT, 14 charges_gross BIGINT,
        15 refunds_gross BIGINT, 16 disputes_gross BIGINT) "
     WHERE true ON CONFLICT (live, currency, dim, grain, bucket, value) DO UPDATE SET
        n = dodo_roll.n + excluded.n, firsts = dodo_roll.firsts + excluded.firsts,
        charges = dodo_roll.charges + excluded.charges,
        refunds = dodo_roll.refunds + excluded.refunds,
        disputes = dodo_roll.disputes + excluded.disputes, net = dodo_roll.net + excluded.net,
        charges_net = dodo_roll.charges_net + excluded.charges_net,
        charges_gross = dodo_roll.charges_gross + excluded.charges_gross,
        refunds_gross = dodo_roll.refunds_gross + excluded.refunds_gross,
        disputes_gross = dodo_roll.disputes_gross + excluded.disputes_gross"
);
const DROP_SUMS: Sql = sql!(
    "DELETE FROM dodo_roll WHERE n = 0 AND (live, currency, dim, grain, bucket, value) IN (
        SELECT given.live, given.currency, given.dim, given.grain, given.bucket, given.value
        FROM " (rows 1: 1 live BIGINT, 2 currency TEXT, 3 dim BIGINT, 4 grain BIGINT,
            5 bucket BIGINT, 6 value BIGINT) ")"
);

/// Locks the books until the commit, and returns their zone.
pub(super) async fn lock(tx: &mut Tx) -> Result<TimeZone, Error> {
    let row = tx.fetch_one(&LOCK, args![]).await?;
    let mut row = row.ok_or_else(|| Error::corrupt("the row of dodo_books is missing"))?;
    zone_of(&row.text(0)?)
}

/// Locks the books at the first call of a transaction, and returns their zone. `locked` is the answer of an
/// earlier call.
pub(super) async fn lock_once(
    tx: &mut Tx,
    locked: &mut Option<TimeZone>,
) -> Result<TimeZone, Error> {
    let zone = match locked.take() {
        Some(zone) => zone,
        None => lock(tx).await?,
    };
    *locked = Some(zone.clone());
    Ok(zone)
}

/// The zone of a stored name.
pub(crate) fn zone_of(name: &str) -> Result<TimeZone, Error> {
    TimeZone::get(name).map_err(|error| {
        Error::corrupt("this program does not know the time zone of the books").with_source(error)
    })
}

/// Writes the money rows of changed records, and adds the differences to the sums.
pub(super) async fn write(
    tx: &mut Tx,
    changes: &[RecordChange],
    records: &HashMap<String, WrittenRecord>,
    locked: &mut Option<TimeZone>,
) -> Result<(), Error> {
    let delta = MoneyDelta::from_changes(changes);
    if delta.is_empty() {
        return Ok(());
    }
    let zone = lock_once(tx, locked).await?;
    // The stored record was unreadable, so its old money row is unknown. A worker repairs the sums.
    let is_unknown = |change: &RecordChange| {
        let record = records.get(change.new.id());
        change.old.is_none() && record.is_some_and(|record| record.version > 1)
    };
    if changes.iter().any(is_unknown) {
        tx.execute(&INVALIDATE, args![]).await?;
    }
    let uses = delta.uses();
    let ids = count_values(tx, &uses).await?;
    let keys = |rows: &BTreeMap<String, MoneyRow>| -> BTreeMap<MoneyKey, MoneyRow> {
        let numbered = rows.iter().filter_map(|(id, row)| Some((records.get(id)?.no, row)));
        numbered.map(|(no, row)| (key_of(row, no), row.clone())).collect()
    };
    let (old, new) = (keys(&delta.old), keys(&delta.new));
    let mut dropped = Rows::default();
    for (live, currency, at, no) in old.keys().filter(|key| !new.contains_key(*key)) {
        dropped.push(args![*live, currency, *at, *no]);
    }
    tx.write(&DROP_MONEY, dropped).await?;
    let mut rolls = Rolls::new();
    for (rows, sign) in [(&old, -1), (&new, 1)] {
        for row in rows.values() {
            roll(&mut rolls, &row.entry(value_ids(row, &ids)), &zone, sign);
        }
    }
    put_money(tx, &new, &ids).await?;
    add_sums(tx, rolls).await?;
    drop_values(tx, &uses, &ids).await
}

/// Deletes the values that no row uses, among those whose count fell.
pub(super) async fn drop_values(
    tx: &mut Tx,
    uses: &BTreeMap<(i64, &str), i64>,
    ids: &ValueIds,
) -> Result<(), Error> {
    let unused = uses.iter().filter(|(_, uses)| **uses < 0);
    let unused: BTreeSet<i64> =
        unused.filter_map(|((dim, text), _)| ids.get(dim)?.get(*text).copied()).collect();
    tx.write(&DROP_VALUES, super::placement::ids_of(unused)).await
}

/// The key of a money row: mode, currency, time, number of the record.
pub(super) type MoneyKey = (bool, String, i64, i64);

pub(super) fn key_of(row: &MoneyRow, no: i64) -> MoneyKey {
    (row.live, row.currency.clone(), row.at, no)
}

/// The id of each value by the number of its dimension and its text.
pub(super) type ValueIds = HashMap<i64, HashMap<String, i64>>;

/// Adds to the use counts. The map is sorted: two transactions lock the rows in one order.
pub(super) async fn count_values(
    tx: &mut Tx,
    uses: &BTreeMap<(i64, &str), i64>,
) -> Result<ValueIds, Error> {
    let mut rows = Rows::default();
    uses.iter().for_each(|((dim, text), uses)| rows.push(args![*dim, *text, *uses]));
    if rows.is_empty() {
        return Ok(ValueIds::new());
    }
    let mut ids = ValueIds::new();
    for mut row in tx.fetch(&COUNT_VALUES, args![rows]).await? {
        ids.entry(row.int(0)?).or_default().insert(row.text(1)?, row.int(2)?);
    }
    Ok(ids)
}

/// The ids of the values of a row, in the order of the dimensions.
pub(super) fn value_ids(row: &MoneyRow, ids: &ValueIds) -> [i64; TEXTS] {
    ids_of_texts(&row.texts, ids)
}

/// The ids of texts in the order of the dimensions. 0: none.
pub(super) fn ids_of_texts<const N: usize>(
    texts: &[Option<String>; N],
    ids: &ValueIds,
) -> [i64; N] {
    let mut found = [0; N];
    for (slot, (dim, text)) in found.iter_mut().zip((1..).zip(texts)) {
        let id = text.as_deref().and_then(|text| ids.get(&dim)?.get(text));
        *slot = id.copied().unwrap_or_default();
    }
    found
}

/// Inserts or replaces money rows.
pub(super) async fn put_money(
    tx: &mut Tx,
    rows: &BTreeMap<MoneyKey, MoneyRow>,
    ids: &ValueIds,
) -> Result<(), Error> {
    let mut put = Rows::default();
    for ((live, currency, at, no), row) in rows {
        let mut columns = args![
            *live,
            currency,
            *at,
            *no,
            row.kind,
            row.is_first,
            row.channel,
            row.gross,
            row.net
        ];
        columns.extend(value_ids(row, ids).map(Arg::from));
        put.push(columns);
    }
    tx.write(&PUT_MONEY, put).await
}

/// Adds differences to the sums, and deletes sums of no row.
pub(super) async fn add_sums(tx: &mut Tx, rolls: Rolls) -> Result<(), Error> {
    let (mut add, mut less) = (Rows::default(), Rows::default());
    for (key, sum) in &rolls {
        if *sum == RollSum::default() {
            continue;
        }
        let RollKey { live, currency, dim, grain, bucket, value } = key;
        let place = || args![*live, currency, *dim, *grain, *bucket, *value];
        add.push(place().into_iter().chain(sum.map(Arg::from)).collect());
        if sum[0] <= 0 {
            less.push(place());
        }
    }
    tx.write(&ADD_SUMS, add).await?;
    tx.write(&DROP_SUMS, less).await
}
