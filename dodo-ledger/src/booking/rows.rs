//! Reads and writes the facts, addresses and records of locked groups, many rows in each statement.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::placement::ids_of;
use crate::{
    attribution::{
        Channel, Dimension, FORMAT, Fact, Group, Identity, Record, hash, row, sanitize, subject,
        texts as dimension_texts,
    },
    error::{Error, ErrorKind},
    store::{
        Tx,
        sql::{Arg, Row, Rows, Sql, args, sql},
    },
    stored_record,
};

/// SQLite takes cross joins in the given order, so it looks the given rows up one by one.
const FACTS: Sql = sql!(
    "SELECT group_id, dodo_fact.id, occurred_at, format, body, person
     FROM " (rows 1: 1 wanted BIGINT) " CROSS JOIN dodo_fact
     WHERE dodo_fact.group_id = given.wanted ORDER BY group_id, occurred_at, dodo_fact.id"
);
const RECORDS: Sql = sql!(
    "SELECT " RECORD ", group_id FROM " (rows 1: 1 wanted BIGINT) " CROSS JOIN dodo_record
     WHERE dodo_record.group_id = given.wanted"
);
const ADDRESSES: Sql = sql!(
    "SELECT group_id, dodo_address.hash, identity
     FROM " (rows 1: 1 wanted BIGINT) " CROSS JOIN dodo_address_group CROSS JOIN dodo_address
     WHERE dodo_address_group.group_id = given.wanted
        AND dodo_address.hash = dodo_address_group.hash"
);
/// Locks the rows until the commit, so that `identify` cannot miss a group that links the address now.
const LOCK_ADDRESSES: Sql = sql!(
    "INSERT INTO dodo_address (hash) SELECT given.hash FROM " (rows 1: 1 hash TEXT) "
     WHERE true ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash
     RETURNING hash, identity"
);
const LINK_ADDRESSES: Sql = sql!(
    "INSERT INTO dodo_address_group (hash, group_id)
     SELECT hash, group_id FROM " (rows 1: 1 hash TEXT, 2 group_id BIGINT) "
     WHERE true ON CONFLICT DO NOTHING"
);
const ERASURES: Sql = sql!(
    "SELECT subject, erased_at FROM " (rows 1: 1 wanted TEXT) "
     CROSS JOIN dodo_erasure WHERE dodo_erasure.subject = given.wanted"
);
const ADD_FACTS: Sql = sql!(
    "INSERT INTO dodo_fact (group_id, id, occurred_at, kind, format, body, person)
     SELECT group_id, id, occurred_at, kind, format, body, person FROM " (rows 1:
        1 group_id BIGINT, 2 id TEXT, 3 occurred_at BIGINT, 4 kind TEXT, 5 format BIGINT,
        6 body TEXT, 7 person TEXT) "
     WHERE true ON CONFLICT DO NOTHING"
);
const REDACT_FACTS: Sql = sql!(
    "UPDATE dodo_fact SET person = NULL
     WHERE id IN (SELECT given.id FROM " (rows 1: 1 id TEXT) ")"
);
/// The columns are those of [`columns`].
const PUT_RECORDS: Sql = sql!(
    "INSERT INTO dodo_record (
        id, group_id, version, state, record, visit_context, excess, kind, live, business_id, payment_id,
        customer_id, checkout_session_id, product_id, visitor, link_id, campaign_id,
        source, medium, content, term, lead_id, channel, reason, landing_path, referrer_host, device,
        country, is_first, currency, exponent, gross, tax, net, is_charge, created_micros, occurred_micros
     ) SELECT id, group_id, 1, state, record, visit_context, excess, kind, live, business_id, payment_id,
        customer_id, checkout_session_id, product_id, visitor, link_id, campaign_id,
        source, medium, content, term, lead_id, channel, reason, landing_path, referrer_host, device,
        country, is_first, currency, exponent, gross, tax, net, is_charge, created_micros, occurred_micros
     FROM " (rows 1:
        1 id TEXT, 2 group_id BIGINT, 3 state BIGINT, 4 record TEXT, 5 visit_context TEXT,
        6 excess BIGINT, 7 kind TEXT, 8 live BIGINT, 9 business_id TEXT, 10 payment_id TEXT,
        11 customer_id TEXT, 12 checkout_session_id TEXT, 13 product_id TEXT,
        14 visitor TEXT, 15 link_id TEXT, 16 campaign_id TEXT, 17 source TEXT, 18 medium TEXT,
        19 content TEXT, 20 term TEXT, 21 lead_id TEXT, 22 channel TEXT, 23 reason TEXT,
        24 landing_path TEXT, 25 referrer_host TEXT, 26 device TEXT, 27 country TEXT,
        28 is_first BIGINT, 29 currency TEXT, 30 exponent BIGINT, 31 gross BIGINT, 32 tax BIGINT,
        33 net BIGINT, 34 is_charge BIGINT, 35 created_micros BIGINT, 36 occurred_micros BIGINT) "
     WHERE true ON CONFLICT (id) DO UPDATE SET
        version = dodo_record.version + 1, group_id = excluded.group_id, state = excluded.state,
        record = excluded.record, visit_context = excluded.visit_context, excess = excluded.excess,
        kind = excluded.kind, live = excluded.live, business_id = excluded.business_id,
        payment_id = excluded.payment_id, customer_id = excluded.customer_id,
        checkout_session_id = excluded.checkout_session_id, product_id = excluded.product_id,
        visitor = excluded.visitor, link_id = excluded.link_id, campaign_id = excluded.campaign_id,
        source = excluded.source, medium = excluded.medium, content = excluded.content,
        term = excluded.term, lead_id = excluded.lead_id, channel = excluded.channel,
        reason = excluded.reason, landing_path = excluded.landing_path, referrer_host = excluded.referrer_host,
        device = excluded.device, country = excluded.country, is_first = excluded.is_first,
        currency = excluded.currency, exponent = excluded.exponent,
        gross = excluded.gross, tax = excluded.tax, net = excluded.net,
        is_charge = excluded.is_charge, created_micros = excluded.created_micros,
        occurred_micros = excluded.occurred_micros
     RETURNING id, no, version"
);
const BOOKED: Sql = sql!(
    "UPDATE dodo_group SET version = given.version, facts = given.facts, rules_hash = given.rules,
        unpaid_since = given.unpaid
     FROM " (rows 1:
        1 id BIGINT, 2 facts BIGINT, 3 rules BIGINT, 4 unpaid BIGINT, 5 version BIGINT) "
     WHERE dodo_group.id = given.id"
);
/// Addresses without a group and without an identity.
pub(super) const DROP_ADDRESSES: Sql = sql!(
    "DELETE FROM dodo_address
     WHERE hash IN (SELECT given.hash FROM " (rows 1: 1 hash TEXT) ") AND identity IS NULL
        AND NOT EXISTS (
            SELECT 1 FROM dodo_address_group WHERE dodo_address_group.hash = dodo_address.hash)"
);

