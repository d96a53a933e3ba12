//! The statements of billing.

use std::collections::{BTreeMap, BTreeSet};

use dodo_ledger::{
    Error, Store,
    projection::ProjectionTx,
    sqlx,
    store::{
        Tx,
        sql::{Rows, Sql, args, sql},
    },
};
use jiff::Timestamp;

use super::Loaded;
use crate::{
    fact::{AppDecision, BillingFact, BillingFactKind},
    owner::OwnerId,
};

const READ: Sql =
    sql!("SELECT plans, answer FROM dodo_billing_owner WHERE owner = $1 AND live = $2");
/// Locks the rows until the commit, in the given order. A new owner gets a row.
const LOCK: Sql = sql!(
    "INSERT INTO dodo_billing_owner (owner, live, no, version, plans, answer)
     SELECT given.owner, $1, given.no, 0, '', '' FROM " (rows 2: 2 owner TEXT, 3 no BIGINT) "
     WHERE true ON CONFLICT (owner, live) DO UPDATE SET version = dodo_billing_owner.version
     RETURNING dodo_billing_owner.no, owner, version, answer"
);
const WRITE: Sql = sql!(
    "UPDATE dodo_billing_owner
     SET version = given.new_version, plans = given.new_plans, answer = given.new_answer
     FROM " (rows 1: 1 wanted BIGINT, 2 new_version BIGINT, 3 new_plans TEXT, 4 new_answer TEXT) "
     WHERE no = given.wanted"
);
const OWNER_OF_NO: Sql = sql!("SELECT owner FROM dodo_billing_owner WHERE no = $1 AND live = $2");
const GROUPS_OF: Sql = sql!(
    "SELECT dodo_billing_group.group_id
     FROM " (rows 2: 2 wanted TEXT) " CROSS JOIN dodo_billing_group
     WHERE owner = given.wanted AND live = $1"
);
const OWNERS_OF_GROUPS: Sql = sql!(
    "SELECT owner FROM " (rows 2: 2 wanted BIGINT) " CROSS JOIN dodo_billing_group
     WHERE dodo_billing_group.group_id = given.wanted AND live = $1"
);
const LINK: Sql = sql!(
    "INSERT INTO dodo_billing_group (owner, live, group_id)
     SELECT given.owner, given.live, given.group_id
     FROM " (rows 1: 1 owner TEXT, 2 live BIGINT, 3 group_id BIGINT) "
     WHERE true ON CONFLICT DO NOTHING"
);
const UNLINK: Sql = sql!(
    "DELETE FROM dodo_billing_group
     WHERE group_id IN (SELECT given.wanted FROM " (rows 1: 1 wanted BIGINT) ")"
);
const BIND: Sql = sql!(
    "INSERT INTO dodo_billing_customer (customer_id, live, owner, bound_at)
     SELECT given.customer_id, given.live, given.owner, given.bound_at
     FROM " (rows 1: 1 customer_id TEXT, 2 live BIGINT, 3 owner TEXT, 4 bound_at BIGINT) "
     WHERE true ON CONFLICT DO NOTHING"
);
const CUSTOMERS_OF: Sql = sql!(
    "SELECT customer_id FROM dodo_billing_customer WHERE owner = $1 AND live = $2
     ORDER BY bound_at DESC, customer_id"
);
const DECIDE: Sql = sql!(
    "INSERT INTO dodo_billing_grant (owner, live, decided_at, decision) VALUES ($1, $2, $3, $4)"
);
const DECISIONS: Sql = sql!(
    "SELECT owner, no, decided_at, decision
     FROM " (rows 2: 2 wanted TEXT) " CROSS JOIN dodo_billing_grant
     WHERE owner = given.wanted AND live = $1"
);
const PUT_CHANGE: Sql = sql!(
    "INSERT INTO dodo_billing_change (owner_no, version, changed_at, before, after)
     SELECT owner_no, version, changed_at, before, after FROM " (rows 1: 1 owner_no BIGINT,
        2 version BIGINT, 3 changed_at BIGINT, 4 before TEXT, 5 after TEXT) "
     WHERE true ON CONFLICT DO NOTHING"
);
const CHANGE: Sql = sql!(
    "SELECT owner, changed_at, before, after
     FROM dodo_billing_change JOIN dodo_billing_owner ON no = owner_no
     WHERE owner_no = $1 AND dodo_billing_change.version = $2"
);
const PUT_CHECKOUT: Sql = sql!(
    "INSERT INTO dodo_billing_checkout
        (return_key, session_id, live, owner, cart, checkout_url, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)"
);
const CHECKOUT: Sql = sql!(
    "SELECT session_id, cart, checkout_url FROM dodo_billing_checkout
     WHERE return_key = $1 AND live = $2 AND owner = $3"
);
const OPEN_CHECKOUT: Sql = sql!(
    "SELECT session_id, cart, checkout_url FROM dodo_billing_checkout
     WHERE owner = $1 AND live = $2 AND cart = $3 AND created_at > $4 AND checkout_url IS NOT NULL
     ORDER BY created_at DESC LIMIT 1"
);

