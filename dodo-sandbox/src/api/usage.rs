//! Usage events: taken, kept and listed. The sandbox has no meters that bill them.

use std::{collections::HashSet, sync::Arc};

use axum::extract::{Path, State};
use http::Uri;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Answer, Json,
    body::Body,
    list::{Query, page},
};
use crate::{Error, app::App, clock::rfc3339, state::UsageEvent};

/// The body of POST /events/ingest.
#[derive(Debug, Deserialize)]
pub(crate) struct Ingest {
    events: Vec<EventBody>,
}

#[derive(Debug, Deserialize)]
struct EventBody {
    event_id: String,
    customer_id: String,
    event_name: String,
    timestamp: Option<Timestamp>,
    metadata: Option<Map<String, Value>>,
}

/// POST /events/ingest
pub(crate) async fn ingest(State(app): State<Arc<App>>, Body(body): Body<Ingest>) -> Answer {
    if !(1..=1000).contains(&body.events.len()) {
        return Err(Error::invalid("events: 1 to 1000"));
    }
    let mut ids = HashSet::new();
    for event in &body.events {
        if event.event_id.is_empty() || event.event_name.is_empty() {
            return Err(Error::invalid("events: event_id and event_name must not be empty"));
        }
        if !ids.insert(event.event_id.as_str()) {
            return Err(Error::invalid("events: an event_id is there twice"));
        }
        let plain = |v: &Value| v.is_string() || v.is_number() || v.is_boolean();
        if !event.metadata.iter().flatten().all(|(_, value)| plain(value)) {
            return Err(Error::invalid("events: metadata values are strings, numbers or booleans"));
        }
    }
    app.change(|world| {
        let now = world.now();
        let mut ingested = 0;
        for event in body.events {
            // An id from an earlier request is the same event: it counts once.
            if world.usage.get(&event.event_id).is_some() {
                continue;
            }
            ingested += 1;
            world.usage.insert(UsageEvent {
                id: event.event_id,
                customer_id: event.customer_id,
                name: event.event_name,
                at: event.timestamp.unwrap_or(now),
                metadata: event.metadata.unwrap_or_default(),
            });
        }
        Ok(Json(json!({ "ingested_count": ingested })))
    })
}

fn show(event: &UsageEvent, business_id: &str) -> Value {
    json!({
        "business_id": business_id,
        "customer_id": event.customer_id,
        "event_id": event.id,
        "event_name": event.name,
        "metadata": event.metadata,
        "timestamp": rfc3339(event.at),
    })
}

/// GET /events
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let query = Query::of(&uri);
    let (start, end): (Option<Timestamp>, Option<Timestamp>) =
        (query.parse("start")?, query.parse("end")?);
    app.with(|world| {
        let rows = world.usage.iter().filter(|event| {
            query.matches("customer_id", Some(&event.customer_id))
                && query.matches("event_name", Some(&event.name))
                && start.is_none_or(|start| event.at >= start)
                && end.is_none_or(|end| event.at <= end)
        });
        page(&query, rows, |event| show(event, &world.business_id))
    })
}

/// GET /events/{id}
pub(crate) async fn read(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.with(|world| Ok(Json(show(world.usage.find(&id)?, &world.business_id))))
}
