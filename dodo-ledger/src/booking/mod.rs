//! Booking: facts into groups, and records out of them, in one transaction.
//!
//! A transaction takes its locks in one order, sorted within each class: inbox rows (skip locked), keys by
//! uniqueness, groups, addresses, rows of projections, books. No step waits for an earlier class, so two transactions cannot block each
//! other, and bookings of different groups run in parallel. A database error is transient: the caller
//! repeats the batch.
//!
//! | module | content |
//! |---|---|
//! | `placement` | the groups of a batch: found, locked, merged |
//! | `rows`, `cache` | the rows of locked groups: read and written, or kept in memory |
//! | `identity`, `again` | the identity of an address; groups that are resolved again |
//! | `erasure`, `retention` | the erasure of a customer or an address; checkouts without a payment |
//! | `books` | money rows and their sums, last |
//! | `recurring` | subscriptions and movements of recurring revenue |
//! | `funnel` | checkout sessions, and the last step that each reached |
//! | `rebuild` | all tables, compared with the facts |
//! | `read` | questions about one payment or subscription |

mod again;
mod books;
mod cache;
mod erasure;
mod funnel;
mod identity;
mod placement;
mod read;
mod rebuild;
mod recurring;
mod retention;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use self::{
    cache::{Booking, Cache},
    rows::Erasures,
};
pub use self::{erasure::Erased, rebuild::RebuildReport};

use self::{placement::Placed, rows::Writes};
use crate::{
    attribution::{Batch, Fact, Group, RecordChange, Rules},
    error::Error,
    outbox::Recipients,
    projection::Projections,
    store::{Store, Tx},
};

/// The number of facts at which the log names a group: usually one customer for all buyers.
const LARGE: usize = 20_000;

/// The access to facts, groups and records in a database, with the projections and sinks that
/// follow them.
#[derive(Clone, Debug)]
pub struct GroupStore {
    store: Store,
    rules: Rules,
    recipients: Recipients,
    projections: Projections,
    cache: Cache,
}

/// The facts of a booking, and the events that they come from.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    pub(crate) batch: Batch,
    /// Customers and addresses of events that bring no fact.
    pub(crate) subjects: BTreeSet<String>,
    /// The ids of facts whose customer was erased before the booking.
    pub(crate) erased: BTreeSet<String>,
}

/// The result of a booking.
#[derive(Debug, Default)]
pub(crate) struct Booked {
    pub(crate) changes: Vec<RecordChange>,
    /// The erasures of all customers and addresses that the booking names.
    pub(crate) erasures: Erasures,
    /// The groups for [`GroupStore::keep`], after the commit.
    pub(crate) groups: Booking,
}

/// The result of [`GroupStore::finish`].
struct Finished {
    changes: Vec<RecordChange>,
    /// The new version of the groups.
    version: i64,
    /// Rows of recurring revenue that changed.
    recurring: u64,
    /// Checkout sessions of the funnel that changed.
    sessions: u64,
}

impl GroupStore {
    /// A group store in this database, without sinks and projections.
    #[must_use]
    pub fn new(store: Store, rules: Rules) -> Self {
        let (recipients, projections) = (Recipients::default(), Projections::default());
        Self { store, rules, recipients, projections, cache: Cache::default() }
    }

    /// Sets the sinks.
    pub(crate) fn with_recipients(mut self, recipients: Recipients) -> Self {
        self.recipients = recipients;
        self
    }

    /// Sets the projections.
    pub(crate) fn with_projections(mut self, projections: Projections) -> Self {
        self.projections = projections;
        self
    }

