//! License keys, their instances, and the endpoints for licensed programs, which need no API key.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    call::{Call, Reply, Route},
    list::{Listed, list, list_of},
};
use crate::{
    Error, id,
    state::{World, grant::License, object::Object, webhook::Subject},
};

const INSTANCES: &str = "/license_key_instances";

pub(crate) const ROUTES: &[Route] = &[
    ("GET /license_keys", |world, call| list(world, call, &world.licenses)),
    ("POST /license_keys", create),
    ("GET /license_keys/{}", |world, call| {
        Ok(Reply::Json(world.licenses.find(call.id())?.json(world)))
    }),
    ("PATCH /license_keys/{}", patch),
    ("GET /license_key_instances", instances),
    ("GET /license_key_instances/{}", |world, call| {
        Ok(Reply::Json(world.objects.find(INSTANCES, call.id())?.json(world)))
    }),
    ("PATCH /license_key_instances/{}", |world, call| {
        let name = call.text("name").unwrap_or_default().to_owned();
        world.objects.find_mut(INSTANCES, call.id())?.set("name", name);
        Ok(Reply::Json(world.objects.find(INSTANCES, call.id())?.json(world)))
    }),
    ("POST /licenses/activate", activate),
    ("POST /licenses/deactivate", deactivate),
    ("POST /licenses/validate", validate),
];

fn limit(call: &Call) -> Option<u32> {
    call.body.get("activations_limit")?.as_u64()?.try_into().ok()
}

/// Imports a key from another system.
fn create(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let text = |name| call.text(name).unwrap_or_default().to_owned();
    let customer_id = world.customers.find(&text("customer_id"))?.id.clone();
    let product_id = world.products.find(&text("product_id"))?.id.clone();
    let key = text("key");
    if key.trim().is_empty() || world.licenses.iter().any(|license| license.key == key) {
        return Err(Error::conflict("CONFLICT", "key: is empty or exists already"));
    }
    let license = License {
        id: id::new("lic_"),
        key,
        status: "active",
        source: "import",
        product_id,
        customer_id,
        payment_id: None,
        subscription_id: None,
        activations_limit: limit(call),
        expires_at: call.text("expires_at").and_then(|date| date.parse().ok()),
        created_at: world.now(),
    };
    let (id, answer) = (license.id.clone(), license.json(world));
    world.licenses.insert(license);
    world.emit("license_key.created", Subject::License(id));
    Ok(Reply::Json(answer))
}

fn patch(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let license = world.licenses.find_mut(call.id())?;
    if call.body.contains_key("activations_limit") {
        license.activations_limit = limit(call);
    }
    if let Some(date) = call.body.get("expires_at") {
        license.expires_at = date.as_str().and_then(|date| date.parse::<Timestamp>().ok());
    }
    match call.body.get("disabled") {
        Some(Value::Bool(true)) => license.status = "disabled",
        Some(Value::Bool(false)) => license.status = "active",
        _ => {}
    }
    Ok(Reply::Json(world.licenses.find(call.id())?.json(world)))
}

fn instances(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let mut call = Call {
        operation: call.operation,
        path: Vec::new(),
        query: call.query.clone(),
        body: serde_json::Map::new(),
    };
    // A grant selects the instances of its key.
    for (name, value) in &mut call.query {
        if name == "grant_id" {
            let license = world.grants.find(value)?.license_id.clone();
            (*name, *value) = ("license_key_id".to_owned(), license.unwrap_or_default());
        }
    }
    list_of(world, &call, world.objects.all(INSTANCES).rev())
}

/// The key that a licensed program sends.
fn active<'a>(world: &'a World, call: &Call) -> Result<&'a License, Error> {
    let key = call.text("license_key").unwrap_or_default();
    let license = world.licenses.iter().find(|license| license.key == key);
    let license = license.ok_or_else(|| Error::not_found("license key"))?;
    match license.status(world) {
        "active" => Ok(license),
        _ => {
            let message = "the license key is disabled or has expired";
            Err(Error::refused(StatusCode::FORBIDDEN, "LICENSE_KEY_INACTIVE", message))
        }
    }
}

fn activate(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let license = active(world, call)?;
    let used = license.instances(world);
    if license.activations_limit.is_some_and(|limit| u64::from(limit) <= used as u64) {
        return Err(Error::unprocessable(
            "LICENSE_KEY_LIMIT_REACHED",
            "the license key has no activation left",
        ));
    }
    let product = world.products.get(&license.product_id).map(|product| product.name.clone());
    let fields = json!({
        "business_id": world.business_id,
        "license_key_id": license.id,
        "name": call.text("name"),
        "customer": world.customer_json(&license.customer_id),
        "product": { "product_id": license.product_id, "name": product },
    });
    let now = world.now();
    let fields = fields.as_object().cloned().unwrap_or_default();
    Ok(Reply::Json(world.objects.add(INSTANCES, ("id", id::new("lki_")), now, fields)))
}

/// The instance with this id, if it is one of this key.
fn instance<'a>(world: &'a World, license: &License, id: &str) -> Result<&'a Object, Error> {
    let object = world.objects.find(INSTANCES, id)?;
    match object.text("license_key_id") == Some(license.id.as_str()) {
        true => Ok(object),
        false => Err(Error::not_found("license key instance")),
    }
}

fn deactivate(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let license = active(world, call)?;
    let id = call.text("license_key_instance_id").unwrap_or_default();
    let id = instance(world, license, id)?.id.clone();
    world.objects.table(INSTANCES).remove(&id);
    Ok(Reply::Empty)
}

fn validate(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let valid = active(world, call).is_ok_and(|license| {
        let instance_id = call.text("license_key_instance_id");
        instance_id.is_none_or(|id| instance(world, license, id).is_ok())
    });
    Ok(Reply::Json(json!({ "valid": valid })))
}
