//! License keys, their instances, and the endpoints for licensed programs, which need no API key.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    call::{Call, Reply},
    customers::CUSTOMERS,
    entitlements::GRANTS,
    resource::Resource,
};
use crate::{
    Error,
    state::{SandboxState, object::Object},
};

pub(crate) static LICENSES: Resource = Resource {
    name: "license key",
    path: "/license_keys",
    prefix: "lic_",
    payload_type: "LicenseKey",
    created: Some("license_key.created"),
    defaults: |_| json!({ "status": "active", "source": "import" }),
    check,
    clears: &["activations_limit", "expires_at"],
    computed: |state, license| json!({ "instances_count": instances(state, license), "status": status(state, license) }),
    filters: &[("status", |state, license: &Object, wanted| status(state, license) == wanted)],
    routes: &[
        ("POST /licenses/activate", activate),
        ("POST /licenses/deactivate", deactivate),
        ("POST /licenses/validate", validate),
    ],
    ..Resource::PLAIN
};

pub(crate) static INSTANCES: Resource = Resource {
    name: "license key instance",
    path: "/license_key_instances",
    prefix: "lki_",
    // A grant selects the instances of its key.
    filters: &[("grant_id", |state, instance: &Object, wanted| {
        let grant = state.get(&GRANTS, wanted);
        grant.is_some_and(|own| own.get("license_key_id") == instance.get("license_key_id"))
    })],
    ..Resource::PLAIN
};

/// `active`, `disabled` or `expired`: an active key expires at its end.
pub(crate) fn status<'a>(state: &SandboxState, license: &'a Object) -> &'a str {
    let ended = license.date("expires_at").is_some_and(|end| state.now() >= end);
    if ended && license.has("status", "active") { "expired" } else { license.str("status") }
}

/// The number of its instances.
pub(crate) fn instances(state: &SandboxState, license: &Object) -> usize {
    state.matching(&INSTANCES, "license_key_id", &license.id).count()
}

fn check(state: &SandboxState, fields: &mut Map<String, Value>) -> Result<(), Error> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_new = !fields.contains_key("id");
    if is_new {
        state.find(&CUSTOMERS, text("customer_id"))?;
        state.products.find(text("product_id"))?;
        let key = text("key");
        if key.trim().is_empty() || state.matching(&LICENSES, "key", key).next().is_some() {
            return Err(Error::conflict("CONFLICT", "key: is empty or exists already"));
        }
    }
    if let Some(Value::Bool(disabled)) = fields.remove("disabled") {
        let status = if disabled { "disabled" } else { "active" };
        fields.insert("status".to_owned(), status.into());
    }
    Ok(())
}

/// The key that a licensed program sends.
fn active<'a>(state: &'a SandboxState, call: &'a Call) -> Result<&'a Object, Error> {
    let key = call.text("license_key").unwrap_or_default();
    let license = state.matching(&LICENSES, "key", key).next();
    let license = license.ok_or_else(|| Error::not_found("license key"))?;
    match status(state, license) {
        "active" => Ok(license),
        _ => {
            let message = "the license key is disabled or has expired";
            Err(Error::refused(StatusCode::FORBIDDEN, "LICENSE_KEY_INACTIVE", message))
        }
    }
}

fn activate(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let license = active(state, call)?;
    let used = i64::try_from(instances(state, license)).unwrap_or(i64::MAX);
    if license.number("activations_limit").is_some_and(|limit| limit <= used) {
        return Err(Error::unprocessable(
            "LICENSE_KEY_LIMIT_REACHED",
            "the license key has no activation left",
        ));
    }
    let product_id = license.str("product_id");
    let product = state.products.get(product_id).map(|product| &product.name);
    let fields = json!({
        "license_key_id": license.id,
        "name": call.text("name"),
        "customer": state.customer_json(license.str("customer_id")),
        "product": { "product_id": product_id, "name": product },
    });
    let id = state.add(&INSTANCES, fields);
    Ok(Reply::Json(state.json(&INSTANCES, &id)))
}

/// The instance with this id, if it is one of this key.
fn instance<'a>(state: &'a SandboxState, license: &Object, id: &str) -> Result<&'a Object, Error> {
    let object = state.find(&INSTANCES, id)?;
    match object.has("license_key_id", &license.id) {
        true => Ok(object),
        false => Err(Error::not_found(INSTANCES.name)),
    }
}

fn deactivate(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let license = active(state, call)?;
    let id = call.text("license_key_instance_id").unwrap_or_default();
    let id = instance(state, license, id)?.id.clone();
    state.remove(&INSTANCES, &id);
    Ok(Reply::Empty)
}

fn validate(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let valid = active(state, call).is_ok_and(|license| {
        let instance_id = call.text("license_key_instance_id");
        instance_id.is_none_or(|id| instance(state, license, id).is_ok())
    });
    Ok(Reply::Json(json!({ "valid": valid })))
}