const OWNER_OF_CUSTOMER: Sql =
    sql!("SELECT owner FROM dodo_billing_customer WHERE customer_id = $1 AND live = $2");
const UNBIND: Sql = sql!("DELETE FROM dodo_billing_customer WHERE customer_id = $1 AND live = $2");
const HAS_CUSTOMER: Sql =
    sql!("SELECT bound_at FROM dodo_billing_customer WHERE owner = $1 AND live = $2 LIMIT 1");
const DELETE_CHECKOUTS: Sql = sql!(
    "DELETE FROM dodo_billing_checkout WHERE live = $1
     AND session_id IN (SELECT given.wanted FROM " (rows 2: 2 wanted TEXT) ")"
);
const DELETE_CHANGE: Sql =
    sql!("DELETE FROM dodo_billing_change WHERE owner_no = $1 AND version = $2");
const PAGE: Sql = sql!(
    "SELECT owner, plans, answer FROM dodo_billing_owner WHERE live = $1 AND owner > $2
     ORDER BY owner LIMIT 500"
);

const ERASE: &[Sql] = &[
    sql!("DELETE FROM dodo_billing_group WHERE owner = $1 AND live = $2"),
    sql!("DELETE FROM dodo_billing_customer WHERE owner = $1 AND live = $2"),
    sql!("DELETE FROM dodo_billing_checkout WHERE owner = $1 AND live = $2"),
    sql!("DELETE FROM dodo_billing_grant WHERE owner = $1 AND live = $2"),
];
const ERASE_CHANGES: Sql = sql!("DELETE FROM dodo_billing_change WHERE owner_no = $1");
const ERASE_OWNER: Sql = sql!("DELETE FROM dodo_billing_owner WHERE no = $1");

/// The plans hash and the answer of an owner. `None`: nothing is stored.
pub(crate) async fn read_answer(
    store: &Store,
    owner: &OwnerId,
    live: bool,
) -> Result<Option<(String, String)>, Error> {
    let rows = store.fetch(&READ, args![owner.as_str(), live]).await?;
    let row = rows.into_iter().next();
    row.map(|mut row| Ok((row.text(0)?, row.text(1)?))).transpose()
}

/// An owner whose row is locked.
pub(crate) struct LockedOwner {
    pub(crate) no: i64,
    pub(crate) version: i64,
    /// The stored answer. Empty: the owner is new.
    pub(crate) answer: String,
}

/// Locks owners, sorted, so that two transactions cannot block each other.
pub(crate) async fn lock_owners(
    tx: &mut ProjectionTx<'_>,
    owners: &BTreeSet<OwnerId>,
    live: bool,
) -> Result<BTreeMap<OwnerId, LockedOwner>, Error> {
    let mut locked = BTreeMap::new();
    let mut wanted = Rows::default();
    for owner in owners {
        wanted.push(args![owner.as_str(), random_number()?]);
    }
    for mut row in tx.fetch(&LOCK, args![live, wanted]).await? {
        let (no, owner) = (row.int(0)?, row.text(1)?);
        let (version, answer) = (row.int(2)?, row.text(3)?);
        if let Ok(owner) = OwnerId::new(owner) {
            locked.insert(owner, LockedOwner { no, version, answer });
        }
    }
    Ok(locked)
}

