//! Sends events to their endpoints, as Dodo does: signed, without order, with up to eight retries
//! after the first attempt.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    api::webhooks::{self, ENDPOINTS},
    app::App,
    clock, events,
    journal::Op,
    sign,
    state::{
        SandboxState,
        webhook::{Delivery, DeliveryAttempt, DeliveryState},
    },
};

/// The delays before each retry, by the sandbox's clock.
const LADDER: [Duration; 8] = [
    Duration::from_secs(0),
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
];

/// The time limit of an endpoint, by the machine's clock.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The part of an answer's body that the log keeps, in bytes.
const ANSWER_LIMIT: usize = 2_048;

/// The largest number of concurrent deliveries.
const CONCURRENT: usize = 64;

/// The time limit of running deliveries when the sandbox stops.
const GRACE: Duration = Duration::from_secs(3);

/// Faults of the network between the sandbox and the endpoints, for deliveries of later events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConditions {
    /// Holds deliveries until [`Sandbox::flush_held`](crate::Sandbox::flush_held).
    pub hold: bool,
    /// The delay before the first attempt, by the sandbox's clock. In JSON: `delay_seconds`.
    #[serde(rename = "delay_seconds", with = "seconds")]
    pub delay: Duration,
    /// The number of additional deliveries of each event, with the same `webhook-id`. At most 100.
    pub duplicates: u32,
    /// The number of deliveries to lose.
    pub drop_next: u32,
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(delay: &Duration, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_u64(delay.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        u64::deserialize(input).map(Duration::from_secs)
    }
}

impl NetworkConditions {
    /// State, delay and number of copies of the next delivery.
    pub(crate) fn next(&mut self) -> (DeliveryState, Duration, u32) {
        if self.drop_next > 0 {
            self.drop_next -= 1;
            return (DeliveryState::Dropped, Duration::ZERO, 1);
        }
        let state = if self.hold { DeliveryState::Held } else { DeliveryState::Scheduled };
        (state, self.delay, self.duplicates.min(100) + 1)
    }
}

/// One attempt, ready to be sent.
struct PendingDelivery {
    delivery_id: String,
    event_type: String,
    url: String,
    headers: HeaderMap,
    body: String,
}

/// The result of an attempt.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AttemptResult {
    status: Option<u16>,
    error: Option<String>,
    answer: String,
    duration_ms: u64,
}

/// Delivers until `stop` is true.
pub(crate) async fn run(app: Arc<App>, client: reqwest::Client, mut stop: watch::Receiver<bool>) {
    let mut under_way = JoinSet::new();
    let mut changes = app.changes();
    loop {
        let room = CONCURRENT.saturating_sub(under_way.len());
        let (pending, wait) = take_due(&app, room);
        for delivery in pending {
            let (app, client) = (Arc::clone(&app), client.clone());
            under_way.spawn(async move { send(&app, &client, delivery).await });
        }
        // Without room, only a delivery that ends can start the next one.
        let wait = wait.filter(|_| under_way.len() < CONCURRENT);
        tokio::select! {
            _ = changes.changed() => {}
            () = sleep(wait) => {}
            Some(_) = under_way.join_next() => {}
            _ = stop.changed() => break,
        }
    }
    let finish = async { while under_way.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, finish).await;
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        // A timer cannot wait for any length of time, so the loop checks later due times again.
        Some(wait) => tokio::time::sleep(wait.min(Duration::from_secs(24 * 60 * 60))).await,
        None => std::future::pending().await,
    }
}

/// Starts the deliveries that are due, with the wait until the next one.
fn take_due(app: &App, room: usize) -> (Vec<PendingDelivery>, Option<Duration>) {
    if app.is_replaying() {
        return (Vec::new(), None);
    }
    let due = app.with(|state| {
        let now = state.clock.now();
        let due = |delivery: &&Delivery| {
            delivery.state == DeliveryState::Scheduled && delivery.due <= now
        };
        let due = state.deliveries.iter().filter(due).take(room);
        due.map(|delivery| delivery.id().to_owned()).collect::<Vec<_>>()
    });
    if due.is_empty() {
        return (Vec::new(), app.with(|state| until_next(state)));
    }
    // Receivers compare this time with their own clock, so it is the machine's and not the sandbox's.
    let unix = jiff::Timestamp::now().as_second();
    let op = Op::Sent { unix, ids: due.clone() };
    app.record(op, |state| (start(state, &due, unix), until_next(state)))
}

/// Marks deliveries as being sent, and renders them.
fn start(state: &mut SandboxState, ids: &[String], unix: i64) -> Vec<PendingDelivery> {
    let mut all = Vec::with_capacity(ids.len());
    for id in ids {
        let pending = render(state, id, unix);
        if let Some(delivery) = state.deliveries.get_mut(id) {
            delivery.state =
                if pending.is_some() { DeliveryState::Sending } else { DeliveryState::Failed };
        }
        all.extend(pending);
    }
    all
}

/// Repeats the recorded start of deliveries without sending them.
pub(crate) fn restart(state: &mut SandboxState, ids: &[String], unix: i64) {
    start(state, ids, unix);
}

