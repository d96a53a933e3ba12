//! Collections of products, in groups.

use serde_json::{Map, Value, json};

use super::{
    call::{Call, Reply},
    list::Listed,
    resource::Resource,
};
use crate::{Error, id, state::SandboxState};

pub(crate) static COLLECTIONS: Resource = Resource {
    name: "product collection",
    path: "/product-collections",
    prefix: "pdc_",
    check: check_collection,
    routes: &[
        ("POST /product-collections/{}/groups", add_group),
        ("PATCH /product-collections/{}/groups/{}", patch_group),
        ("DELETE /product-collections/{}/groups/{}", delete_group),
        ("POST /product-collections/{}/groups/{}/items", add_items),
        ("PATCH /product-collections/{}/groups/{}/items/{}", patch_item),
        ("DELETE /product-collections/{}/groups/{}/items/{}", delete_item),
    ],
    ..Resource::PLAIN
};

/// Gives the groups of a new collection their ids and products.
fn check_collection(state: &SandboxState, fields: &mut Map<String, Value>) -> Result<(), Error> {
    if let Some(order) = fields.remove("group_order")
        && let Some(groups) = fields.get_mut("groups").and_then(Value::as_array_mut)
    {
        let place = |group: &Value| {
            order.as_array()?.iter().position(|id| Some(id) == group.get("group_id"))
        };
        groups.sort_by_key(|group| place(group).unwrap_or(usize::MAX));
    }
    for group in fields.get_mut("groups").and_then(Value::as_array_mut).into_iter().flatten() {
        *group = complete_group(state, group)?;
    }
    Ok(())
}

fn complete_group(state: &SandboxState, group: &Value) -> Result<Value, Error> {
    let mut group = group.as_object().cloned().unwrap_or_default();
    group.entry("group_id").or_insert_with(|| json!(id::license_key()));
    if group.get("status").is_none_or(Value::is_null) {
        group.insert("status".to_owned(), json!(true));
    }
    for item in group.get_mut("products").and_then(Value::as_array_mut).into_iter().flatten() {
        *item = complete_item(state, item)?;
    }
    Ok(group.into())
}

fn complete_item(state: &SandboxState, item: &Value) -> Result<Value, Error> {
    let product_id = item.get("product_id").and_then(Value::as_str).unwrap_or_default();
    let product = state.products.find(product_id)?;
    let mut fields = match product.details(state) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let count = |name: &str| product.fields.get(name).and_then(Value::as_array).map_or(0, Vec::len);
    fields.extend([
        ("id".to_owned(), item.get("id").cloned().unwrap_or_else(|| json!(id::license_key()))),
        ("status".to_owned(), json!(item.get("status") != Some(&Value::Bool(false)))),
        ("addons_count".to_owned(), json!(count("addons"))),
        ("files_count".to_owned(), json!(0)),
        ("has_credit_entitlements".to_owned(), json!(count("credit_entitlements") > 0)),
        ("meters_count".to_owned(), json!(product.meters.len())),
        ("price".to_owned(), json!(product.price)),
    ]);
    Ok(fields.into())
}

/// The groups of a collection.
fn groups<'a>(state: &'a mut SandboxState, id: &str) -> Result<&'a mut Vec<Value>, Error> {
    let object = state.find_mut(&COLLECTIONS, id)?;
    let groups = object.fields.entry("groups").or_insert_with(|| json!([]));
    groups.as_array_mut().ok_or_else(|| Error::not_found("group"))
}

/// The group of a call's path.
fn group<'a>(
    state: &'a mut SandboxState,
    call: &Call,
) -> Result<&'a mut Map<String, Value>, Error> {
    let id = call.path.get(1).map(|(_, id)| id.as_str()).unwrap_or_default();
    let own = |group: &&mut Value| group.get("group_id").is_some_and(|own| own == id);
    let group = groups(state, call.id())?.iter_mut().find(own).and_then(Value::as_object_mut);
    group.ok_or_else(|| Error::not_found("group"))
}

fn items<'a>(state: &'a mut SandboxState, call: &Call) -> Result<&'a mut Vec<Value>, Error> {
    let items = group(state, call)?.get_mut("products").and_then(Value::as_array_mut);
    items.ok_or_else(|| Error::not_found("group"))
}

fn add_group(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let added = complete_group(state, &Value::Object(call.body.clone()))?;
    groups(state, call.id())?.push(added.clone());
    Ok(Reply::Json(added))
}

fn patch_group(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let order = call.body.get("product_order").and_then(Value::as_array).cloned();
    let group = group(state, call)?;
    for name in ["group_name", "status"] {
        if let Some(value) = call.body.get(name).filter(|value| !value.is_null()) {
            group.insert(name.to_owned(), value.clone());
        }
    }
    if let (Some(order), Some(items)) =
        (order, group.get_mut("products").and_then(Value::as_array_mut))
    {
        let place = |item: &Value| order.iter().position(|id| Some(id) == item.get("id"));
        items.sort_by_key(|item| place(item).unwrap_or(usize::MAX));
    }
    Ok(Reply::Empty)
}

fn delete_group(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    group(state, call)?;
    let groups = groups(state, call.id())?;
    groups.retain(|group| group.get("group_id").is_none_or(|id| id != call.last_id()));
    Ok(Reply::Empty)
}

fn add_items(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let given = call.body.get("products").and_then(Value::as_array).cloned().unwrap_or_default();
    let added =
        given.iter().map(|item| complete_item(state, item)).collect::<Result<Vec<_>, _>>()?;
    items(state, call)?.extend(added.clone());
    Ok(Reply::Json(added.into()))
}

fn patch_item(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let own = |item: &&mut Value| item.get("id").is_some_and(|id| id == call.last_id());
    let item = items(state, call)?.iter_mut().find(own).and_then(Value::as_object_mut);
    let item = item.ok_or_else(|| Error::not_found("item"))?;
    item.insert("status".to_owned(), call.body.get("status").cloned().unwrap_or_default());
    Ok(Reply::Empty)
}

fn delete_item(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let items = items(state, call)?;
    let before = items.len();
    items.retain(|item| item.get("id").is_none_or(|id| id != call.last_id()));
    match items.len() < before {
        true => Ok(Reply::Empty),
        false => Err(Error::not_found("item")),
    }
}
