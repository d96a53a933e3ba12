//! Webhook endpoints.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    call::{Call, Reply},
    resource::Resource,
    rules::Rule,
};
use crate::{
    Error,
    clock::{later, rfc3339},
    id,
    state::{SandboxState, object::Object},
};

pub(crate) static ENDPOINTS: Resource = Resource {
    name: "webhook",
    path: "/webhooks",
    prefix: "whk_",
    defaults: |_| {
        json!({
            "description": "",
            "disabled": false,
            "filter_types": [],
            "headers": {},
            "metadata": {},
            "secret": id::webhook_secret(),
        })
    },
    rules: &[&[("url", Rule::Url(&["http", "https"]))]],
    check,
    removable: true,
    routes: &[
        ("GET /webhooks", list),
        ("GET /webhooks/{}/headers", headers),
        ("PATCH /webhooks/{}/headers", |state, call| {
            check_headers(&call.body)?;
            let headers = call.body.get("headers").cloned();
            state.find_mut(&ENDPOINTS, call.id())?.set("headers", headers);
            Ok(Reply::Empty)
        }),
        ("GET /webhooks/{}/secret", |state, call| {
            Ok(Reply::Json(json!({ "secret": state.find(&ENDPOINTS, call.id())?.get("secret") })))
        }),
    ],
    ..Resource::PLAIN
};

/// The time for which a rotated secret still signs.
const OLD_SECRET_LIVES: Duration = Duration::from_secs(24 * 60 * 60);

/// Adds an endpoint for all events, and returns its id.
///
/// # Errors
/// 422 unless the address is an absolute http or https URL.
pub(crate) fn register(state: &mut SandboxState, url: &str, secret: &str) -> Result<String, Error> {
    ENDPOINTS.create(state, [("url", url), ("secret", secret)].map(|(k, v)| (k.into(), v.into())))
}

/// Whether an endpoint receives events of this type.
pub(crate) fn accepts(endpoint: &Object, kind: &str) -> bool {
    let only = endpoint.list("filter_types");
    !endpoint.is("disabled") && (only.is_empty() || only.iter().any(|name| name == kind))
}

/// The secrets that sign now, the current one first.
pub(crate) fn secrets(endpoint: &Object, now: Timestamp) -> Vec<String> {
    let old = endpoint.text("old_secret");
    let old = old.filter(|_| endpoint.date("old_secret_ends_at").is_some_and(|end| now < end));
    [endpoint.str("secret")].into_iter().chain(old).map(str::to_owned).collect()
}

/// Gives an endpoint a new secret, which is returned. The old one signs for 24 more hours.
///
/// # Errors
/// 404 if no endpoint has this address.
pub(crate) fn rotate(state: &mut SandboxState, url: &str) -> Result<String, Error> {
    let end = rfc3339(later(state.now(), OLD_SECRET_LIVES));
    let endpoint = state.all_mut(&ENDPOINTS).find(|endpoint| endpoint.has("url", url));
    let endpoint = endpoint.ok_or_else(|| Error::not_found(ENDPOINTS.name))?;
    let secret = id::webhook_secret();
    endpoint.set("old_secret", endpoint.str("secret").to_owned());
    endpoint.set("old_secret_ends_at", end);
    endpoint.set("secret", secret.clone());
    Ok(secret)
}

fn check(state: &SandboxState, fields: &mut Map<String, Value>) -> Result<(), Error> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    if let (None, Some(key)) = (text("id"), text("idempotency_key"))
        && state.matching(&ENDPOINTS, "idempotency_key", key).next().is_some()
    {
        return Err(Error::conflict("CONFLICT", "this idempotency key was used already"));
    }
    check_headers(fields)
}

/// Headers that an endpoint may add: none of those that make up the delivery.
fn check_headers(fields: &Map<String, Value>) -> Result<(), Error> {
    let headers = fields.get("headers").and_then(Value::as_object);
    for (name, value) in headers.into_iter().flatten() {
        let reserved = ["content-length", "content-type", "host", "transfer-encoding"];
        let lower = name.to_ascii_lowercase();
        if reserved.contains(&lower.as_str())
            || lower.starts_with("webhook-")
            || HeaderName::try_from(name.as_str()).is_err()
            || HeaderValue::try_from(value.as_str().unwrap_or_default()).is_err()
        {
            return Err(Error::invalid("headers: a header of this name or value cannot be added"));
        }
    }
    match headers.is_some_and(|headers| headers.len() > 20) {
        true => Err(Error::invalid("headers: at most 20")),
        false => Ok(()),
    }
}

/// Pages by `limit` and `iterator`, the id after which the page begins.
fn list(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let limit: usize = call.parse("limit")?.unwrap_or(50);
    if !(1..=250).contains(&limit) {
        return Err(Error::unprocessable("INVALID_REQUEST_PARAMETERS", "limit: 1 to 250"));
    }
    let after = call.query("iterator").filter(|iterator| !iterator.is_empty());
    let place = |id| state.all(&ENDPOINTS).position(|endpoint| endpoint.id == id);
    let unknown = || Error::unprocessable("INVALID_REQUEST_PARAMETERS", "iterator is unknown");
    let skip = match after {
        None => 0,
        Some(id) => place(id).ok_or_else(unknown)? + 1,
    };
    let page: Vec<_> = state.all(&ENDPOINTS).skip(skip).take(limit).collect();
    let last = page.last().map(|endpoint| endpoint.id.as_str());
    Ok(Reply::Json(json!({
        "data": page.iter().map(|endpoint| endpoint.fields.clone()).collect::<Vec<_>>(),
        "iterator": last.or(after).unwrap_or_default(),
        "done": skip + page.len() >= state.all(&ENDPOINTS).count(),
    })))
}

/// Values of headers that look like credentials are not shown.
fn headers(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let headers = state.find(&ENDPOINTS, call.id())?.get("headers").and_then(Value::as_object);
    let all = headers.cloned().unwrap_or_default();
    let is_secret = |(name, _): &(String, Value)| name.eq_ignore_ascii_case("authorization");
    let (hidden, shown): (Vec<_>, Vec<_>) = all.into_iter().partition(is_secret);
    Ok(Reply::Json(json!({
        "headers": shown.into_iter().collect::<Map<_, _>>(),
        "sensitive": hidden.into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
    })))
}
