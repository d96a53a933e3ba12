//! The catalogue: products, their images, files, short links, localized prices and collections.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use super::{
    body::check_metadata,
    call::{Call, Reply, Route},
    list::{list, page},
    resource::new_image,
};
use crate::{
    Error,
    app::App,
    id,
    state::{World, object::Object, product::Product},
};

const SHORT_LINKS: &str = "short-links";
const COLLECTIONS: &str = "/product-collections";

pub(crate) const ROUTES: &[Route] = &[
    ("GET /products", products),
    ("POST /products", create),
    ("GET /products/{}", |world, call| show(world, call.id())),
    ("PATCH /products/{}", patch),
    ("DELETE /products/{}", |world, call| archive(world, call, true)),
    ("POST /products/{}/unarchive", |world, call| archive(world, call, false)),
    ("PUT /products/{}/images", |world, call| {
        let (id, url) = new_image(world);
        let product = world.products.find_mut(call.id())?;
        product.fields.insert("image".to_owned(), json!(url));
        Ok(Reply::Json(json!({ "image_id": id, "url": url })))
    }),
    ("PUT /products/{}/files", |world, call| {
        world.products.find(call.id())?;
        let id = id::license_key();
        Ok(Reply::Json(json!({ "file_id": id, "url": world.url(&["files", &id]) })))
    }),
    ("GET /products/short_links", |world, call| {
        let rows = world.objects.all(SHORT_LINKS).rev();
        let rows = rows.filter(|row| {
            call.query("product_id").is_none_or(|id| row.text("product_id") == Some(id))
        });
        page(world, call, rows, |row| Value::Object(row.fields.clone()))
    }),
    ("POST /products/{}/short_links", create_short_link),
    ("POST /product-collections/{}/groups", add_group),
    ("PATCH /product-collections/{}/groups/{}", patch_group),
    ("DELETE /product-collections/{}/groups/{}", delete_group),
    ("POST /product-collections/{}/groups/{}/items", add_items),
    ("PATCH /product-collections/{}/groups/{}/items/{}", patch_item),
    ("DELETE /product-collections/{}/groups/{}/items/{}", delete_item),
];

fn show(world: &World, id: &str) -> Result<Reply, Error> {
    let product = world.products.find(id)?;
    Ok(Reply::Json(product.json(&world.business_id, &world.brand_id)))
}

/// Archived products are listed only on request.
fn products(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let mut query = call.query.clone();
    if call.query("archived").is_none() {
        query.push(("archived".to_owned(), "false".to_owned()));
    }
    let call = Call { operation: call.operation, path: Vec::new(), query, body: Map::new() };
    list(world, &call, &world.products)
}

