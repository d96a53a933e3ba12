//! The purchases of a customer up to now.

use dodo_core::attribution::AttributionRecord;
use jiff::Timestamp;

use super::CustomerHistory;
use crate::{
    error::Error,
    store::{
        Store,
        sql::{Sql, args, sql},
    },
};

const HISTORY: Sql = sql!(
    "SELECT MIN(CASE WHEN is_charge = 1 THEN created_micros END),
            MAX(CASE WHEN is_charge = 1 THEN created_micros END),
            CAST(SUM(gross >> 32) AS BIGINT), CAST(SUM(gross & 4294967295) AS BIGINT)
     FROM dodo_record
     WHERE customer_id = $1 AND state = 0 AND net IS NOT NULL AND currency = $2 AND live = $3"
);

/// Returns the purchase history of the customer of a record. `None`: the record has no customer, or
/// the customer has no charge.
pub(super) async fn history(
    store: &Store,
    record: &AttributionRecord,
) -> Result<Option<CustomerHistory>, Error> {
    let (Some(customer), Some(money)) = (&record.customer_id, record.money) else {
        return Ok(None);
    };
    let args = args![customer, money.currency.as_str(), record.live];
    let Some(mut row) = store.begin_read().await?.fetch_one(&HISTORY, args).await? else {
        return Ok(None);
    };
    let (since, last) = (row.opt_int(0)?, row.opt_int(1)?);
    // Each sum has two parts, because SQLite fails if a sum exceeds 64 bits.
    let (high, low) = (row.opt_int(2)?.unwrap_or_default(), row.opt_int(3)?.unwrap_or_default());
    let spent = (i128::from(high) << 32) + i128::from(low);
    let at = |micros| Timestamp::from_microsecond(micros).ok();
    Ok(since.and_then(at).zip(last.and_then(at)).map(|(since, last_paid)| CustomerHistory {
        since,
        last_paid,
        spent,
    }))
}
