//! Four instances on one PostgreSQL, behind a client that goes round them, book the same as one.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dodo_ledger::Ledger;
use dodo_tests::{
    case::Case,
    client,
    delivery::Delivery,
    postgres::{self, Schema},
    process::Server,
    server::Framework::{self, Actix, Axum, Tower},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const CUSTOMERS: usize = 40;
const SENDERS: usize = 16;
/// Longer than the lease of a killed process.
const LIMIT: Duration = Duration::from_secs(120);
/// Nothing here calls the API.
const NOWHERE: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn four_instances_book_the_same_as_one() {
    let Some(server) = postgres::server("four_instances_book_the_same_as_one") else { return };
    let once = story();

    let file = Scratch::new();
    let alone = start(Axum, &file.url());
    deliver(once.clone(), vec![alone.address], Arc::default()).await;
    let expected = booked(&file.url(), &[&alone]).await;
    // A subscription that started, 5 charges, a refund, a loss, and every other one won back.
    assert_eq!(expected.len(), CUSTOMERS * 8 + CUSTOMERS / 2);

    let schema = Schema::create(server, "instances").await;
    let mut four: Vec<Server> =
        [Axum, Actix, Tower, Axum].map(|framework| start(framework, &schema.url())).into();
    let often = shuffled(repeated(once));
    let half = often.len() / 2;
    let addresses: Vec<SocketAddr> = four.iter().map(|server| server.address).collect();
    let taken = Arc::new(AtomicUsize::new(0));
    let delivering = tokio::spawn(deliver(often, addresses, taken.clone()));
    // One is killed in the middle of its work, and another comes up.
    while taken.load(Ordering::Relaxed) < half {
        assert!(!delivering.is_finished(), "nothing was left to deliver");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    four.remove(0);
    four.push(start(Actix, &schema.url()));
    delivering.await.unwrap();
    let found = booked(&schema.url(), &four.iter().collect::<Vec<_>>()).await;
    drop(four);
    schema.drop().await;

    for (id, record) in &expected {
        assert_eq!(found.get(id), Some(record), "{id}");
    }
    assert_eq!(found.len(), expected.len());
}

fn start(framework: Framework, ledger: &str) -> Server {
    let binary = Path::new(env!("CARGO_BIN_EXE_conformance"));
    Server::start(binary, framework, NOWHERE, &["--ledger", ledger, "--lease", "3"]).unwrap()
}

/// Sends all, several at once, each to the next instance; again, to the one after, until it is taken.
async fn deliver(deliveries: Vec<Delivery>, instances: Vec<SocketAddr>, taken: Arc<AtomicUsize>) {
    let next = Arc::new(AtomicUsize::new(0));
    let queue = Arc::new(tokio::sync::Mutex::new(deliveries.into_iter()));
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let (queue, next) = (queue.clone(), next.clone());
        let (instances, taken) = (instances.clone(), taken.clone());
        senders.spawn(async move {
            loop {
                let Some(delivery) = queue.lock().await.next() else { return };
                let until_taken = async {
                    loop {
                        let turn = next.fetch_add(1, Ordering::Relaxed) % instances.len();
                        let case = delivery.to("/api/webhook");
                        match client::send(instances[turn], &case).await {
                            Ok(reply) if reply.status == 200 => return,
                            _ => tokio::time::sleep(Duration::from_millis(20)).await,
                        }
                    }
                };
                let limited = tokio::time::timeout(LIMIT, until_taken);
                limited.await.expect("a delivery that is never taken");
                taken.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender.unwrap();
    }
}

/// All records by id, when nothing is left to do, without what tells how deliveries arrived. Every
/// instance shows the same.
async fn booked(url: &str, instances: &[&Server]) -> BTreeMap<String, Value> {
    let ledger = Ledger::open(url).await.unwrap();
    let done = async {
        loop {
            let stats = ledger.stats().await.unwrap();
            assert_eq!((stats.dead, stats.parked), (0, 0), "events became dead letters");
            if stats.pending == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, done).await.expect("events that are never done");
    let mut seen: Option<BTreeMap<String, Value>> = None;
    for instance in instances {
        let reply =
            client::send(instance.address, &Case::get("ledger", "/__ledger")).await.unwrap();
        let records: Vec<Value> = serde_json::from_slice(&reply.body).unwrap();
        let count = records.len();
        let records: BTreeMap<String, Value> = records.into_iter().map(without_arrival).collect();
        assert_eq!(records.len(), count, "a record is there twice");
        if let Some(before) = &seen {
            assert_eq!(before, &records, "two instances show different ledgers");
        }
        seen = Some(records);
    }
    seen.unwrap()
}

fn without_arrival(mut record: Value) -> (String, Value) {
    record.as_object_mut().unwrap().remove("received_at");
    if let Some(flags) = record["flags"].as_object_mut() {
        flags.remove("reclassified");
    }
    (record["id"].as_str().unwrap().to_owned(), record)
}

// --- what is delivered ---------------------------------------------------------------------------

/// A customer's story: a subscription with three renewals, something else bought, a refund, and a
/// dispute that is lost and, for every other customer, won after all.
fn story() -> Vec<Delivery> {
    let mut all = Vec::new();
    for n in 0..CUSTOMERS {
        let who = json!({
            "customer_id": format!("cus_{n}"), "email": format!("c{n}@example.com"), "name": "C",
        });
        let subscription = format!("sub_{n}");
        let terms = |kind: &str, day: u32| {
            event(
                &format!("{kind}_{n}_{day}"),
                &format!("subscription.{kind}"),
                day,
                json!({
                    "subscription_id": subscription, "created_at": at(1), "customer": who,
                    "product_id": "pdt_plan", "currency": "EUR", "recurring_pre_tax_amount": 900,
                    "payment_frequency_count": 1, "payment_frequency_interval": "Day",
                    "trial_period_days": 0, "metadata": { "visitor": format!("v{n}") },
                }),
            )
        };
        let charge = |id: &str, day: u32, total: usize, more: Value| {
            let mut data = json!({
                "payment_id": id, "created_at": at(day), "total_amount": total, "tax": total / 10,
                "currency": "EUR", "customer": who, "status": "succeeded", "metadata": {},
            });
            data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            event(id, "payment.succeeded", day, data)
        };
        all.push(terms("active", 1));
        for month in 0..4_u32 {
            let day = 1 + month;
            let mut more = json!({
                "subscription_id": subscription, "subscription_ids": [subscription],
            });
            if month == 0 {
                more["metadata"] =
                    json!({ "visitor": format!("v{n}"), "linkId": format!("l{}", n % 7) });
            }
            all.push(charge(&format!("pay_{n}_{month}"), day, 1000 + n, more));
            all.push(terms("renewed", day));
        }
        all.push(charge(&format!("pay_{n}_once"), 6, 5000 + n, json!({})));
        all.push(event(
            &format!("ref_{n}"),
            "refund.succeeded",
            7,
            json!({
                "refund_id": format!("ref_{n}"), "payment_id": format!("pay_{n}_2"), "amount": 333,
                "currency": "EUR", "is_partial": true, "created_at": at(7), "customer": who,
                "status": "succeeded", "metadata": {},
            }),
        ));
        let steps: &[(&str, u32)] = if n % 2 == 0 {
            &[("opened", 8), ("lost", 9), ("won", 10)]
        } else {
            &[("opened", 8), ("lost", 9)]
        };
        for (step, day) in steps {
            all.push(event(
                &format!("dp_{n}_{step}"),
                &format!("dispute.{step}"),
                *day,
                json!({
                    "dispute_id": format!("dp_{n}"), "payment_id": format!("pay_{n}_once"),
                    "amount": "700", "currency": "EUR", "dispute_status": format!("dispute_{step}"),
                    "dispute_stage": "dispute", "created_at": at(8), "customer": who,
                }),
            ));
        }
    }
    all
}

fn event(id: &str, kind: &str, day: u32, data: Value) -> Delivery {
    let body = json!({ "business_id": "bus_1", "type": kind, "timestamp": at(day), "data": data });
    Delivery::new(&format!("msg_{id}"), body.to_string())
}

fn at(day: u32) -> String {
    format!("2026-10-{day:02}T10:00:00Z")
}

/// Each once, twice or three times.
fn repeated(once: Vec<Delivery>) -> Vec<Delivery> {
    let times = |n: usize| 1 + n % 3;
    once.into_iter().enumerate().flat_map(|(n, one)| vec![one; times(n)]).collect()
}

/// In an order that has nothing to do with the time, and is always the same.
fn shuffled(mut deliveries: Vec<Delivery>) -> Vec<Delivery> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for n in (1..deliveries.len()).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        deliveries.swap(n, (state >> 33) as usize % (n + 1));
    }
    deliveries
}

// --- where it is booked --------------------------------------------------------------------------

/// A folder for a database, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("dodo-instances-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn url(&self) -> String {
        format!("sqlite:{}/ledger.db", self.0.display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}
