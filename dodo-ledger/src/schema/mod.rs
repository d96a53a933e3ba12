//! The tables, and what is read from and written to them. `docs/ledger.md` explains each column.

mod entries;
mod migrations;
mod past;
mod people;

pub(crate) use self::{past::Past, people::erase_contexts};

use crate::{
    error::Error,
    store::{
        Store,
        sql::{Sql, args, sql},
    },
};

const VERSION_TABLE: Sql = sql!(
    "CREATE TABLE IF NOT EXISTS dodo_schema (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL)"
);
/// One migration at a time, also when many instances start together. SQLite's writer is one anyway.
const LOCK: Sql = Sql { sqlite: "SELECT 1", postgres: "SELECT pg_advisory_xact_lock(7233961, 1)" };
const VERSION: Sql = sql!("SELECT COALESCE(MAX(version), 0) FROM dodo_schema");
const APPLIED: Sql = sql!("INSERT INTO dodo_schema (version, applied_at) VALUES ($1, " NOW ")");

/// Creates or updates the tables. Safe to call from many instances at once, and again.
pub(crate) async fn migrate(store: &Store) -> Result<(), Error> {
    let mut tx = store.begin().await?;
    tx.execute(&LOCK, args![]).await?;
    tx.execute(&VERSION_TABLE, args![]).await?;
    let applied = match tx.fetch_one(&VERSION, args![]).await? {
        Some(mut row) => row.int(0)?,
        None => 0,
    };
    for (version, statements) in (1_i64..).zip(migrations::ALL) {
        if version <= applied {
            continue;
        }
        for statement in *statements {
            tx.execute(statement, args![]).await?;
        }
        tx.execute(&APPLIED, args![version]).await?;
    }
    tx.commit().await
}
