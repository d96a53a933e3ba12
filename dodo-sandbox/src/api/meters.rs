//! Meters and usage events.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    call::{Call, Reply},
    resource::Resource,
};
use crate::{
    Error,
    clock::rfc3339,
    flow::usage,
    state::{SandboxState, object::Object},
};

pub(crate) static METERS: Resource =
    Resource { name: "meter", path: "/meters", prefix: "mtr_", ..Resource::PLAIN };

pub(crate) static EVENTS: Resource = Resource {
    name: "event",
    path: "/events",
    id: "event_id",
    computed: |_, event| json!({ "timestamp": rfc3339(time(event)) }),
    filters: &[
        ("start", |_, event: &Object, start| start.parse().is_ok_and(|start| time(event) >= start)),
        ("end", |_, event: &Object, end| end.parse().is_ok_and(|end| time(event) <= end)),
        ("meter_id", |state, event: &Object, id| {
            state.get(&METERS, id).is_some_and(|meter| usage::counts(meter, event))
        }),
    ],
    routes: &[("POST /events/ingest", ingest)],
    ..Resource::PLAIN
};

/// The time of the event.
pub(crate) fn time(event: &Object) -> Timestamp {
    event.date("timestamp").unwrap_or(event.created_at)
}

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

fn ingest(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
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
    let mut ingested = 0;
    for event in body.events {
        // The id of an earlier request names the same event, which counts once.
        if state.get(&EVENTS, &event.event_id).is_some() {
            continue;
        }
        ingested += 1;
        let fields = json!({
            "customer_id": event.customer_id,
            "event_name": event.event_name,
            "timestamp": event.timestamp.map(rfc3339),
            "metadata": event.metadata.unwrap_or_default(),
        });
        state.put(&EVENTS, event.event_id.clone(), fields);
        usage::deduct_credits(state, &event.event_id);
    }
    Ok(Reply::Json(json!({ "ingested_count": ingested })))
}