/// Schedules deliveries again that were being sent when the sandbox stopped.
pub(crate) fn reschedule(state: &mut SandboxState) {
    let sending = |delivery: &&mut Delivery| delivery.state == DeliveryState::Sending;
    for delivery in state.deliveries.iter_mut().filter(sending) {
        delivery.state = DeliveryState::Scheduled;
        delivery.attempts.pop();
    }
}

/// `None` if the endpoint or the event no longer exists.
fn render(state: &mut SandboxState, delivery_id: &str, timestamp: i64) -> Option<PendingDelivery> {
    let delivery = state.deliveries.get(delivery_id)?;
    let endpoint = state.get(&ENDPOINTS, &delivery.endpoint_id)?;
    let event = state.events.get(&delivery.webhook_id)?;
    let (body, url, event_type) =
        (events::render(state, event), endpoint.str("url").to_owned(), event.kind.clone());
    let secrets = webhooks::secrets(endpoint, state.clock.now());
    let signature = sign::header(&secrets, &event.id, timestamp, &body);
    let mut headers = HeaderMap::new();
    let own = endpoint.get("headers").and_then(Value::as_object);
    for (name, value) in own.into_iter().flatten() {
        let value = HeaderValue::try_from(value.as_str().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), value) {
            headers.insert(name, value);
        }
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("webhook-id", HeaderValue::try_from(event.id.as_str()).ok()?);
    headers.insert("webhook-timestamp", HeaderValue::from(timestamp));
    headers.insert("webhook-signature", HeaderValue::try_from(signature).ok()?);
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let attempt = DeliveryAttempt {
        at: state.clock.now(),
        status: None,
        error: None,
        body: body.clone(),
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        answer: String::new(),
        duration: Duration::ZERO,
    };
    state.deliveries.get_mut(delivery_id)?.attempts.push(attempt);
    Some(PendingDelivery { delivery_id: delivery_id.to_owned(), event_type, url, headers, body })
}

/// The time until the next due delivery or step, by the machine's clock.
fn until_next(state: &SandboxState) -> Option<Duration> {
    let waiting = state.deliveries.iter().filter(|d| d.state == DeliveryState::Scheduled);
    let next =
        waiting.map(|delivery| delivery.due).chain(crate::flow::schedule::next(state)).min()?;
    state.clock.wait_until(next)
}

async fn send(app: &App, client: &reqwest::Client, delivery: PendingDelivery) {
    let began = Instant::now();
    let request = client.post(&delivery.url).headers(delivery.headers).body(delivery.body);
    let mut result = match request.timeout(TIMEOUT).send().await {
        Ok(mut answer) => {
            let mut text = Vec::new();
            while text.len() < ANSWER_LIMIT
                && let Ok(Some(chunk)) = answer.chunk().await
            {
                text.extend_from_slice(&chunk);
            }
            text.truncate(ANSWER_LIMIT);
            AttemptResult {
                status: Some(answer.status().as_u16()),
                answer: String::from_utf8_lossy(&text).into_owned(),
                ..AttemptResult::default()
            }
        }
        Err(error) => {
            AttemptResult { error: Some(cause(&error).to_owned()), ..AttemptResult::default() }
        }
    };
    result.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    app.log.push(json!({
        "kind": "delivery",
        "id": delivery.delivery_id,
        "type": delivery.event_type,
        "url": delivery.url,
        "status": result.status,
        "error": result.error,
        "answer": result.answer,
        "duration_ms": result.duration_ms,
    }));
    let op = Op::Result { id: delivery.delivery_id.clone(), result: result.clone() };
    app.record(op, |state| finish(state, &delivery.delivery_id, result));
}

/// The reason why an endpoint gave no answer.
fn cause(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        return "no answer within 15 s";
    }
    if error.is_builder() {
        return "the address cannot be used";
    }
    let mut texts = String::new();
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return "connection refused";
        }
        texts += &error.to_string();
        source = error.source();
    }
    match () {
        () if texts.contains("certificate") => {
            "certificate not trusted: use http on this machine, or a certificate the machine trusts"
        }
        () if texts.contains("dns") => "host name not found",
        () if texts.contains("InvalidContentType") || texts.contains("corrupt message") => {
            "no TLS at this address: use http"
        }
        () if error.is_connect() => "connection failed",
        () => "connection lost",
    }
}

/// Stores the result of an attempt, and schedules the next one.
pub(crate) fn finish(state: &mut SandboxState, delivery_id: &str, result: AttemptResult) {
    let now = state.clock.now();
    let Some(delivery) = state.deliveries.get_mut(delivery_id) else { return };
    let Some(attempt) = delivery.attempts.last_mut() else { return };
    (attempt.status, attempt.error, attempt.answer) = (result.status, result.error, result.answer);
    attempt.duration = Duration::from_millis(result.duration_ms);
    let retry = LADDER.get(delivery.attempts.len().saturating_sub(1)).filter(|_| delivery.retried);
    delivery.state = match (delivery.attempts.last().is_some_and(DeliveryAttempt::succeeded), retry)
    {
        (true, _) => DeliveryState::Delivered,
        (false, Some(wait)) => {
            delivery.due = clock::later(now, *wait);
            DeliveryState::Scheduled
        }
        (false, None) => DeliveryState::Failed,
    };
}
