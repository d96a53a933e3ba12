//! Usage events.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    call::{Call, Reply, Route},
    list::page,
};
use crate::{
    Error,
    clock::rfc3339,
    flow::usage,
    state::{UsageEvent, World},
};

pub(crate) const ROUTES: &[Route] = &[
    ("POST /events/ingest", ingest),
    ("GET /events", list),
    ("GET /events/{}", |world, call| Ok(Reply::Json(show(world.usage.find(call.id())?, world)))),
];

#[derive(Debug, Deserialize)]
struct EventBody {
    event_id: String,
    customer_id: String,
    event_name: String,
    timestamp: Option<Timestamp>,
    metadata: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
struct Ingest {
    events: Vec<EventBody>,
}

fn ingest(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let body: Ingest = call.body()?;
    let mut ids = HashSet::new();
    for event in &body.events {
        if event.event_id.is_empty() || event.event_name.is_empty() {
            return Err(Error::invalid("events: event_id and event_name must not be empty"));
        }
        if !ids.insert(event.event_id.as_str()) {
            return Err(Error::invalid("events: an event_id is there twice"));
        }
    }
    let now = world.now();
    let mut ingested = 0;
    for event in body.events {
        // The id of an earlier request names the same event, which counts once.
        if world.usage.get(&event.event_id).is_some() {
            continue;
        }
        ingested += 1;
        let id = event.event_id.clone();
        world.usage.insert(UsageEvent {
            id: event.event_id,
            customer_id: event.customer_id,
            name: event.event_name,
            at: event.timestamp.unwrap_or(now),
            metadata: event.metadata.unwrap_or_default(),
        });
        usage::deduct_credits(world, &id);
    }
    Ok(Reply::Json(json!({ "ingested_count": ingested })))
}

fn show(event: &UsageEvent, world: &World) -> Value {
    json!({
        "business_id": world.business_id,
        "customer_id": event.customer_id,
        "event_id": event.id,
        "event_name": event.name,
        "metadata": event.metadata,
        "timestamp": rfc3339(event.at),
    })
}

fn list(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let (start, end): (Option<Timestamp>, Option<Timestamp>) =
        (call.parse("start")?, call.parse("end")?);
    let meter = call.query("meter_id").map(|id| world.objects.find("/meters", id)).transpose()?;
    let rows = world.usage.iter().rev().filter(|event| {
        call.query("customer_id").is_none_or(|id| id == event.customer_id)
            && call.query("event_name").is_none_or(|name| name == event.name)
            && meter.is_none_or(|meter| usage::counts(meter, event))
            && start.is_none_or(|start| event.at >= start)
            && end.is_none_or(|end| event.at <= end)
    });
    page(world, call, rows, |event| show(event, world))
}
