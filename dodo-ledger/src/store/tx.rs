//! A transaction on either database.

use std::{future::poll_fn, pin::Pin, time::Duration};

use futures_core::Stream;

#[cfg(feature = "postgres")]
use sqlx::Postgres;
#[cfg(feature = "sqlite")]
use sqlx::Sqlite;
use sqlx::{AssertSqlSafe, Column as _, Executor, TypeInfo as _, ValueRef as _};

use tokio::{
    sync::{OwnedMutexGuard, OwnedSemaphorePermit},
    time::timeout,
};

#[cfg(feature = "postgres")]
use crate::store::sql::Column;
use crate::{
    error::Error,
    store::sql::{Arg, Cell, Row, Rows, Sql},
};

/// A savepoint as a mark: its release fails if the transaction has ended.
#[cfg(feature = "sqlite")]
const SAVEPOINT: Sql = Sql { sqlite: "SAVEPOINT dodo_event", postgres: "" };
#[cfg(feature = "sqlite")]
const RELEASE_SAVEPOINT: Sql = Sql { sqlite: "RELEASE dodo_event", postgres: "" };

/// An open transaction. Dropping it rolls back.
#[derive(Debug)]
pub struct Tx {
    backend: TxBackend,
    /// Declared after the transaction, so that the permits are released after it.
    write_permit: Option<OwnedMutexGuard<()>>,
    permit: Option<OwnedSemaphorePermit>,
    statement_timeout: Duration,
}

/// The longest wait for a statement. Without it, a statement on a vanished host waits until the
/// connection ends, which may be never.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) enum TxBackend {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// The same steps for both drivers. It is a macro because the types of the drivers share no
/// suitable trait.
macro_rules! each {
    ($kind:expr, $text:ident = $sql:expr, $tx:ident => $body:expr) => {
        match $kind {
            #[cfg(feature = "sqlite")]
            TxBackend::Sqlite($tx) => {
                let $text = $sql.sqlite;
                $body
            }
            #[cfg(feature = "postgres")]
            TxBackend::Postgres($tx) => {
                let $text = $sql.postgres;
                $body
            }
        }
    };
}

macro_rules! bound {
    ($text:expr, $args:expr) => {{
        let mut query = sqlx::query($text);
        for arg in $args {
            query = match arg {
                Arg::Text(value) => query.bind(value),
                Arg::Int(value) => query.bind(value),
                Arg::Bytes(value) => query.bind(value),
                Arg::Rows(rows) => rows.bind_to(query),
            };
        }
        query
    }};
}

/// The binding of a table for each driver.
trait BindTo<'q, D: sqlx::Database> {
    fn bind_to(self, query: Query<'q, D>) -> Query<'q, D>;
}

type Query<'q, D> = sqlx::query::Query<'q, D, <D as sqlx::Database>::Arguments>;

#[cfg(feature = "sqlite")]
impl<'q> BindTo<'q, Sqlite> for Rows {
    fn bind_to(self, query: Query<'q, Sqlite>) -> Query<'q, Sqlite> {
        query.bind(self.to_json())
    }
}

#[cfg(feature = "postgres")]
impl<'q> BindTo<'q, Postgres> for Rows {
    fn bind_to(self, query: Query<'q, Postgres>) -> Query<'q, Postgres> {
        self.into_columns().into_iter().fold(query, |query, column| match column {
            Column::Text(texts) => query.bind(texts),
            Column::Int(ints) => query.bind(ints),
        })
    }
}

impl Tx {
    pub(crate) fn new(backend: TxBackend) -> Self {
        Self { backend, write_permit: None, permit: None, statement_timeout: STATEMENT_TIMEOUT }
    }

    /// Sets the statement timeout.
    pub(crate) fn with_timeout(mut self, statement_timeout: Duration) -> Self {
        self.statement_timeout = statement_timeout;
        self
    }

    /// Holds a lock until this transaction ends, so that no other one begins.
    #[cfg(feature = "sqlite")]
    pub(crate) fn with_write_permit(mut self, write_permit: OwnedMutexGuard<()>) -> Self {
        self.write_permit = Some(write_permit);
        self
    }

