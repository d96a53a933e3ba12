//! Webhook endpoints.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Answer, Json,
    body::{self, Body},
};
use crate::{
    Error,
    app::App,
    events, id,
    state::{World, webhook::Endpoint},
};

/// The body of POST /webhooks.
#[derive(Debug, Deserialize)]
pub(crate) struct Create {
    url: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    disabled: Option<bool>,
    #[serde(default)]
    filter_types: Option<Vec<String>>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    #[serde(default)]
    rate_limit: Option<u32>,
    #[serde(default)]
    idempotency_key: Option<String>,
}

impl Create {
    /// An endpoint for everything, at this address.
    pub(crate) fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            description: None,
            disabled: None,
            filter_types: None,
            metadata: None,
            rate_limit: None,
            idempotency_key: None,
        }
    }

    pub(crate) fn into_endpoint(self, world: &World, secret: String) -> Result<Endpoint, Error> {
        let url = body::web_url("url", Some(self.url))?.unwrap_or_default();
        let filter_types = filter(self.filter_types)?;
        if let Some(key) = &self.idempotency_key
            && world.endpoints.iter().any(|e| e.idempotency_key.as_ref() == Some(key))
        {
            return Err(Error::conflict("CONFLICT", "this idempotency key was used already"));
        }
        let now = world.now();
        Ok(Endpoint {
            id: id::new("whk_"),
            url,
            description: self.description.unwrap_or_default(),
            disabled: self.disabled.unwrap_or_default(),
            filter_types,
            headers: Vec::new(),
            metadata: body::metadata(self.metadata)?,
            rate_limit: self.rate_limit,
            idempotency_key: self.idempotency_key,
            secret,
            old_secret: None,
            created_at: now,
            updated_at: now,
        })
    }
}

fn filter(names: Option<Vec<String>>) -> Result<Vec<String>, Error> {
    let names = names.unwrap_or_default();
    match names.iter().find(|name| !events::NAMES.contains(&name.as_str())) {
        None => Ok(names),
        Some(_) => Err(Error::invalid("filter_types: an event of this name does not exist")),
    }
}

/// POST /webhooks
pub(crate) async fn create(State(app): State<Arc<App>>, Body(body): Body<Create>) -> Answer {
    app.change(|world| {
        let endpoint = body.into_endpoint(world, id::webhook_secret())?;
        let answer = endpoint.json();
        world.endpoints.insert(endpoint);
        Ok(Json(answer))
    })
}

/// GET /webhooks
pub(crate) async fn list(State(app): State<Arc<App>>) -> Answer {
    app.with(|world| {
        let data: Vec<_> = world.endpoints.iter().map(Endpoint::json).collect();
        Ok(Json(json!({ "data": data, "iterator": "", "done": true })))
    })
}

/// GET /webhooks/{id}/secret
pub(crate) async fn secret(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.with(|world| Ok(Json(json!({ "secret": world.endpoints.find(&id)?.secret }))))
}
