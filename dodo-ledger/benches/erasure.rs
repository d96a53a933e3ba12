//! The erasure of customers of a large SQLite ledger, while 100 deliveries per second go on.
//!
//! ```text
//! cargo bench -p dodo-ledger --all-features --bench erasure              # a million payments
//! cargo bench -p dodo-ledger --all-features --bench erasure -- 100000    # fewer
//! ```
//! The payments are booked past the inbox, twelve to a customer. At the end it reads the file and its log,
//! and looks for the erased customers.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

#[expect(dead_code, reason = "shared with other benchmarks, which use more of it")]
mod support;

use std::{
    io::Read as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use dodo_core::{
    Environment, WebhookKey, Webhooks,
    webhook::{Inbox, VerifiedEvent},
};
use dodo_ledger::{
    Ledger, Store,
    attribution::{Batch, Rules, parse},
    booking::GroupStore,
    sqlx::{self, Connection as _, SqliteConnection},
};
use jiff::Timestamp;
use support::{KEY, SAMPLE};

/// Payments of one customer.
const EACH: usize = 12;
const PER_SECOND: u32 = 100;
/// The time between two erasures.
const REST: Duration = Duration::from_secs(5);

fn customer(who: usize) -> String {
    format!("cus_bench_{who}_x")
}

fn payment(n: usize, who: usize, sample: &serde_json::Value) -> VerifiedEvent {
    let at = Timestamp::from_second(1_680_000_000 + i64::try_from(n * 94).unwrap()).unwrap();
    let mut body = sample.clone();
    body["timestamp"] = at.to_string().into();
    let data = &mut body["data"];
    data["created_at"] = at.to_string().into();
    data["payment_id"] = format!("pay_{n}").into();
    data["subscription_id"] = format!("sub_{who}").into();
    data["checkout_session_id"] = format!("cks_{n}").into();
    data["customer"]["customer_id"] = customer(who).into();
    data["customer"]["email"] = format!("{}@example.com", customer(who)).into();
    data["metadata"] = serde_json::json!({
        "visitor": format!("v_{}", customer(who)), "source": format!("source_{}", n % 20) });
    let body = Bytes::from(body.to_string());
    VerifiedEvent::from_trusted_parts(&format!("msg_{n}"), body, at, true)
}

/// Payments of one customer are far from each other, so that rows move between pages.
async fn fill(url: &str, payments: usize) {
    let groups = GroupStore::new(Store::open(url).await.unwrap(), Rules::default());
    let sample: serde_json::Value = serde_json::from_str(SAMPLE).unwrap();
    let (rules, customers) = (Rules::default(), payments / EACH);
    let numbers: Vec<usize> = (0..customers * EACH).collect();
    for numbers in numbers.chunks(2_000) {
        let facts = numbers
            .iter()
            .filter_map(|n| parse(&payment(*n, n * 7_919 % customers, &sample), &rules).unwrap());
        groups.book(Batch::from_facts(facts)).await.unwrap();
    }
}

/// How often the files hold the text.
fn occurrences(file: &Path, text: &str) -> usize {
    let (mut count, mut kept) = (0, Vec::new());
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    for file in [file.as_os_str(), &log] {
        let Ok(mut file) = std::fs::File::open(file) else { continue };
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer).unwrap();
            if read == 0 {
                break;
            }
            kept.extend_from_slice(&buffer[..read]);
            let first = text.as_bytes()[0];
            let begins = kept.windows(text.len()).filter(|window| window[0] == first);
            count += begins.filter(|window| *window == text.as_bytes()).count();
            kept.drain(..kept.len().saturating_sub(text.len() - 1));
        }
    }
    count
}

async fn deliver(ledger: Ledger, first: usize, slowest: Arc<AtomicU64>, refused: Arc<AtomicU64>) {
    let sample: serde_json::Value = serde_json::from_str(SAMPLE).unwrap();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
    for n in first.. {
        tick.tick().await;
        let (ledger, event) = (ledger.clone(), payment(n, n, &sample));
        let (slowest, refused) = (slowest.clone(), refused.clone());
        tokio::spawn(async move {
            let begun = Instant::now();
            if ledger.accept(&event).await.is_err() {
                refused.fetch_add(1, Ordering::Relaxed);
            }
            let took = u64::try_from(begun.elapsed().as_micros()).unwrap();
            slowest.fetch_max(took, Ordering::Relaxed);
        });
    }
}

#[tokio::main]
async fn main() {
    let payments = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    let directory = std::env::temp_dir().join(format!("dodo-erasure-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("ledger.db");
    let url = format!("sqlite:{}", file.display());
    let ledger = Ledger::open(&url).await.unwrap();
    let begun = Instant::now();
    fill(&url, payments).await;
    let size = std::fs::metadata(&file).unwrap().len() / 1_000_000;
    println!("{payments} payments in {:.0?}, a file of {size} MB", begun.elapsed());

    let (_, workers) =
        ledger.attach(Webhooks::builder(WebhookKey::new(KEY, Environment::Live).unwrap())).unwrap();
    let (slowest, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let delivering =
        tokio::spawn(deliver(ledger.clone(), payments, slowest.clone(), refused.clone()));
    tokio::time::sleep(REST).await;
    println!(
        "slowest answer before: {:?}",
        Duration::from_micros(slowest.swap(0, Ordering::Relaxed))
    );
    let customers = payments / EACH;
    let chosen: Vec<usize> = (0..5).map(|n| customers / 7 * (n + 1)).collect();
    for who in &chosen {
        let begun = Instant::now();
        let report = ledger.erase_customer(&customer(*who)).await.unwrap();
        let took = begun.elapsed();
        assert!(report.records >= 1);
        println!(
            "erased {} records in {took:.2?}; slowest answer {:?}, refused {}",
            report.records,
            Duration::from_micros(slowest.swap(0, Ordering::Relaxed)),
            refused.swap(0, Ordering::Relaxed),
        );
        tokio::time::sleep(REST).await;
    }
    delivering.abort();
    assert!(workers.shutdown(Duration::from_secs(10)).await);
    for who in chosen {
        println!("{} is {} times in the files", customer(who), occurrences(&file, &customer(who)));
    }
    println!("{} is {} times in the files", customer(0), occurrences(&file, &customer(0)));
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let check = sqlx::query_scalar::<_, String>("PRAGMA quick_check");
    println!("quick_check: {}", check.fetch_one(&mut connection).await.unwrap());
    std::fs::remove_dir_all(&directory).unwrap();
}
