//! Stores many deliveries in one statement.

use std::collections::HashSet;

use bytes::Bytes;
use dodo_core::webhook::Receipt;

#[cfg(feature = "postgres")]
use crate::store::PostgresStore;
#[cfg(feature = "sqlite")]
use crate::store::SqliteStore;
use crate::{
    error::Error,
    store::{Backend, Store},
};

/// A verified delivery that is not stored yet.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) body: Bytes,
    /// The time of verification by the clock of this host, in milliseconds since 1970.
    pub(crate) received_at: i64,
    pub(crate) live: bool,
    /// The signed time of the attempt, in milliseconds since 1970.
    pub(crate) attempt_at: Option<i64>,
}

#[cfg(feature = "postgres")]
const POSTGRES: &str = "
    INSERT INTO dodo_inbox (id, body, received_at, live, attempt_at, available_at)
    SELECT id, body, received_at, live, attempt_at,
           CAST(extract(epoch FROM statement_timestamp()) * 1000 AS BIGINT)
    FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[])
         AS delivery (id, body, received_at, live, attempt_at)
    ON CONFLICT (id) DO NOTHING
    RETURNING id";

/// Commits the deliveries in one statement and one transaction, and returns the new ones. If an id
/// is twice in a batch, or already stored, the first body stays.
pub(crate) async fn append(store: &Store, batch: &[&Delivery]) -> Result<Vec<Receipt>, Error> {
    let new = match store.backend() {
        #[cfg(feature = "sqlite")]
        Backend::Sqlite(store) => sqlite(store, batch).await?,
        #[cfg(feature = "postgres")]
        Backend::Postgres(store) => postgres(store, batch).await?,
    };
    let Some(new) = new else { return Ok(vec![Receipt::Stored; batch.len()]) };
    let mut new: HashSet<String> = new.into_iter().collect();
    let receipt = |delivery: &&Delivery| {
        if new.remove(&delivery.id) { Receipt::Stored } else { Receipt::Duplicate }
    };
    Ok(batch.iter().map(receipt).collect())
}

/// The ids that were new; `None`: all.
type New = Option<Vec<String>>;

#[cfg(feature = "sqlite")]
async fn sqlite(store: &SqliteStore, batch: &[&Delivery]) -> Result<New, Error> {
    let mut tx = store.begin_delivery().await?;
    let mut statement = sqlx::QueryBuilder::<sqlx::Sqlite>::new(
        "INSERT INTO dodo_inbox (id, body, received_at, live, attempt_at, available_at) ",
    );
    statement.push_values(batch, |mut row, delivery| {
        row.push_bind(&*delivery.id)
            .push_bind(&*delivery.body)
            .push_bind(delivery.received_at)
            .push_bind(i64::from(delivery.live))
            .push_bind(delivery.attempt_at)
            .push("CAST(unixepoch('subsec') * 1000 AS INTEGER)");
    });
    statement.push(" ON CONFLICT (id) DO NOTHING");
    let done = statement.build().execute(&mut *tx).await?;
    let added = done.rows_affected();
    let new = match usize::try_from(added) == Ok(batch.len()) {
        true => None,
        // The rows that one statement adds are the last rows of the table, in its order.
        false => {
            let last = "SELECT id FROM dodo_inbox ORDER BY rowid DESC LIMIT $1";
            let count = i64::try_from(added).unwrap_or(i64::MAX);
            Some(sqlx::query_scalar(last).bind(count).fetch_all(&mut *tx).await?)
        }
    };
    tx.commit().await?;
    Ok(new)
}

/// The statement is its own transaction: one round trip.
#[cfg(feature = "postgres")]
async fn postgres(store: &PostgresStore, batch: &[&Delivery]) -> Result<New, Error> {
    // Sort every batch by id, so that two batches with the same ids cannot block each other.
    let mut batch = batch.to_vec();
    batch.sort_by(|a, b| a.id.cmp(&b.id));
    let ids: Vec<&str> = batch.iter().map(|delivery| &*delivery.id).collect();
    let bodies: Vec<&[u8]> = batch.iter().map(|delivery| &*delivery.body).collect();
    let received: Vec<i64> = batch.iter().map(|delivery| delivery.received_at).collect();
    let live: Vec<i64> = batch.iter().map(|delivery| i64::from(delivery.live)).collect();
    let attempts: Vec<Option<i64>> = batch.iter().map(|delivery| delivery.attempt_at).collect();
    let mut single = store.delivery().await?;
    let new = sqlx::query_scalar(POSTGRES)
        .bind(ids)
        .bind(bodies)
        .bind(received)
        .bind(live)
        .bind(attempts)
        .fetch_all(single.connection())
        .await?;
    single.commit().await?;
    Ok(Some(new))
}