    /// Holds a permit for a connection until this transaction ends.
    #[cfg(feature = "postgres")]
    pub(crate) fn with_permit(mut self, permit: OwnedSemaphorePermit) -> Self {
        self.permit = Some(permit);
        self
    }

    /// Marks a transaction that a callback can use. Call it at the beginning.
    #[cfg(feature = "sqlite")]
    pub(crate) async fn open_savepoint(&mut self) -> Result<(), Error> {
        self.execute(&SAVEPOINT, Vec::new()).await.map(drop)
    }

    /// Whether a [watched](Self::watch) transaction is still open. SQLite ends a transaction by
    /// itself after some errors, for example on a full disk, and would commit later statements
    /// without it. In PostgreSQL each later statement fails.
    pub(crate) async fn verify_savepoint(&mut self) -> Result<(), Error> {
        match &mut self.backend {
            #[cfg(feature = "sqlite")]
            TxBackend::Sqlite(_) => match self.execute(&RELEASE_SAVEPOINT, Vec::new()).await {
                Err(error) if !error.is_the_databases() => Err(Error::new(
                    crate::ErrorKind::StatementRejected,
                    "SQLite ended the event transaction after an error: return errors of statements",
                )),
                proven => proven.map(drop),
            },
            #[cfg(feature = "postgres")]
            TxBackend::Postgres(_) => Ok(()),
        }
    }

    pub(crate) fn backend_mut(&mut self) -> &mut TxBackend {
        &mut self.backend
    }

    /// Runs a statement and returns the number of changed rows.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn execute(&mut self, sql: &Sql, args: Vec<Arg>) -> Result<u64, Error> {
        each!(&mut self.backend, text = sql, tx => {
            let done = in_time(self.statement_timeout, (&mut **tx).execute(bound!(text, args))).await?;
            Ok(done.rows_affected())
        })
    }

    /// Runs a statement that writes rows, if there are any.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn write(&mut self, sql: &Sql, rows: Rows) -> Result<(), Error> {
        match rows.is_empty() {
            true => Ok(()),
            false => self.execute(sql, vec![Arg::Rows(rows)]).await.map(drop),
        }
    }

    /// Runs a statement and returns all its rows.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn fetch(&mut self, sql: &Sql, args: Vec<Arg>) -> Result<Vec<Row>, Error> {
        each!(&mut self.backend, text = sql, tx => {
            in_time(self.statement_timeout, read_all((&mut **tx).fetch(bound!(text, args)))).await
        })
    }

    /// Runs a statement and reads each row as soon as it arrives, while the database finds the next ones.
    pub(crate) async fn fetch_each(
        &mut self,
        sql: &Sql,
        args: Vec<Arg>,
        read: impl FnMut(Row) -> Result<(), Error> + Send,
    ) -> Result<(), Error> {
        each!(&mut self.backend, text = sql, tx => {
            let rows = (&mut **tx).fetch(bound!(text, args));
            in_time(self.statement_timeout, read_each(rows, read)).await?
        })
    }

    /// Runs a statement that is built from constant texts, equal in both databases. Values from
    /// outside go into `args`, never into the text.
    pub(crate) async fn fetch_built(
        &mut self,
        text: String,
        args: Vec<Arg>,
    ) -> Result<Vec<Row>, Error> {
        match &mut self.backend {
            #[cfg(feature = "sqlite")]
            TxBackend::Sqlite(tx) => {
                let query = bound!(AssertSqlSafe(text), args);
                in_time(self.statement_timeout, read_all((&mut **tx).fetch(query))).await
            }
            #[cfg(feature = "postgres")]
            TxBackend::Postgres(tx) => {
                let query = bound!(AssertSqlSafe(text), args);
                in_time(self.statement_timeout, read_all((&mut **tx).fetch(query))).await
            }
        }
    }

    /// The first row of a statement.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn fetch_one(&mut self, sql: &Sql, args: Vec<Arg>) -> Result<Option<Row>, Error> {
        Ok(self.fetch(sql, args).await?.into_iter().next())
    }

    /// Makes the transaction durable.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn commit(self) -> Result<(), Error> {
        match self.backend {
            #[cfg(feature = "sqlite")]
            TxBackend::Sqlite(tx) => in_time(self.statement_timeout, tx.commit()).await?,
            #[cfg(feature = "postgres")]
            TxBackend::Postgres(tx) => in_time(self.statement_timeout, tx.commit()).await?,
        }
        drop((self.write_permit, self.permit));
        Ok(())
    }
}