/// Loads the facts, the identities and the records of locked groups. For the groups in `known` it loads
/// the identities alone, because `identify` changes these without a booking.
pub(super) async fn load(
    tx: &mut Tx,
    ids: &BTreeSet<i64>,
    known: BTreeMap<i64, Group>,
) -> Result<BTreeMap<i64, Group>, Error> {
    let unknown: Vec<i64> = ids.iter().copied().filter(|id| !known.contains_key(id)).collect();
    let mut groups = known;
    groups.retain(|id, _| ids.contains(id));
    groups.values_mut().for_each(|group| group.timeline.identities.clear());
    groups.extend(unknown.iter().map(|id| (*id, Group::default())));
    if !unknown.is_empty() {
        load_facts(tx, &unknown, &mut groups).await?;
    }
    if !ids.is_empty() {
        let given = args![ids_of(ids.iter().copied())];
        for mut row in tx.fetch(&ADDRESSES, given).await? {
            let group = groups.entry(row.int(0)?).or_default();
            let (hash, identity) = read_address(&mut row, 1)?;
            group.timeline.identities.insert(hash, identity);
        }
    }
    Ok(groups)
}

async fn load_facts(
    tx: &mut Tx,
    ids: &[i64],
    groups: &mut BTreeMap<i64, Group>,
) -> Result<(), Error> {
    let given = || args![ids_of(ids.iter().copied())];
    let mut facts: BTreeMap<i64, Vec<Fact>> = BTreeMap::new();
    tx.fetch_each(&FACTS, given(), |mut row| {
        let (group, id, at) = (row.int(0)?, row.text(1)?, row.int(2)?);
        let (format, body, person) = (row.int(3)?, row.text(4)?, row.opt_text(5)?);
        let fact = Fact::from_row(id, at, format, &body, person.as_deref())?;
        facts.entry(group).or_default().push(fact);
        Ok(())
    })
    .await?;
    for (id, facts) in facts {
        groups.entry(id).or_default().timeline.load(facts);
    }
    tx.fetch_each(&RECORDS, given(), |mut row| {
        let group = row.int(stored_record::WIDTH)?;
        match stored_record::read(&mut row) {
            Ok(record) => {
                let records = &mut groups.entry(group).or_default().records;
                records.insert(record.id().to_owned(), record);
            }
            // The facts are the source. If the stored record is missing, the booking writes it as a
            // new record.
            Err(error) => tracing::error!(
                target: "dodo::ledger", group, %error, cause = error.cause(),
                "stored record unreadable; the next booking of its group computes it again from the facts"
            ),
        }
        Ok(())
    })
    .await
}

