//! Webhook endpoints.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::{Path, State};
use http::{HeaderName, HeaderValue, Uri};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Answer, Json,
    body::{self, Body},
    list::Query,
};
use crate::{
    Error,
    app::App,
    events, id,
    state::{World, webhook::Endpoint},
};

/// The body of POST /webhooks.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Create {
    url: String,
    description: Option<String>,
    disabled: Option<bool>,
    filter_types: Option<Vec<String>>,
    headers: Option<BTreeMap<String, String>>,
    metadata: Option<Map<String, Value>>,
    rate_limit: Option<u32>,
    idempotency_key: Option<String>,
}

impl Create {
    /// An endpoint for everything, at this address.
    pub(crate) fn at(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
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
            headers: check_headers(self.headers.unwrap_or_default())?,
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

/// GET /webhooks: pages by `limit` and `iterator`, the id after which the page begins.
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let query = Query::of(&uri);
    let limit: usize = query.parse("limit")?.unwrap_or(50);
    if !(1..=250).contains(&limit) {
        return Err(Error::unprocessable("INVALID_REQUEST_PARAMETERS", "limit: 1 to 250"));
    }
    let after = query.get("iterator").filter(|iterator| !iterator.is_empty());
    app.with(|world| {
        let skip = match after {
            None => 0,
            Some(id) => world
                .endpoints
                .iter()
                .position(|endpoint| endpoint.id == id)
                .map(|place| place + 1)
                .ok_or_else(|| {
                    Error::unprocessable("INVALID_REQUEST_PARAMETERS", "iterator is unknown")
                })?,
        };
        let page: Vec<_> = world.endpoints.iter().skip(skip).take(limit).collect();
        let last = page.last().map(|endpoint| endpoint.id.as_str());
        Ok(Json(json!({
            "data": page.iter().map(|endpoint| endpoint.json()).collect::<Vec<_>>(),
            "iterator": last.or(after).unwrap_or_default(),
            "done": skip + page.len() >= world.endpoints.len(),
        })))
    })
}

/// GET /webhooks/{id}
pub(crate) async fn read(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.with(|world| Ok(Json(world.endpoints.find(&id)?.json())))
}

/// The body of PATCH /webhooks/{id}.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Patch {
    url: Option<String>,
    description: Option<String>,
    disabled: Option<bool>,
    filter_types: Option<Vec<String>>,
    metadata: Option<Map<String, Value>>,
    rate_limit: Option<u32>,
}

/// PATCH /webhooks/{id}
pub(crate) async fn patch(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(body): Body<Patch>,
) -> Answer {
    let url = body::web_url("url", body.url)?;
    let filter_types = body.filter_types.map(|names| filter(Some(names))).transpose()?;
    let metadata = body.metadata.map(|metadata| body::metadata(Some(metadata))).transpose()?;
    app.change(|world| {
        let now = world.now();
        let endpoint = world.endpoints.find_mut(&id)?;
        endpoint.url = url.unwrap_or_else(|| std::mem::take(&mut endpoint.url));
        endpoint.description =
            body.description.unwrap_or_else(|| std::mem::take(&mut endpoint.description));
        endpoint.disabled = body.disabled.unwrap_or(endpoint.disabled);
        endpoint.filter_types =
            filter_types.unwrap_or_else(|| std::mem::take(&mut endpoint.filter_types));
        endpoint.metadata = metadata.unwrap_or_else(|| std::mem::take(&mut endpoint.metadata));
        endpoint.rate_limit = body.rate_limit.or(endpoint.rate_limit);
        endpoint.updated_at = now;
        Ok(Json(endpoint.json()))
    })
}

/// DELETE /webhooks/{id}
pub(crate) async fn delete(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.change(|world| {
        world.endpoints.find(&id)?;
        world.endpoints.remove(&id);
        Ok(Json(json!({})))
    })
}

/// GET /webhooks/{id}/headers: values of headers that look like credentials are not shown.
pub(crate) async fn headers(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.with(|world| {
        let headers = &world.endpoints.find(&id)?.headers;
        let is_secret = |name: &str| name.eq_ignore_ascii_case("authorization");
        let shown: Map<_, _> = headers
            .iter()
            .filter(|(name, _)| !is_secret(name))
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        let sensitive: Vec<_> =
            headers.iter().map(|(name, _)| name).filter(|name| is_secret(name)).collect();
        Ok(Json(json!({ "headers": shown, "sensitive": sensitive })))
    })
}

/// The body of PATCH /webhooks/{id}/headers, and `headers` of POST /webhooks.
#[derive(Debug, Deserialize)]
pub(crate) struct PatchHeaders {
    headers: BTreeMap<String, String>,
}

/// PATCH /webhooks/{id}/headers
pub(crate) async fn patch_headers(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(body): Body<PatchHeaders>,
) -> Answer {
    let headers = check_headers(body.headers)?;
    app.change(|world| {
        world.endpoints.find_mut(&id)?.headers = headers;
        Ok(Json(json!({})))
    })
}

/// Headers that an endpoint may add: none of those that make up the delivery.
fn check_headers(headers: BTreeMap<String, String>) -> Result<Vec<(String, String)>, Error> {
    for (name, value) in &headers {
        let reserved = ["content-length", "content-type", "host", "transfer-encoding"];
        let lower = name.to_ascii_lowercase();
        if reserved.contains(&lower.as_str())
            || lower.starts_with("webhook-")
            || HeaderName::try_from(name.as_str()).is_err()
            || HeaderValue::try_from(value.as_str()).is_err()
        {
            return Err(Error::invalid("headers: a header of this name or value cannot be added"));
        }
    }
    if headers.len() > 20 {
        return Err(Error::invalid("headers: at most 20"));
    }
    Ok(headers.into_iter().collect())
}

/// GET /webhooks/{id}/secret
pub(crate) async fn secret(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.with(|world| Ok(Json(json!({ "secret": world.endpoints.find(&id)?.secret }))))
}
