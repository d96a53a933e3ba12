//! The PostgreSQL store: many instances, one server.

use std::{borrow::Cow, str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    Connection, PgConnection, PgPool, Postgres, Transaction,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::{
    sync::{OnceCell, Semaphore},
    time::timeout,
};

use crate::{
    error::{Error, ErrorKind},
    store::{
        sql::{Arg, Row, Sql},
        tx::{STATEMENT_TIMEOUT, Tx, TxBackend, fetch_postgres, in_time},
    },
};

/// The time for which an operation waits for a connection. The route must answer a delivery within
/// 5 s.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(4);
/// More than the default concurrency of callbacks, because each callback may hold a connection.
const CONNECTIONS: u32 = 20;
/// Connections that the transactions of callbacks leave for all other tasks.
const RESERVED_CONNECTIONS: u32 = 4;
/// Connections that only store deliveries: two for commits, and one that returns to the pool.
const FOR_DELIVERIES: u32 = 3;
/// If a returned connection does not answer within this time, the pool closes it.
const ALIVE_WITHIN: Duration = Duration::from_secs(5);
/// The pool does not test a connection that was used within this time.
const TRUSTED: Duration = Duration::from_secs(1);

/// Channels are those of a database, tables those of a schema. Its name is hashed because a channel's
/// may not be much longer.
macro_rules! channel {
    () => {
        "'dodo_' || md5(coalesce(current_schema(), ''))"
    };
}

/// Overrides the defaults of the role, the database and the URL: after a transaction waited for a
/// lock, it must read the rows that the other one committed.
macro_rules! begin {
    () => {
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
    };
}
/// Whether a single statement runs in a transaction of that kind by default.
const PLAIN: &str = "SELECT current_setting('default_transaction_isolation') = 'read committed'
                     AND current_setting('default_transaction_read_only') = 'off'";

/// The error of the server for `BEGIN` inside of a transaction of another kind. In a transaction of
/// the same kind, the server continues.
const LEFT_OPEN: [&str; 2] = ["25001", "25P02"];

/// In one round trip: a frozen worker must not hold locks forever, so the server ends its session.
/// Every read of a booking uses an index, even before the server analyzed its tables.
const BEGIN_BOOKING: &str = concat!(
    begin!(),
    "; SET LOCAL idle_in_transaction_session_timeout = '10s'",
    "; SET LOCAL plan_cache_mode = force_custom_plan",
    "; SET LOCAL enable_seqscan = off",
    "; SET LOCAL enable_hashjoin = off",
    "; SET LOCAL enable_mergejoin = off"
);

/// All statements of a question see the same state. Most questions are short: it takes the server longer to compile
/// them, or to start more processes. A plan fits the span of its question.
const BEGIN_QUESTION: &str = concat!(
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "; SET LOCAL jit = off",
    "; SET LOCAL parallel_setup_cost = 5000",
    "; SET LOCAL plan_cache_mode = force_custom_plan"
);

/// As [`BEGIN_QUESTION`], for stored sums. The primary key finds them in every span, so one plan fits, and planning
/// would take longer than the question.
const BEGIN_SUMS: &str = concat!(
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "; SET LOCAL jit = off",
    "; SET LOCAL enable_seqscan = off",
    "; SET LOCAL plan_cache_mode = force_generic_plan"
);

/// A ledger in PostgreSQL, shared by as many instances as you run.
///
/// Leases are measured by the server's clock, and claims use `FOR UPDATE SKIP LOCKED`.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    pool: PgPool,
    /// The pool for deliveries. `None`: the application gave one pool for everything.
    deliveries: Option<PgPool>,
    /// One permit for each connection that transactions of callbacks may hold.
    callbacks: Arc<Semaphore>,
    plain: Arc<OnceCell<bool>>,
    /// The statement timeout.
    statement_timeout: Duration,
}