/// Links groups to the new addresses of their facts, and loads the identities of these.
pub(super) async fn link_addresses(
    tx: &mut Tx,
    groups: &mut BTreeMap<i64, Group>,
) -> Result<(), Error> {
    let mut new: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for (id, group) in groups.iter() {
        for address in group.timeline.unknown_addresses() {
            new.entry(hash::to_hex(&address)).or_default().insert(*id);
        }
    }
    if new.is_empty() {
        return Ok(());
    }
    // The map is sorted: two transactions lock the rows in one order.
    for mut row in lock_addresses(tx, Rows::texts(new.keys())).await? {
        let (hash, identity) = read_address(&mut row, 0)?;
        for id in new.get(&hash::to_hex(&hash)).into_iter().flatten() {
            if let Some(group) = groups.get_mut(id) {
                group.timeline.identities.insert(hash, identity.clone());
            }
        }
    }
    // After the locks: an erasure of one of these addresses is complete, or waits.
    let erasures = Erasures::read(tx, new.keys().map(|hash| subject(hash)).collect()).await?;
    let facts = groups.values().flat_map(|group| group.timeline.facts());
    let mut named = facts.filter(|fact| fact.person.is_some());
    if named.any(|fact| erasures.cover(fact.subjects(), fact.received_at)) {
        return Err(Error::new(
            ErrorKind::Unavailable,
            "an address was erased during the booking: repeat the batch",
        ));
    }
    let mut links = Rows::default();
    for (hash, ids) in &new {
        ids.iter().for_each(|id| links.push(args![hash, *id]));
    }
    tx.write(&LINK_ADDRESSES, links).await
}

/// Locks the rows of addresses in the given order. A new address gets a row.
pub(super) async fn lock_addresses(tx: &mut Tx, sorted: Rows) -> Result<Vec<Row>, Error> {
    if sorted.is_empty() {
        return Ok(Vec::new());
    }
    tx.fetch(&LOCK_ADDRESSES, args![sorted]).await
}

/// The times of erasures, by customer and by address. The mode is not part of an erasure.
#[derive(Debug, Default)]
pub(crate) struct Erasures(HashMap<String, Timestamp>);

impl Erasures {
    /// Reads the erasures of these [subjects](subject).
    pub(crate) async fn read(tx: &mut Tx, subjects: BTreeSet<String>) -> Result<Self, Error> {
        if subjects.is_empty() {
            return Ok(Self::default());
        }
        let read = |mut row: Row| {
            let at = Timestamp::from_microsecond(row.int(1)?);
            Ok((row.text(0)?, at.map_err(|_| Error::corrupt("an erasure has an invalid time"))?))
        };
        let rows = tx.fetch(&ERASURES, args![Rows::texts(subjects)]).await?;
        rows.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether one of the subjects was erased after the ledger received their data.
    pub(crate) fn cover(
        &self,
        mut subjects: impl Iterator<Item = String>,
        received_at: Timestamp,
    ) -> bool {
        !self.0.is_empty()
            && subjects.any(|subject| self.0.get(&subject).is_some_and(|at| received_at <= *at))
    }
}

/// The result of [`Writes::write`].
pub(super) struct Written {
    /// The changed groups, each with those that were merged into it.
    pub(super) changed: BTreeMap<i64, Vec<i64>>,
    /// The number of projections that the database knows.
    pub(super) projections: i64,
    /// The written records by id.
    pub(super) records: HashMap<String, WrittenRecord>,
}

/// A written record.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrittenRecord {
    /// Its number.
    pub(super) no: i64,
    /// 1: it is new.
    pub(super) version: i64,
}

/// Everything that one transaction writes for its groups.
#[derive(Default)]
pub(super) struct Writes {
    facts: Rows,
    redacted: Rows,
    records: Rows,
    groups: Rows,
    /// The changed groups, each with those that were merged into it.
    changed: BTreeMap<i64, Vec<i64>>,
    /// The number of projections that the database knows.
    projections: i64,
}