/// Replaces the ids of attached objects by the summaries that answers show.
fn resolve(world: &World, fields: &mut Map<String, Value>) -> Result<(), Error> {
    if let Some(Value::Object(metadata)) = fields.get("metadata") {
        check_metadata(metadata)?;
    }
    if fields.get("name").and_then(Value::as_str).is_none_or(|name| name.trim().is_empty()) {
        return Err(Error::invalid("name must not be empty"));
    }
    let list = |name: &str| fields.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    for id in list("addons").iter().filter_map(Value::as_str) {
        world.objects.find("/addons", id)?;
    }
    for meter in
        fields.get("price").and_then(|price| price.get("meters")?.as_array()).into_iter().flatten()
    {
        let id = meter.get("meter_id").and_then(Value::as_str).unwrap_or_default();
        world.objects.find("/meters", id)?;
    }
    let id_of = |item: &Value, name: &str| {
        item.get(name).or(item.get("id")).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut entitlements = Vec::new();
    for item in list("entitlements") {
        let object = world.objects.find("/entitlements", &id_of(&item, "entitlement_id"))?;
        entitlements.push(Value::Object(object.fields.clone()));
    }
    let mut credits = Vec::new();
    for item in list("credit_entitlements") {
        let object =
            world.objects.find("/credit-entitlements", &id_of(&item, "credit_entitlement_id"))?;
        credits.push(mapping(object, &item));
    }
    fields.insert("entitlements".to_owned(), entitlements.into());
    fields.insert("credit_entitlements".to_owned(), credits.into());
    Ok(())
}

/// A product's share of a credit entitlement: the product's terms win over the entitlement's own.
fn mapping(entitlement: &Object, attached: &Value) -> Value {
    let mut fields = entitlement.fields.clone();
    fields.extend([
        ("credit_entitlement_id".to_owned(), json!(entitlement.id)),
        ("credit_entitlement_name".to_owned(), json!(entitlement.text("name"))),
        ("credit_entitlement_unit".to_owned(), json!(entitlement.text("unit"))),
        (
            "overage_limit".to_owned(),
            json!(entitlement.number("overage_limit").map(|limit| limit.to_string())),
        ),
        ("id".to_owned(), json!(id::license_key())),
    ]);
    let own = attached.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    fields.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    fields.into()
}

fn create(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let mut fields = call.body.clone();
    resolve(world, &mut fields)?;
    let product = Product::from_fields(id::new("pdt_"), fields, world.now())?;
    let id = product.id().to_owned();
    world.products.insert(product);
    show(world, &id)
}

fn patch(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let product = world.products.find(call.id())?;
    let (created_at, archived, license) =
        (product.created_at, product.archived, product.license.clone());
    let mut fields = match product.json(&world.business_id, &world.brand_id) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    for (name, value) in call.body.iter().filter(|(_, value)| !value.is_null()) {
        fields.insert(name.clone(), value.clone());
    }
    if let Some(image) = call.text("image_id") {
        fields.insert("image".to_owned(), json!(world.url(&["images", image])));
    }
    resolve(world, &mut fields)?;
    let mut product = Product::from_fields(call.id().to_owned(), fields, world.now())?;
    (product.created_at, product.archived) = (created_at, archived);
    if let (Some(new), Some(old)) = (&mut product.license, license) {
        new.entitlement_id = old.entitlement_id;
    }
    world.products.insert(product);
    show(world, call.id())
}

fn archive(world: &mut World, call: &Call, archived: bool) -> Result<Reply, Error> {
    world.products.find_mut(call.id())?.archived = archived;
    Ok(Reply::Empty)
}

fn create_short_link(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let slug = call.text("slug").unwrap_or_default();
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
    if slug.is_empty() || slug.len() > 64 || !slug.bytes().all(plain) {
        return Err(Error::invalid("slug: 1 to 64 letters, digits, '_' and '-'"));
    }
    if world.short_links.contains_key(slug) {
        return Err(Error::conflict("CONFLICT", "slug: another short link has it"));
    }
    let product_id = world.products.find(call.id())?.id().to_owned();
    let mut full_url = world.url(&["buy", &product_id]);
    let parameters = call.body.get("static_checkout_params").and_then(Value::as_object);
    if let Some(parameters) = parameters.filter(|parameters| !parameters.is_empty()) {
        let pairs = parameters.iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        full_url = format!("{full_url}?{query}");
    }
    let short_url = world.shorten(slug, full_url.clone());
    let fields = json!({ "product_id": product_id, "full_url": full_url, "short_url": short_url });
    let now = world.now();
    let fields = fields.as_object().cloned().unwrap_or_default();
    Ok(Reply::Json(world.objects.add(SHORT_LINKS, ("id", slug.to_owned()), now, fields)))
}

/// `GET /s/{slug}`: the page behind a short link.
pub(crate) async fn follow_short_link(
    State(app): State<Arc<App>>,
    Path(slug): Path<String>,
) -> Response {
    match app.with(|world| world.short_links.get(&slug).cloned()) {
        Some(url) => (StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response(),
        None => Error::not_found("short link").into_response(),
    }
}

pub(super) fn check_localized_price(
    world: &World,
    fields: &mut Map<String, Value>,
) -> Result<(), Error> {
    let id = fields.get("product_id").and_then(Value::as_str).unwrap_or_default();
    let product = world.products.find(id)?;
    if fields.get("amount").and_then(Value::as_i64).is_some_and(|amount| amount < 0) {
        return Err(Error::invalid("amount must not be negative"));
    }
    let by_country = fields.get("country_code").is_some_and(|country| !country.is_null());
    let mode = if by_country { "by_country" } else { "by_currency" };
    let mode = product
        .fields
        .get("pricing_mode")
        .filter(|own| !own.is_null())
        .cloned()
        .unwrap_or(json!(mode));
    fields.insert("mode".to_owned(), mode);
    Ok(())
}

/// Gives the groups of a new collection their ids and products.
pub(super) fn check_collection(
    world: &World,
    fields: &mut Map<String, Value>,
) -> Result<(), Error> {
    if let Some(order) = fields.remove("group_order")
        && let Some(groups) = fields.get_mut("groups").and_then(Value::as_array_mut)
    {
        let place = |group: &Value| {
            order.as_array()?.iter().position(|id| Some(id) == group.get("group_id"))
        };
        groups.sort_by_key(|group| place(group).unwrap_or(usize::MAX));
    }
    for group in fields.get_mut("groups").and_then(Value::as_array_mut).into_iter().flatten() {
        *group = complete_group(world, group)?;
    }
    Ok(())
}

fn complete_group(world: &World, group: &Value) -> Result<Value, Error> {
    let mut group = group.as_object().cloned().unwrap_or_default();
    group.entry("group_id").or_insert_with(|| json!(id::license_key()));
    if group.get("status").is_none_or(Value::is_null) {
        group.insert("status".to_owned(), json!(true));
    }
    for item in group.get_mut("products").and_then(Value::as_array_mut).into_iter().flatten() {
        *item = complete_item(world, item)?;
    }
    Ok(group.into())
}

fn complete_item(world: &World, item: &Value) -> Result<Value, Error> {
    let product_id = item.get("product_id").and_then(Value::as_str).unwrap_or_default();
    let product = world.products.find(product_id)?;
    let mut fields = match product.json(&world.business_id, &world.brand_id) {
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
fn groups<'a>(world: &'a mut World, id: &str) -> Result<&'a mut Vec<Value>, Error> {
    let object = world.objects.find_mut(COLLECTIONS, id)?;
    let groups = object.fields.entry("groups").or_insert_with(|| json!([]));
    groups.as_array_mut().ok_or_else(|| Error::not_found("group"))
}

/// The group of a call's path.
fn group<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut Map<String, Value>, Error> {
    let id = call.path.get(1).map(|(_, id)| id.as_str()).unwrap_or_default();
    let own = |group: &&mut Value| group.get("group_id").is_some_and(|own| own == id);
    let group = groups(world, call.id())?.iter_mut().find(own).and_then(Value::as_object_mut);
    group.ok_or_else(|| Error::not_found("group"))
}

fn items<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut Vec<Value>, Error> {
    let items = group(world, call)?.get_mut("products").and_then(Value::as_array_mut);
    items.ok_or_else(|| Error::not_found("group"))
}

fn add_group(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let added = complete_group(world, &Value::Object(call.body.clone()))?;
    groups(world, call.id())?.push(added.clone());
    Ok(Reply::Json(added))
}

fn patch_group(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let order = call.body.get("product_order").and_then(Value::as_array).cloned();
    let group = group(world, call)?;
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

fn delete_group(world: &mut World, call: &Call) -> Result<Reply, Error> {
    group(world, call)?;
    let groups = groups(world, call.id())?;
    groups.retain(|group| group.get("group_id").is_none_or(|id| id != call.last_id()));
    Ok(Reply::Empty)
}

fn add_items(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let given = call.body.get("products").and_then(Value::as_array).cloned().unwrap_or_default();
    let added =
        given.iter().map(|item| complete_item(world, item)).collect::<Result<Vec<_>, _>>()?;
    items(world, call)?.extend(added.clone());
    Ok(Reply::Json(added.into()))
}

fn patch_item(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let own = |item: &&mut Value| item.get("id").is_some_and(|id| id == call.last_id());
    let item = items(world, call)?.iter_mut().find(own).and_then(Value::as_object_mut);
    let item = item.ok_or_else(|| Error::not_found("item"))?;
    item.insert("status".to_owned(), call.body.get("status").cloned().unwrap_or_default());
    Ok(Reply::Empty)
}

fn delete_item(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let items = items(world, call)?;
    let before = items.len();
    items.retain(|item| item.get("id").is_none_or(|id| id != call.last_id()));
    match items.len() < before {
        true => Ok(Reply::Empty),
        false => Err(Error::not_found("item")),
    }
}
