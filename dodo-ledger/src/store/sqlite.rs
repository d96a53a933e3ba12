//! The SQLite store: one process, one file.

use std::{io, path::Path, str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    Connection as _, Sqlite, SqliteConnection, SqlitePool, Transaction,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::timeout,
};

use crate::{
    error::Error,
    store::{
        free_space::Pages,
        sql::{Arg, Row, Sql},
        tx::{Tx, TxBackend, fetch_sqlite},
    },
};

/// Rows that the thread of a connection reads ahead. With fewer, it and the reader of a large group wait for
/// each other at each row.
const ROW_BUFFER: usize = 20_000;

/// The time for which a writer waits for the lock of the file. It is under 5 s, because the route
/// must answer a delivery within 5 s.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The time for which an operation waits for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(4);
const READERS: u32 = 4;
/// Connections for the reads of the ledger itself.
const OWN_READERS: u32 = 2;
/// The file of a database; empty if there is none.
const FILE: &str = "SELECT file FROM pragma_database_list WHERE name = 'main'";
/// The page size of new files. A delivery has about 2 KB. A page of half this size would hold one
/// delivery and stay half empty.
const PAGE_SIZE: u32 = 8192;
/// Pages in the log before a commit moves them into the file: 32 MB, four times what SQLite does by
/// itself. Workers write the same pages repeatedly, so a larger log moves each page less often, and
/// fewer deliveries wait for a move.
const CHECKPOINT_AFTER: &str = "4000";
/// The number of times that a checkpoint waits for readers, each time as long as the next statement
/// sets.
const CHECKPOINTS: u32 = 5;
const SHORT_BUSY_TIMEOUT: &str = "PRAGMA busy_timeout = 200";
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
const LONG_BUSY_TIMEOUT: &str = "PRAGMA busy_timeout = 5000";
/// Pages whose free space is cleared while deliveries wait.
const CLEARED_AT_ONCE: usize = 8192;
/// Any commit makes other connections drop the pages that they hold in memory.
const TOUCH: &str = "UPDATE dodo_books SET change = change + 1 WHERE id = 1";
/// A deferred transaction that turns into a writer fails at once, whatever the busy timeout.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// A ledger in one SQLite file: the default.
///
/// `journal_mode=WAL` and `synchronous=FULL`: every commit is synced to the disk before a delivery
/// is answered. `secure_delete=ON`: SQLite overwrites erased data. One connection writes, others
/// read. The file must be on a local disk, and one process should use it. SQLite's locks exclude a
/// second process only during a write.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    writer: SqlitePool,
    /// The lock of the workers' transactions. Deliveries do not take it, so a delivery waits for at
    /// most one transaction, even if many workers wait.
    write_permit: Arc<Mutex<()>>,
    readers: SqlitePool,
    /// The connections for the ledger's own reads, so that these do not wait for pages or for the
    /// application.
    own: SqlitePool,
}

