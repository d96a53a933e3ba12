//! The lease of an owner: one creating request at a time across instances, because Dodo Payments
//! would create two objects.

use dodo_ledger::{
    Error, Store,
    store::sql::{Sql, args, sql},
};

use super::rows::random_number;
use crate::owner::OwnerId;

/// The longest lease, in milliseconds, by the clock of the database: more than the calls of one request take.
const TAKE: Sql = sql!(
    "INSERT INTO dodo_billing_owner (owner, live, no, version, plans, answer, busy, busy_until)
     VALUES ($1, $2, $4, 0, '', '', $3, " NOW " + 120000)
     ON CONFLICT (owner, live) DO UPDATE
     SET busy = excluded.busy, busy_until = excluded.busy_until
     WHERE dodo_billing_owner.busy_until <= " NOW "
     RETURNING no"
);
const FREE: Sql = sql!(
    "UPDATE dodo_billing_owner SET busy_until = 0 WHERE owner = $1 AND live = $2 AND busy = $3"
);

/// Takes the lease of an owner. `false`: another request has it.
pub(crate) async fn take_lease(
    store: &Store,
    owner: &OwnerId,
    live: bool,
    name: &str,
) -> Result<bool, Error> {
    let args = args![owner.as_str(), live, name, random_number()?];
    let taken = store.run(&TAKE, args).await?;
    Ok(!taken.is_empty())
}

/// Releases the lease of this name.
pub(crate) async fn free_lease(
    store: &Store,
    owner: &OwnerId,
    live: bool,
    name: &str,
) -> Result<(), Error> {
    store.run(&FREE, args![owner.as_str(), live, name]).await.map(drop)
}