impl PostgresStore {
    /// Opens `postgres://user:password@host/database` with a pool of 20 connections, and 3 that
    /// only store deliveries; they are opened as they are needed. The tables go where the
    /// connection's `search_path` points (`?options=-csearch_path%3Dledger`). It ignores parameters
    /// of other drivers, such as `pgbouncer`.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for an invalid URL,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) for a server that cannot be reached.
    pub async fn open(url: &str) -> Result<Self, Error> {
        Self::open_with_connections(url, CONNECTIONS).await
    }

    /// As [`open`](Self::open), with a pool of another size, at least 5: 4 more than
    /// [`concurrency`](crate::LedgerBuilder::concurrency) if all your callbacks use
    /// [`PgTx`](crate::PgTx), because their transactions leave 4 connections for other tasks, and
    /// wait for a free one.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with_connections(url: &str, connections: u32) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(&understood(url))?;
        let connections = connections.max(RESERVED_CONNECTIONS + 1);
        let deliveries = pool(FOR_DELIVERIES).connect_lazy_with(options.clone());
        let pool = pool(connections).connect_with(options).await?;
        Ok(Self { deliveries: Some(deliveries), ..Self::with_pool(pool) })
    }

    /// Uses your pool for everything: deliveries may wait for the connections that you take. It
    /// needs at least 2 connections, better 4 more than
    /// [`concurrency`](crate::LedgerBuilder::concurrency), and an acquire timeout under 5 s.
    /// Otherwise the route answers too late if the server is unreachable.
    #[must_use]
    pub fn with_pool(pool: PgPool) -> Self {
        let connections = pool.options().get_max_connections();
        let callbacks = connections.saturating_sub(RESERVED_CONNECTIONS).max(1);
        let callbacks = usize::try_from(callbacks).unwrap_or(1).min(Semaphore::MAX_PERMITS);
        Self {
            pool,
            deliveries: None,
            callbacks: Arc::new(Semaphore::new(callbacks)),
            plain: Arc::default(),
            statement_timeout: STATEMENT_TIMEOUT,
        }
    }

    /// Sets the statement timeout, for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn with_statement_timeout(mut self, statement_timeout: Duration) -> Self {
        self.statement_timeout = statement_timeout;
        self
    }

    /// The pool, for your own reads.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) async fn begin(&self) -> Result<Tx, Error> {
        self.transaction(begin!()).await
    }

    /// Begins a transaction of callbacks. If only the reserved connections are free, it waits for
    /// another transaction of callbacks.
    pub(crate) async fn begin_callback(&self) -> Result<Tx, Error> {
        let permit = self.callbacks.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Error::from(sqlx::Error::PoolClosed))?;
        Ok(self.begin().await?.with_permit(permit))
    }

    /// Begins a transaction that books.
    pub(crate) async fn begin_booking(&self) -> Result<Tx, Error> {
        self.transaction(BEGIN_BOOKING).await
    }

    /// Begins a transaction of a question about many rows.
    pub(crate) async fn question(&self) -> Result<Tx, Error> {
        self.transaction(BEGIN_QUESTION).await
    }

    /// Begins a transaction of a question about stored sums.
    pub(crate) async fn stored_sums(&self) -> Result<Tx, Error> {
        self.transaction(BEGIN_SUMS).await
    }

    async fn transaction(&self, statement: &'static str) -> Result<Tx, Error> {
        let begun = self.begun(&self.pool, statement).await?;
        Ok(Tx::new(TxBackend::Postgres(begun)).with_timeout(self.statement_timeout))
    }

    /// Returns a connection that stores deliveries by one statement, in one round trip. It begins a
    /// transaction in two cases: if the server would use another isolation level, or if the
    /// application shares the pool, because it may have left the connection inside of a
    /// transaction.
    pub(crate) async fn delivery(&self) -> Result<AutocommitConnection, Error> {
        let Some(pool) = &self.deliveries else {
            return Ok(AutocommitConnection::Within(self.begun(&self.pool, begin!()).await?));
        };
        let ask = || sqlx::query_scalar(PLAIN).fetch_one(pool);
        Ok(match *self.plain.get_or_try_init(ask).await? {
            true => AutocommitConnection::Alone(pool.acquire().await?),
            false => AutocommitConnection::Within(self.begun(pool, begin!()).await?),
        })
    }

    /// Begins a transaction in its own task, which continues if the caller is canceled. The driver
    /// ends a transaction that has begun, but a connection that is dropped during `BEGIN` returns
    /// to the pool inside of a transaction.
    async fn begun(
        &self,
        pool: &PgPool,
        statement: &'static str,
    ) -> Result<Transaction<'static, Postgres>, Error> {
        let pool = pool.clone();
        let begin = async move {
            match pool.begin_with(statement).await {
                // Other code left the connection in a failed transaction, or in one with another
                // isolation level.
                Err(sqlx::Error::Database(said))
                    if said.code().is_some_and(|code| LEFT_OPEN.contains(&&*code)) =>
                {
                    // The error does not name the connection. The pool hands out each one in turn,
                    // so this resets all of them.
                    for _ in 0..pool.size() {
                        sqlx::raw_sql("ROLLBACK").execute(&pool).await?;
                    }
                    pool.begin_with(statement).await
                }
                begun => begun,
            }
        };
        // The application may run its own statements on a connection of its pool.
        let own = self.deliveries.is_some();
        let leave_after = if own { self.statement_timeout } else { Duration::MAX };
        let beginning = tokio::spawn(async move { in_time(leave_after, begin).await });
        in_time(self.statement_timeout, async { Ok(beginning.await) }).await?.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Unavailable, "the ledger's runtime was shut down"))
        })
    }

    /// Reads outside of a transaction.
    pub(crate) async fn fetch(&self, sql: &Sql, args: Vec<Arg>) -> Result<Vec<Row>, Error> {
        fetch_postgres(&self.pool, self.statement_timeout, sql, args).await
    }

    /// Notifies every instance with the same tables.
    pub(crate) async fn notify(&self, payload: &str) -> Result<(), Error> {
        let notify = concat!("SELECT pg_notify(", channel!(), ", $1)");
        let notified = sqlx::query(notify).bind(payload).execute(&self.pool);
        in_time(self.statement_timeout, notified).await.map(drop)
    }

    /// Receives notifications of other instances, on a connection outside of the pool.
    pub(crate) async fn listen(&self) -> Result<PgListener, Error> {
        let channel = sqlx::query_scalar(concat!("SELECT ", channel!())).fetch_one(&self.pool);
        let channel: String = in_time(self.statement_timeout, channel).await?;
        let own = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with((*self.pool.connect_options()).clone());
        let mut listener = PgListener::connect_with(&own).await?;
        listener.listen(&channel).await?;
        Ok(listener)
    }
}

fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, metadata| {
            Box::pin(async move {
                if metadata.idle_for > TRUSTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        // The same test as the driver, with a time limit.
        .after_release(|connection, _| {
            Box::pin(async move {
                let silent = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
                timeout(ALIVE_WITHIN, connection.ping()).await.map_err(silent)??;
                Ok(true)
            })
        })
}

/// A connection for one statement.
pub(crate) enum AutocommitConnection {
    Alone(PoolConnection<Postgres>),
    Within(Transaction<'static, Postgres>),
}

impl AutocommitConnection {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        match self {
            Self::Alone(connection) => connection,
            Self::Within(transaction) => transaction,
        }
    }

    /// Call it after the statement.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Alone(_) => Ok(()),
            Self::Within(transaction) => Ok(transaction.commit().await?),
        }
    }
}

/// The parameters of a URL that sqlx understands. `options[name]` is one of them.
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

/// The URL without parameters of other drivers: sqlx would log them with their values. A value can
/// be a password, or the end of a password with an unescaped `?`. So the log does not name the
/// parameters either.
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
        "unknown parameter in the database URL"
    );
    format!("{base}?{}", kept.join("&")).into()
}
