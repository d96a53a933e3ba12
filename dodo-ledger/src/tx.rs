//! The event transaction, which callbacks can join.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dodo_core::Event;
use sqlx::Transaction;
#[cfg(feature = "postgres")]
use sqlx::{PgConnection, Postgres};
#[cfg(feature = "sqlite")]
use sqlx::{Sqlite, SqliteConnection};
use tokio::{
    sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    error::{Error, ErrorKind},
    store::{Store, Tx, tx::TxBackend},
};

/// The time between two attempts to begin a transaction.
const AGAIN: Duration = Duration::from_millis(50);

#[derive(Debug)]
enum State {
    /// No callback asked for it yet.
    Unused(Store),
    Open(Tx),
    Over,
}

/// The worker passes it to the callbacks in the extensions of the event.
#[derive(Clone, Debug)]
pub(crate) struct EventTx {
    event: Arc<str>,
    state: Arc<Mutex<State>>,
    /// The end of the lease. Nothing waits longer.
    until: Instant,
    /// Set when the callbacks have ended.
    closed: Arc<AtomicBool>,
    /// The error of the last attempt to begin the transaction.
    store_error: Arc<std::sync::Mutex<Option<Error>>>,
}

impl EventTx {
    pub(crate) fn new(event: &str, store: Store, until: Instant) -> Self {
        let state = Arc::new(Mutex::new(State::Unused(store)));
        Self {
            event: event.into(),
            state,
            until,
            closed: Arc::default(),
            store_error: Arc::default(),
        }
    }

    /// Begins the transaction for a projection, and locks it until the result is dropped.
    pub(crate) async fn hold(&self, projection: &str) -> Result<Held, Error> {
        self.open(format!("projection {projection}")).await.map(Held)
    }

    /// `callback` is the name of the callback that opens the transaction, for the log.
    async fn open(&self, callback: String) -> Result<OwnedMutexGuard<State>, Error> {
        let begin = async {
            let mut state = self.state.clone().lock_owned().await;
            while let State::Unused(store) = &*state {
                let error = match store.begin_callback().await {
                    Ok(tx) => {
                        if !store.is_shared() {
                            let (event, closed) = (self.event.clone(), self.closed.clone());
                            let state = Arc::downgrade(&self.state);
                            tokio::spawn(warn_if_long(event, callback.clone(), state, closed));
                        }
                        *state = State::Open(tx);
                        self.set_store_error(None);
                        continue;
                    }
                    Err(error) => error,
                };
                // Another callback's transaction holds SQLite's one writer.
                let again = error.is_transient();
                let to_return = error.without_source();
                self.set_store_error(Some(error));
                if !again {
                    return Err(to_return);
                }
                tokio::time::sleep(AGAIN).await;
            }
            Ok(state)
        };
        timeout_at(self.until, begin).await.unwrap_or_else(|_| Err(closed_error()))
    }

    fn set_store_error(&self, store_error: Option<Error>) {
        *self.store_error.lock().unwrap_or_else(PoisonError::into_inner) = store_error;
    }

