//! The shop's own tables, in the ledger's database: SQLite by default, or PostgreSQL.
//!
//! A callback writes through [`EventTx`]. Its writes commit together with the "done" mark of the
//! event, so they happen exactly once.

use std::{str::FromStr, time::Duration};

use dodo_core::Event;
use dodo_ledger::{
    PgTx, SqliteTx,
    sqlx::{
        self, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool,
        pool::PoolConnection,
        postgres::PgPoolOptions,
        sqlite::{SqliteConnectOptions, SqlitePoolOptions},
    },
};

use crate::StartError;

/// The time for which a writer waits for SQLite's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The number of connections for the shop's own pages.
const CONNECTIONS: u32 = 4;

/// Runs a statement whose text both databases understand.
macro_rules! execute {
    ($connection:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        match $connection {
            $crate::database::Connection::Sqlite(at) => {
                dodo_ledger::sqlx::query($sql)$(.bind($value))*.execute(at).await.map(drop)
            }
            $crate::database::Connection::Postgres(at) => {
                dodo_ledger::sqlx::query($sql)$(.bind($value))*.execute(at).await.map(drop)
            }
        }
    };
}

/// Reads rows as tuples.
macro_rules! fetch {
    ($connection:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        match $connection {
            $crate::database::Connection::Sqlite(at) => {
                dodo_ledger::sqlx::query_as($sql)$(.bind($value))*.fetch_all(at).await
            }
            $crate::database::Connection::Postgres(at) => {
                dodo_ledger::sqlx::query_as($sql)$(.bind($value))*.fetch_all(at).await
            }
        }
    };
}

pub(crate) use {execute, fetch};

/// The advisory lock of PostgreSQL while the shop creates its tables. Only the shop uses this
/// number.
const TABLES_LOCK: i64 = 0x7368_6f70_7461_626c;

/// The tables, which the shop creates at its start, with types and words that both databases have.
const TABLES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS shop_secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    // The payments whose goods are shipped.
    "CREATE TABLE IF NOT EXISTS shop_shipments (
        payment_id TEXT PRIMARY KEY, goods TEXT NOT NULL, at BIGINT NOT NULL)",
];

/// The database of the shop's tables.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Database {
    /// Checks the URL. The error names the problem of a URL that the ledger or the shop cannot use.
    pub(crate) fn check(url: &str) -> Result<(), StartError> {
        if url.contains(":memory:") {
            // In memory, the connections of the ledger and of the shop would be two databases.
            return Err(StartError::new("the shop needs a database that is a file or a server"));
        }
        if ["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme)) {
            return Ok(());
        }
        Err(StartError::new("DATABASE_URL begins with sqlite: or postgres:"))
    }

    /// Opens the database of a ledger's URL and makes the shop's tables. The ledger opens it first,
    /// because its errors do not repeat the URL, which may have a password.
    pub(crate) async fn open(url: &str) -> Result<Self, StartError> {
        let failed =
            |error| StartError::caused("the database cannot be opened; check DATABASE_URL", error);
        let database = if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).map_err(failed)?;
            let options = options.create_if_missing(true).busy_timeout(BUSY_TIMEOUT);
            let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS);
            Self::Sqlite(pool.connect_with(options).await.map_err(failed)?)
        } else {
            let pool = PgPoolOptions::new().max_connections(CONNECTIONS);
            Self::Postgres(pool.connect(url).await.map_err(failed)?)
        };
        database.make_tables().await.map_err(failed)?;
        Ok(database)
    }

    async fn make_tables(&self) -> Result<(), sqlx::Error> {
        let mut lease = self.lease().await?;
        // `IF NOT EXISTS` alone fails when two shops start on one new server.
        let is_shared = matches!(self, Self::Postgres(_));
        if is_shared {
            execute!(lease.connection(), "SELECT pg_advisory_lock($1)", TABLES_LOCK)?;
        }
        let mut made = Ok(());
        for table in TABLES {
            if made.is_ok() {
                made = execute!(lease.connection(), *table);
            }
        }
        if is_shared {
            execute!(lease.connection(), "SELECT pg_advisory_unlock($1)", TABLES_LOCK)?;
        }
        made
    }

    /// A connection outside of any event.
    pub(crate) async fn lease(&self) -> Result<Lease, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Lease::Sqlite(pool.acquire().await?),
            Self::Postgres(pool) => Lease::Postgres(pool.acquire().await?),
        })
    }

    /// The transaction that ends with the event's mark.
    pub(crate) async fn join<T, S>(
        &self,
        event: &Event<T, S>,
    ) -> Result<EventTx, dodo_ledger::Error> {
        Ok(match self {
            Self::Sqlite(_) => EventTx::Sqlite(SqliteTx::join(event).await?),
            Self::Postgres(_) => EventTx::Postgres(PgTx::join(event).await?),
        })
    }

    /// Returns a secret that all instances of the shop share. The first one creates it.
    pub(crate) async fn secret(
        &self,
        name: &str,
        fresh: impl FnOnce() -> String,
    ) -> Result<String, sqlx::Error> {
        let mut lease = self.lease().await?;
        let insert =
            "INSERT INTO shop_secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        execute!(lease.connection(), insert, name, fresh())?;
        let select = "SELECT value FROM shop_secrets WHERE name = $1";
        let rows: Vec<(String,)> = fetch!(lease.connection(), select, name)?;
        rows.into_iter().next().map(|(value,)| value).ok_or(sqlx::Error::RowNotFound)
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// A connection of either database.
pub(crate) enum Connection<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

/// A connection out of the pool.
pub(crate) enum Lease {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Lease {
    pub(crate) fn connection(&mut self) -> Connection<'_> {
        match self {
            Self::Sqlite(lease) => Connection::Sqlite(lease),
            Self::Postgres(lease) => Connection::Postgres(lease),
        }
    }
}

/// The transaction of an event.
#[derive(Debug)]
pub(crate) enum EventTx {
    Sqlite(SqliteTx),
    Postgres(PgTx),
}

impl EventTx {
    pub(crate) fn connection(&mut self) -> Connection<'_> {
        match self {
            Self::Sqlite(tx) => Connection::Sqlite(tx),
            Self::Postgres(tx) => Connection::Postgres(tx),
        }
    }
}

#[cfg(test)]
mod tests;
