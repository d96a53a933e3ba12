//! Entries, links and facts in the tables: many of them by one statement.

use std::collections::HashMap;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    attribution::{Entry, Find, Head, Link, Position, Reason, Steps, fit},
    error::Error,
    store::{
        Store, Tx,
        sql::{Arg, Row, Rows, Sql, args, sql},
    },
};

const ENTRIES: Sql = sql!(
    "SELECT dodo_entry.id, evidence, record, derived FROM " (rows 1: 1 wanted TEXT) "
     JOIN dodo_entry ON dodo_entry.id = given.wanted"
);
/// The heads of what these links find. A link that finds more than the limit is answered by a count
/// alone, and counting stops there, so that a customer with a million purchases costs no more.
const HEADS: Sql = sql!(
    "WITH asked AS MATERIALIZED (
        SELECT given.kind AS kind, given.value AS value,
            (SELECT COUNT(*) FROM (
                SELECT 1 FROM dodo_link
                WHERE dodo_link.kind = given.kind AND dodo_link.value = given.value LIMIT $1 + 1
             ) AS counted) AS many
        FROM " (rows 2: 2 kind TEXT, 3 value TEXT) "
     )
     SELECT asked.kind, asked.value, many, dodo_entry.class, dodo_entry.at_micros, dodo_entry.id,
            paid, visitor_step, campaign_step
     FROM asked
     LEFT JOIN dodo_link
        ON many <= $1 AND dodo_link.kind = asked.kind AND dodo_link.value = asked.value
     LEFT JOIN dodo_entry ON dodo_entry.id = dodo_link.entry_id"
);
const FACTS: Sql = sql!(
    "SELECT dodo_fact.id, body FROM " (rows 1: 1 wanted TEXT) "
     JOIN dodo_fact ON dodo_fact.id = given.wanted"
);
/// The columns are those of [`columns`].
const PUT: Sql = sql!(
    "INSERT INTO dodo_entry (
        id, evidence, record, derived, class, at_micros, paid, visitor_step, campaign_step,
        kind, live, payment_id, customer_id, email_sha256, checkout_session_id, product_id,
        visitor, link_id, campaign_id, source, medium, content,
        landing_path, referrer_host, device, currency, exponent, gross, tax, net,
        occurred_micros, term, lead_id, reason
    ) SELECT * FROM " (rows 1:
        1 id TEXT, 2 evidence TEXT, 3 record TEXT, 4 derived TEXT, 5 class BIGINT,
        6 at_micros BIGINT, 7 paid BIGINT, 8 visitor_step BIGINT, 9 campaign_step BIGINT,
        10 kind TEXT, 11 live BIGINT, 12 payment_id TEXT, 13 customer_id TEXT,
        14 email_sha256 TEXT, 15 checkout_session_id TEXT, 16 product_id TEXT, 17 visitor TEXT,
        18 link_id TEXT, 19 campaign_id TEXT, 20 source TEXT, 21 medium TEXT, 22 content TEXT,
        23 landing_path TEXT, 24 referrer_host TEXT, 25 device TEXT, 26 currency TEXT,
        27 exponent BIGINT, 28 gross BIGINT, 29 tax BIGINT, 30 net BIGINT,
        31 occurred_micros BIGINT, 32 term TEXT, 33 lead_id TEXT, 34 reason TEXT) "
    WHERE true ON CONFLICT (id) DO UPDATE SET
        evidence = excluded.evidence, record = excluded.record, derived = excluded.derived,
        class = excluded.class, at_micros = excluded.at_micros, paid = excluded.paid,
        visitor_step = excluded.visitor_step, campaign_step = excluded.campaign_step,
        kind = excluded.kind, live = excluded.live, payment_id = excluded.payment_id,
        customer_id = excluded.customer_id, email_sha256 = excluded.email_sha256,
        checkout_session_id = excluded.checkout_session_id, product_id = excluded.product_id,
        visitor = excluded.visitor, link_id = excluded.link_id, campaign_id = excluded.campaign_id,
        source = excluded.source, medium = excluded.medium, content = excluded.content,
        landing_path = excluded.landing_path, referrer_host = excluded.referrer_host,
        device = excluded.device, currency = excluded.currency, exponent = excluded.exponent,
        gross = excluded.gross, tax = excluded.tax, net = excluded.net,
        occurred_micros = excluded.occurred_micros, term = excluded.term,
        lead_id = excluded.lead_id, reason = excluded.reason"
);
const UNLINK: Sql =
    sql!("DELETE FROM dodo_link WHERE entry_id IN (SELECT id FROM " (rows 1: 1 id TEXT) ")");
