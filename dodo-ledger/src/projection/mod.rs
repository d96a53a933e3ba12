//! Projections: tables of an application, or of a crate of this project, that follow the bookings.
//!
//! A [`Projection`] joins each booking transaction: it sees the changed groups after their records
//! are written, and writes its own tables. Both are committed together, or neither. It can queue
//! events with callbacks after the commit, and set durable timers. Workers run both like the
//! callbacks of deliveries: under a lease, with retries, and with a dead letter after the last
//! attempt.
//!
//! Locks: a projection takes its locks after those of the ledger. It locks rows of its own in a sorted order,
//! and sets timers and queues events last, so that two bookings cannot block each other.

mod registry;
mod schema;
mod tasks;
mod tx;

use std::{collections::BTreeMap, fmt};

use dodo_core::{BoxError, attribution::AttributionRecord};
use jiff::Timestamp;

#[doc(inline)]
pub use crate::store::sql::Sql;

pub use self::tx::ProjectionTx;
pub(crate) use self::{
    registry::{Added, Projections, into_database_error},
    schema::{migrate, queue_all, registered},
    tasks::{Again, Task, Work, read_task},
};

use crate::LedgerHandle;
use crate::attribution::{Group, Record, RecordState, SubscriptionState, Timeline, subscriptions};

/// Tables that follow the bookings of a ledger. Give it to
/// [`LedgerBuilder::projection`](crate::LedgerBuilder::projection).
///
/// ```
/// use dodo_core::BoxError;
/// use dodo_ledger::{
///     Ledger, Store, sqlx,
///     projection::{ChangedGroup, Projection, ProjectionTx, Sql},
/// };
///
/// /// The number of records of each group.
/// struct Counts;
///
/// const TABLE: &str = "CREATE TABLE counts (group_id BIGINT PRIMARY KEY, records BIGINT NOT NULL)";
///
/// impl Projection for Counts {
///     fn name(&self) -> &str {
///         "counts"
///     }
///
///     fn schema(&self) -> &'static [&'static [Sql]] {
///         &[&[Sql { sqlite: TABLE, postgres: TABLE }]]
///     }
///
///     async fn apply(
///         &self,
///         groups: &[ChangedGroup<'_>],
///         tx: &mut ProjectionTx<'_>,
///     ) -> Result<(), BoxError> {
///         for group in groups {
///             let records = i64::try_from(group.records().count())?;
///             sqlx::query("INSERT INTO counts VALUES ($1, $2) ON CONFLICT (group_id) DO UPDATE SET records = $2")
///                 .bind(group.id())
///                 .bind(records)
///                 .execute(tx.sqlite().await?)
///                 .await?;
///         }
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Store::open("sqlite::memory:").await?;
/// let ledger = Ledger::builder(store).projection(Counts).open().await?;
/// # drop(ledger);
/// # Ok(()) }
/// ```
pub trait Projection: Send + Sync + 'static {
    /// The name of its events, of its timers and of its row in `dodo_projection`: `[a-z_]`, 1 to 32
    /// characters, unique in one ledger. A projection that gets another name is another projection.
    fn name(&self) -> &str;

    /// The statements of each version of its tables, oldest first. [`Ledger::migrate`](crate::Ledger::migrate)
    /// runs the missing versions. After a new version the workers apply every group again.
    fn schema(&self) -> &'static [&'static [Sql]] {
        &[]
    }

    /// For crates of this project: the ledger is built.
    #[doc(hidden)]
    fn opened(&self, ledger: LedgerHandle) {
        drop(ledger);
    }

    /// Writes the rows that follow from the changed groups, which are sorted by id. It runs in the
    /// booking transaction, after the records are written, so do no slow work here. The same group
    /// can come again without a change.
    ///
    /// An error, a panic, or a run of more than 10 s (or more than the [lease](crate::LedgerBuilder::lease))
    /// rolls the booking back. Then the events of the batch are booked one by one, and the event that fails
    /// is retried until it is a dead letter. A [`crate::Error`] or [`sqlx::Error`] of the database does not
    /// count as a failed attempt.
    fn apply(
        &self,
        groups: &[ChangedGroup<'_>],
        tx: &mut ProjectionTx<'_>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// The personal data of a customer is erased: delete the rows that name the customer. It runs in the transaction of
    /// the erasure, after [`apply`](Self::apply) got the groups that lost data. An error rolls the erasure
    /// back. Default: nothing.
    fn erased(
        &self,
        customer_id: &str,
        tx: &mut ProjectionTx<'_>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _nothing_to_do = (customer_id, tx);
        std::future::ready(Ok(()))
    }

    /// A timer is due. The transaction also removes the timer, so its writes count once, whatever
    /// the number of instances. After an error, a worker retries it like the callback of a
    /// delivery.
    fn timer(
        &self,
        timer: &Timer,
        tx: &mut ProjectionTx<'_>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _nothing_to_do = (timer, tx);
        std::future::ready(Ok(()))
    }

    /// The callback of a queued event. It runs at least once, and a worker retries it like the
    /// callback of a delivery. Its writes through `tx` count once.
    fn event(
        &self,
        event: &QueuedEvent,
        tx: &mut ProjectionTx<'_>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _nothing_to_do = (event, tx);
        std::future::ready(Ok(()))
    }
}

/// A group that a booking changed. A group is usually the facts of one customer.
#[derive(Debug)]
pub struct ChangedGroup<'a> {
    id: i64,
    merged: &'a [i64],
    group: &'a Group,
}

impl<'a> ChangedGroup<'a> {
    pub(crate) fn new(id: i64, merged: &'a [i64], group: &'a Group) -> Self {
        Self { id, merged, group }
    }

    /// The number of the group in `dodo_group`. It stays until the group is [merged](Self::merged) into
    /// another one or is [gone](Self::is_gone).
    #[must_use]
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Returns the groups that this booking merged into this group. No later call names them.
    #[must_use]
    pub fn merged(&self) -> &[i64] {
        self.merged
    }

    /// Whether the group was deleted: a checkout without a payment that is too old.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.group.timeline.facts().is_empty()
    }

    /// The records of the group, without withdrawn and void ones, sorted by id.
    pub fn records(&self) -> impl Iterator<Item = &AttributionRecord> {
        let valid = |record: &&Record| record.state == RecordState::Valid;
        self.group.records.values().filter(valid).map(|record| &record.record)
    }

    /// The facts of the group.
    #[doc(hidden)]
    #[must_use]
    pub fn timeline(&self) -> &'a Timeline {
        &self.group.timeline
    }

    /// The stored records, with withdrawn and void ones.
    #[doc(hidden)]
    #[must_use]
    pub fn stored(&self) -> &'a BTreeMap<String, Record> {
        &self.group.records
    }

    /// The states of the subscriptions of the group.
    #[doc(hidden)]
    #[must_use]
    pub fn subscriptions(&self) -> Vec<SubscriptionState> {
        subscriptions(&self.group.timeline)
    }
}

/// A timer that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timer {
    /// The key of the timer.
    pub key: String,
    /// The time for which it was set, in whole milliseconds.
    pub at: Timestamp,
}

/// A queued event.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueuedEvent {
    /// As it was queued.
    pub id: String,
    /// As it was queued.
    pub body: String,
    /// The number of the attempt. 1 is the first.
    pub attempt: u32,
}

/// Without the body.
impl fmt::Debug for QueuedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedEvent")
            .field("id", &self.id)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
