//! The version of the tables, and their creation. `docs/ledger.md` explains each column.

mod tables;

use std::time::Duration;

use crate::{
    error::Error,
    projection::{self, Projections},
    store::{
        Store,
        sql::{Sql, args, sql},
    },
};

const VERSION_TABLE: Sql = sql!(
    "CREATE TABLE IF NOT EXISTS dodo_schema (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL)"
);
/// The lock of a migration: many instances can start at the same time. SQLite has one writer, so it
/// needs no lock.
const LOCK: Sql = Sql { sqlite: "SELECT 1", postgres: "SELECT pg_advisory_xact_lock(7233961, 1)" };
const VERSION: Sql = sql!("SELECT COALESCE(MAX(version), 0) FROM dodo_schema");
const APPLIED: Sql = sql!("INSERT INTO dodo_schema (version, applied_at) VALUES ($1, " NOW ")");
/// A table that only programs before version 0.1 created.
const UNRELEASED: Sql = Sql {
    sqlite: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'dodo_entry'",
    postgres: "SELECT 'dodo_entry' WHERE to_regclass('dodo_entry') IS NOT NULL",
};

/// Creates or updates the tables. Safe to call from many instances at once, and again.
pub(crate) async fn migrate(store: &Store, projections: &Projections) -> Result<(), Error> {
    // Migrations have no statement timeout, because the update of a large table can take long.
    let mut tx = store.begin().await?.with_timeout(Duration::MAX);
    tx.execute(&LOCK, args![]).await?;
    if tx.fetch_one(&UNRELEASED, args![]).await?.is_some() {
        return Err(Error::config(
            "this database has the tables of a ledger before version 0.1: give the ledger an empty \
             database, then book the past with `ledger reconcile <days>`",
        ));
    }
    tx.execute(&VERSION_TABLE, args![]).await?;
    let applied = match tx.fetch_one(&VERSION, args![]).await? {
        Some(mut row) => row.int(0)?,
        None => 0,
    };
    if usize::try_from(applied).is_ok_and(|applied| applied > tables::VERSIONS.len()) {
        return Err(Error::config(
            "the ledger's tables are of a newer version than this program: update the program, or give it \
             a database of its own",
        ));
    }
    for (version, statements) in (1_i64..).zip(tables::VERSIONS) {
        if version <= applied {
            continue;
        }
        for statement in *statements {
            tx.execute(statement, args![]).await?;
        }
        tx.execute(&APPLIED, args![version]).await?;
    }
    projection::migrate(&mut tx, projections).await?;
    tx.commit().await
}
