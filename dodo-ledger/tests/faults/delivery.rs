//! The sender: like Dodo Payments it delivers until it gets a 2xx, only faster.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use dodo_core::{Environment, WebhookKey};
use tokio::task::JoinHandle;

use crate::wait::{Step, stuck};

pub(crate) const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One delivery to be made.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) id: String,
    pub(crate) body: String,
}

/// A payment of its own.
pub(crate) fn parcel(id: &str) -> Parcel {
    let body = serde_json::json!({
        "type": "payment.succeeded", "business_id": "bus_1", "timestamp": "2026-11-20T10:00:00Z",
        "data": {
            "payload_type": "Payment", "payment_id": format!("pay_{id}"),
            "created_at": "2026-11-20T10:00:00Z", "total_amount": 2000, "tax": 300, "currency": "USD",
            "customer": { "customer_id": format!("cus_{id}"), "email": format!("{id}@example.com"), "name": "A" },
            "metadata": { "visitor": "v1" }
        }
    });
    Parcel { id: id.to_owned(), body: body.to_string() }
}

/// Payments with ids that begin so.
pub(crate) fn parcels(prefix: &str, count: usize) -> Vec<Parcel> {
    (0..count).map(|n| parcel(&format!("{prefix}_{n}"))).collect()
}

/// `count` ids, each one to three times, in any order.
pub(crate) fn shuffled(count: usize) -> Vec<Parcel> {
    let mut parcels = Vec::new();
    for n in 0..count {
        for _ in 0..fastrand::usize(1..=3) {
            parcels.push(parcel(&format!("msg_{n}")));
        }
    }
    fastrand::shuffle(&mut parcels);
    parcels
}

/// What the sender saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) attempted: BTreeSet<String>,
    /// Answered with 2xx.
    pub(crate) acked: BTreeSet<String>,
    /// Answers by status; 0: the connection broke.
    pub(crate) answers: BTreeMap<u16, u64>,
    /// 503 without `Retry-After`.
    pub(crate) without_retry_after: u64,
    /// How long each 2xx took.
    pub(crate) latencies: Vec<Duration>,
    /// The slowest answer of any kind.
    pub(crate) slowest: Duration,
}

impl History {
    /// Adds what another sender saw.
    pub(crate) fn merge(&mut self, other: Self) {
        self.attempted.extend(other.attempted);
        self.acked.extend(other.acked);
        for (status, count) in other.answers {
            *self.answers.entry(status).or_default() += count;
        }
        self.without_retry_after += other.without_retry_after;
        self.latencies.extend(other.latencies);
        self.slowest = self.slowest.max(other.slowest);
    }

    pub(crate) fn quantile(&self, quantile: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = (sorted.len().saturating_sub(1) as f64 * quantile) as usize;
        sorted.get(at).copied().unwrap_or_default()
    }
}

/// Sends to any of these ports.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    client: reqwest::Client,
    key: WebhookKey,
    ports: Arc<[u16]>,
    seen: Arc<Mutex<History>>,
    /// How long to repeat what is not answered with 2xx.
    limit: Duration,
}

impl Sender {
    pub(crate) fn to(ports: &[u16], limit: Duration) -> Self {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(15)).build().unwrap();
        Self {
            client,
            key: WebhookKey::new(KEY, Environment::Live).unwrap(),
            ports: ports.into(),
            seen: Arc::default(),
            limit,
        }
    }

    pub(crate) fn history(&self) -> History {
        self.seen.lock().unwrap().clone()
    }

    /// One attempt. Whether the answer was a 2xx.
    pub(crate) async fn attempt(&self, parcel: &Parcel) -> bool {
        let port = self.ports[fastrand::usize(..self.ports.len())];
        let timestamp = jiff::Timestamp::now().as_second().unsigned_abs();
        let signature = self.key.sign(&parcel.id, timestamp, parcel.body.as_bytes());
        let begun = Instant::now();
        self.seen.lock().unwrap().attempted.insert(parcel.id.clone());
        let answer = self
            .client
            .post(format!("http://127.0.0.1:{port}/webhook"))
            .header("webhook-id", &parcel.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .header("content-type", "application/json")
            .body(parcel.body.clone())
            .send()
            .await;
        let took = begun.elapsed();
        let mut seen = self.seen.lock().unwrap();
        let status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
        *seen.answers.entry(status).or_default() += 1;
        seen.slowest = seen.slowest.max(took);
        if status == 503 && answer.is_ok_and(|answer| !answer.headers().contains_key("retry-after"))
        {
            seen.without_retry_after += 1;
        }
        let acked = (200..300).contains(&status);
        if acked {
            seen.acked.insert(parcel.id.clone());
            seen.latencies.push(took);
        }
        acked
    }

    /// Delivers all, `width` at a time, each until it is answered with 2xx.
    pub(crate) async fn deliver(&self, parcels: Vec<Parcel>, width: usize) -> Step<()> {
        let until = Instant::now() + self.limit;
        let queue = Arc::new(Mutex::new(parcels));
        let mut senders = tokio::task::JoinSet::new();
        for _ in 0..width {
            let (sender, queue) = (self.clone(), queue.clone());
            senders.spawn(async move {
                loop {
                    let Some(parcel) = queue.lock().unwrap().pop() else { return Ok(()) };
                    while !sender.attempt(&parcel).await {
                        if Instant::now() > until {
                            let what = format!("{} is answered with 2xx", parcel.id);
                            return Err(stuck(sender.limit, what));
                        }
                        tokio::time::sleep(Duration::from_millis(fastrand::u64(10..60))).await;
                    }
                }
            });
        }
        senders.join_all().await.into_iter().collect()
    }

    /// The same beside other work.
    pub(crate) fn start(&self, parcels: Vec<Parcel>, width: usize) -> JoinHandle<Step<()>> {
        let sender = self.clone();
        tokio::spawn(async move { sender.deliver(parcels, width).await })
    }

    /// One attempt each at this rate, whether the ones before are answered or not. How many were not
    /// answered with 2xx.
    pub(crate) async fn pace(&self, parcels: Vec<Parcel>, per_second: u32) -> usize {
        let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
        let mut tasks = tokio::task::JoinSet::new();
        for parcel in parcels {
            tick.tick().await;
            let sender = self.clone();
            tasks.spawn(async move { sender.attempt(&parcel).await });
        }
        tasks.join_all().await.into_iter().filter(|acked| !acked).count()
    }
}