/// Reads outside of a transaction.
#[cfg(feature = "sqlite")]
pub(crate) async fn fetch_sqlite(
    pool: &sqlx::SqlitePool,
    sql: &Sql,
    args: Vec<Arg>,
) -> Result<Vec<Row>, Error> {
    in_time(STATEMENT_TIMEOUT, read_all(pool.fetch(bound!(sql.sqlite, args)))).await
}

/// Reads outside of a transaction.
#[cfg(feature = "postgres")]
pub(crate) async fn fetch_postgres(
    pool: &sqlx::PgPool,
    statement_timeout: Duration,
    sql: &Sql,
    args: Vec<Arg>,
) -> Result<Vec<Row>, Error> {
    in_time(statement_timeout, read_all(pool.fetch(bound!(sql.postgres, args)))).await
}

/// Aborts a statement that takes too long. If the caller drops a statement, it also drops its
/// transaction.
pub(crate) async fn in_time<T>(
    statement_timeout: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Error> {
    match timeout(statement_timeout, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Error::new(
            crate::ErrorKind::Unavailable,
            "database did not answer in time: check its load and the network",
        )),
    }
}

/// The rows of a statement that runs.
type RowStream<'s, R> = Pin<Box<dyn Stream<Item = Result<R, sqlx::Error>> + Send + 's>>;

async fn read_all<R>(rows: RowStream<'_, R>) -> Result<Vec<Row>, sqlx::Error>
where
    R: sqlx::Row,
    usize: sqlx::ColumnIndex<R>,
    for<'r> String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'r> i16: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'r> i32: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'r> i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'r> bool: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'r> Vec<u8>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    let mut all = Vec::new();
    let read = read_each(rows, |row| {
        all.push(row);
        Ok(())
    });
    // The closure never fails.
    read.await.map(drop)?;
    Ok(all)
}

/// Reads each row when it arrives, so that the driver frees its copy at once. It stops at the first error of
/// `read`.
async fn read_each<R>(
    mut rows: RowStream<'_, R>,
    mut read: impl FnMut(Row) -> Result<(), Error>,
) -> Result<Result<(), Error>, sqlx::Error>
where
    R: sqlx::Row,
    usize: sqlx::ColumnIndex<R>,
    for<'r> String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'r> i16: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'r> i32: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'r> i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'r> bool: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'r> Vec<u8>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    while let Some(row) = poll_fn(|context| rows.as_mut().poll_next(context)).await {
        let row = row?;
        // By the type of the value, not of the column: an expression has none in SQLite.
        let cell = |column: &<R::Database as sqlx::Database>::Column| {
            let at = column.ordinal();
            let value = row.try_get_raw(at)?;
            if value.is_null() {
                return Ok(Cell::Null);
            }
            Ok(match value.type_info().name() {
                "TEXT" | "VARCHAR" | "NAME" => Cell::Text(row.try_get(at)?),
                "BLOB" | "BYTEA" => Cell::Bytes(row.try_get(at)?),
                "INT2" => Cell::Int(row.try_get::<i16, _>(at)?.into()),
                "INT4" => Cell::Int(row.try_get::<i32, _>(at)?.into()),
                "BOOL" | "BOOLEAN" => Cell::Int(i64::from(row.try_get::<bool, _>(at)?)),
                _ => Cell::Int(row.try_get(at)?),
            })
        };
        let cells = row.columns().iter().map(cell).collect::<Result<_, sqlx::Error>>()?;
        if let Err(error) = read(Row(cells)) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}
