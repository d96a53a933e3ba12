//! Events that wait because the database could not book them: no failure is counted.

use std::time::Duration;

use super::booking::Unbooked;
use crate::{
    attribution::whose::Whose,
    error::Error,
    store::{
        Store,
        sql::{Sql, args, millis, sql},
    },
};

const POSTPONE: Sql = sql!(
    "UPDATE dodo_inbox
     SET last_error = $2,
         customer_id = CASE WHEN forgotten = 1 THEN NULL ELSE $3 END,
         email_sha256 = CASE WHEN forgotten = 1 THEN NULL ELSE $4 END,
         available_at = " NOW " + $5
     WHERE id = $1 AND state = 'pending' AND booked_at IS NULL"
);

/// Makes an event that is not booked due again after this time. Whose it is is noted, so that forgetting
/// finds it.
pub(crate) async fn postpone(
    store: &Store,
    event: &Unbooked,
    after: Duration,
    reason: &str,
    whose: Whose,
) -> Result<(), Error> {
    let id = event.event.id();
    let args = args![id, reason, whose.customer_id, whose.email_sha256, millis(after)];
    store.run(&POSTPONE, args).await.map(drop)
}
