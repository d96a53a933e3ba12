//! Entitlements, their files, and their grants to customers.

use serde_json::{Map, Value, json};

use super::{
    call::{Call, Reply, Route},
    list::list_of,
};
use crate::{
    Error,
    flow::entitlement,
    id,
    state::{World, grant::GrantStatus},
};

const TABLE: &str = "/entitlements";

pub(crate) const ROUTES: &[Route] = &[
    ("POST /entitlements/{}/files", add_file),
    ("DELETE /entitlements/{}/files/{}", delete_file),
    ("GET /entitlements/{}/grants", |world, call| {
        world.objects.find(TABLE, call.id())?;
        let own = world.grants.iter().rev().filter(|grant| grant.entitlement_id == call.id());
        list_of(world, call, own)
    }),
    ("DELETE /entitlements/{}/grants/{}", revoke),
    ("POST /grants/{}/license-key", fulfill),
];

/// The configuration as answers show it: digital files with addresses.
pub(super) fn check(world: &World, fields: &mut Map<String, Value>) -> Result<(), Error> {
    let Some(config) = fields.get_mut("integration_config").and_then(Value::as_object_mut) else {
        return Ok(());
    };
    let Some(ids) = config.remove("digital_file_ids") else { return Ok(()) };
    let ids = ids.as_array().cloned().unwrap_or_default();
    let files: Vec<_> = ids.iter().filter_map(Value::as_str).map(|id| file(world, id)).collect();
    let rest = std::mem::take(config);
    let text = |name: &str| rest.get(name).cloned().unwrap_or_default();
    config.insert(
        "digital_files".to_owned(),
        json!({
            "files": files,
            "external_url": text("external_url"),
            "instructions": text("instructions"),
        }),
    );
    Ok(())
}

fn file(world: &World, id: &str) -> Value {
    json!({
        "file_id": id,
        "filename": format!("{id}.bin"),
        "download_url": world.url(&["files", id]),
        "expires_in": 3600,
    })
}

/// The sandbox takes no file contents: it keeps the id.
fn add_file(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let file_id = id::license_key();
    let added = file(world, &file_id);
    let object = world.objects.find_mut(TABLE, call.id())?;
    let config = object.fields.get_mut("integration_config");
    let files = config.and_then(|config| config.pointer_mut("/digital_files/files"));
    match files.and_then(Value::as_array_mut) {
        Some(files) => files.push(added),
        None => {
            let message = "the entitlement does not deliver files";
            return Err(Error::conflict("CONFLICT", message));
        }
    }
    Ok(Reply::Json(json!({ "file_id": file_id })))
}

fn delete_file(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let object = world.objects.find_mut(TABLE, call.id())?;
    let config = object.fields.get_mut("integration_config");
    let files = config.and_then(|config| config.pointer_mut("/digital_files/files"));
    let files = files.and_then(Value::as_array_mut);
    let before = files.as_ref().map_or(0, |files| files.len());
    let left = files.map_or(0, |files| {
        files.retain(|file| file.get("file_id").is_none_or(|id| id != call.last_id()));
        files.len()
    });
    match left < before {
        true => Ok(Reply::Empty),
        false => Err(Error::not_found("file")),
    }
}

fn revoke(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let grant = world.grants.find(call.last_id())?;
    if grant.entitlement_id != call.id() {
        return Err(Error::not_found("grant"));
    }
    if grant.status == GrantStatus::Revoked {
        return Err(Error::conflict("CONFLICT", "the grant is revoked already"));
    }
    let id = grant.id.clone();
    entitlement::revoke(world, "manual", |grant| grant.id == id);
    Ok(Reply::Json(world.grants.find(&id)?.json(world)))
}

fn fulfill(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let limit = call.body.get("activations_limit").and_then(Value::as_u64);
    let limit = limit.and_then(|limit| u32::try_from(limit).ok());
    let expires_at = call.text("expires_at").and_then(|date| date.parse().ok());
    let key = call.text("key").unwrap_or_default();
    entitlement::fulfill(world, call.id(), key, limit, expires_at)?;
    Ok(Reply::Json(world.grants.find(call.id())?.json(world)))
}
