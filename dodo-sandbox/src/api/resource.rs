//! Plain resources: their operations follow from one line each.

use serde_json::{Map, Value, json};

use super::{
    body::check_metadata,
    call::{Call, Reply, Route},
    list::list_of,
};
use crate::{
    Error,
    clock::rfc3339,
    contract::Operation,
    id,
    state::{World, object::Object},
};

/// A resource whose state is the JSON that the API shows.
#[derive(Debug)]
pub(crate) struct Resource {
    /// The path of its list, with `{}` for parameters. The parameters become fields.
    path: &'static str,
    /// The field with its id.
    id: &'static str,
    prefix: &'static str,
    /// Fields of a new object beside those of the request.
    defaults: fn(&World) -> Value,
    /// Rules of a new or changed object, and fields that follow from others.
    check: fn(&World, &mut Map<String, Value>) -> Result<(), Error>,
}

/// The operations that follow from the form of a path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Create,
    List,
    Read,
    Patch,
    /// Marks the object: lists show it only on request.
    Archive,
    Unarchive,
    /// A new image, with an address for its upload.
    Image,
}

fn no_rule(_: &World, _: &mut Map<String, Value>) -> Result<(), Error> {
    Ok(())
}

fn nothing(_: &World) -> Value {
    json!({})
}

/// All plain resources.
pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        path: "/addons",
        id: "id",
        prefix: "adn_",
        defaults: nothing,
        check: price_is_positive,
    },
    Resource {
        path: "/brands",
        id: "brand_id",
        prefix: "brnd_",
        defaults: |_| json!({ "enabled": true, "verification_enabled": true, "verification_status": "Success", "statement_descriptor": "SANDBOX" }),
        check: no_rule,
    },
    Resource {
        path: "/credit-entitlements",
        id: "id",
        prefix: "cde_",
        defaults: |_| json!({ "overage_behavior": "forgive_at_reset" }),
        check: no_rule,
    },
    Resource {
        path: "/entitlements",
        id: "id",
        prefix: "ent_",
        defaults: |_| json!({ "is_active": true, "metadata": {} }),
        check: super::entitlements::check,
    },
    Resource { path: "/meters", id: "id", prefix: "mtr_", defaults: nothing, check: no_rule },
    Resource {
        path: "/product-collections",
        id: "id",
        prefix: "pdc_",
        defaults: nothing,
        check: super::products::check_collection,
    },
    Resource {
        path: "/products/{}/localized-prices",
        id: "id",
        prefix: "lcp_",
        defaults: nothing,
        check: super::products::check_localized_price,
    },
];

/// Operations of plain resources that do not follow from their path.
pub(crate) const ROUTES: &[Route] = &[
    ("POST /brands/{}/archive", archive_brand),
    ("POST /moderation/screen", screen),
    ("GET /moderation/usage", |_, _| {
        Ok(Reply::Json(
            json!({ "daily": [], "screens_to_next_block": 1000, "unbilled_screens": 0 }),
        ))
    }),
];

/// The resource of an operation, with what the operation does.
pub(crate) fn find(operation: &Operation) -> Option<(&'static Resource, Action)> {
    RESOURCES.iter().find_map(|resource| {
        let rest = operation.shape.strip_prefix(resource.path)?;
        let action = match (operation.method.as_str(), rest) {
            ("POST", "") => Action::Create,
            ("GET", "") => Action::List,
            ("GET", "/{}") => Action::Read,
            ("PATCH", "/{}") => Action::Patch,
            ("DELETE", "/{}") => Action::Archive,
            ("POST", "/{}/unarchive" | "/{}/undelete") => Action::Unarchive,
            ("PUT", "/{}/images") => Action::Image,
            _ => return None,
        };
        Some((resource, action))
    })
}

