//! Entitlements, their files, and their grants to customers.

use serde_json::{Map, Value, json};

use super::{
    call::{Call, Reply},
    licenses::{self, LICENSES},
    resource::Resource,
};
use crate::{
    Error,
    flow::entitlement,
    id,
    state::{SandboxState, object::Object},
};

pub(crate) static ENTITLEMENTS: Resource = Resource {
    name: "entitlement",
    path: "/entitlements",
    prefix: "ent_",
    defaults: |_| json!({ "is_active": true, "metadata": {} }),
    check,
    routes: &[
        ("POST /entitlements/{}/files", add_file),
        ("DELETE /entitlements/{}/files/{}", delete_file),
        ("DELETE /entitlements/{}/grants/{}", revoke),
        ("POST /grants/{}/license-key", fulfill),
    ],
    ..Resource::PLAIN
};

pub(crate) static GRANTS: Resource = Resource {
    name: "grant",
    path: "/entitlements/{}/grants",
    lists: &["/customers/{}/entitlement-grants"],
    parents: &[&["entitlement_id"], &["customer_id"]],
    prefix: "entg_",
    payload_type: "EntitlementGrant",
    computed: grant,
    ..Resource::PLAIN
};

fn grant(state: &SandboxState, grant: &Object) -> Value {
    let license = grant.text("license_key_id").and_then(|id| state.get(&LICENSES, id));
    let entitlement = state.get(&ENTITLEMENTS, grant.str("entitlement_id"));
    let config = entitlement.and_then(|entitlement| entitlement.get("integration_config"));
    let waits = grant.has("status", "Pending") && license.is_none();
    json!({
        "digital_product_delivery": config.and_then(|config| config.get("digital_files")),
        "feature": config.filter(|_| grant.has("integration_type", "feature_flag")),
        "license_key": license.map(|license| {
            json!({
                "activations_limit": license.get("activations_limit"),
                "activations_used": licenses::instances(state, license),
                "expires_at": license.get("expires_at"),
                "id": license.id,
                "key": license.get("key"),
                "status": licenses::status(state, license),
            })
        }),
        "oauth_url": waits.then(|| state.url(&["oauth", &grant.id])),
    })
}

/// The configuration as answers show it: digital files with addresses.
fn check(state: &SandboxState, fields: &mut Map<String, Value>) -> Result<(), Error> {
    let Some(config) = fields.get_mut("integration_config").and_then(Value::as_object_mut) else {
        return Ok(());
    };
    let Some(ids) = config.remove("digital_file_ids") else { return Ok(()) };
    let ids = ids.as_array().cloned().unwrap_or_default();
    let files: Vec<_> = ids.iter().filter_map(Value::as_str).map(|id| file(state, id)).collect();
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

fn file(state: &SandboxState, id: &str) -> Value {
    json!({
        "file_id": id,
        "filename": format!("{id}.bin"),
        "download_url": state.url(&["files", id]),
        "expires_in": 3600,
    })
}

/// The files that an entitlement delivers.
fn files<'a>(
    state: &'a mut SandboxState,
    call: &Call,
) -> Result<Option<&'a mut Vec<Value>>, Error> {
    let config = state.find_mut(&ENTITLEMENTS, call.id())?.fields.get_mut("integration_config");
    let files = config.and_then(|config| config.pointer_mut("/digital_files/files"));
    Ok(files.and_then(Value::as_array_mut))
}

/// The sandbox takes no file contents: it keeps the id.
fn add_file(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let file_id = id::license_key();
    let added = file(state, &file_id);
    let none = || Error::conflict("CONFLICT", "the entitlement does not deliver files");
    files(state, call)?.ok_or_else(none)?.push(added);
    Ok(Reply::Json(json!({ "file_id": file_id })))
}

fn delete_file(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let own = |file: &Value| file.get("file_id").is_some_and(|id| id == call.last_id());
    let files = files(state, call)?;
    let found = files.and_then(|files| Some(files.remove(files.iter().position(own)?)));
    found.map(|_| Reply::Empty).ok_or_else(|| Error::not_found("file"))
}

fn revoke(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let grant = state.find(&GRANTS, call.last_id())?;
    if !grant.has("entitlement_id", call.id()) {
        return Err(Error::not_found("grant"));
    }
    if grant.has("status", "Revoked") {
        return Err(Error::conflict("CONFLICT", "the grant is revoked already"));
    }
    entitlement::revoke(state, "manual", |grant| grant.id == call.last_id());
    Ok(Reply::Json(state.json(&GRANTS, call.last_id())))
}

fn fulfill(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    entitlement::fulfill(state, call.id(), &call.body)?;
    Ok(Reply::Json(state.json(&GRANTS, call.id())))
}
