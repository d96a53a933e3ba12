//! Subscriptions and movements of recurring revenue, after the money rows of a booking.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, tz::TimeZone};

use super::books;
use crate::{
    attribution::{Group, Movement, SubscriptionRow, recurring},
    error::Error,
    store::{
        Tx,
        sql::{Arg, Row, Rows, Sql, args, sql},
    },
};

const SUBSCRIPTIONS: Sql = sql!(
    "SELECT id, live, currency, customer_id, product_id, source, status, since, amount, unit, count, mrr,
        counts_until, at_risk, ending, next_billing, trial_end, trial_mrr
     FROM " (rows 1: 1 wanted TEXT) " CROSS JOIN dodo_subscription WHERE id = given.wanted"
);
const MOVEMENTS: Sql = sql!(
    "SELECT live, currency, at, subscription_id, kind, reason, amount
     FROM " (rows 1: 1 wanted TEXT) " CROSS JOIN dodo_mrr WHERE subscription_id = given.wanted"
);
const PUT_SUBSCRIPTIONS: Sql = sql!(
    "INSERT INTO dodo_subscription (id, live, currency, customer_id, product_id, source, status, since,
        amount, unit, count, mrr, counts_until, at_risk, ending, next_billing, trial_end, trial_mrr)
     SELECT id, live, currency, customer_id, product_id, source, status, since, amount, unit, count, mrr,
        counts_until, at_risk, ending, next_billing, trial_end, trial_mrr
     FROM " (rows 1:
        1 id TEXT, 2 live BIGINT, 3 currency TEXT, 4 customer_id TEXT, 5 product_id TEXT,
        6 source TEXT, 7 status TEXT, 8 since BIGINT, 9 amount BIGINT, 10 unit TEXT, 11 count BIGINT,
        12 mrr BIGINT, 13 counts_until BIGINT, 14 at_risk BIGINT, 15 ending BIGINT,
        16 next_billing BIGINT, 17 trial_end BIGINT, 18 trial_mrr BIGINT) "
     WHERE true ON CONFLICT (id) DO UPDATE SET
        live = excluded.live, currency = excluded.currency, customer_id = excluded.customer_id,
        product_id = excluded.product_id, source = excluded.source, status = excluded.status,
        since = excluded.since, amount = excluded.amount, unit = excluded.unit,
        count = excluded.count, mrr = excluded.mrr, counts_until = excluded.counts_until,
        at_risk = excluded.at_risk, ending = excluded.ending, next_billing = excluded.next_billing,
        trial_end = excluded.trial_end, trial_mrr = excluded.trial_mrr"
);
const DROP_MOVEMENTS: Sql = sql!(
    "DELETE FROM dodo_mrr WHERE (live, currency, at, subscription_id, kind) IN (
        SELECT given.live, given.currency, given.at, given.subscription_id, given.kind
        FROM " (rows 1: 1 live BIGINT, 2 currency TEXT, 3 at BIGINT, 4 subscription_id TEXT,
            5 kind BIGINT) ")"
);
const PUT_MOVEMENTS: Sql = sql!(
    "INSERT INTO dodo_mrr (live, currency, at, subscription_id, kind, reason, amount)
     SELECT live, currency, at, subscription_id, kind, reason, amount FROM " (rows 1:
        1 live BIGINT, 2 currency TEXT, 3 at BIGINT, 4 subscription_id TEXT, 5 kind BIGINT,
        6 reason BIGINT, 7 amount BIGINT) "
     WHERE true ON CONFLICT (live, currency, at, subscription_id, kind) DO UPDATE SET
        reason = excluded.reason, amount = excluded.amount"
);

/// The columns of a row, as numbers and texts.
type Columns = Vec<Cell>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    Int(Option<i64>),
    Text(Option<String>),
}

impl From<Cell> for Arg {
    fn from(cell: Cell) -> Self {
        match cell {
            Cell::Int(int) => int.into(),
            Cell::Text(text) => text.into(),
        }
    }
}

/// Rows of subscriptions that no group has.
const DROP_STRAYS: [Sql; 2] = [
    sql!(
        "DELETE FROM dodo_subscription WHERE NOT EXISTS (
            SELECT 1 FROM dodo_key WHERE kind = 3 AND dodo_key.live = dodo_subscription.live
                AND value = dodo_subscription.id)"
    ),
    sql!(
        "DELETE FROM dodo_mrr WHERE NOT EXISTS (
            SELECT 1 FROM dodo_key WHERE kind = 3 AND dodo_key.live = dodo_mrr.live
                AND value = dodo_mrr.subscription_id)"
    ),
];