    /// The database error for which the callbacks did not get the transaction, if they requested
    /// it. It does not count as a failed attempt.
    pub(crate) fn store_error(&self) -> Option<Error> {
        self.store_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends the transaction for all callbacks and returns it uncommitted. If a task still holds a
    /// handle, it waits for that handle until the lease ends, and then rolls back.
    pub(crate) async fn close(&self) -> Result<Option<Tx>, Error> {
        self.closed.store(true, Ordering::Relaxed);
        let Ok(mut state) = timeout_at(self.until, self.state.lock()).await else {
            tokio::spawn(watch_leaked_handle(self.event.clone(), self.state.clone()));
            return Err(Error::new(
                ErrorKind::TransactionClosed,
                "event transaction kept after its callback; drop the handle inside of the callback",
            ));
        };
        match std::mem::replace(&mut *state, State::Over) {
            State::Open(tx) => Ok(Some(tx)),
            State::Unused(_) | State::Over => Ok(None),
        }
    }

    async fn lock<T, S>(event: &Event<T, S>) -> Result<OwnedMutexGuard<State>, Error> {
        let slot = event.extensions().get::<Self>().ok_or_else(|| {
            Error::config("event has no transaction: attach the webhooks with `Ledger::attach`")
        })?;
        let kind = event.kind.as_str().replace('.', "_");
        slot.open(format!("on_{kind} (payload {})", std::any::type_name::<T>())).await
    }
}

/// The event transaction, locked for a projection.
#[derive(Debug)]
pub(crate) struct Held(OwnedMutexGuard<State>);

impl Held {
    pub(crate) fn tx(&mut self) -> Result<&mut Tx, Error> {
        match &mut *self.0 {
            State::Open(tx) => Ok(tx),
            State::Unused(_) | State::Over => Err(closed_error()),
        }
    }
}

/// The time for which a callback may hold SQLite's only writer without a warning.
const LONG: Duration = Duration::from_secs(1);

/// Logs a callback that keeps SQLite's one writer: no delivery is stored, and a write through another pool
/// waits for a transaction that waits for it.
async fn warn_if_long(
    event: Arc<str>,
    callback: String,
    state: Weak<Mutex<State>>,
    closed: Arc<AtomicBool>,
) {
    tokio::time::sleep(LONG).await;
    if state.strong_count() > 0 && !closed.load(Ordering::Relaxed) {
        tracing::warn!(
            target: "dodo::ledger", event = &*event, callback,
            "event transaction open for over 1 s, and no delivery can be stored; do slow work before \
             `SqliteTx::join`, and write to this file through the transaction alone"
        );
    }
}

/// The time between two log lines about a kept handle.
const WARN_EVERY: Duration = Duration::from_secs(30);

/// Ends the transaction when the kept handle is dropped. Its holder may be using it, so it cannot
/// be ended earlier.
async fn watch_leaked_handle(event: Arc<str>, state: Arc<Mutex<State>>) {
    let mut dropped = std::pin::pin!(state.lock_owned());
    loop {
        tracing::error!(
            target: "dodo::ledger", event = &*event,
            "event transaction kept after its callback: drop the handle inside of the callback; on SQLite \
             deliveries get 503 until then"
        );
        if let Ok(mut state) = timeout(WARN_EVERY, &mut dropped).await {
            *state = State::Over;
            return;
        }
    }
}

fn closed_error() -> Error {
    Error::new(
        ErrorKind::TransactionClosed,
        "transaction closed: use it before the callback returns",
    )
}

/// The time that the worker reserves for the commit, between the end of the callbacks and the end
/// of the lease.
pub(crate) const COMMIT_RESERVE: Duration = Duration::from_millis(500);

macro_rules! handle { ($feature:literal, $name:ident, $database:ident, $connection:ident, $text:literal) => {
    #[cfg(feature = $feature)]
    #[doc = $text]
    ///
    /// The transaction in which the event is marked done, under the fence of the worker's lease.
    /// The ledger commits the writes of a callback together with that mark, or rolls both back:
    /// exactly once, in *your* tables in the ledger's database. The first callback that joins
    /// begins the transaction, and all callbacks of the event share it, one after the other.
    ///
    /// The transaction ends with the callbacks: a kept handle cannot commit anything, and
    #[doc = concat!("[`", stringify!($name), "::join`] fails with [`TransactionClosed`](ErrorKind::TransactionClosed).")]
    /// Until such a handle is dropped, the transaction stays open with its locks, and the ledger
    /// logs an error.
    pub struct $name(OwnedMappedMutexGuard<State, Transaction<'static, $database>>);

    #[cfg(feature = $feature)]
    impl $name {
        /// Joins the transaction of the event. Waits while another handle of it is alive, at most
        /// until the event's lease ends.
        ///
        /// # Errors
        /// [`Config`](ErrorKind::Config) if the event does not come from
        /// [`Ledger::attach`](crate::Ledger::attach) or the ledger is on the other database;
        /// [`TransactionClosed`](ErrorKind::TransactionClosed) after the callbacks.
        pub async fn join<T, S>(event: &Event<T, S>) -> Result<Self, Error> {
            let state = EventTx::lock(event).await?;
            OwnedMutexGuard::try_map(state, |state| match state {
                State::Open(tx) => match tx.backend_mut() {
                    TxBackend::$database(tx) => Some(tx),
                    #[cfg(all(feature = "sqlite", feature = "postgres"))]
                    _ => None,
                },
                _ => None,
            })
            .map(Self)
            .map_err(|state| match &*state {
                State::Open(_) => Error::config("wrong handle for this database: use `SqliteTx` on SQLite and `PgTx` on PostgreSQL"),
                _ => closed_error(),
            })
        }
    }

    #[cfg(feature = $feature)]
    impl Deref for $name {
        type Target = $connection;
        fn deref(&self) -> &$connection {
            &self.0
        }
    }

    #[cfg(feature = $feature)]
    impl DerefMut for $name {
        fn deref_mut(&mut self) -> &mut $connection {
            &mut self.0
        }
    }

    #[cfg(feature = $feature)]
    impl std::fmt::Debug for $name {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct(stringify!($name)).finish_non_exhaustive()
        }
    }
} }

handle! { "sqlite", SqliteTx, Sqlite, SqliteConnection,
"The event's own transaction in the ledger's SQLite file.

While it is open, no other task writes to the file, deliveries included: do slow work before you ask for it.

```
use dodo_core::{BoxError, Event, event::Payment};
use dodo_ledger::{Ledger, SqliteTx, sqlx};

/// For `on_payment_succeeded`.
async fn store_order(event: Event<Payment>) -> Result<(), BoxError> {
    let mut tx = SqliteTx::join(&event).await?;
    sqlx::query(\"INSERT INTO orders (payment_id, amount) VALUES (?, ?)\")
        .bind(&event.data.payment_id)
        .bind(event.data.total_amount)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// At the start. The ledger creates the file, so open it first.
async fn open() -> Result<(Ledger, sqlx::SqlitePool), BoxError> {
    let ledger = Ledger::open(\"sqlite:shop.db\").await?;
    let pool = sqlx::SqlitePool::connect(\"sqlite:shop.db\").await?;
    sqlx::query(\"CREATE TABLE IF NOT EXISTS orders (payment_id TEXT PRIMARY KEY, amount INTEGER)\")
        .execute(&pool)
        .await?;
    Ok((ledger, pool))
}
```
" }
handle! { "postgres", PgTx, Postgres, PgConnection,
"The event's own transaction in the ledger's PostgreSQL database." }
