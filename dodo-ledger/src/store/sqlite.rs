//! One process, one file.

use std::{str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use tokio::{sync::Mutex, time::timeout};

use crate::{
    error::Error,
    store::tx::{Kind, Tx},
};

/// How long a writer waits for the file's lock. Under the 5 s in which a delivery is answered.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an operation waits for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(4);
const READERS: u32 = 4;
/// A deferred transaction that turns into a writer fails at once, whatever the busy timeout.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// A ledger in one SQLite file: the default.
///
/// `journal_mode=WAL` and `synchronous=FULL`: every commit is synced to the disk before a delivery is
/// answered. One connection writes, others read. The file must be on a local disk, and one process
/// should use it; a second one is kept out by SQLite's locks while it writes, not longer.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    writer: SqlitePool,
    /// Held by a transaction of the workers. Deliveries go past it: each waits for one transaction at
    /// most, however many workers wait to write.
    turn: Arc<Mutex<()>>,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens `sqlite:path/to/file.db` (or a bare path), and creates the file if there is none.
    ///
    /// # Errors
    /// [`Setup`](crate::ErrorKind::Setup) for a URL that is none, [`Unavailable`](crate::ErrorKind::Unavailable)
    /// for a file that cannot be opened.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let options = SqliteConnectOptions::from_str(url)?.create_if_missing(true);
        Self::with_options(options).await
    }

    /// Opens with options of your own, such as a key or a page size. The settings that the promises
    /// of the ledger rest on are set again.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn with_options(options: SqliteConnectOptions) -> Result<Self, Error> {
        let options = durable(options);
        let writer = pool(1).connect_with(options.clone()).await?;
        let readers = pool(READERS).connect_with(options).await?;
        Ok(Self { writer, turn: Arc::default(), readers })
    }

    /// A ledger that lives as long as the process: for tests.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) without memory.
    pub async fn in_memory() -> Result<Self, Error> {
        let options = SqliteConnectOptions::from_str("sqlite::memory:")?;
        // A second connection would be a second, empty database.
        let only = pool(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        Ok(Self { writer: only.clone(), turn: Arc::default(), readers: only })
    }

    /// Connections for your own reads.
    #[must_use]
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// A transaction of the workers, or of anybody who is not waited for by a sender.
    pub(crate) async fn begin(&self) -> Result<Tx, Error> {
        let turn = timeout(ACQUIRE_TIMEOUT, self.turn.clone().lock_owned());
        let turn = turn.await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        Ok(Tx::new(Kind::Sqlite(self.begin_delivery().await?)).with_turn(turn))
    }

    /// A transaction that writes deliveries: it waits for nobody but the one who writes.
    pub(crate) async fn begin_delivery(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        Ok(match self.writer.begin_with(BEGIN).await {
            // SQLite ended the last transaction by itself, as it does on a full disk, and the driver
            // still counts it. Such a connection never begins again: a fresh one does.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.writer.acquire().await?.close().await?;
                self.writer.begin_with(BEGIN).await?
            }
            begun => begun?,
        })
    }

    pub(crate) async fn read(&self) -> Result<Tx, Error> {
        Ok(Tx::new(Kind::Sqlite(self.readers.begin().await?)))
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT)
}

fn durable(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
}