/// Deletes rows of subscriptions that no group has. Returns their number.
pub(super) async fn drop_strays(tx: &mut Tx) -> Result<u64, Error> {
    let mut dropped = 0;
    for statement in &DROP_STRAYS {
        dropped += tx.execute(statement, args![]).await?;
    }
    Ok(dropped)
}

/// Writes the subscriptions and movements of groups that differ from the stored ones. Returns the number of
/// changed rows.
pub(super) async fn write(
    tx: &mut Tx,
    groups: &BTreeMap<i64, Group>,
    locked: &mut Option<TimeZone>,
) -> Result<u64, Error> {
    let (mut subscriptions, mut movements) = (BTreeMap::new(), BTreeSet::new());
    for group in groups.values() {
        let found = recurring(&group.timeline, group.records.values());
        for row in &found.subscriptions {
            subscriptions.insert(row.id.clone(), subscription_columns(row));
        }
        movements.extend(found.movements.iter().map(movement_columns));
    }
    if subscriptions.is_empty() {
        return Ok(0);
    }
    let given = || args![Rows::texts(subscriptions.keys())];
    let known = tx.fetch(&SUBSCRIPTIONS, given()).await?;
    let known: BTreeSet<Columns> =
        known.into_iter().map(|row| read(row, "TITTTTTIITIIIIIIII")).collect::<Result<_, _>>()?;
    let stored = tx.fetch(&MOVEMENTS, given()).await?;
    let stored: BTreeSet<Columns> =
        stored.into_iter().map(|row| read(row, "ITITIII")).collect::<Result<_, _>>()?;
    let rows = |columns: Vec<Columns>| {
        let mut rows = Rows::default();
        columns.into_iter().for_each(|row| rows.push(row.into_iter().map(Arg::from).collect()));
        rows
    };
    let put = rows(subscriptions.into_values().filter(|row| !known.contains(row)).collect());
    let key = |row: &Columns| row.iter().take(5).cloned().collect::<Columns>();
    let dropped = rows(stored.difference(&movements).map(key).collect());
    let added = rows(movements.difference(&stored).cloned().collect());
    let changed = put.len() + dropped.len() + added.len();
    if changed == 0 {
        return Ok(0);
    }
    books::lock_once(tx, locked).await?;
    tx.write(&PUT_SUBSCRIPTIONS, put).await?;
    tx.write(&DROP_MOVEMENTS, dropped).await?;
    tx.write(&PUT_MOVEMENTS, added).await?;
    Ok(u64::try_from(changed).unwrap_or(u64::MAX))
}

fn read(mut row: Row, types: &str) -> Result<Columns, Error> {
    let read = |(column, kind): (usize, char)| match kind {
        'T' => row.opt_text(column).map(Cell::Text),
        _ => row.opt_int(column).map(Cell::Int),
    };
    types.chars().enumerate().map(read).collect()
}

fn subscription_columns(row: &SubscriptionRow) -> Columns {
    let text = |text: &Option<String>| Cell::Text(text.clone());
    let at = |at: Option<Timestamp>| Cell::Int(at.map(Timestamp::as_microsecond));
    let int = |int: i64| Cell::Int(Some(int));
    vec![
        Cell::Text(Some(row.id.clone())),
        int(row.live.into()),
        Cell::Text(Some(row.currency.clone())),
        text(&row.customer_id),
        text(&row.product_id),
        text(&row.source),
        text(&row.status),
        at(row.since),
        int(row.amount),
        text(&row.interval),
        int(row.count),
        int(row.mrr),
        at(row.counts_until),
        int(row.at_risk.into()),
        int(row.ending.into()),
        at(row.next_billing_date),
        at(row.trial_ends_at),
        int(row.trial_mrr),
    ]
}

fn movement_columns(movement: &Movement) -> Columns {
    let int = |int: i64| Cell::Int(Some(int));
    vec![
        int(movement.live.into()),
        Cell::Text(Some(movement.currency.clone())),
        int(movement.at.as_microsecond()),
        Cell::Text(Some(movement.subscription_id.clone())),
        int(movement.kind as i64),
        int(movement.reason.map_or(0, |reason| reason as i64)),
        int(movement.amount),
    ]
}