impl Writes {
    /// `changed`: groups that change in any case, each with those that were merged into it.
    pub(super) fn from_changed(changed: BTreeMap<i64, Vec<i64>>, projections: i64) -> Self {
        Self { changed, projections, ..Self::default() }
    }

    pub(super) fn fact(&mut self, group: i64, fact: &Fact) -> Result<(), Error> {
        let row = fact.to_row()?;
        self.changed.entry(group).or_default();
        self.facts.push(args![
            group,
            row.id,
            row.occurred_at,
            row.kind,
            i64::from(FORMAT),
            row.body,
            row.person
        ]);
        Ok(())
    }

    pub(super) fn redact(&mut self, group: i64, fact_id: &str) {
        self.changed.entry(group).or_default();
        self.redacted.push(args![fact_id]);
    }

    pub(super) fn record(&mut self, group: i64, record: &Record) -> Result<(), Error> {
        self.changed.entry(group).or_default();
        self.records.push(columns(group, record)?);
        Ok(())
    }

    pub(super) fn booked(&mut self, id: i64, group: &Group, rules_hash: i64, version: i64) {
        let facts = i64::try_from(group.timeline.facts().len()).unwrap_or(i64::MAX);
        let unpaid = group.timeline.unpaid_since().map(Timestamp::as_microsecond);
        self.groups.push(args![id, facts, rules_hash, unpaid, version]);
    }

    /// Writes it. Returns the changed groups, the number of projections, and the written records.
    pub(super) async fn write(self, tx: &mut Tx) -> Result<Written, Error> {
        tx.write(&ADD_FACTS, self.facts).await?;
        tx.write(&REDACT_FACTS, self.redacted).await?;
        let records = match self.records.is_empty() {
            true => Vec::new(),
            false => tx.fetch(&PUT_RECORDS, args![self.records]).await?,
        };
        tx.write(&BOOKED, self.groups).await?;
        let read = |mut row: Row| {
            Ok((row.text(0)?, WrittenRecord { no: row.int(1)?, version: row.int(2)? }))
        };
        let records = records.into_iter().map(read).collect::<Result<_, Error>>()?;
        Ok(Written { changed: self.changed, projections: self.projections, records })
    }
}

fn columns(group: i64, stored: &Record) -> Result<Vec<Arg>, Error> {
    let record = &stored.record;
    let visit_context = stored.visit_context.as_ref();
    let money = record.money.as_ref();
    let texts = dimension_texts(stored);
    let of = |dimension: Dimension| {
        let text = Dimension::TEXTS.iter().zip(&texts).find(|(known, _)| **known == dimension);
        text.and_then(|(_, text)| text.as_deref())
    };
    Ok(args![
        &record.id,
        group,
        stored.state as i64,
        stored_record::to_json(record)?,
        visit_context.map(row::without_nulls).transpose()?,
        stored.excess,
        record.kind.as_str(),
        record.live,
        &*sanitize::column(&record.business_id),
        Some(record.payment_id.as_str()).filter(|id| !id.is_empty()),
        record.customer_id.as_deref(),
        record.checkout_session_id.as_deref(),
        of(Dimension::Product),
        of(Dimension::Visitor),
        of(Dimension::Link),
        of(Dimension::Campaign),
        of(Dimension::Source),
        of(Dimension::Medium),
        of(Dimension::Content),
        of(Dimension::Term),
        of(Dimension::Lead),
        Channel::from_record(stored).as_str(),
        of(Dimension::Reason),
        of(Dimension::LandingPath),
        of(Dimension::Referrer),
        of(Dimension::Device),
        of(Dimension::Country),
        stored.is_first,
        money.map(|money| money.currency.to_string()),
        money.map(|money| i64::from(money.exponent)),
        money.map(|money| money.gross),
        money.and_then(|money| money.tax),
        money.map(|money| money.net),
        record.kind.is_charge(),
        record.created_at.map(Timestamp::as_microsecond),
        record.occurred_at.as_microsecond(),
    ])
}

fn read_address(row: &mut Row, at: usize) -> Result<([u8; 32], Identity), Error> {
    let hash = hash::from_hex(&row.text(at)?);
    let hash = hash.ok_or_else(|| Error::corrupt("a stored address is not a hash"))?;
    let identity = row.opt_text(at + 1)?.map(|json| row::from_json(&json)).transpose()?;
    Ok((hash, identity.unwrap_or_default()))
}