/// Acts on a plain resource.
///
/// # Errors
/// 404 for an unknown object; 422 by the resource's rules.
pub(crate) fn act(
    world: &mut World,
    resource: &Resource,
    action: Action,
    call: &Call,
) -> Result<Reply, Error> {
    let parents = &call.path.get(..resource.path.matches("{}").count()).unwrap_or_default();
    let belongs = |object: &Object| {
        parents.iter().all(|(name, value)| object.text(name).is_none_or(|own| own == value))
    };
    if !matches!(action, Action::Create | Action::List) {
        let object = world.objects.find(resource.path, call.last_id())?;
        if !belongs(object) {
            return Err(Error::not_found("object"));
        }
    }
    let now = world.now();
    match action {
        Action::Create => {
            let mut fields = match (resource.defaults)(world) {
                Value::Object(defaults) => defaults,
                _ => Map::new(),
            };
            fields.insert("business_id".to_owned(), json!(world.business_id));
            fields.insert("brand_id".to_owned(), json!(world.brand_id));
            fields.extend(call.body.clone());
            fields.extend(parents.iter().map(|(name, value)| (name.clone(), json!(value))));
            check(world, resource, &mut fields)?;
            let id = (resource.id, id::new(resource.prefix));
            Ok(Reply::Json(world.objects.add(resource.path, id, now, fields)))
        }
        Action::List => {
            let archived =
                ["archived", "deleted"].iter().find_map(|name| call.query(name)) == Some("true");
            let all = call.query("include_archived") == Some("true");
            let own = ["archived", "deleted", "include_archived"];
            let query = call.query.iter().filter(|(name, _)| !own.contains(&name.as_str()));
            let call = Call {
                operation: call.operation,
                path: Vec::new(),
                query: query.cloned().collect(),
                body: Map::new(),
            };
            let rows = world.objects.all(resource.path).rev();
            let rows = rows.filter(|row| {
                belongs(row) && (all || row.get("archived_at").is_some() == archived)
            });
            list_of(world, &call, rows)
        }
        Action::Read => {
            let object = world.objects.find(resource.path, call.last_id())?;
            Ok(Reply::Json(Value::Object(object.fields.clone())))
        }
        Action::Patch => {
            let mut fields = world.objects.find(resource.path, call.last_id())?.fields.clone();
            let given = call.body.iter().filter(|(_, value)| !value.is_null());
            fields.extend(given.map(|(name, value)| (name.clone(), value.clone())));
            if let Some(image) = call.text("image_id") {
                fields.insert("image".to_owned(), json!(world.url(&["images", image])));
            }
            check(world, resource, &mut fields)?;
            let object = world.objects.find_mut(resource.path, call.last_id())?;
            object.change(fields, now);
            Ok(Reply::Json(Value::Object(object.fields.clone())))
        }
        Action::Archive | Action::Unarchive => {
            let archived = matches!(action, Action::Archive).then(|| rfc3339(now));
            let object = world.objects.find_mut(resource.path, call.last_id())?;
            object.set("archived_at", archived);
            let id = object.id.clone();
            Ok(Reply::Json(json!({
                "collection_id": id,
                "excluded_product_ids": [],
                "message": "the collection is active again",
            })))
        }
        Action::Image => {
            let (id, url) = new_image(world);
            world.objects.find_mut(resource.path, call.id())?.set("image", url.clone());
            Ok(Reply::Json(json!({ "image_id": id, "url": url })))
        }
    }
}

fn check(world: &World, resource: &Resource, fields: &mut Map<String, Value>) -> Result<(), Error> {
    if let Some(Value::Object(metadata)) = fields.get("metadata") {
        check_metadata(metadata)?;
    }
    (resource.check)(world, fields)
}

/// The id and the address of a new image. The sandbox takes no uploads; the page shows a mark.
pub(crate) fn new_image(world: &World) -> (String, String) {
    let id = id::license_key();
    let url = world.url(&["images", &id]);
    (id, url)
}

fn price_is_positive(_: &World, fields: &mut Map<String, Value>) -> Result<(), Error> {
    match fields.get("price").and_then(Value::as_i64) {
        Some(price) if price < 0 => Err(Error::invalid("price must not be negative")),
        _ => Ok(()),
    }
}

fn archive_brand(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let now = rfc3339(world.now());
    let moved_to = call.text("move_products_to").map(str::to_owned);
    if let Some(to) = &moved_to {
        world.objects.find("/brands", to)?;
    }
    world.objects.find_mut("/brands", call.id())?.set("archived_at", now.clone());
    let mut moved = 0;
    for product in
        world.products.iter_mut().filter(|product| product.brand_id.as_deref() == Some(call.id()))
    {
        product.brand_id.clone_from(&moved_to);
        moved += 1;
    }
    Ok(Reply::Json(json!({
        "archived_at": now,
        "brand_id": call.id(),
        "moved_to_brand_id": moved_to,
        "products_moved": moved,
        "collections_moved": 0,
        "subscriptions_moved": 0,
    })))
}

/// Dodo's test mode decides by words in the text.
fn screen(_: &mut World, call: &Call) -> Result<Reply, Error> {
    let text = call.text("text").unwrap_or_default();
    let refusal = |status, code, message| Err(Error::refused(status, code, message));
    let decision = match () {
        () if text.contains("dodo_mock_overloaded") => {
            let status = http::StatusCode::TOO_MANY_REQUESTS;
            return refusal(status, "TOO_MANY_REQUESTS", "the screen is overloaded");
        }
        () if text.contains("dodo_mock_not_ready") => {
            let status = http::StatusCode::SERVICE_UNAVAILABLE;
            return refusal(status, "SERVICE_UNAVAILABLE", "the screen is not ready");
        }
        () if text.contains("dodo_mock_deny") => "deny",
        () if text.contains("dodo_mock_flag") => "flag",
        () => "allow",
    };
    Ok(Reply::Json(json!({
        "decision": decision,
        "request_id": call.text("request_id"),
        "categories": {},
        "provenance": {},
        "passes": 1,
        "latency_ms": 1,
    })))
}
