//! The tables, and what is read from and written to them. `docs/ledger.md` explains each column.

mod ageing;
mod entries;
mod migrations;
mod past;
mod people;

pub(crate) use self::{ageing::erase_contexts, entries::put_fact_now, past::Past};

use std::time::Duration;

use crate::{
    error::Error,
    store::{
        Store,
        sql::{Sql, args, sql},
    },
};

const VERSION_TABLE: Sql = sql!(
    "CREATE TABLE IF NOT EXISTS dodo_schema (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL)"
);
/// One migration at a time, also when many instances start together. SQLite's writer is one anyway.
const LOCK: Sql = Sql { sqlite: "SELECT 1", postgres: "SELECT pg_advisory_xact_lock(7233961, 1)" };
const VERSION: Sql = sql!("SELECT COALESCE(MAX(version), 0) FROM dodo_schema");
const APPLIED: Sql = sql!("INSERT INTO dodo_schema (version, applied_at) VALUES ($1, " NOW ")");

/// Creates or updates the tables. Safe to call from many instances at once, and again.
pub(crate) async fn migrate(store: &Store) -> Result<(), Error> {
    bring_up(store, migrations::ALL).await
}

async fn bring_up(store: &Store, versions: &[&[Sql]]) -> Result<(), Error> {
    // A large table takes its time.
    let mut tx = store.begin().await?.with_patience(Duration::MAX);
    tx.execute(&LOCK, args![]).await?;
    tx.execute(&VERSION_TABLE, args![]).await?;
    let applied = match tx.fetch_one(&VERSION, args![]).await? {
        Some(mut row) => row.int(0)?,
        None => 0,
    };
    if usize::try_from(applied).is_ok_and(|applied| applied > versions.len()) {
        return Err(Error::setup(
            "the ledger's tables are of a newer version than this program: update the program, or give it \
             a database of its own",
        ));
    }
    for (version, statements) in (1_i64..).zip(versions) {
        if version <= applied {
            continue;
        }
        for statement in *statements {
            tx.execute(statement, args![]).await?;
        }
        tx.execute(&APPLIED, args![version]).await?;
    }
    tx.commit().await
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;
    use crate::{Ledger, query::Dimension};

    /// As the first version wrote it, without the columns that may be empty.
    const CHARGE: Sql = sql!(
        "INSERT INTO dodo_entry (id, evidence, record, derived, class, at_micros, paid, visitor_step,
            campaign_step, kind, live, currency, exponent, gross, net)
         VALUES ('charge:pay_1', '{}', '{\"occurred_at\":\"2026-11-05T09:00:00.25Z\"}', '{}', 0,
            1793476800000000, 1, 8, 8, 'one_time', 1, 'USD', 2, 2000, 1700)"
    );

    /// A payment that failed and the context of its checkout, as the fourth version wrote them.
    const FAILED: Sql = sql!(
        "INSERT INTO dodo_fact (id, body, changed_at)
         VALUES ('attempt:pay_1',
            '{\"what\":{\"what\":\"attempt\",\"payment_id\":\"pay_1\",\"checkout_session_id\":\"cks_1\"}}',
            " NOW " - 1000), ('checkout:cks_1', '{}', " NOW " - 9000), ('checkout:cks_2', '{}', " NOW " - 9000)"
    );

    #[tokio::test]
    async fn failed_payments_of_the_fourth_version_go_with_their_checkouts() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        bring_up(&store, migrations::ALL.get(..4).unwrap()).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        tx.execute(&FAILED, args![]).await.unwrap();
        tx.commit().await.unwrap();
        migrate(&store).await.unwrap();
        let erased = async |millis| {
            let age = std::time::Duration::from_millis(millis);
            erase_contexts(&store, age).await.unwrap()
        };
        assert_eq!(erased(5000).await, 1, "the checkout where nothing was tried");
        assert_eq!(erased(500).await, 2, "the payment, and its checkout");
    }

    #[tokio::test]
    async fn entries_of_the_first_version_go_by_when_money_moved() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        bring_up(&store, migrations::ALL.get(..1).unwrap()).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        tx.execute(&CHARGE, args![]).await.unwrap();
        tx.commit().await.unwrap();
        migrate(&store).await.unwrap();
        let moved = "2026-11-05T09:00:00.25Z".parse::<jiff::Timestamp>().unwrap();
        let ledger = Ledger::builder(store).build().unwrap();
        let days = ledger.revenue().by(Dimension::Day).fetch().await.unwrap();
        let seen: Vec<_> = days.iter().map(|row| (row.key(), row.net)).collect();
        assert_eq!(seen, [(Some("2026-11-05"), 1700)]);
        let after = moved.checked_add(jiff::SignedDuration::from_micros(1)).unwrap();
        assert_eq!(ledger.revenue().between(moved, after).fetch().await.unwrap().len(), 1);
    }
}
