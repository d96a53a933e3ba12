//! The transaction of a projection.

use jiff::Timestamp;
#[cfg(feature = "postgres")]
use sqlx::PgConnection;
#[cfg(feature = "sqlite")]
use sqlx::SqliteConnection;

use super::tasks::{Again, Task};
use crate::{
    error::Error,
    store::{
        Tx,
        sql::{Arg, Row, Rows, Sql},
        tx::TxBackend,
    },
    tx::{EventTx, Held},
};

/// The transaction that a [`Projection`](super::Projection) writes in. The ledger commits it.
///
/// In a booking the transaction is open. In a timer or an event it begins at its first use. From
/// then on, no other task can write to a SQLite file, so do slow work before.
#[derive(Debug)]
pub struct ProjectionTx<'a> {
    projection: &'a str,
    place: Place<'a>,
    /// The key of the timer that runs.
    own_timer: Option<&'a str>,
    again: Again,
}

#[derive(Debug)]
enum Place<'a> {
    Booking(&'a mut Tx),
    Attempt(&'a EventTx, Option<Held>),
}

impl<'a> ProjectionTx<'a> {
    pub(crate) fn from_booking(projection: &'a str, tx: &'a mut Tx) -> Self {
        Self { projection, place: Place::Booking(tx), own_timer: None, again: None }
    }

    pub(super) fn from_attempt(projection: &'a str, attempt: &'a EventTx, task: &'a Task) -> Self {
        let own_timer = match task {
            Task::Timer(timer) => Some(timer.key.as_str()),
            Task::Event(_) => None,
        };
        Self { projection, place: Place::Attempt(attempt, None), own_timer, again: None }
    }

    pub(super) fn again(self) -> Again {
        self.again
    }

    async fn tx(&mut self) -> Result<&mut Tx, Error> {
        match &mut self.place {
            Place::Booking(tx) => Ok(tx),
            Place::Attempt(attempt, held) => {
                let held = match held {
                    Some(held) => held,
                    None => held.insert(attempt.hold(self.projection).await?),
                };
                held.tx()
            }
        }
    }

    /// The connection of a ledger on SQLite.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) if the ledger is on PostgreSQL; those of the database if the
    /// transaction cannot begin.
    #[cfg(feature = "sqlite")]
    pub async fn sqlite(&mut self) -> Result<&mut SqliteConnection, Error> {
        match self.tx().await?.backend_mut() {
            TxBackend::Sqlite(tx) => Ok(tx),
            #[cfg(feature = "postgres")]
            TxBackend::Postgres(_) => {
                Err(Error::config("the ledger is on PostgreSQL: use `postgres()`"))
            }
        }
    }

    /// The connection of a ledger on PostgreSQL.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) if the ledger is on SQLite; those of the database if the
    /// transaction cannot begin.
    #[cfg(feature = "postgres")]
    pub async fn postgres(&mut self) -> Result<&mut PgConnection, Error> {
        match self.tx().await?.backend_mut() {
            TxBackend::Postgres(tx) => Ok(tx),
            #[cfg(feature = "sqlite")]
            TxBackend::Sqlite(_) => Err(Error::config("the ledger is on SQLite: use `sqlite()`")),
        }
    }

    /// Queues an event. [`Projection::event`](super::Projection::event) runs after the commit. A second event
    /// with the same id is ignored, also after the first one is done.
    ///
    /// Put no personal data into the body: the ledger stores it as long as the bodies of
    /// deliveries.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn queue_event(&mut self, id: &str, body: impl Into<String>) -> Result<(), Error> {
        let (projection, body) = (self.projection, body.into());
        self.tx().await?.queue_event(projection, id, body).await
    }

    /// Sets a timer. [`Projection::timer`](super::Projection::timer) runs soon after `at`, by the
    /// clock of the database. Each key has one timer: a new timer replaces the earlier one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_timer(&mut self, key: &str, at: Timestamp) -> Result<(), Error> {
        if self.own_timer == Some(key) {
            self.again = Some(at);
            return Ok(());
        }
        let projection = self.projection;
        self.tx().await?.set_timer(projection, key, at).await
    }

    /// Removes a timer, if it is set.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn clear_timer(&mut self, key: &str) -> Result<(), Error> {
        if self.own_timer == Some(key) {
            self.again = None;
            return Ok(());
        }
        let projection = self.projection;
        self.tx().await?.clear_timer(projection, key).await
    }
}

/// For the crates of this project: the statements in both dialects.
#[doc(hidden)]
impl ProjectionTx<'_> {
    /// As [`Tx::fetch`].
    ///
    /// # Errors
    /// Those of the database.
    pub async fn fetch(&mut self, sql: &Sql, args: Vec<Arg>) -> Result<Vec<Row>, Error> {
        self.tx().await?.fetch(sql, args).await
    }

    /// As [`Tx::fetch_one`].
    ///
    /// # Errors
    /// Those of the database.
    pub async fn fetch_one(&mut self, sql: &Sql, args: Vec<Arg>) -> Result<Option<Row>, Error> {
        self.tx().await?.fetch_one(sql, args).await
    }

    /// As [`Tx::execute`].
    ///
    /// # Errors
    /// Those of the database.
    pub async fn execute(&mut self, sql: &Sql, args: Vec<Arg>) -> Result<u64, Error> {
        self.tx().await?.execute(sql, args).await
    }

    /// As [`Tx::write`].
    ///
    /// # Errors
    /// Those of the database.
    pub async fn write(&mut self, sql: &Sql, rows: Rows) -> Result<(), Error> {
        self.tx().await?.write(sql, rows).await
    }
}
