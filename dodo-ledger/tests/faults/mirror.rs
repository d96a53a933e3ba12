//! A projection that writes one row per fact in the booking, and one in the callback of a queued event.

use dodo_core::BoxError;
use dodo_ledger::{
    projection::{ChangedGroup, Projection, ProjectionTx, QueuedEvent, Sql},
    store::sql::{args, sql},
};

#[derive(Debug)]
pub(crate) struct Mirror;

/// No constraint: a second row must show.
const TABLES: &[Sql] = &[
    sql!("CREATE TABLE applied (fact TEXT NOT NULL)"),
    sql!("CREATE TABLE heard (fact TEXT NOT NULL)"),
];
const APPLIED: Sql = sql!("INSERT INTO applied (fact) VALUES ($1)");
const HEARD: Sql = sql!("INSERT INTO heard (fact) VALUES ($1)");

impl Projection for Mirror {
    fn name(&self) -> &str {
        "mirror"
    }

    fn schema(&self) -> &'static [&'static [Sql]] {
        &[TABLES]
    }

    /// Each delivery here is a group of its own, so no group changes twice.
    async fn apply(
        &self,
        groups: &[ChangedGroup<'_>],
        tx: &mut ProjectionTx<'_>,
    ) -> Result<(), BoxError> {
        for fact in groups.iter().flat_map(|group| group.timeline().facts()) {
            tx.execute(&APPLIED, args![&fact.id]).await?;
            tx.queue_event(&fact.id, "").await?;
        }
        Ok(())
    }

    async fn event(&self, event: &QueuedEvent, tx: &mut ProjectionTx<'_>) -> Result<(), BoxError> {
        Ok(tx.execute(&HEARD, args![&event.id]).await.map(drop)?)
    }
}