const LINK: Sql = sql!(
    "INSERT INTO dodo_link (kind, value, class, at_micros, entry_id)
     SELECT * FROM " (rows 1:
        1 kind TEXT, 2 value TEXT, 3 class BIGINT, 4 at_micros BIGINT, 5 entry_id TEXT) "
     WHERE true ON CONFLICT DO NOTHING"
);
const PUT_FACTS: Sql = sql!(
    "INSERT INTO dodo_fact (id, body, changed_at)
     SELECT id, body, " NOW " FROM " (rows 1: 1 id TEXT, 2 body TEXT) " WHERE true
     ON CONFLICT (id) DO UPDATE SET body = excluded.body, changed_at = excluded.changed_at"
);
const REMOVE_FACTS: Sql =
    sql!("DELETE FROM dodo_fact WHERE id IN (SELECT id FROM " (rows 1: 1 id TEXT) ")");

impl Tx {
    /// The entries under these keys; those that are not there are left out.
    pub(super) async fn entries(&mut self, ids: Rows) -> Result<Vec<Entry>, Error> {
        self.fetch(&ENTRIES, args![ids]).await?.into_iter().map(read_entry).collect()
    }

    /// What each of these links finds; `None` for one that finds more than the limit.
    pub(super) async fn heads(
        &mut self,
        links: &[Link],
        limit: u32,
    ) -> Result<Vec<(Link, Option<Head>)>, Error> {
        let by_name: HashMap<(&str, &str), &Link> =
            links.iter().map(|link| ((link.kind(), link.value()), link)).collect();
        let mut asked = Rows::default();
        links.iter().for_each(|link| asked.push(args![link.kind(), link.value()]));
        let mut heads = Vec::new();
        for mut row in self.fetch(&HEADS, args![limit, asked]).await? {
            let (kind, value) = (row.text(0)?, row.text(1)?);
            let Some(link) = by_name.get(&(kind.as_str(), value.as_str())) else { continue };
            if row.int(2)? > i64::from(limit) {
                heads.push(((*link).clone(), None));
            } else if let Some(head) = read_head(row)? {
                heads.push(((*link).clone(), Some(head)));
            }
        }
        Ok(heads)
    }

    /// Searches in the tables, for links that find too much to be held in memory.
    pub(super) async fn search(&mut self, find: &Find) -> Result<Vec<Entry>, Error> {
        let (text, args) = search(find);
        self.fetch_built(text, args).await?.into_iter().map(read_entry).collect()
    }

    pub(super) async fn facts(&mut self, keys: Rows) -> Result<Vec<(String, String)>, Error> {
        let rows = self.fetch(&FACTS, args![keys]).await?;
        rows.into_iter().map(|mut row| Ok((row.text(0)?, row.text(1)?))).collect()
    }

    pub(super) async fn put_entries(&mut self, entries: &[&Entry]) -> Result<(), Error> {
        let mut rows = Rows::default();
        for entry in entries {
            rows.push(columns(entry)?);
        }
        self.write(&PUT, rows).await
    }

    /// Takes the links of these entries away, by key.
    pub(super) async fn unlink(&mut self, ids: Rows) -> Result<(), Error> {
        self.write(&UNLINK, ids).await
    }

    pub(super) async fn link(&mut self, entries: &[&Entry]) -> Result<(), Error> {
        let mut rows = Rows::default();
        for entry in entries {
            let (class, at) = (entry.class() as i64, micros(&entry.position()));
            for link in entry.links() {
                rows.push(args![link.kind(), link.value(), class, at, &entry.id]);
            }
        }
        self.write(&LINK, rows).await
    }

    /// Key and JSON of each fact.
    pub(super) async fn put_facts(&mut self, facts: Rows) -> Result<(), Error> {
        self.write(&PUT_FACTS, facts).await
    }

    pub(super) async fn remove_facts(&mut self, keys: Rows) -> Result<(), Error> {
        self.write(&REMOVE_FACTS, keys).await
    }
}

/// Writes a fact that no booking writes, past all bookings.
pub(crate) async fn put_fact_now(store: &Store, key: &str, json: &str) -> Result<(), Error> {
    let mut rows = Rows::default();
    rows.push(args![key, json]);
    store.run_now(&PUT_FACTS, args![rows]).await
}

fn hex(hash: [u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn micros(position: &Position) -> i64 {
    position.at.as_microsecond()
}

fn json<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|error| Error::corrupt("an entry cannot be written as JSON").with_source(error))
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text)
        .map_err(|error| Error::unreadable("an entry of the ledger cannot be read", &error))
}

fn read_entry(mut row: Row) -> Result<Entry, Error> {
    Ok(Entry {
        id: row.text(0)?,
        evidence: from_json(&row.text(1)?)?,
        record: from_json(&row.text(2)?)?,
        derived: from_json(&row.text(3)?)?,
    })
}

/// Columns 3 to 8 of [`HEADS`]; `None` for a link that finds nothing.
fn read_head(mut row: Row) -> Result<Option<Head>, Error> {
    let Some(class) = row.opt_int(3)? else { return Ok(None) };
    let step = |number: i64| u8::try_from(number).unwrap_or(u8::MAX);
    Ok(Some(Head {
        class,
        at_micros: row.int(4)?,
        id: row.text(5)?,
        paid: row.int(6)? != 0,
        visitor_step: step(row.int(7)?),
        campaign_step: step(row.int(8)?),
    }))
}