impl SqliteStore {
    /// Opens `sqlite:path/to/file.db` (or a bare path), and creates the file if there is none, readable by
    /// its owner only, in pages of 8 KiB.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for an invalid URL and for a missing folder,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) for a file that cannot be opened.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let options =
            SqliteConnectOptions::from_str(url)?.create_if_missing(true).page_size(PAGE_SIZE);
        if !["mode=ro", "mode=memory"].iter().any(|mode| url.contains(mode)) {
            let file = options.get_filename();
            if let Some(folder) = missing_folder(file) {
                // The URL of another database holds a password before its `@`.
                let shown = Some(folder).filter(|folder| !folder.to_string_lossy().contains('@'));
                tracing::error!(
                    target: "dodo::ledger", path = shown.map(|folder| tracing::field::display(folder.display())),
                    "database folder missing; create it, or change the path"
                );
                let error = Error::config(
                    "the folder of the database is missing: create it, or change the path",
                );
                return Err(match shown {
                    Some(folder) => error.at_path(folder),
                    None => error,
                });
            }
            create(file);
        }
        Self::with_options(options).await
    }

    /// Opens with your own options, such as a key or a page size. You decide the permissions of the
    /// file. The ledger overrides the settings that its promises need.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn with_options(options: SqliteConnectOptions) -> Result<Self, Error> {
        let options = durable(options);
        let writer = pool(1).connect_with(options.clone()).await?;
        let readers = pool(READERS).connect_with(options.clone()).await?;
        Ok(Self::from_pools(options, writer, readers))
    }

    /// Reads through your pool, which must use a file; [`read_pool`](Self::read_pool) returns it. The
    /// ledger opens its writer and its own readers from the options of the pool, with the settings
    /// that its promises need. They can write even if the pool can only read. The pool must not set
    /// another journal mode than WAL.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) for a pool of a database in memory, where each
    /// connection may have its own database: [`in_memory`](Self::in_memory) is for tests. Otherwise
    /// as [`open`](Self::open).
    pub async fn with_read_pool(readers: SqlitePool) -> Result<Self, Error> {
        let file: Option<String> = sqlx::query_scalar(FILE).fetch_one(&readers).await?;
        if file.is_none_or(|file| file.is_empty()) {
            return Err(Error::config(
                "the pool is of a database in memory: a ledger in memory is made by \
                 `SqliteStore::in_memory`, and a pool is of a file",
            ));
        }
        let options = durable((*readers.connect_options()).clone().read_only(false));
        let writer = pool(1).connect_with(options.clone()).await?;
        Ok(Self::from_pools(options, writer, readers))
    }

    fn from_pools(options: SqliteConnectOptions, writer: SqlitePool, readers: SqlitePool) -> Self {
        let own = pool(OWN_READERS).connect_lazy_with(options);
        Self { writer, write_permit: Arc::default(), readers, own }
    }

    /// Opens a database in memory, for tests. Its data ends with the process.
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
        Ok(Self {
            writer: only.clone(),
            write_permit: Arc::default(),
            readers: only.clone(),
            own: only,
        })
    }

    /// Connections for your own reads.
    #[must_use]
    pub fn read_pool(&self) -> &SqlitePool {
        &self.readers
    }

    /// Begins a transaction of the workers, or of a task without a waiting sender.
    pub(crate) async fn begin(&self) -> Result<Tx, Error> {
        let write_permit = timeout(ACQUIRE_TIMEOUT, self.write_permit.clone().lock_owned());
        let write_permit = write_permit.await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        Ok(Tx::new(TxBackend::Sqlite(self.begin_delivery().await?)).with_write_permit(write_permit))
    }

    /// Begins a transaction of callbacks.
    pub(crate) async fn begin_callback(&self) -> Result<Tx, Error> {
        let mut tx = self.begin().await?;
        tx.open_savepoint().await?;
        Ok(tx)
    }

    /// Begins a transaction that stores deliveries: it waits only for the current writer.
    pub(crate) async fn begin_delivery(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        begun(&self.writer, BEGIN).await
    }

    /// Writes the whole file again, so that it holds only the rows of the tables.
    pub(crate) async fn vacuum(&self) -> Result<(), Error> {
        let (_permit, mut connection) = self.writer_alone().await?;
        sqlx::query("VACUUM").execute(&mut *connection).await?;
        Ok(())
    }

    /// Moves the log into the database file and empties the log, so erased data is in neither.
    /// Returns whether no reader blocked it.
    pub(crate) async fn truncate_wal(&self) -> Result<bool, Error> {
        let (write_permit, mut connection) = self.writer_alone().await?;
        // In its own task: the caller may be canceled, and the connection must get its timeout
        // back.
        let emptying = tokio::spawn(async move {
            let emptied = emptied(&mut connection).await;
            drop(write_permit);
            emptied
        });
        emptying.await.unwrap_or(Ok(false))
    }

    /// Overwrites the copies of erased rows that SQLite leaves in the free space of pages, and
    /// empties the log. The route still stores deliveries: each waits for at most some thousand
    /// pages.
    pub(crate) async fn clear_free_space(&self) -> Result<Cleared, Error> {
        let file: Option<String> = sqlx::query_scalar(FILE).fetch_one(&self.own).await?;
        let Some(file) = file.filter(|file| !file.is_empty()) else { return Ok(Cleared::Complete) };
        // Afterwards, every copy is in the file.
        if !self.truncate_wal().await? {
            return Ok(Cleared::Blocked);
        }
        let (pages, found) = match in_thread(move || leftovers(Path::new(&file))).await? {
            Some(found) => found,
            None => return Ok(Cleared::UnknownFormat),
        };
        for numbers in found.chunks(CLEARED_AT_ONCE) {
            if !self.clear(pages.clone(), numbers.to_vec()).await? {
                return Ok(Cleared::Blocked);
            }
        }
        in_thread(move || pages.sync()).await?;
        Ok(Cleared::Complete)
    }

    /// Clears the free space of some pages: the log is empty, and this connection has the write lock.
    async fn clear(&self, pages: Pages, numbers: Vec<u64>) -> Result<bool, Error> {
        let (write_permit, mut connection) = self.writer_alone().await?;
        let clearing = tokio::spawn(async move {
            let cleared = cleared(&mut connection, &pages, &numbers).await;
            // Pages that this connection holds in memory still have the copies.
            let closed = connection.close().await;
            drop(write_permit);
            closed?;
            cleared
        });
        clearing.await.unwrap_or(Ok(false))
    }

    /// The connection that writes, while no worker waits for it.
    async fn writer_alone(&self) -> Result<(OwnedMutexGuard<()>, PoolConnection<Sqlite>), Error> {
        let write_permit = timeout(ACQUIRE_TIMEOUT, self.write_permit.clone().lock_owned());
        let write_permit = write_permit.await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        Ok((write_permit, self.writer.acquire().await?))
    }

    /// Begins a transaction for the ledger's own reads.
    pub(crate) async fn begin_read(&self) -> Result<Tx, Error> {
        Ok(Tx::new(TxBackend::Sqlite(begun(&self.own, "BEGIN").await?)))
    }

    /// Reads outside of a transaction.
    pub(crate) async fn fetch(&self, sql: &Sql, args: Vec<Arg>) -> Result<Vec<Row>, Error> {
        fetch_sqlite(&self.readers, sql, args).await
    }

    /// Begins a transaction for reads of the application.
    pub(crate) async fn read(&self) -> Result<Tx, Error> {
        Ok(Tx::new(TxBackend::Sqlite(begun(&self.readers, "BEGIN").await?)))
    }
}

