//! The projections of a ledger, and how the ledger calls them.

use std::{collections::BTreeMap, fmt, pin::Pin, sync::Arc, time::Duration};

use dodo_core::{BoxError, internals::catch};
use tokio::time::timeout;

use super::{
    ChangedGroup, Projection, ProjectionTx, QueuedEvent, Sql, Timer,
    tasks::{Again, Task},
};
use crate::{
    LedgerHandle,
    attribution::Group,
    error::{Error, ErrorKind},
    store::{
        Tx,
        sql::{Rows, args, sql},
    },
    tx::EventTx,
};

/// The longest run of `apply`. PostgreSQL ends the session of a booking that is idle for longer.
const APPLY_WITHIN: Duration = Duration::from_secs(10);

/// A savepoint. If a projection broke the transaction, its release fails, even if the projection
/// ignored the error.
const GUARD: Sql = sql!("SAVEPOINT dodo_projection");
const UNGUARD: Sql = sql!("RELEASE SAVEPOINT dodo_projection");
const QUEUE: Sql = sql!(
    "INSERT INTO dodo_resolve (group_id, reason)
     SELECT given.id, 'projection' FROM " (rows 1: 1 id BIGINT) "
     WHERE true"
);

type ProjectionFuture<'a> = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + 'a>>;

trait DynProjection: Send + Sync {
    fn name(&self) -> &str;
    fn schema(&self) -> &'static [&'static [Sql]];
    fn opened(&self, ledger: LedgerHandle);
    fn apply<'a>(
        &'a self,
        groups: &'a [ChangedGroup<'a>],
        tx: &'a mut ProjectionTx<'_>,
    ) -> ProjectionFuture<'a>;
    fn erased<'a>(
        &'a self,
        customer_id: &'a str,
        tx: &'a mut ProjectionTx<'_>,
    ) -> ProjectionFuture<'a>;
    fn timer<'a>(&'a self, timer: &'a Timer, tx: &'a mut ProjectionTx<'_>) -> ProjectionFuture<'a>;
    fn event<'a>(
        &'a self,
        event: &'a QueuedEvent,
        tx: &'a mut ProjectionTx<'_>,
    ) -> ProjectionFuture<'a>;
}

impl<P: Projection> DynProjection for P {
    fn name(&self) -> &str {
        Projection::name(self)
    }
    fn schema(&self) -> &'static [&'static [Sql]] {
        Projection::schema(self)
    }
    fn opened(&self, ledger: LedgerHandle) {
        Projection::opened(self, ledger);
    }
    fn apply<'a>(
        &'a self,
        groups: &'a [ChangedGroup<'a>],
        tx: &'a mut ProjectionTx<'_>,
    ) -> ProjectionFuture<'a> {
        Box::pin(Projection::apply(self, groups, tx))
    }
    fn erased<'a>(
        &'a self,
        customer_id: &'a str,
        tx: &'a mut ProjectionTx<'_>,
    ) -> ProjectionFuture<'a> {
        Box::pin(Projection::erased(self, customer_id, tx))
    }
    fn timer<'a>(&'a self, timer: &'a Timer, tx: &'a mut ProjectionTx<'_>) -> ProjectionFuture<'a> {
        Box::pin(Projection::timer(self, timer, tx))
    }
    fn event<'a>(
        &'a self,
        event: &'a QueuedEvent,
        tx: &'a mut ProjectionTx<'_>,
    ) -> ProjectionFuture<'a> {
        Box::pin(Projection::event(self, event, tx))
    }
}

/// The projections of a ledger. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Projections {
    all: Arc<[Arc<dyn DynProjection>]>,
    within: Duration,
}

impl Projections {
    /// The projections of one ledger. `lease` also limits `apply`.
    pub(crate) fn new(all: Vec<Added>, lease: Duration) -> Result<Self, Error> {
        let all: Vec<_> = all.into_iter().map(|Added(projection)| projection).collect();
        for (nth, projection) in all.iter().enumerate() {
            let name = projection.name();
            let is_usable = |c: char| c.is_ascii_lowercase() || c == '_';
            if name.is_empty() || name.len() > 32 || !name.chars().all(is_usable) {
                return Err(Error::config(
                    "the name of a projection is not 1 to 32 characters of `[a-z_]`",
                ));
            }
            if all.iter().take(nth).any(|other| other.name() == name) {
                return Err(Error::config("two projections have one name"));
            }
        }
        Ok(Self { all: all.into(), within: APPLY_WITHIN.min(lease) })
    }

