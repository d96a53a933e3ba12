//! Many instances, one server.

use std::{borrow::Cow, str::FromStr, time::Duration};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    error::Error,
    store::tx::{Kind, Tx},
};

/// How long an operation waits for a connection: a delivery is answered within 5 s.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(4);
const CONNECTIONS: u32 = 10;

/// A ledger in PostgreSQL, shared by as many instances as you run.
///
/// Leases are measured by the server's clock, and claims use `FOR UPDATE SKIP LOCKED`.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    /// Opens `postgres://user:password@host/database` with a pool of 10 connections. The tables go
    /// where the connection's `search_path` points (`?options=-csearch_path%3Dledger`). Parameters of
    /// other drivers, such as `pgbouncer`, are passed over.
    ///
    /// # Errors
    /// [`Setup`](crate::ErrorKind::Setup) for a URL that is none, [`Unavailable`](crate::ErrorKind::Unavailable)
    /// for a server that cannot be reached.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(&understood(url))?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await?;
        Ok(Self { pool })
    }

    /// Uses a pool of yours. It needs at least 2 connections, and an acquire timeout under 5 s if
    /// deliveries shall be answered in time while the server is away.
    #[must_use]
    pub fn with_pool(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The pool, for your own reads.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) async fn begin(&self) -> Result<Tx, Error> {
        Ok(Tx::new(Kind::Postgres(self.pool.begin().await?)))
    }
}

/// The parameters of a URL that sqlx understands. `options[name]` is one of them, too.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// The URL without parameters of other drivers: sqlx would log them with their values, and one of
/// them may be a password, or the end of one whose `?` was not escaped. For the same reason the log
/// does not name them here either.
fn understood(url: &str) -> Cow<'_, str> {
    let Some((base, query)) = url.split_once('?') else { return url.into() };
    let known = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        PARAMETERS.contains(&name) || name.starts_with("options[") || name.starts_with("options%5B")
    };
    let (all, kept) = (query.split('&').count(), query.split('&').filter(known));
    let kept: Vec<&str> = kept.collect();
    let passed_over = all - kept.len();
    if passed_over == 0 {
        return url.into();
    }
    tracing::warn!(
        target: "dodo::ledger", passed_over,
        "the database's URL has parameters that are not known here"
    );
    format!("{base}?{}", kept.join("&")).into()
}