/// The result of [`SqliteStore::clear_free_space`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cleared {
    /// No copy is left.
    Complete,
    /// Readers blocked it.
    Blocked,
    /// The file has pages of another format, for example because it is encrypted.
    UnknownFormat,
}

/// The pages of a file, and those with copies of moved rows.
fn leftovers(file: &Path) -> io::Result<Option<(Pages, Vec<u64>)>> {
    let Some(pages) = Pages::open(file)? else { return Ok(None) };
    let found = pages.with_leftovers()?;
    Ok(Some((pages, found)))
}

/// Runs work that waits for the disk.
async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.unwrap_or_else(|panicked| Err(io::Error::other(panicked)));
    Ok(done.map_err(sqlx::Error::Io)?)
}

/// Empties the log. Returns whether no reader blocked it.
async fn emptied(connection: &mut SqliteConnection) -> Result<bool, Error> {
    sqlx::query(SHORT_BUSY_TIMEOUT).execute(&mut *connection).await?;
    let mut emptied = Ok(false);
    for _ in 0..CHECKPOINTS {
        let in_the_way = sqlx::query_scalar::<_, i64>(CHECKPOINT);
        emptied = in_the_way.fetch_one(&mut *connection).await.map(|busy| busy == 0);
        if !matches!(emptied, Ok(false)) {
            break;
        }
    }
    sqlx::query(LONG_BUSY_TIMEOUT).execute(&mut *connection).await?;
    Ok(emptied?)
}

async fn cleared(
    connection: &mut SqliteConnection,
    pages: &Pages,
    numbers: &[u64],
) -> Result<bool, Error> {
    // Another process can write between the two steps.
    for _ in 0..CHECKPOINTS {
        if !emptied(connection).await? {
            return Ok(false);
        }
        sqlx::query(BEGIN).execute(&mut *connection).await?;
        let (pages, numbers) = (pages.clone(), numbers.to_vec());
        let cleared = in_thread(move || pages.clear(&numbers)).await?;
        sqlx::query(TOUCH).execute(&mut *connection).await?;
        sqlx::query("COMMIT").execute(&mut *connection).await?;
        if cleared {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Begins a transaction. A pool of the application can have connections in a state that [`pool`]
/// does not allow.
async fn begun(
    pool: &SqlitePool,
    statement: &'static str,
) -> Result<Transaction<'static, Sqlite>, Error> {
    for _ in 0..pool.options().get_max_connections().saturating_mul(4) {
        match pool.begin_with(statement).await {
            Err(sqlx::Error::InvalidSavePointStatement) => {
                let idle = pool.acquire().await?;
                if idle.is_in_transaction() {
                    idle.close().await?;
                }
            }
            begun => return Ok(begun?),
        }
    }
    Ok(pool.begin_with(statement).await?)
}

/// After some errors, for example on a full disk, SQLite ends the transaction, but the driver still
/// counts it. Such a connection cannot begin another transaction, so a new connection replaces it.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .before_acquire(|idle, _| Box::pin(std::future::ready(Ok(!idle.is_in_transaction()))))
}

/// The first missing folder on the way to a file.
fn missing_folder(file: &Path) -> Option<&Path> {
    let folders = file.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    folders.take_while(|folder| !folder.is_dir()).last()
}

/// SQLite would use the umask for the permissions. An empty file is an empty database. SQLite
/// reports errors of this step when it opens the file.
fn create(path: &Path) {
    let mut file = std::fs::OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    let _exists = file.open(path);
}

fn durable(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .row_buffer_size(ROW_BUFFER)
        .pragma("secure_delete", "ON")
        .pragma("wal_autocheckpoint", CHECKPOINT_AFTER)
}
