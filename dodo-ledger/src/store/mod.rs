//! The stores of the ledger: two databases, one set of statements (`sql`).

#[doc(hidden)]
pub mod sql;
pub(crate) mod tx;

#[cfg(feature = "sqlite")]
mod free_space;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
pub use self::postgres::PostgresStore;
#[cfg(feature = "sqlite")]
use self::sqlite::Cleared;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;

#[doc(hidden)]
pub use self::tx::Tx;

use std::time::Duration;

use self::sql::{Arg, Row, Sql};
use crate::error::Error;

/// The time limit of a statement that reads for a page.
const QUERY_TIMEOUT: Duration = Duration::from_secs(300);

/// The database of a ledger: an [`SqliteStore`] or a [`PostgresStore`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Backend);

/// The supported databases.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteStore),
    #[cfg(feature = "postgres")]
    Postgres(PostgresStore),
}

impl Store {
    /// Opens a store by its URL: `sqlite:ledger.db`, `sqlite::memory:` or `postgres://...`.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) if the scheme is unknown or its feature is off; otherwise
    /// as the store's own `open`.
    pub async fn open(url: &str) -> Result<Self, Error> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            #[cfg(feature = "sqlite")]
            Some("sqlite") if url.contains(":memory:") => {
                Ok(SqliteStore::in_memory().await?.into())
            }
            #[cfg(feature = "sqlite")]
            Some("sqlite") => Ok(SqliteStore::open(url).await?.into()),
            #[cfg(feature = "postgres")]
            Some("postgres" | "postgresql") => Ok(PostgresStore::open(url).await?.into()),
            _ => Err(Error::config(
                "unsupported database URL: use `sqlite:` or `postgres:` and enable that feature",
            )),
        }
    }

    /// Opens an existing database: like [`open`](Self::open), but creates no file. For tools: their
    /// URL may have a typing error.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) if the file does not exist; otherwise as `open`.
    pub async fn open_existing(url: &str) -> Result<Self, Error> {
        #[cfg(feature = "sqlite")]
        if url.starts_with("sqlite:") && !url.contains(":memory:") {
            let options: sqlx::sqlite::SqliteConnectOptions = url.parse()?;
            if !options.get_filename().is_file() {
                return Err(Error::config(
                    "no ledger database at this path: check the path or run `ledger migrate`",
                ));
            }
        }
        Self::open(url).await
    }

    pub(crate) const fn backend(&self) -> &Backend {
        &self.0
    }

    /// The name of the database, for the log.
    pub(crate) const fn name(&self) -> &'static str {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(_) => "sqlite",
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => "postgres",
        }
    }

    /// Whether other processes may use the same database.
    pub(crate) const fn is_shared(&self) -> bool {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => true,
        }
    }

    /// Notifies other processes, if the database can have any.
    pub(crate) async fn notify(&self, payload: &str) -> Result<(), Error> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(_) => {
                let _nobody_hears = payload;
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Backend::Postgres(store) => store.notify(payload).await,
        }
    }

    /// Receives notifications until the listener is dropped.
    pub(crate) async fn listen(&self) -> Result<Listener, Error> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(_) => Err(Error::config("SQLite has no other instances")),
            #[cfg(feature = "postgres")]
            Backend::Postgres(store) => store.listen().await.map(Listener::Postgres),
        }
    }

    /// The number of batches of deliveries that may be committed at the same time.
    pub(crate) const fn delivery_lanes(&self) -> usize {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(_) => 1,
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => 2,
        }
    }

    /// Begins a transaction that writes.
    ///
    /// # Errors
    /// Those of the database.
    #[doc(hidden)]
    pub async fn begin(&self) -> Result<Tx, Error> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(store) => store.begin().await,
            #[cfg(feature = "postgres")]
            Backend::Postgres(store) => store.begin().await,
        }
    }

    /// Begins a transaction that callbacks may hold for long. On PostgreSQL it leaves connections
    /// for other tasks.
    pub(crate) async fn begin_callback(&self) -> Result<Tx, Error> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(store) => store.begin_callback().await,
            #[cfg(feature = "postgres")]
            Backend::Postgres(store) => store.begin_callback().await,
        }
    }

    /// Runs one statement as its own transaction.
    ///
    /// # Errors
    /// Those of the database.
    #[doc(hidden)]
    pub async fn run(&self, sql: &Sql, args: Vec<Arg>) -> Result<Vec<Row>, Error> {
        let mut tx = self.begin().await?;
        let rows = tx.fetch(sql, args).await?;
        tx.commit().await?;
        Ok(rows)
    }

    /// Returns a handle for reads outside of a transaction, for example of one row by its key. It
    /// never waits for a writer.
    ///
    /// # Errors
    /// Those of the database.
    #[doc(hidden)]
    pub async fn fetch(&self, sql: &Sql, args: Vec<Arg>) -> Result<Vec<Row>, Error> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(store) => store.fetch(sql, args).await,
            #[cfg(feature = "postgres")]
            Backend::Postgres(store) => store.fetch(sql, args).await,
        }
    }

    /// Begins a transaction that books. Like the storage of a delivery, it waits for no worker.
    pub(crate) async fn begin_now(&self) -> Result<Tx, Error> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(store) => {
                Ok(Tx::new(tx::TxBackend::Sqlite(store.begin_delivery().await?)))
            }
            #[cfg(feature = "postgres")]
            Backend::Postgres(store) => store.begin_booking().await,
        }
    }

    /// A transaction that books.
    pub(crate) async fn begin_booking(&self) -> Result<Tx, Error> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(store) => store.begin().await,
            #[cfg(feature = "postgres")]
            Backend::Postgres(store) => store.begin_booking().await,
        }
    }

    /// Events booked in one transaction. SQLite stores no delivery during the transaction. On
    /// PostgreSQL larger batches resolve a group of many events once.
    pub(crate) const fn booking_batch(&self) -> u32 {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(_) => 32,
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => 128,
        }
    }

    /// Rows of the outbox that are claimed or marked in one transaction. They are spread over the
    /// table, so SQLite writes a page or two for each, and stores no delivery at the same time.
    pub(crate) const fn outbox_batch(&self) -> u32 {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(_) => 32,
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => 256,
        }
    }

    /// Call it after an erasure on request. It also removes copies beside the rows, if the database
    /// can. It continues if the caller is canceled.
    pub(crate) async fn purge_copies(&self) {
        let store = self.clone();
        let cleared = tokio::spawn(async move { store.clear_copies().await });
        let error = match cleared.await.unwrap_or(Ok(false)) {
            Ok(true) => return,
            Ok(false) => None,
            Err(error) => Some(error),
        };
        tracing::warn!(
            target: "dodo::ledger", error = error.as_ref().map(tracing::field::display),
            cause = error.as_ref().and_then(Error::cause),
            "copies of erased data remain in SQLite's file and log; run `VACUUM`"
        );
    }

    /// Removes copies of erased rows from the free space of SQLite's pages. Returns whether no
    /// reader blocked it.
    async fn clear_copies(&self) -> Result<bool, Error> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(store) => match store.clear_free_space().await? {
                Cleared::UnknownFormat => {
                    store.vacuum().await?;
                    store.truncate_wal().await
                }
                cleared => Ok(cleared == Cleared::Complete),
            },
            // Old versions of rows go with VACUUM.
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => Ok(true),
        }
    }

    /// Call it after an erasure of personal data. It removes copies of the data from SQLite's log.
    pub(crate) async fn purge_erased(&self) {
        let emptied: Result<bool, Error> = match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(store) => store.truncate_wal().await,
            // Old versions of rows go with VACUUM.
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => Ok(true),
        };
        match emptied {
            Ok(true) => {}
            Ok(false) => tracing::warn!(
                target: "dodo::ledger",
                "erased data remains in SQLite's log until a checkpoint: readers blocked it"
            ),
            Err(error) => tracing::warn!(
                target: "dodo::ledger", %error, cause = error.cause(),
                "erased data remains in SQLite's log until a checkpoint"
            ),
        }
    }

    /// Begins a transaction for the ledger's own reads. On SQLite it does not wait.
    pub(crate) async fn begin_read(&self) -> Result<Tx, Error> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(store) => store.begin_read().await,
            #[cfg(feature = "postgres")]
            Backend::Postgres(store) => store.begin().await,
        }
    }

    /// Begins a transaction that only reads. It never waits for a writer. Statistics use this
    /// longer statement timeout.
    ///
    /// # Errors
    /// Those of the database.
    #[doc(hidden)]
    pub async fn read(&self) -> Result<Tx, Error> {
        let tx = match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(store) => store.read().await?,
            #[cfg(feature = "postgres")]
            Backend::Postgres(store) => store.begin().await?,
        };
        Ok(tx.with_timeout(QUERY_TIMEOUT))
    }

    /// As [`read`](Self::read), for a question about many rows. Its statements see the same state.
    pub(crate) async fn question(&self) -> Result<Tx, Error> {
        let tx = match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(store) => store.read().await?,
            #[cfg(feature = "postgres")]
            Backend::Postgres(store) => store.question().await?,
        };
        Ok(tx.with_timeout(QUERY_TIMEOUT))
    }

    /// As [`question`](Self::question), for a question about stored sums.
    pub(crate) async fn stored_sums(&self) -> Result<Tx, Error> {
        let tx = match &self.0 {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(store) => store.read().await?,
            #[cfg(feature = "postgres")]
            Backend::Postgres(store) => store.stored_sums().await?,
        };
        Ok(tx.with_timeout(QUERY_TIMEOUT))
    }
}

#[cfg(feature = "sqlite")]
impl From<SqliteStore> for Store {
    fn from(store: SqliteStore) -> Self {
        Self(Backend::Sqlite(store))
    }
}

#[cfg(feature = "postgres")]
impl From<PostgresStore> for Store {
    fn from(store: PostgresStore) -> Self {
        Self(Backend::Postgres(store))
    }
}

/// Receives notifications of other processes.
pub(crate) enum Listener {
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgListener),
}

impl Listener {
    /// Returns the next notification. `None`: the connection was lost and restored, and
    /// notifications in between are lost.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Error> {
        match *self {
            #[cfg(feature = "postgres")]
            Self::Postgres(ref mut listener) => {
                Ok(listener.try_recv().await?.map(|notified| notified.payload().to_owned()))
            }
        }
    }
}