    /// Sets the cache of the process.
    pub(crate) fn with_cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    /// Keeps the groups of a committed booking in memory.
    pub(crate) fn keep(&self, groups: Booking) {
        self.cache.put(groups);
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Books a batch in one transaction. Each touched group is resolved once.
    ///
    /// # Errors
    /// Those of the database. [`is_transient`](Error::is_transient): repeat the batch.
    pub async fn book(&self, batch: Batch) -> Result<Vec<RecordChange>, Error> {
        if batch.components.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.store.begin_booking().await?;
        let intake = Intake { batch, ..Intake::default() };
        let booked = self.book_in(&mut tx, intake).await?;
        tx.commit().await?;
        self.keep(booked.groups);
        Ok(booked.changes)
    }

    /// Books the context of a checkout. Like the storage of a delivery, it waits for no worker.
    pub(crate) async fn book_context(&self, context: Fact) -> Result<Vec<RecordChange>, Error> {
        let mut tx = self.store.begin_now().await?;
        let intake = Intake { batch: Batch::from_facts([context]), ..Intake::default() };
        let booked = self.book_in(&mut tx, intake).await?;
        tx.commit().await?;
        self.keep(booked.groups);
        Ok(booked.changes)
    }

    /// Books a batch in this transaction, with the outbox rows.
    pub(crate) async fn book_in(&self, tx: &mut Tx, intake: Intake) -> Result<Booked, Error> {
        let Intake { batch, mut subjects, erased } = intake;
        let placed = match batch.components.is_empty() {
            true => Placed::default(),
            false => placement::place(tx, &batch).await?,
        };
        let ids: BTreeSet<i64> = placed.groups.iter().copied().collect();
        let facts = batch.components.iter().flat_map(|component| &component.facts);
        subjects.extend(facts.flat_map(Fact::subjects));
        // After the locks: an erasure of one of these customers is complete, or waits.
        let erasures = Erasures::read(tx, subjects).await?;
        let known = |(id, version): (&i64, &i64)| Some((*id, self.cache.take(*id, *version)?));
        let known = placed.versions.iter().filter_map(known).collect();
        let mut groups = rows::load(tx, &ids, known).await?;
        let mut facts: BTreeMap<i64, Vec<Fact>> = BTreeMap::new();
        for (component, id) in batch.components.into_iter().zip(placed.groups) {
            facts.entry(id).or_default().extend(component.facts);
        }
        let is_erased = |fact: &Fact| {
            erased.contains(&fact.id) || erasures.cover(fact.subjects(), fact.received_at)
        };
        let mut writes = Writes::from_changed(placed.merged, placed.projections);
        for (id, facts) in facts {
            let Some(group) = groups.get_mut(&id) else { continue };
            let before = group.timeline.facts().len();
            let admitted = group.admit(facts, is_erased);
            if (before..group.timeline.facts().len()).contains(&LARGE) {
                tracing::warn!(
                    target: "dodo::ledger", group = id, facts = LARGE,
                    "group is large, and each booking reads it; use one customer for each buyer"
                );
            }
            for fact in group.timeline.facts() {
                if admitted.added.contains(&fact.id) {
                    writes.fact(id, fact)?;
                }
            }
            admitted.redacted.iter().for_each(|fact| writes.redact(id, fact));
            for context in admitted.conflicts {
                tracing::error!(
                    target: "dodo::ledger", context,
                    "checkout context ignored: the session has another one; bind each session once"
                );
            }
        }
        let Finished { changes, version, .. } = self.finish(tx, &mut groups, writes).await?;
        self.recipients.enqueue(tx, &changes).await?;
        Ok(Booked { changes, erasures, groups: Booking { version, groups } })
    }

    /// Resolves the groups, writes the differences, and calls the projections.
    async fn finish(
        &self,
        tx: &mut Tx,
        groups: &mut BTreeMap<i64, Group>,
        mut writes: Writes,
    ) -> Result<Finished, Error> {
        rows::link_addresses(tx, groups).await?;
        let (rules_hash, version) = (self.rules.fingerprint(), fastrand::i64(..));
        let mut all = Vec::new();
        for (id, group) in groups.iter_mut() {
            let changes = group.project(&self.rules);
            for change in &changes {
                writes.record(*id, &change.new)?;
            }
            writes.booked(*id, group, rules_hash, version);
            all.extend(changes);
        }
        let written = writes.write(tx).await?;
        self.projections.apply(tx, groups, &written.changed, written.projections).await?;
        let mut locked = None;
        books::write(tx, &all, &written.records, &mut locked).await?;
        let recurring = recurring::write(tx, groups, &mut locked).await?;
        let sessions = funnel::write(tx, groups, &mut locked).await?;
        if !written.changed.is_empty() {
            // A failed payment moves no money, but a page shows it, so the change number must grow.
            books::lock_once(tx, &mut locked).await?;
        }
        Ok(Finished { changes: all, version, recurring, sessions })
    }
}
