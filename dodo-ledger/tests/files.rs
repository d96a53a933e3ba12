//! The files of an SQLite ledger: their content and permissions.
#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use dodo_core::{
    attribution::email_sha256,
    webhook::{Inbox, VerifiedEvent},
};
use dodo_ledger::{
    ErrorKind, Ledger,
    sqlx::{self, Connection as _},
};
use support::{TestStore, delivery, eventually, hooks, payment, work};

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

const CUSTOMERS: usize = 150;

/// The text that names a customer in all their data.
fn mark(who: usize) -> String {
    format!("Zq{who:04}")
}

fn email(who: usize) -> String {
    format!("{}@example.com", mark(who).repeat(3))
}

/// A payment whose every text names its customer, of any length.
fn of_customer(n: usize, who: usize) -> VerifiedEvent {
    let (mark, at) = (mark(who), jiff::Timestamp::from_second(1_780_000_000 + n as i64).unwrap());
    let body = serde_json::json!({
        "type": "payment.succeeded", "business_id": "bus_1", "timestamp": at, "data": {
            "payload_type": "Payment", "payment_id": format!("pay_{n}"), "created_at": at,
            "total_amount": 2000, "tax": 300, "currency": "USD",
            "subscription_id": format!("sub_{who}"),
            "customer": { "customer_id": format!("cus_{mark}"), "email": email(who),
                "name": mark.repeat(fastrand::usize(1..40)) },
            "metadata": { "visitor": format!("v_{mark}{mark}"), "utm_source": mark.repeat(2),
                "landing_path": format!("/{}", mark.repeat(fastrand::usize(1..8))) },
        },
    });
    delivery(&format!("msg_{n}"), body.to_string())
}

/// The customers that the files name, and the hashes of addresses in them.
fn named(store: &TestStore) -> (BTreeSet<usize>, BTreeSet<String>) {
    let (mut marks, mut hashes) = (BTreeSet::new(), BTreeSet::new());
    for file in files(store).into_iter().filter(|file| !file.to_string_lossy().ends_with("-shm")) {
        let bytes = std::fs::read(file).unwrap();
        let mut digits = 0;
        for (at, byte) in bytes.iter().enumerate() {
            digits = if byte.is_ascii_hexdigit() { digits + 1 } else { 0 };
            if digits >= 16 {
                hashes.insert(String::from_utf8_lossy(&bytes[at - 15..=at]).into_owned());
            }
            if *byte == b'Z' {
                let mark = bytes.get(at..at + 6).map(String::from_utf8_lossy);
                marks.extend(mark.and_then(|mark| mark.strip_prefix("Zq")?.parse::<usize>().ok()));
            }
        }
    }
    (marks, hashes)
}

/// Rows of random customers and lengths move between pages, also while customers are erased.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erased_customers_leave_no_byte() {
    let seed = std::env::var("DODO_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("DODO_SEED={seed}");
    fastrand::seed(seed);
    let store = TestStore::sqlite().await.unwrap();
    let ledger = store.ledger().await;
    let workers = work(&ledger, hooks().on_any(|_| async { Ok(()) }));
    let mut erased: Vec<usize> = (0..CUSTOMERS).collect();
    fastrand::shuffle(&mut erased);
    let others = erased.split_off(12);
    let mut owner = BTreeMap::new();
    for n in 0..1200 {
        let who = fastrand::usize(..CUSTOMERS);
        owner.insert(n, who);
        ledger.accept(&of_customer(n, who)).await.unwrap();
    }
    ledger.settled().await.unwrap();
    let (marks, hashes) = named(&store);
    let hash = |who: usize| -> String {
        let hash = email_sha256(&email(who)).unwrap();
        hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    };
    assert!(erased.iter().all(|who| marks.contains(who) && hashes.contains(&hash(*who))));

    let more: Vec<(usize, usize)> =
        (1200..1600).map(|n| (n, others[fastrand::usize(..others.len())])).collect();
    owner.extend(more.iter().copied());
    let delivering = tokio::spawn({
        let (ledger, more) = (ledger.clone(), more.clone());
        async move {
            for (n, who) in more {
                ledger.accept(&of_customer(n, who)).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    for (nth, who) in erased.iter().enumerate() {
        assert!(ledger.erase_customer(&format!("cus_{}", mark(*who))).await.unwrap().found);
        let (marks, hashes) = named(&store);
        let gone = &erased[..=nth];
        let left: Vec<_> = gone.iter().filter(|who| marks.contains(who)).collect();
        assert!(left.is_empty(), "customers {left:?} are in the files after {} erasures", nth + 1);
        assert!(!gone.iter().any(|who| hashes.contains(&hash(*who))), "an address is left");
    }
    delivering.await.unwrap();
    ledger.settled().await.unwrap();
    workers.shutdown(Duration::from_secs(5)).await;
    let (marks, _) = named(&store);
    assert!(
        !erased.iter().any(|who| marks.contains(who)),
        "pages in memory brought a customer back"
    );

    // Everything of the others is intact.
    for (n, who) in &owner {
        let record = ledger.record(&format!("charge:pay_{n}")).await.unwrap().unwrap();
        assert_eq!(record.money.unwrap().gross, 2000);
        let is_there = !erased.contains(who);
        assert_eq!(record.customer_id, is_there.then(|| format!("cus_{}", mark(*who))), "{n}");
        assert_eq!(record.visitor.is_some(), is_there, "{n}");
    }
    let mut connection = sqlx::SqliteConnection::connect(&store.url).await.unwrap();
    let check = sqlx::query_scalar::<_, String>("PRAGMA integrity_check");
    assert_eq!(check.fetch_all(&mut connection).await.unwrap(), ["ok"]);
    drop((connection, ledger));
    store.remove().await;
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
