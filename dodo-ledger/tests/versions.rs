//! Programs of several versions on one database.
#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use dodo_ledger::{ErrorKind, Ledger, Store};
use support::TestStore;

/// It would book as it always did into tables that mean something else by now.
async fn older_program_does_not_start(store: TestStore) {
    let ledger = store.ledger().await;
    store.run("INSERT INTO dodo_schema (version, applied_at) VALUES (1000, 0)").await;
    assert_eq!(ledger.migrate().await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(Ledger::open(&store.url).await.unwrap_err().kind(), ErrorKind::Config);
    store.run("DELETE FROM dodo_schema WHERE version = 1000").await;
    ledger.migrate().await.unwrap();
    store.remove().await;
}

#[tokio::test]
async fn older_program_does_not_start_on_sqlite() {
    older_program_does_not_start(TestStore::sqlite().await.unwrap()).await;
}

#[tokio::test]
async fn older_program_does_not_start_on_postgres() {
    let Some(store) = TestStore::postgres("versions").await else { return };
    older_program_does_not_start(store).await;
}

/// Its tables have names in common with those of today.
async fn tables_before_version_0_1_are_refused(store: TestStore) {
    drop(Store::open(&store.url).await.unwrap());
    store.run("CREATE TABLE dodo_entry (id TEXT)").await;
    let error = Ledger::open(&store.url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("`ledger reconcile <days>`"), "{error}");
    store.run("DROP TABLE dodo_entry").await;
    Ledger::open(&store.url).await.unwrap();
    store.remove().await;
}

#[tokio::test]
async fn tables_before_version_0_1_are_refused_on_sqlite() {
    tables_before_version_0_1_are_refused(TestStore::sqlite().await.unwrap()).await;
}

#[tokio::test]
async fn tables_before_version_0_1_are_refused_on_postgres() {
    let Some(store) = TestStore::postgres("versions::earlier").await else { return };
    tables_before_version_0_1_are_refused(store).await;
}
