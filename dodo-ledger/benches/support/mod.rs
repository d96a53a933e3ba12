//! What the benchmarks share: deliveries, and tasks that hand them in.

use std::time::{Duration, Instant};

use bytes::Bytes;
use dodo_core::webhook::{Inbox, VerifiedEvent};
use dodo_ledger::{
    Ledger,
    sqlx::{self, Connection, PgConnection},
};

pub(crate) const SAMPLE: &str = include_str!("../../../tests/data/samples/payment.succeeded.json");
pub(crate) const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const CONCURRENT: usize = 64;
const FOR: Duration = Duration::from_secs(3);

/// Calls `work` from 64 tasks until the time is over; its argument is a number never used before.
pub(crate) async fn drive<F, Fut>(label: &str, first: usize, work: F) -> f64
where
    F: Fn(usize) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..CONCURRENT {
        let work = work.clone();
        tasks.spawn(async move {
            let mut took = Vec::new();
            for n in (first + task..).step_by(CONCURRENT) {
                if begun.elapsed() > FOR {
                    break;
                }
                let start = Instant::now();
                work(n).await;
                took.push(start.elapsed());
            }
            took
        });
    }
    let mut took = tasks.join_all().await.concat();
    let rate = took.len() as f64 / begun.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |quantile: usize| took[(took.len() - 1) * quantile / 100];
    println!(
        "{label:34} {rate:9.0}/s  p50 {:8.2?}  p99 {:8.2?}  worst {:8.2?}",
        at(50),
        at(99),
        at(100)
    );
    rate
}

pub(crate) fn body() -> Bytes {
    let sample: serde_json::Value = serde_json::from_str(SAMPLE).unwrap();
    Bytes::from(sample.to_string())
}

pub(crate) fn event(n: usize, body: &Bytes) -> VerifiedEvent {
    VerifiedEvent::from_trusted_parts(
        &format!("msg_{n:012}"),
        body.clone(),
        jiff::Timestamp::now(),
        true,
    )
}

pub(crate) async fn grouped(label: &str, ledger: &Ledger, first: usize) -> f64 {
    let (ledger, body) = (ledger.clone(), body());
    drive(label, first, move |n| {
        let (ledger, event) = (ledger.clone(), event(n, &body));
        async move {
            ledger.accept(&event).await.unwrap();
        }
    })
    .await
}

pub(crate) async fn run_on(server: &str, statement: &'static str) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
}

/// The processor time of the running threads of a process of Linux; `self`: of this one.
pub(crate) fn cpu_time(process: &str) -> Option<Duration> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let time = |thread: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some(Duration::from_nanos(threads.filter_map(time).sum()))
}

/// The processor time of the server for the connections of this database.
pub(crate) async fn server_cpu(server: &str) -> Duration {
    let mut connection = PgConnection::connect(server).await.unwrap();
    let pids: Vec<i32> = sqlx::query_scalar(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
            AND pid <> pg_backend_pid()",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    pids.iter().filter_map(|pid| cpu_time(&pid.to_string())).sum()
}

/// The resident memory of this process in bytes, on Linux.
pub(crate) fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
