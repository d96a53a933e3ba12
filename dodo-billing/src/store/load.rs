//! The facts of groups, and the owners of their objects in the tables of billing.

use std::collections::{BTreeMap, BTreeSet};

use dodo_ledger::{
    Error,
    attribution::{Fact, FactKind, Timeline},
    projection::ProjectionTx,
    store::{
        Tx,
        sql::{Row, Rows, Sql, args, sql},
    },
};

use crate::owner::{Known, OwnerId};

/// SQLite takes cross joins in the given order, so it looks the given rows up one by one.
const FACTS: Sql = sql!(
    "SELECT group_id, dodo_fact.id, occurred_at, format, body, person
     FROM " (rows 1: 1 wanted BIGINT) " CROSS JOIN dodo_fact
     WHERE dodo_fact.group_id = given.wanted ORDER BY group_id, occurred_at, dodo_fact.id"
);
const SESSIONS: Sql = sql!(
    "SELECT session_id, owner FROM " (rows 2: 2 wanted TEXT) " CROSS JOIN dodo_billing_checkout
     WHERE session_id = given.wanted AND live = $1"
);
const CUSTOMERS: Sql = sql!(
    "SELECT customer_id, owner FROM " (rows 2: 2 wanted TEXT) " CROSS JOIN dodo_billing_customer
     WHERE customer_id = given.wanted AND live = $1"
);

/// Reads rows, in a transaction of a booking or in one of its own.
pub(crate) trait Loaded {
    /// Runs a statement.
    fn rows(
        &mut self,
        sql: &Sql,
        args: Vec<dodo_ledger::store::sql::Arg>,
    ) -> impl Future<Output = Result<Vec<Row>, Error>> + Send;
}

impl Loaded for ProjectionTx<'_> {
    async fn rows(
        &mut self,
        sql: &Sql,
        args: Vec<dodo_ledger::store::sql::Arg>,
    ) -> Result<Vec<Row>, Error> {
        self.fetch(sql, args).await
    }
}

impl Loaded for Tx {
    async fn rows(
        &mut self,
        sql: &Sql,
        args: Vec<dodo_ledger::store::sql::Arg>,
    ) -> Result<Vec<Row>, Error> {
        self.fetch(sql, args).await
    }
}

/// The facts of these groups.
pub(crate) async fn load_groups(
    tx: &mut impl Loaded,
    ids: &BTreeSet<i64>,
) -> Result<BTreeMap<i64, Timeline>, Error> {
    let mut groups: BTreeMap<i64, Timeline> = BTreeMap::new();
    if ids.is_empty() {
        return Ok(groups);
    }
    let mut wanted = Rows::default();
    ids.iter().for_each(|id| wanted.push(args![*id]));
    for mut row in tx.rows(&FACTS, args![wanted]).await? {
        let (group, id, at) = (row.int(0)?, row.text(1)?, row.int(2)?);
        let (format, body, person) = (row.int(3)?, row.text(4)?, row.opt_text(5)?);
        let fact = Fact::from_row(id, at, format, &body, person.as_deref())?;
        groups.entry(group).or_default().push(fact);
    }
    Ok(groups)
}

/// The owners of the sessions and of the customers that these facts name.
pub(crate) async fn known(
    tx: &mut impl Loaded,
    timelines: impl Iterator<Item = &Timeline>,
    live: bool,
) -> Result<Known, Error> {
    let (mut sessions, mut customers) = (BTreeSet::new(), BTreeSet::new());
    for fact in timelines.flat_map(Timeline::facts) {
        match &fact.kind {
            FactKind::Charge(charge) => sessions.extend(charge.session_id.clone()),
            FactKind::FailedPayment(payment) => sessions.extend(payment.session_id.clone()),
            _ => {}
        }
        customers.extend(fact.person.as_ref().and_then(|person| person.customer_id.clone()));
    }
    Ok(Known {
        sessions: owners(tx, &SESSIONS, sessions, live).await?,
        customers: owners(tx, &CUSTOMERS, customers, live).await?,
    })
}

async fn owners(
    tx: &mut impl Loaded,
    sql: &Sql,
    wanted: BTreeSet<String>,
    live: bool,
) -> Result<BTreeMap<String, OwnerId>, Error> {
    let mut owners = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(owners);
    }
    for mut row in tx.rows(sql, args![live, Rows::texts(wanted)]).await? {
        let (object, owner) = (row.text(0)?, row.text(1)?);
        if let Ok(owner) = OwnerId::new(owner) {
            owners.insert(object, owner);
        }
    }
    Ok(owners)
}