/// The columns of an entry, in the order of [`PUT`].
fn columns(entry: &Entry) -> Result<Vec<Arg>, Error> {
    let record = &entry.record;
    let campaign = record.campaign.as_ref().map(|found| &found.value);
    let journey = entry.derived.journey.as_ref();
    let money = record.money.as_ref();
    Ok(args![
        &entry.id,
        json(&entry.evidence)?,
        json(record)?,
        json(&entry.derived)?,
        entry.class() as i64,
        micros(&entry.position()),
        entry.paid(),
        u32::from(entry.visitor_step()),
        u32::from(entry.campaign_step()),
        record.kind.as_str(),
        record.live,
        Some(record.payment_id.as_str()).filter(|id| !id.is_empty()),
        record.customer_id.as_deref(),
        entry.evidence.party.email_sha256.map(hex),
        record.checkout_session_id.as_deref(),
        record.product_ids.first().map(String::as_str),
        fitting(record.visitor.as_ref().map(|found| &found.value)),
        fitting(campaign.and_then(|campaign| campaign.link_id.as_ref())),
        fitting(campaign.and_then(|campaign| campaign.campaign_id.as_ref())),
        fitting(campaign.and_then(|campaign| campaign.source.as_ref())),
        fitting(campaign.and_then(|campaign| campaign.medium.as_ref())),
        fitting(campaign.and_then(|campaign| campaign.content.as_ref())),
        fitting(journey.and_then(|journey| journey.landing_path.as_ref())),
        fitting(journey.and_then(|journey| journey.referrer_host.as_ref())),
        fitting(journey.and_then(|journey| journey.device.as_ref())),
        money.map(|money| money.currency.to_string()),
        money.map(|money| i64::from(money.exponent)),
        money.map(|money| money.gross),
        money.and_then(|money| money.tax),
        money.map(|money| money.net),
        record.occurred_at.as_microsecond(),
        fitting(campaign.and_then(|campaign| campaign.term.as_ref())),
        fitting(campaign.and_then(|campaign| campaign.lead_id.as_ref())),
        entry.derived.reason.map(Reason::as_str),
    ])
}

fn fitting(text: Option<&String>) -> Option<String> {
    text.map(|text| fit::column(text).into_owned())
}

/// Puts the statement of a search together. Values only travel as arguments.
fn search(find: &Find) -> (String, Vec<Arg>) {
    let mut args: Vec<Arg> = Vec::new();
    let mut bind = |arg: Arg| {
        args.push(arg);
        format!("${}", args.len())
    };
    let links: Vec<String> = find
        .links
        .iter()
        .map(|link| {
            let (kind, value) = (bind(link.kind().into()), bind(link.value().into()));
            format!("(kind = {kind} AND value = {value})")
        })
        .collect();
    let mut conditions: Vec<String> = Vec::new();
    if let Some(class) = find.class {
        conditions.push(format!("class = {}", bind((class as i64).into())));
    }
    if find.paid {
        conditions.push("paid = 1".to_owned());
    }
    for (position, comparison) in [(&find.after, ">"), (&find.before, "<")] {
        if let Some(position) = position {
            let (at, id) = (bind(micros(position).into()), bind((&position.id).into()));
            conditions.push(format!("(at_micros, id) {comparison} ({at}, {id})"));
        }
    }
    for (time, comparison) in [(find.since, ">="), (find.until, "<=")] {
        if let Some(time) = time {
            let at = bind(time.as_microsecond().into());
            conditions.push(format!("at_micros {comparison} {at}"));
        }
    }
    if find.steps != Steps::default() {
        let steps =
            [("visitor_step", &find.steps.visitor), ("campaign_step", &find.steps.campaign)];
        let ranges: Vec<String> = steps
            .into_iter()
            .filter_map(|(column, range)| Some((column, range.as_ref()?)))
            .map(|(column, range)| {
                let from = bind(u32::from(*range.start()).into());
                let to = bind(u32::from(*range.end()).into());
                format!("{column} BETWEEN {from} AND {to}")
            })
            .collect();
        conditions.push(format!("({})", ranges.join(" OR ")));
    }
    let order = if find.newest_first { "DESC" } else { "ASC" };
    let limit = find.limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
    let conditions = match conditions.is_empty() {
        true => String::new(),
        false => format!("WHERE {}", conditions.join(" AND ")),
    };
    // Materialised, or PostgreSQL may read all entries and look for the links of each.
    let text = format!(
        "WITH found AS MATERIALIZED (SELECT DISTINCT entry_id FROM dodo_link WHERE {})
         SELECT id, evidence, record, derived FROM found JOIN dodo_entry ON id = entry_id
         {conditions} ORDER BY at_micros {order}, id {order}{limit}",
        links.join(" OR ")
    );
    (text, args)
}
