//! How long a page of the dashboard takes, and how large it is, over a ledger of your own.
//!
//! ```text
//! KEPT=/tmp/kept cargo bench -p dodo-ledger --all-features --bench questions     # 10^6 payments; keeps them
//! cargo bench -p dodo-dashboard --features postgres --bench dashboard -- sqlite:/tmp/kept/ledger.db
//! ```
//! The first command prints the URL of each database. More arguments select pages by parts of their names.
//! Each page is asked 15 times of a new dashboard, which holds no earlier answer, and 15 times again of the same
//! dashboard. An idle tab asks every 10 seconds whether its page changed. Processor times are those of this process, without the server of PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use dodo_core::{BoxError, RequestHead, endpoint::Endpoint as _};
use dodo_dashboard::{Dashboard, Permission};
use dodo_ledger::Ledger;
use http::{Request, StatusCode, header};

const RUNS: u32 = 15;
/// The time between two questions of an idle tab.
const POLL: Duration = Duration::from_secs(10);

/// Name, query, and milliseconds that the page may take.
const PAGES: [(&str, &str, u64); 32] = [
    ("overview", "", 50),
    ("overview, 90 days", "?range=90d", 50),
    ("overview, 12 months", "?range=12m", 50),
    ("overview, all", "?range=all", 50),
    ("breakdown", "?page=breakdown", 50),
    ("breakdown, 90 days", "?page=breakdown&range=90d", 50),
    ("breakdown, 12 months", "?page=breakdown&range=12m", 50),
    ("breakdown, all", "?page=breakdown&range=all", 50),
    ("breakdown by campaign, 90 days", "?page=breakdown&by=campaign&range=90d", 50),
    ("breakdown by campaign, 12 months", "?page=breakdown&by=campaign&range=12m", 50),
    ("breakdown by campaign, all", "?page=breakdown&by=campaign&range=all", 50),
    ("subscriptions", "?page=subscriptions", 50),
    ("deliveries", "?page=deliveries", 50),
    ("overview, a source, 90 days", "?range=90d&is=source%3Asource+1", 50),
    ("overview, a source, 12 months", "?range=12m&is=source%3Asource+1", 120),
    ("overview, a source, all", "?range=all&is=source%3Asource+1", 350),
    ("breakdown, a country, 90 days", "?page=breakdown&range=90d&is=country%3AUS", 50),
    ("breakdown, a country, 12 months", "?page=breakdown&range=12m&is=country%3AUS", 120),
    ("breakdown, a country, all", "?page=breakdown&range=all&is=country%3AUS", 350),
    ("payments, 90 days", "?page=payments&range=90d", 50),
    ("payments of a campaign, all", "?page=payments&range=all&is=campaign%3Acampaign+7", 350),
    ("people, 90 days", "?page=people&range=90d", 50),
    ("people, all", "?page=people&range=all", 350),
    ("people, 12 months", "?page=people&range=12m", 120),
    ("payment", "?page=payment&id=pay_8", 50),
    ("person", "?page=person&id=cus_2", 50),
    ("subscription", "?page=subscription&id=sub_3", 50),
    ("payments, a search", "?page=payments&range=90d&q=pay_8", 50),
    ("funnel, 90 days", "?page=funnel&range=90d", 50),
    ("funnel, 12 months", "?page=funnel&range=12m", 120),
    ("funnel, all", "?page=funnel&range=all", 350),
    ("settings", "?page=settings", 50),
];

/// The processor time of this process, on Linux.
fn cpu() -> Duration {
    let time = |thread: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    Duration::from_nanos(threads.filter_map(time).sum())
}

fn over(ledger: &Ledger) -> Dashboard {
    let all = Permission::view().with_people().with_operations();
    let allow = move |_: RequestHead| async move { Ok::<_, BoxError>(all) };
    Dashboard::builder(ledger).allow(allow).build().unwrap()
}

/// Asks, and returns the time, the size and the tag of the answer.
async fn ask(dashboard: &Dashboard, query: &str, known: Option<&str>) -> (Duration, usize, String) {
    let mut request = Request::get(format!("/{query}"));
    if let Some(known) = known {
        request = request.header(header::IF_NONE_MATCH, known);
    }
    let request = request.body(Bytes::new()).unwrap();
    let begun = Instant::now();
    let answer = dashboard.handle(request).await;
    let took = begun.elapsed();
    let expected = if known.is_some() { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    assert_eq!(answer.status(), expected, "{query}");
    let tag = answer.headers().get(header::ETAG).unwrap().to_str().unwrap().to_owned();
    (took, answer.body().len(), tag)
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() / 2]
}

#[tokio::main]
async fn main() {
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let (urls, wanted): (Vec<_>, Vec<_>) = arguments.partition(|argument| argument.contains(':'));
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part));
    if urls.is_empty() {
        return println!("SKIPPED: name a ledger, for example `-- sqlite:/path/ledger.db`");
    }
    for url in urls {
        println!("{}", url.split(':').next().unwrap_or_default());
        let ledger = Ledger::open(url.as_str()).await.unwrap();
        for (name, query, goal) in PAGES.into_iter().filter(|(name, ..)| is_wanted(name)) {
            let (mut first, mut again, mut used, mut idle) =
                (Vec::new(), Vec::new(), Duration::ZERO, Duration::ZERO);
            let mut size = 0;
            for _ in 0..RUNS {
                let dashboard = over(&ledger);
                let begun = cpu();
                let (took, bytes, tag) = ask(&dashboard, query, None).await;
                used += cpu() - begun;
                first.push(took);
                size = bytes;
                again.push(ask(&dashboard, query, None).await.0);
                let begun = cpu();
                ask(&dashboard, query, Some(&tag)).await;
                idle += cpu() - begun;
            }
            let first = median(first);
            let mark = if first > Duration::from_millis(goal) { "MISSED" } else { "" };
            println!(
                "    {name:33} {first:8.1?}  goal {goal:3} ms {mark:6} cpu {:8.1?}  again {:8.1?}  {:3} KB  \
                 idle tab {:.4} % of a core",
                used / RUNS,
                median(again),
                size / 1000,
                (idle / RUNS).as_secs_f64() / POLL.as_secs_f64() * 100.0,
            );
        }
    }
}