/// The number of a new owner. An owner that returns after an erasure gets a new number, so older
/// queued events do not match it.
pub(super) fn random_number() -> Result<i64, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| sqlx::Error::Io(std::io::Error::other(e)))?;
    Ok(i64::from_le_bytes(bytes) & i64::MAX)
}

fn texts(owners: &BTreeSet<OwnerId>) -> Rows {
    Rows::texts(owners.iter().map(OwnerId::as_str))
}

/// A change of an answer, in the form of its row.
pub(crate) struct Change {
    pub(crate) no: i64,
    pub(crate) version: i64,
    pub(crate) at: Timestamp,
    pub(crate) before: String,
    pub(crate) after: String,
}

/// Writes the answers of locked owners, and their changes.
pub(crate) async fn write_owners(
    tx: &mut ProjectionTx<'_>,
    answers: Rows,
    changes: &[Change],
) -> Result<(), Error> {
    tx.write(&WRITE, answers).await?;
    let mut rows = Rows::default();
    for change in changes {
        let at = change.at.as_microsecond();
        rows.push(args![change.no, change.version, at, &change.before, &change.after]);
    }
    tx.write(&PUT_CHANGE, rows).await
}

/// The owner with this number.
pub(crate) async fn owner_of_number(
    tx: &mut ProjectionTx<'_>,
    no: i64,
    live: bool,
) -> Result<Option<OwnerId>, Error> {
    let row = tx.fetch_one(&OWNER_OF_NO, args![no, live]).await?;
    let owner = row.map(|mut row| row.text(0)).transpose()?;
    Ok(owner.and_then(|owner| OwnerId::new(owner).ok()))
}

/// The same, outside of a transaction.
pub(crate) async fn owner_of_row(
    store: &Store,
    no: i64,
    live: bool,
) -> Result<Option<OwnerId>, Error> {
    let row = store.fetch(&OWNER_OF_NO, args![no, live]).await?.into_iter().next();
    let owner = row.map(|mut row| row.text(0)).transpose()?;
    Ok(owner.and_then(|owner| OwnerId::new(owner).ok()))
}

/// The groups that hold facts of these owners.
pub(crate) async fn groups_of(
    tx: &mut impl Loaded,
    owners: &BTreeSet<OwnerId>,
    live: bool,
) -> Result<BTreeSet<i64>, Error> {
    let rows = tx.rows(&GROUPS_OF, args![live, texts(owners)]).await?;
    rows.into_iter().map(|mut row| row.int(0)).collect()
}

/// The owners that these groups were linked to.
pub(crate) async fn owners_of_groups(
    tx: &mut ProjectionTx<'_>,
    groups: &BTreeSet<i64>,
    live: bool,
) -> Result<BTreeSet<OwnerId>, Error> {
    let rows = tx.fetch(&OWNERS_OF_GROUPS, args![live, numbers(groups)]).await?;
    let owners = rows.into_iter().map(|mut row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
    Ok(owners.into_iter().filter_map(|owner| OwnerId::new(owner).ok()).collect())
}

fn numbers(numbers: &BTreeSet<i64>) -> Rows {
    let mut rows = Rows::default();
    numbers.iter().for_each(|number| rows.push(args![*number]));
    rows
}

/// Links owners to the groups that hold their facts.
pub(crate) async fn link_groups(
    tx: &mut ProjectionTx<'_>,
    links: &BTreeSet<(OwnerId, i64)>,
    live: bool,
) -> Result<(), Error> {
    let mut rows = Rows::default();
    links.iter().for_each(|(owner, group)| rows.push(args![owner.as_str(), live, *group]));
    tx.write(&LINK, rows).await
}

/// Removes all links to these groups.
pub(crate) async fn unlink_groups(
    tx: &mut ProjectionTx<'_>,
    groups: &BTreeSet<i64>,
) -> Result<(), Error> {
    tx.write(&UNLINK, numbers(groups)).await
}

/// Binds customers to owners. A bound customer keeps its owner.
pub(crate) async fn bind_customers(
    tx: &mut ProjectionTx<'_>,
    customers: &BTreeMap<String, OwnerId>,
    live: bool,
    at: Timestamp,
) -> Result<(), Error> {
    let mut rows = Rows::default();
    for (customer, owner) in customers {
        rows.push(args![customer, live, owner.as_str(), at.as_microsecond()]);
    }
    tx.write(&BIND, rows).await
}

/// The customers of an owner, the newest first.
pub(crate) async fn customers_of(
    store: &Store,
    owner: &OwnerId,
    live: bool,
) -> Result<Vec<String>, Error> {
    let rows = store.fetch(&CUSTOMERS_OF, args![owner.as_str(), live]).await?;
    rows.into_iter().map(|mut row| row.text(0)).collect()
}

/// A decision of the app, for the table.
pub(crate) struct DecisionRow<'a> {
    pub(crate) owner: &'a OwnerId,
    pub(crate) live: bool,
    pub(crate) at: Timestamp,
    pub(crate) decision: &'a AppDecision,
}

