//! The connections that read an SQLite ledger.
#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use dodo_core::Inbox;
use dodo_ledger::{Ledger, sqlx, store::SqliteStore};
use support::{TestStore, payment};

/// SQLite ends a transaction by itself at some errors, as of the disk. A reader must not go on in what the
/// driver takes for it: it would see the past for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_whose_transaction_sqlite_ended_sees_what_comes() {
    let store = TestStore::sqlite().await.unwrap();
    let opened = SqliteStore::open(&store.url).await.unwrap();
    let readers = opened.readers().clone();
    let ledger = Ledger::builder(opened).workers_elsewhere().build();
    ledger.migrate().await.unwrap();
    let mut ended = Vec::new();
    while ended.len() < usize::try_from(readers.options().get_max_connections()).unwrap() {
        let mut tx = readers.begin().await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut *tx).await.unwrap();
        ended.push(tx);
    }
    drop(ended);
    for n in 1..=12 {
        ledger.accept(&payment(&format!("msg_{n}"), &format!("pay_{n}"))).await.unwrap();
        assert_eq!(ledger.stats().await.unwrap().pending, n);
    }
    store.remove().await;
}
