//! Where the ledger lives. Two databases, one set of statements (`sql`).

pub(crate) mod sql;
pub(crate) mod tx;

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
pub use self::postgres::PostgresStore;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;

pub(crate) use self::tx::Tx;

use crate::error::Error;

/// The database of a ledger: an [`SqliteStore`] or a [`PostgresStore`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Kind);

#[derive(Clone, Debug)]
enum Kind {
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteStore),
    #[cfg(feature = "postgres")]
    Postgres(PostgresStore),
}

impl Store {
    /// Opens a store by its URL: `sqlite:ledger.db`, `sqlite::memory:` or `postgres://...`.
    ///
    /// # Errors
    /// [`Setup`](crate::ErrorKind::Setup) if the scheme is unknown or its feature is off; otherwise
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
            _ => Err(Error::setup(
                "the ledger's URL starts with `sqlite:` or `postgres:`, each with its feature on",
            )),
        }
    }

    /// A transaction that writes.
    pub(crate) async fn begin(&self) -> Result<Tx, Error> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(store) => store.begin().await,
            #[cfg(feature = "postgres")]
            Kind::Postgres(store) => store.begin().await,
        }
    }

    /// A transaction that writes deliveries: workers do not keep it waiting.
    pub(crate) async fn begin_now(&self) -> Result<Tx, Error> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(store) => store.begin_now().await,
            #[cfg(feature = "postgres")]
            Kind::Postgres(store) => store.begin().await,
        }
    }

    /// A transaction that only reads: it never waits for a writer.
    pub(crate) async fn read(&self) -> Result<Tx, Error> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(store) => store.read().await,
            #[cfg(feature = "postgres")]
            Kind::Postgres(store) => store.begin().await,
        }
    }
}

#[cfg(feature = "sqlite")]
impl From<SqliteStore> for Store {
    fn from(store: SqliteStore) -> Self {
        Self(Kind::Sqlite(store))
    }
}

#[cfg(feature = "postgres")]
impl From<PostgresStore> for Store {
    fn from(store: PostgresStore) -> Self {
        Self(Kind::Postgres(store))
    }
}