/// Stores a decision of the app.
pub(crate) async fn decide(tx: &mut ProjectionTx<'_>, row: &DecisionRow<'_>) -> Result<(), Error> {
    let decision = serde_json::to_string(row.decision).unwrap_or_default();
    let args = args![row.owner.as_str(), row.live, row.at.as_microsecond(), decision];
    tx.execute(&DECIDE, args).await.map(drop)
}

/// The decisions about these owners, as facts.
pub(crate) async fn decisions_of(
    tx: &mut impl Loaded,
    owners: &BTreeSet<OwnerId>,
    live: bool,
) -> Result<BTreeMap<OwnerId, Vec<BillingFact>>, Error> {
    let mut decisions: BTreeMap<OwnerId, Vec<BillingFact>> = BTreeMap::new();
    for mut row in tx.rows(&DECISIONS, args![live, texts(owners)]).await? {
        let (owner, no, at) = (row.text(0)?, row.int(1)?, row.int(2)?);
        let decision: Option<AppDecision> = serde_json::from_str(&row.text(3)?).ok();
        let at = Timestamp::from_microsecond(at).ok();
        let (Ok(owner), Some(decision), Some(at)) = (OwnerId::new(owner), decision, at) else {
            tracing::error!(target: "dodo::billing", no, "stored decision ignored: unreadable");
            continue;
        };
        // Two decisions of one time count in the order of their numbers.
        let id = format!("app_{no:020}");
        let kind = BillingFactKind::Decision(decision);
        decisions.entry(owner).or_default().push(BillingFact { id, at, kind });
    }
    Ok(decisions)
}

/// The owner of a customer.
pub(crate) async fn owner_of_customer(
    tx: &mut ProjectionTx<'_>,
    customer_id: &str,
    live: bool,
) -> Result<Option<OwnerId>, Error> {
    let row = tx.fetch_one(&OWNER_OF_CUSTOMER, args![customer_id, live]).await?;
    let owner = row.map(|mut row| row.text(0)).transpose()?;
    Ok(owner.and_then(|owner| OwnerId::new(owner).ok()))
}

/// Removes the owner of a customer.
pub(crate) async fn unbind_customer(
    tx: &mut ProjectionTx<'_>,
    customer_id: &str,
    live: bool,
) -> Result<(), Error> {
    tx.execute(&UNBIND, args![customer_id, live]).await.map(drop)
}

/// Whether an owner has a customer.
pub(crate) async fn has_customer(
    tx: &mut ProjectionTx<'_>,
    owner: &OwnerId,
    live: bool,
) -> Result<bool, Error> {
    Ok(tx.fetch_one(&HAS_CUSTOMER, args![owner.as_str(), live]).await?.is_some())
}

/// Deletes checkout sessions.
pub(crate) async fn delete_checkouts(
    tx: &mut ProjectionTx<'_>,
    sessions: &BTreeSet<String>,
    live: bool,
) -> Result<(), Error> {
    if sessions.is_empty() {
        return Ok(());
    }
    let sessions = Rows::texts(sessions.iter());
    tx.execute(&DELETE_CHECKOUTS, args![live, sessions]).await.map(drop)
}

