//! The checkout sessions of the funnel, after the subscriptions of a booking.

use std::collections::BTreeMap;

use jiff::{civil::Date, tz::TimeZone};

use super::books;
use crate::{
    attribution::{
        CAMPAIGN_TEXTS, FunnelCounts, FunnelEntry, FunnelKey, FunnelRolls, FunnelSession, Group,
        buckets, day_number, funnel_dims, funnel_sessions,
    },
    error::Error,
    store::{
        Tx,
        sql::{Arg, Row, Rows, Sql, args, sql},
    },
};

const STORED: Sql = sql!(
    "SELECT session_id, at, live, tried, paid_at, kept, failure, channel,
        (SELECT text FROM dodo_value WHERE id = source),
        (SELECT text FROM dodo_value WHERE id = medium),
        (SELECT text FROM dodo_value WHERE id = campaign),
        (SELECT text FROM dodo_value WHERE id = content),
        (SELECT text FROM dodo_value WHERE id = term),
        (SELECT text FROM dodo_value WHERE id = link)
     FROM " (rows 1: 1 wanted TEXT) " CROSS JOIN dodo_funnel WHERE session_id = given.wanted"
);
const PUT: Sql = sql!(
    "INSERT INTO dodo_funnel (no, session_id, at, live, tried, paid_at, kept, failure, channel, source,
        medium, campaign, content, term, link)
     SELECT no, session_id, at, live, tried, paid_at, kept, failure, channel, source, medium, campaign,
        content, term, link
     FROM " (rows 1:
        1 no BIGINT, 2 session_id TEXT, 3 at BIGINT, 4 live BIGINT, 5 tried BIGINT, 6 paid_at BIGINT,
        7 kept BIGINT, 8 failure TEXT, 9 channel BIGINT, 10 source BIGINT, 11 medium BIGINT,
        12 campaign BIGINT, 13 content BIGINT, 14 term BIGINT, 15 link BIGINT) "
     WHERE true ON CONFLICT (session_id) DO UPDATE SET
        at = excluded.at, live = excluded.live, tried = excluded.tried, paid_at = excluded.paid_at,
        kept = excluded.kept, failure = excluded.failure, channel = excluded.channel,
        source = excluded.source, medium = excluded.medium, campaign = excluded.campaign,
        content = excluded.content, term = excluded.term, link = excluded.link"
);

const ADD_SUMS: Sql = sql!(
    "INSERT INTO dodo_funnel_roll (live, dim, grain, bucket, value, opened, tried, paid, kept, recovered)
     SELECT live, dim, grain, bucket, value, opened, tried, paid, kept, recovered FROM " (rows 1:
        1 live BIGINT, 2 dim BIGINT, 3 grain BIGINT, 4 bucket BIGINT, 5 value BIGINT, 6 opened BIGINT,
        7 tried BIGINT, 8 paid BIGINT, 9 kept BIGINT, 10 recovered BIGINT) "
     WHERE true ON CONFLICT (live, dim, grain, bucket, value) DO UPDATE SET
        opened = dodo_funnel_roll.opened + excluded.opened,
        tried = dodo_funnel_roll.tried + excluded.tried,
        paid = dodo_funnel_roll.paid + excluded.paid,
        kept = dodo_funnel_roll.kept + excluded.kept,
        recovered = dodo_funnel_roll.recovered + excluded.recovered"
);
const DROP_SUMS: Sql = sql!(
    "DELETE FROM dodo_funnel_roll WHERE opened = 0 AND (live, dim, grain, bucket, value) IN (
        SELECT given.live, given.dim, given.grain, given.bucket, given.value
        FROM " (rows 1: 1 live BIGINT, 2 dim BIGINT, 3 grain BIGINT, 4 bucket BIGINT,
            5 value BIGINT) ")"
);
const SPANS: Sql = sql!(
    "SELECT (SELECT MIN(at) FROM dodo_funnel), (SELECT MAX(at) FROM dodo_funnel),
        (SELECT MIN(bucket) FROM dodo_funnel_roll WHERE grain = 1),
        (SELECT MAX(bucket) FROM dodo_funnel_roll WHERE grain = 1)"
);
const SESSIONS_OF_MONTH: Sql = sql!(
    "SELECT at, live, tried, paid_at, kept, CAST(CASE WHEN failure IS NULL THEN 0 ELSE 1 END AS BIGINT), channel,
        source,
        medium, campaign, content, term, link
     FROM dodo_funnel WHERE at >= $1 AND at < $2"
);
const SUMS_OF_MONTH: Sql = sql!(
    "SELECT dodo_funnel_roll.live, dodo_funnel_roll.dim, dodo_funnel_roll.grain, bucket, value, opened,
        tried, paid, kept, recovered
     FROM " (rows 1: 1 live BIGINT, 2 dim BIGINT, 3 grain BIGINT, 4 since BIGINT, 5 until BIGINT) "
     CROSS JOIN dodo_funnel_roll
     WHERE dodo_funnel_roll.live = given.live AND dodo_funnel_roll.dim = given.dim
        AND dodo_funnel_roll.grain = given.grain
        AND bucket >= given.since AND bucket < given.until"
);

