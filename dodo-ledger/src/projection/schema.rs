//! The tables of projections, and the queue of groups that projections apply again.

use super::Projections;
use crate::{
    error::Error,
    store::{
        Tx,
        sql::{Sql, args, sql},
    },
};

const VERSION: Sql = sql!("SELECT version FROM dodo_projection WHERE name = $1");
const APPLIED: Sql = sql!(
    "INSERT INTO dodo_projection (name, version, applied_at) VALUES ($1, $2, " NOW ")
     ON CONFLICT (name) DO UPDATE SET version = excluded.version, applied_at = excluded.applied_at"
);
const NAMES: Sql = sql!("SELECT name FROM dodo_projection ORDER BY name");
const QUEUE_ALL: Sql = sql!(
    "INSERT INTO dodo_resolve (group_id, reason)
     SELECT id, 'projection' FROM dodo_group WHERE parent_id IS NULL"
);

/// Runs the missing versions of each projection. A new projection, or a new version, applies every group
/// again.
pub(crate) async fn migrate(tx: &mut Tx, projections: &Projections) -> Result<(), Error> {
    let mut is_new = false;
    for (name, versions) in projections.schemas() {
        let stored = tx.fetch_one(&VERSION, args![name]).await?;
        let stored = stored.map(|mut row| row.int(0)).transpose()?;
        let newest = i64::try_from(versions.len()).unwrap_or(i64::MAX);
        if stored.is_some_and(|stored| stored > newest) {
            return Err(Error::config(
                "the tables of a projection are of a newer version than this program: update the program",
            ));
        }
        if stored == Some(newest) {
            continue;
        }
        for (version, statements) in (1_i64..).zip(versions) {
            if stored.is_none_or(|stored| stored < version) {
                for statement in *statements {
                    tx.execute(statement, args![]).await?;
                }
            }
        }
        tx.execute(&APPLIED, args![name, newest]).await?;
        is_new = true;
    }
    if is_new {
        queue_all(tx).await?;
    }
    Ok(())
}

/// Queues every group. Returns their number.
pub(crate) async fn queue_all(tx: &mut Tx) -> Result<u64, Error> {
    tx.execute(&QUEUE_ALL, args![]).await
}

/// The names of the projections that this database knows.
pub(crate) async fn registered(tx: &mut Tx) -> Result<Vec<String>, Error> {
    let names = tx.fetch(&NAMES, args![]).await?;
    names.into_iter().map(|mut row| row.text(0)).collect()
}
