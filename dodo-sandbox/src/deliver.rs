//! Sends events to their endpoints, as Dodo does: signed, without order, again and again until one
//! attempt succeeds or eight retries failed.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    app::App,
    clock, events, sign,
    state::{
        World,
        webhook::{Delivery, DeliveryAttempt, DeliveryState},
    },
};

/// The waits before each retry, by the sandbox's clock.
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

/// How long an endpoint may take, by the machine's clock.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How many deliveries are on their way at once.
const CONCURRENT: usize = 64;

/// How long deliveries under way may take when the sandbox stops.
const GRACE: Duration = Duration::from_secs(3);

/// Faults of the network between the sandbox and the endpoints, for deliveries of later events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConditions {
    /// Holds deliveries until [`Sandbox::flush_held`](crate::Sandbox::flush_held).
    pub hold: bool,
    /// The wait before the first attempt, by the sandbox's clock. In JSON: `delay_seconds`.
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
struct Parcel {
    delivery_id: String,
    url: String,
    headers: HeaderMap,
    body: String,
}

/// Delivers until `stop` says otherwise.
pub(crate) async fn run(app: Arc<App>, client: reqwest::Client, mut stop: watch::Receiver<bool>) {
    let mut under_way = JoinSet::new();
    let mut changes = app.changes();
    loop {
        let room = CONCURRENT.saturating_sub(under_way.len());
        let (parcels, wait) = app.with(|world| (take_due(world, room), until_next(world)));
        for parcel in parcels {
            let (app, client) = (Arc::clone(&app), client.clone());
            under_way.spawn(async move { send(&app, &client, parcel).await });
        }
        // While there is no room, only a delivery that ends can bring the next one on its way.
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
        // Timers do not take absurd waits; whatever falls due later is looked at again then.
        Some(wait) => tokio::time::sleep(wait.min(Duration::from_secs(24 * 60 * 60))).await,
        None => std::future::pending().await,
    }
}

/// Marks what is due as being sent, and renders it.
fn take_due(world: &mut World, room: usize) -> Vec<Parcel> {
    let now = world.clock.now();
    let due =
        |delivery: &&Delivery| delivery.state == DeliveryState::Scheduled && delivery.due <= now;
    let ids: Vec<String> =
        world.deliveries.iter().filter(due).take(room).map(|d| d.id().to_owned()).collect();
    let mut parcels = Vec::with_capacity(ids.len());
    for id in ids {
        let parcel = parcel(world, &id);
        if let Some(delivery) = world.deliveries.get_mut(&id) {
            delivery.state =
                if parcel.is_some() { DeliveryState::Sending } else { DeliveryState::Failed };
        }
        parcels.extend(parcel);
    }
    parcels
}

/// `None` when the endpoint or the event is gone.
fn parcel(world: &mut World, delivery_id: &str) -> Option<Parcel> {
    let delivery = world.deliveries.get(delivery_id)?;
    let endpoint = world.endpoints.get(&delivery.endpoint_id)?;
    let event = world.events.get(&delivery.webhook_id)?;
    let body = events::render(world, event);
    // Receivers compare with their own clock, so this is the machine's time and not the sandbox's.
    let timestamp = jiff::Timestamp::now().as_second();
    let secrets = endpoint.secrets(world.clock.now());
    let signature = sign::header(&secrets, &event.id, timestamp, &body);
    let mut headers = HeaderMap::new();
    for (name, value) in &endpoint.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("webhook-id", HeaderValue::try_from(event.id.as_str()).ok()?);
    headers.insert("webhook-timestamp", HeaderValue::from(timestamp));
    headers.insert("webhook-signature", HeaderValue::try_from(signature).ok()?);
    let (delivery_id, url, at) = (delivery_id.to_owned(), endpoint.url.clone(), world.clock.now());
    let attempt = DeliveryAttempt { at, status: None, error: None, body: body.clone() };
    world.deliveries.get_mut(&delivery_id)?.attempts.push(attempt);
    Some(Parcel { delivery_id, url, headers, body })
}

/// How long until the next delivery or anything else falls due, by the machine's clock.
fn until_next(world: &World) -> Option<Duration> {
    let waiting = world.deliveries.iter().filter(|d| d.state == DeliveryState::Scheduled);
    let next =
        waiting.map(|delivery| delivery.due).chain(crate::flow::schedule::next(world)).min()?;
    world.clock.wait_until(next)
}

async fn send(app: &App, client: &reqwest::Client, parcel: Parcel) {
    let request = client.post(parcel.url).headers(parcel.headers).body(parcel.body);
    let answer = request.timeout(TIMEOUT).send().await;
    let (status, error) = match answer {
        Ok(answer) => (Some(answer.status().as_u16()), None),
        Err(error) if error.is_timeout() => (None, Some("no answer within 15 s")),
        Err(error) if error.is_connect() => (None, Some("connection refused")),
        Err(error) if error.is_builder() => (None, Some("the address cannot be used")),
        Err(_) => (None, Some("connection lost")),
    };
    app.change(|world| record(world, &parcel.delivery_id, status, error));
}

/// Notes what came of an attempt, and when the next one falls due.
fn record(world: &mut World, delivery_id: &str, status: Option<u16>, error: Option<&'static str>) {
    let now = world.clock.now();
    let Some(delivery) = world.deliveries.get_mut(delivery_id) else { return };
    let Some(attempt) = delivery.attempts.last_mut() else { return };
    (attempt.status, attempt.error) = (status, error);
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