/// Writes the sessions of locked groups that differ from the stored ones. Returns their number.
pub(super) async fn write(
    tx: &mut Tx,
    groups: &BTreeMap<i64, Group>,
    locked: &mut Option<TimeZone>,
) -> Result<u64, Error> {
    let mut changed: BTreeMap<String, FunnelSession> = BTreeMap::new();
    for group in groups.values() {
        let sessions = funnel_sessions(&group.timeline, group.records.values());
        changed.extend(sessions.into_iter().map(|session| (session.id.clone(), session)));
    }
    if changed.is_empty() {
        return Ok(0);
    }
    let stored = tx.fetch(&STORED, args![Rows::texts(changed.keys())]).await?;
    let stored: Vec<FunnelSession> = stored.into_iter().map(read).collect::<Result<_, _>>()?;
    let is_same = |session: &FunnelSession| changed.get(&session.id) == Some(session);
    let (same, old): (Vec<_>, Vec<_>) = stored.into_iter().partition(is_same);
    changed.retain(|id, _| !same.iter().any(|session| session.id == *id));
    if changed.is_empty() {
        return Ok(0);
    }
    let zone = books::lock_once(tx, locked).await?;
    let mut uses: BTreeMap<(i64, &str), i64> = BTreeMap::new();
    for value in old.iter().flat_map(FunnelSession::values) {
        *uses.entry(value).or_default() -= 1;
    }
    for value in changed.values().flat_map(FunnelSession::values) {
        *uses.entry(value).or_default() += 1;
    }
    let ids = books::count_values(tx, &uses).await?;
    let mut rolls = FunnelRolls::new();
    old.iter().for_each(|session| entry(session, &ids).roll(&mut rolls, &zone, -1));
    changed.values().for_each(|session| entry(session, &ids).roll(&mut rolls, &zone, 1));
    let mut put = Rows::default();
    for session in changed.values() {
        let mut columns = args![
            fastrand::i64(..),
            &session.id,
            session.at,
            mode(session),
            session.tried,
            session.paid_at,
            session.kept,
            session.failure.as_deref(),
            session.channel
        ];
        columns.extend(books::ids_of_texts(&session.texts, &ids).map(Arg::from));
        put.push(columns);
    }
    tx.write(&PUT, put).await?;
    add_sums(tx, &rolls).await?;
    books::drop_values(tx, &uses, &ids).await?;
    Ok(u64::try_from(changed.len()).unwrap_or(u64::MAX))
}

/// -1: not known.
fn mode(session: &FunnelSession) -> i64 {
    session.live.map_or(-1, i64::from)
}

fn entry(session: &FunnelSession, ids: &books::ValueIds) -> FunnelEntry {
    FunnelEntry {
        at: session.at,
        live: mode(session),
        tried: session.tried,
        paid_at: session.paid_at,
        kept: session.kept,
        has_failed: session.failure.is_some(),
        channel: session.channel,
        values: books::ids_of_texts(&session.texts, ids),
    }
}

