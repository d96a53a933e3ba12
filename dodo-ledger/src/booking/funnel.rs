//! The checkout sessions of the funnel, after the subscriptions of a booking.

use std::collections::BTreeMap;

use super::books;
use crate::{
    attribution::{CAMPAIGN_TEXTS, FunnelSession, Group, funnel_sessions},
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

/// Writes the sessions of locked groups that differ from the stored ones. Returns their number.
pub(super) async fn write(tx: &mut Tx, groups: &BTreeMap<i64, Group>) -> Result<u64, Error> {
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
    books::lock(tx).await?;
    let mut uses: BTreeMap<(i64, &str), i64> = BTreeMap::new();
    for value in old.iter().flat_map(FunnelSession::values) {
        *uses.entry(value).or_default() -= 1;
    }
    for value in changed.values().flat_map(FunnelSession::values) {
        *uses.entry(value).or_default() += 1;
    }
    let ids = books::count_values(tx, &uses).await?;
    let mut put = Rows::default();
    for session in changed.values() {
        let mut columns = args![
            fastrand::i64(..),
            &session.id,
            session.at,
            session.live.map_or(-1, i64::from),
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
    books::drop_values(tx, &uses, &ids).await?;
    Ok(u64::try_from(changed.len()).unwrap_or(u64::MAX))
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
