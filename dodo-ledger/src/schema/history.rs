//! The ledger's past in the tables: what the attribution reads and writes while it books.

use std::collections::HashMap;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    attribution::{Entry, Find, History, Position, Steps},
    error::Error,
    store::{
        Tx,
        sql::{Arg, Row, Sql, args, sql},
    },
};

const ENTRY: Sql = sql!("SELECT id, evidence, record, derived FROM dodo_entry WHERE id = $1");
const PUT: Sql = sql!(
    "INSERT INTO dodo_entry (
        id, evidence, record, derived, class, at_micros, paid, visitor_step, campaign_step,
        kind, live, payment_id, customer_id, email_sha256, checkout_session_id, product_id,
        visitor, link_id, campaign_id, source, medium, content,
        landing_path, referrer_host, device, currency, exponent, gross, tax, net
    ) VALUES (
        $1, $2, $3, $4, $5, $6, $7, $8, $9,
        $10, $11, $12, $13, $14, $15, $16,
        $17, $18, $19, $20, $21, $22,
        $23, $24, $25, $26, $27, $28, $29, $30
    ) ON CONFLICT (id) DO UPDATE SET
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
        gross = excluded.gross, tax = excluded.tax, net = excluded.net"
);
const UNLINK: Sql = sql!("DELETE FROM dodo_link WHERE entry_id = $1");
const PUT_FACT: Sql = sql!(
    "INSERT INTO dodo_fact (id, body, changed_at) VALUES ($1, $2, " NOW ")
     ON CONFLICT (id) DO UPDATE SET body = excluded.body, changed_at = excluded.changed_at"
);
const REMOVE_FACT: Sql = sql!("DELETE FROM dodo_fact WHERE id = $1");

impl History for Tx {
    async fn entry(&mut self, id: &str) -> Result<Option<Entry>, Error> {
        self.fetch_one(&ENTRY, args![id]).await?.map(read_entry).transpose()
    }

    async fn find(&mut self, find: &Find) -> Result<Vec<Entry>, Error> {
        if find.links.is_empty() {
            return Ok(Vec::new());
        }
        let (text, args) = statement(find);
        self.fetch_built(text, args).await?.into_iter().map(read_entry).collect()
    }

    async fn put(&mut self, entry: &Entry) -> Result<(), Error> {
        self.execute(&PUT, columns(entry)?).await?;
        self.execute(&UNLINK, args![&entry.id]).await?;
        if !entry.links().is_empty() {
            let (text, args) = link_statement(entry);
            self.fetch_built(text, args).await?;
        }
        Ok(())
    }

    async fn facts(&mut self, keys: &[String]) -> Result<Vec<Option<String>>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let places: Vec<String> = (1..=keys.len()).map(|n| format!("${n}")).collect();
        let text = format!("SELECT id, body FROM dodo_fact WHERE id IN ({})", places.join(", "));
        let args = keys.iter().map(Arg::from).collect();
        let mut known = HashMap::new();
        for mut row in self.fetch_built(text, args).await? {
            known.insert(row.text(0)?, row.text(1)?);
        }
        Ok(keys.iter().map(|key| known.get(key).cloned()).collect())
    }

    async fn put_fact(&mut self, key: &str, json: &str) -> Result<(), Error> {
        self.execute(&PUT_FACT, args![key, json]).await.map(drop)
    }

    async fn remove_fact(&mut self, key: &str) -> Result<(), Error> {
        self.execute(&REMOVE_FACT, args![key]).await.map(drop)
    }
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
        record.visitor.as_ref().map(|found| found.value.as_str()),
        campaign.and_then(|campaign| campaign.link_id.as_deref()),
        campaign.and_then(|campaign| campaign.campaign_id.as_deref()),
        campaign.and_then(|campaign| campaign.source.as_deref()),
        campaign.and_then(|campaign| campaign.medium.as_deref()),
        campaign.and_then(|campaign| campaign.content.as_deref()),
        journey.and_then(|journey| journey.landing_path.as_deref()),
        journey.and_then(|journey| journey.referrer_host.as_deref()),
        journey.and_then(|journey| journey.device.as_deref()),
        money.map(|money| money.currency.to_string()),
        money.map(|money| i64::from(money.exponent)),
        money.map(|money| money.gross),
        money.and_then(|money| money.tax),
        money.map(|money| money.net),
    ])
}

/// Puts the statement that links an entry together: one statement, however many links.
fn link_statement(entry: &Entry) -> (String, Vec<Arg>) {
    let mut args = args![entry.class() as i64, micros(&entry.position()), &entry.id];
    let mut rows = Vec::new();
    for link in entry.links() {
        args.extend(args![link.kind(), link.value()]);
        let last = args.len();
        rows.push(format!("(${}, ${last}, $1, $2, $3)", last - 1));
    }
    let text = format!(
        "INSERT INTO dodo_link (kind, value, class, at_micros, entry_id) VALUES {}
         ON CONFLICT DO NOTHING",
        rows.join(", ")
    );
    (text, args)
}

/// Puts the statement of a search together. Values only travel as arguments.
fn statement(find: &Find) -> (String, Vec<Arg>) {
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
