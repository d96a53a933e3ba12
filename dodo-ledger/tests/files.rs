//! The files of an SQLite ledger: their content and permissions.
#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::{path::PathBuf, time::Duration};

use dodo_core::webhook::Inbox;
use dodo_ledger::{ErrorKind, Ledger};
use support::{TestStore, eventually, hooks, payment, work};

/// The ledger's files: the database, its log and its index.
fn files(store: &TestStore) -> Vec<PathBuf> {
    let path = PathBuf::from(store.url.strip_prefix("sqlite:").unwrap());
    let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn occurrences(store: &TestStore, text: &str) -> usize {
    let count = |path: PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
    };
    files(store).into_iter().map(count).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erased_data_is_in_no_file() {
    for forget in [true, false] {
        let store = TestStore::sqlite().await.unwrap();
        let ledger = store.ledger().await;
        let workers = work(&ledger, hooks());
        for n in 0..50 {
            ledger.accept(&payment(&format!("msg_{n}"), &format!("pay_{n}"))).await.unwrap();
        }
        eventually("all are done", async || ledger.stats().await.unwrap().pending == 0).await;
        assert!(occurrences(&store, "ada@example.com") > 0);
        if forget {
            ledger.erase_customer("cus_1").await.unwrap();
            assert_eq!(occurrences(&store, "ada@example.com"), 0);
        } else {
            // Of what the bodies say the entries keep nothing like this.
            assert!(occurrences(&store, "payload_type") > 0);
            assert_eq!(ledger.prune_bodies(Duration::ZERO).await.unwrap(), 50);
            assert_eq!(occurrences(&store, "payload_type"), 0);
        }
        workers.shutdown(Duration::from_secs(5)).await;
        store.remove().await;
    }
}

#[tokio::test]
async fn missing_folder_of_the_database_is_named() {
    let folder = std::env::temp_dir().join("dodo-ledger-no-such-folder");
    let url = format!("sqlite:{}/ledger.db", folder.display());
    let error = Ledger::open(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains(&folder.display().to_string()), "{text}");
    assert!(text.contains("create it, or change the path") && !text.contains('\n'), "{text}");
    assert!(!folder.exists());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let store = TestStore::sqlite().await.unwrap();
    let ledger = store.ledger().await;
    ledger.accept(&payment("msg_1", "pay_1")).await.unwrap();
    let files = files(&store);
    assert!(files.len() > 1, "{files:?}");
    for file in files {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    drop(ledger);
    store.remove().await;
}