/// Deletes a change that the listener has seen.
pub(crate) async fn delete_change(
    tx: &mut ProjectionTx<'_>,
    no: i64,
    version: i64,
) -> Result<(), Error> {
    tx.execute(&DELETE_CHANGE, args![no, version]).await.map(drop)
}

/// A stored answer, for a reader of all owners.
pub(crate) struct StoredAnswer {
    pub(crate) owner: OwnerId,
    pub(crate) plans: String,
    pub(crate) answer: String,
}

/// The next page of owners after this one, in the order of their ids.
pub(crate) async fn owners_after(
    store: &Store,
    last: &str,
    live: bool,
) -> Result<Vec<StoredAnswer>, Error> {
    let mut page = Vec::new();
    for mut row in store.fetch(&PAGE, args![live, last]).await? {
        let (owner, plans, answer) = (row.text(0)?, row.text(1)?, row.text(2)?);
        if let Ok(owner) = OwnerId::new(owner) {
            page.push(StoredAnswer { owner, plans, answer });
        }
    }
    Ok(page)
}

/// Deletes everything about a locked owner.
pub(crate) async fn erase_owner(
    tx: &mut ProjectionTx<'_>,
    owner: &OwnerId,
    no: i64,
    live: bool,
) -> Result<(), Error> {
    for sql in ERASE {
        tx.execute(sql, args![owner.as_str(), live]).await?;
    }
    tx.execute(&ERASE_CHANGES, args![no]).await?;
    tx.execute(&ERASE_OWNER, args![no]).await.map(drop)
}

/// Owner, time, and the answers before and after a change. `None`: it is gone.
pub(crate) async fn change_of(
    tx: &mut ProjectionTx<'_>,
    no: i64,
    version: i64,
) -> Result<Option<(OwnerId, i64, String, String)>, Error> {
    let Some(mut row) = tx.fetch_one(&CHANGE, args![no, version]).await? else { return Ok(None) };
    let (owner, at, before, after) = (row.text(0)?, row.int(1)?, row.text(2)?, row.text(3)?);
    Ok(OwnerId::new(owner).ok().map(|owner| (owner, at, before, after)))
}

/// A checkout session that the app opened for an owner.
pub(crate) struct Checkout {
    pub(crate) session_id: String,
    pub(crate) cart: String,
    pub(crate) checkout_url: Option<String>,
}

/// Stores a checkout session, before its link leaves the server.
pub(crate) async fn put_checkout(
    tx: &mut Tx,
    return_key: &str,
    owner: &OwnerId,
    live: bool,
    checkout: &Checkout,
    at: Timestamp,
) -> Result<(), Error> {
    let args = args![
        return_key,
        &checkout.session_id,
        live,
        owner.as_str(),
        &checkout.cart,
        checkout.checkout_url.as_deref(),
        at.as_microsecond()
    ];
    tx.execute(&PUT_CHECKOUT, args).await.map(drop)
}

/// The checkout session with this return key, if it is of this owner.
pub(crate) async fn checkout_of(
    store: &Store,
    return_key: &str,
    owner: &OwnerId,
    live: bool,
) -> Result<Option<Checkout>, Error> {
    one_checkout(store, &CHECKOUT, args![return_key, live, owner.as_str()]).await
}

/// The newest session of an owner with this cart, opened after a time.
pub(crate) async fn open_checkout(
    store: &Store,
    owner: &OwnerId,
    live: bool,
    cart: &str,
    after: Timestamp,
) -> Result<Option<Checkout>, Error> {
    let args = args![owner.as_str(), live, cart, after.as_microsecond()];
    one_checkout(store, &OPEN_CHECKOUT, args).await
}

async fn one_checkout(
    store: &Store,
    sql: &Sql,
    args: Vec<dodo_ledger::store::sql::Arg>,
) -> Result<Option<Checkout>, Error> {
    let row = store.fetch(sql, args).await?.into_iter().next();
    let checkout = row.map(|mut row| {
        let (session_id, cart) = (row.text(0)?, row.text(1)?);
        Ok::<_, Error>(Checkout { session_id, cart, checkout_url: row.opt_text(2)? })
    });
    checkout.transpose()
}