/// Adds differences to the sums, and deletes sums of no session.
async fn add_sums(tx: &mut Tx, rolls: &FunnelRolls) -> Result<(), Error> {
    let (mut add, mut less) = (Rows::default(), Rows::default());
    for (FunnelKey { live, dim, grain, bucket, value }, counts) in rolls {
        if *counts == FunnelCounts::default() {
            continue;
        }
        let place = || args![*live, *dim, *grain, *bucket, *value];
        add.push(place().into_iter().chain(counts.map(Arg::from)).collect());
        if counts.first().is_some_and(|opened| *opened <= 0) {
            less.push(place());
        }
    }
    tx.write(&ADD_SUMS, add).await?;
    tx.write(&DROP_SUMS, less).await
}

/// The first and the last month of sessions and sums.
pub(super) async fn months(tx: &mut Tx, zone: &TimeZone) -> Result<Option<(i64, i64)>, Error> {
    let Some(mut row) = tx.fetch_one(&SPANS, args![]).await? else { return Ok(None) };
    let (mut first, mut last) = (row.opt_int(2)?, row.opt_int(3)?);
    if let (Some(from), Some(until)) = (row.opt_int(0)?, row.opt_int(1)?) {
        let month = |at| buckets(at, zone).1;
        first = Some(first.unwrap_or(i64::MAX).min(month(from)));
        last = Some(last.unwrap_or(i64::MIN).max(month(until)));
    }
    Ok(first.zip(last))
}

/// Compares the sums of a month with the sessions, and repairs them. Returns the number of sums that differed.
pub(super) async fn repair_month(
    tx: &mut Tx,
    month: i64,
    days: (Date, Date),
    span: (i64, i64),
    zone: &TimeZone,
) -> Result<u64, Error> {
    let mut difference = FunnelRolls::new();
    for mut row in tx.fetch(&SESSIONS_OF_MONTH, args![span.0, span.1]).await? {
        let mut session = FunnelEntry {
            at: row.int(0)?,
            live: row.int(1)?,
            tried: row.int(2)? != 0,
            paid_at: row.opt_int(3)?,
            kept: row.int(4)? != 0,
            has_failed: row.int(5)? != 0,
            channel: row.int(6)?,
            values: [0; CAMPAIGN_TEXTS],
        };
        for (column, value) in (7..).zip(&mut session.values) {
            *value = row.int(column)?;
        }
        session.roll(&mut difference, zone, 1);
    }
    let mut wanted = Rows::default();
    for live in -1..=1_i64 {
        for dim in funnel_dims() {
            let (first, next) = (day_number(days.0), day_number(days.1));
            wanted.push(args![live, dim, 0_i64, first, next]);
            wanted.push(args![live, dim, 1_i64, month, month + 1]);
        }
    }
    for mut row in tx.fetch(&SUMS_OF_MONTH, args![wanted]).await? {
        let key = FunnelKey {
            live: row.int(0)?,
            dim: row.int(1)?,
            grain: row.int(2)?,
            bucket: row.int(3)?,
            value: row.int(4)?,
        };
        for (column, sum) in (5..).zip(difference.entry(key).or_default()) {
            *sum -= row.int(column)?;
        }
    }
    difference.retain(|_, counts| *counts != FunnelCounts::default());
    add_sums(tx, &difference).await?;
    Ok(u64::try_from(difference.len()).unwrap_or(u64::MAX))
}

fn read(mut row: Row) -> Result<FunnelSession, Error> {
    let mut session = FunnelSession {
        id: row.text(0)?,
        at: row.int(1)?,
        live: match row.int(2)? {
            -1 => None,
            live => Some(live != 0),
        },
        tried: row.int(3)? != 0,
        paid_at: row.opt_int(4)?,
        kept: row.int(5)? != 0,
        failure: row.opt_text(6)?,
        channel: row.int(7)?,
        texts: [const { None }; CAMPAIGN_TEXTS],
    };
    for (column, text) in (8..).zip(&mut session.texts) {
        *text = row.opt_text(column)?;
    }
    Ok(session)
}