    /// Notifies every projection that the ledger is built.
    pub(crate) fn opened(&self, ledger: &LedgerHandle) {
        self.all.iter().for_each(|projection| projection.opened(ledger.clone()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Names and versions of the tables.
    pub(super) fn schemas(&self) -> impl Iterator<Item = (&str, &'static [&'static [Sql]])> {
        self.all.iter().map(|projection| (projection.name(), projection.schema()))
    }

    /// Whether this process has a projection of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all.iter().any(|projection| projection.name() == name)
    }

    /// Whether the database has a projection that this process lacks. `registered`: their number in the
    /// database.
    pub(crate) fn lack(&self, registered: i64) -> bool {
        i64::try_from(self.all.len()).is_ok_and(|own| own < registered)
    }

    /// Calls `apply` of every projection, in the transaction that changed the groups. `changed`
    /// names them, each with the groups that were merged into it.
    pub(crate) async fn apply(
        &self,
        tx: &mut Tx,
        groups: &BTreeMap<i64, Group>,
        changed: &BTreeMap<i64, Vec<i64>>,
        registered: i64,
    ) -> Result<(), Error> {
        if self.lack(registered) {
            // Another process applies them.
            let mut rows = Rows::default();
            changed.keys().for_each(|id| rows.push(args![*id]));
            tx.write(&QUEUE, rows).await?;
        }
        if self.is_empty() || changed.is_empty() {
            return Ok(());
        }
        let changed_groups: Vec<ChangedGroup<'_>> = changed
            .iter()
            .filter_map(|(id, merged)| Some(ChangedGroup::new(*id, merged, groups.get(id)?)))
            .collect();
        tx.execute(&GUARD, args![]).await?;
        for projection in self.all.iter() {
            let mut own = ProjectionTx::from_booking(projection.name(), tx);
            self.in_time(|| projection.apply(&changed_groups, &mut own)).await?;
        }
        tx.execute(&UNGUARD, args![]).await.map(drop)
    }

    /// Calls every projection for an erased customer, in the transaction of the erasure.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if this process lacks a projection, because the rows of that projection
    /// would stay.
    pub(crate) async fn erased(
        &self,
        tx: &mut Tx,
        customer_id: &str,
        registered: i64,
    ) -> Result<(), Error> {
        if self.lack(registered) {
            return Err(Error::config(
                "this program lacks a projection of the database: erase with the application",
            ));
        }
        if self.is_empty() {
            return Ok(());
        }
        tx.execute(&GUARD, args![]).await?;
        for projection in self.all.iter() {
            let mut own = ProjectionTx::from_booking(projection.name(), tx);
            self.in_time(|| projection.erased(customer_id, &mut own)).await?;
        }
        tx.execute(&UNGUARD, args![]).await.map(drop)
    }

    /// Runs a projection inside of a transaction of the ledger.
    async fn in_time<'a>(&self, run: impl FnOnce() -> ProjectionFuture<'a>) -> Result<(), Error> {
        match timeout(self.within, catch(run)).await {
            Ok(Ok(done)) => done.map_err(failed),
            Ok(Err(_panicked)) => Err(Error::new(ErrorKind::Projection, "a projection panicked")),
            Err(_) => Err(Error::new(
                ErrorKind::Projection,
                "a projection took too long: do slow work in the callback of a queued event",
            )),
        }
    }

    /// Runs an event or a timer in the transaction of the attempt. `None`: this process has no projection of
    /// this name.
    pub(crate) async fn run(
        &self,
        name: &str,
        task: &Task,
        attempt: &EventTx,
    ) -> Option<Result<Again, BoxError>> {
        let projection = self.all.iter().find(|projection| projection.name() == name)?;
        let mut tx = ProjectionTx::from_attempt(projection.name(), attempt, task);
        let ran = match task {
            Task::Event(event) => projection.event(event, &mut tx).await,
            Task::Timer(timer) => projection.timer(timer, &mut tx).await,
        };
        Some(ran.map(|()| tx.again()))
    }
}

/// The projections that an application gave to the builder.
pub(crate) struct Added(Arc<dyn DynProjection>);

impl Added {
    pub(crate) fn new(projection: impl Projection) -> Self {
        Self(Arc::new(projection))
    }
}

impl fmt::Debug for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl fmt::Debug for Projections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all.iter().map(|projection| projection.name())).finish()
    }
}

/// The error of a projection. A database error stays unchanged, because it does not count as a
/// failed attempt.
fn failed(error: BoxError) -> Error {
    match into_database_error(error) {
        Ok(error) => error,
        Err(error) => Error::new(ErrorKind::Projection, "a projection failed: fix its error")
            .with_source(error),
    }
}

/// The error of the ledger or the driver that a projection passed on.
pub(crate) fn into_database_error(error: BoxError) -> Result<Error, BoxError> {
    error
        .downcast::<Error>()
        .map(|error| *error)
        .or_else(|error| error.downcast::<sqlx::Error>().map(|error| Error::from(*error)))
}
