//! Events that wait because the database could not book them: no failure is counted.

use std::time::Duration;

use super::claim::millis;
use crate::{
    error::Error,
    store::{
        Store,
        sql::{Sql, args, sql},
    },
};

const POSTPONE: Sql = sql!(
    "UPDATE dodo_inbox SET available_at = " NOW " + $2, last_error = $3
     WHERE id = $1 AND state = 'pending' AND booked_at IS NULL"
);

/// Makes an event that is not booked due again after this time.
pub(crate) async fn postpone(
    store: &Store,
    id: &str,
    after: Duration,
    reason: &str,
) -> Result<(), Error> {
    store.run(&POSTPONE, args![id, millis(after), reason]).await.map(drop)
}
