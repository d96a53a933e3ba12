//! Webhook endpoints.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    body,
    call::{Call, Reply, Route},
};
use crate::{
    Error, id,
    state::{World, webhook::Endpoint},
};

pub(crate) const ROUTES: &[Route] = &[
    ("GET /webhooks", list),
    ("POST /webhooks", create),
    ("GET /webhooks/{}", |world, call| Ok(Reply::Json(world.endpoints.find(call.id())?.json()))),
    ("PATCH /webhooks/{}", patch),
    ("DELETE /webhooks/{}", |world, call| {
        world.endpoints.find(call.id())?;
        world.endpoints.remove(call.id());
        Ok(Reply::Empty)
    }),
    ("GET /webhooks/{}/headers", headers),
    ("PATCH /webhooks/{}/headers", patch_headers),
    ("GET /webhooks/{}/secret", |world, call| {
        Ok(Reply::Json(json!({ "secret": world.endpoints.find(call.id())?.secret })))
    }),
];

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
        let url = body::endpoint_url("url", Some(self.url))?.unwrap_or_default();
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
            filter_types: self.filter_types.unwrap_or_default(),
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

fn create(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let endpoint = call.body::<Create>()?.into_endpoint(world, id::webhook_secret())?;
    let answer = endpoint.json();
    world.endpoints.insert(endpoint);
    Ok(Reply::Json(answer))
}

/// Pages by `limit` and `iterator`, the id after which the page begins.
fn list(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let limit: usize = call.parse("limit")?.unwrap_or(50);
    if !(1..=250).contains(&limit) {
        return Err(Error::unprocessable("INVALID_REQUEST_PARAMETERS", "limit: 1 to 250"));
    }
    let after = call.query("iterator").filter(|iterator| !iterator.is_empty());
    let place = |id| world.endpoints.iter().position(|endpoint| endpoint.id == id);
    let unknown = || Error::unprocessable("INVALID_REQUEST_PARAMETERS", "iterator is unknown");
    let skip = match after {
        None => 0,
        Some(id) => place(id).ok_or_else(unknown)? + 1,
    };
    let page: Vec<_> = world.endpoints.iter().skip(skip).take(limit).collect();
    let last = page.last().map(|endpoint| endpoint.id.as_str());
    Ok(Reply::Json(json!({
        "data": page.iter().map(|endpoint| endpoint.json()).collect::<Vec<_>>(),
        "iterator": last.or(after).unwrap_or_default(),
        "done": skip + page.len() >= world.endpoints.len(),
    })))
}

/// The body of PATCH /webhooks/{id}.
#[derive(Debug, Default, Deserialize)]
struct Patch {
    url: Option<String>,
    description: Option<String>,
    disabled: Option<bool>,
    filter_types: Option<Vec<String>>,
    metadata: Option<Map<String, Value>>,
    rate_limit: Option<u32>,
}

fn patch(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let body: Patch = call.body()?;
    let url = body::endpoint_url("url", body.url)?;
    let metadata = body.metadata.map(|metadata| body::metadata(Some(metadata))).transpose()?;
    let now = world.now();
    let endpoint = world.endpoints.find_mut(call.id())?;
    endpoint.url = url.unwrap_or_else(|| std::mem::take(&mut endpoint.url));
    endpoint.description =
        body.description.unwrap_or_else(|| std::mem::take(&mut endpoint.description));
    endpoint.disabled = body.disabled.unwrap_or(endpoint.disabled);
    endpoint.filter_types =
        body.filter_types.unwrap_or_else(|| std::mem::take(&mut endpoint.filter_types));
    endpoint.metadata = metadata.unwrap_or_else(|| std::mem::take(&mut endpoint.metadata));
    endpoint.rate_limit = body.rate_limit.or(endpoint.rate_limit);
    endpoint.updated_at = now;
    Ok(Reply::Json(endpoint.json()))
}

/// Values of headers that look like credentials are not shown.
fn headers(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let headers = &world.endpoints.find(call.id())?.headers;
    let is_secret = |name: &str| name.eq_ignore_ascii_case("authorization");
    let shown: Map<_, _> = headers
        .iter()
        .filter(|(name, _)| !is_secret(name))
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    let sensitive: Vec<_> =
        headers.iter().map(|(name, _)| name).filter(|name| is_secret(name)).collect();
    Ok(Reply::Json(json!({ "headers": shown, "sensitive": sensitive })))
}

/// The body of PATCH /webhooks/{id}/headers, and `headers` of POST /webhooks.
#[derive(Debug, Deserialize)]
struct PatchHeaders {
    headers: BTreeMap<String, String>,
}

fn patch_headers(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let headers = check_headers(call.body::<PatchHeaders>()?.headers)?;
    world.endpoints.find_mut(call.id())?.headers = headers;
    Ok(Reply::Empty)
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
