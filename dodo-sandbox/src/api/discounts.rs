//! Discount codes.

use serde_json::{Map, Value, json};

use super::{
    body::check_metadata,
    call::{Call, Reply, Route},
    list::{field_matches, page},
};
use crate::{
    Error,
    flow::discount::{self, TABLE},
    id,
    state::{World, object::Object},
};

pub(crate) const ROUTES: &[Route] = &[
    ("GET /discounts", list),
    ("POST /discounts", create),
    ("GET /discounts/{}", |world, call| show(world.objects.find(TABLE, call.id())?)),
    ("PATCH /discounts/{}", patch),
    ("DELETE /discounts/{}", |world, call| {
        world.objects.find(TABLE, call.id())?;
        world.objects.table(TABLE).remove(call.id());
        Ok(Reply::Empty)
    }),
    ("GET /discounts/code/{}", |world, call| {
        let same = |own: &&Object| {
            own.text("code").is_some_and(|code| code.eq_ignore_ascii_case(call.id()))
        };
        let found = world.objects.all(TABLE).find(same);
        show(found.ok_or_else(|| Error::not_found("discount"))?)
    }),
    ("GET /discounts/{}/customers", |world, call| {
        let customers = world.objects.find(TABLE, call.id())?.list("customer_ids").to_vec();
        page(world, call, customers.into_iter(), |id| json!({ "customer_id": id }))
    }),
    ("POST /discounts/{}/customers", add_customers),
    ("DELETE /discounts/{}/customers/{}", |world, call| {
        let object = world.objects.find_mut(TABLE, call.id())?;
        let mut ids = object.list("customer_ids").to_vec();
        ids.retain(|id| id != call.last_id());
        object.set("customer_ids", ids);
        Ok(Reply::Empty)
    }),
];

fn show(object: &Object) -> Result<Reply, Error> {
    Ok(Reply::Json(Value::Object(object.fields.clone())))
}

fn list(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let (world, now) = (&*world, world.now());
    let active =
        |object: &Object| !discount::is_expired(object, now) && !discount::is_used_up(object);
    let rows = world.objects.all(TABLE).rev().filter(|object| {
        let fields = Value::Object(object.fields.clone());
        call.query("code").is_none_or(|code| field_matches(&fields, "code", code))
            && call.query("discount_type").is_none_or(|kind| field_matches(&fields, "type", kind))
            && call.query("active").is_none_or(|wanted| wanted == active(object).to_string())
            && call.query("product_id").is_none_or(|id| discount::applies_to(object, id))
    });
    page(world, call, rows, |object| Value::Object(object.fields.clone()))
}

/// Checks the fields of a discount. `own`: its id, if it exists.
fn check(world: &World, fields: &mut Map<String, Value>, own: Option<&str>) -> Result<(), Error> {
    if let Some(Value::Object(metadata)) = fields.get("metadata") {
        check_metadata(metadata)?;
    }
    let amount = fields.get("amount").and_then(Value::as_i64).unwrap_or(0);
    let most =
        if fields.get("type").is_some_and(|kind| kind == "flat") { i64::MAX } else { 10_000 };
    if !(1..=most).contains(&amount) {
        return Err(Error::invalid("amount: at least 1, and at most 10000 basis points"));
    }
    let code = fields.get("code").and_then(Value::as_str).map(str::to_ascii_uppercase);
    let code = code.unwrap_or_else(|| id::new("").to_ascii_uppercase().chars().take(16).collect());
    if !(3..=100).contains(&code.len()) || code.contains(char::is_whitespace) {
        return Err(Error::invalid("code: 3 or more characters without blanks"));
    }
    let taken = |object: &Object| {
        object.text("code") == Some(code.as_str()) && Some(object.id.as_str()) != own
    };
    if world.objects.all(TABLE).any(taken) {
        return Err(Error::conflict("DISCOUNT_CODE_ALREADY_EXISTS", "a discount has this code"));
    }
    let products = fields.get("restricted_to").and_then(Value::as_array).into_iter().flatten();
    for id in products.filter_map(Value::as_str) {
        world.products.find(id)?;
    }
    fields.insert("code".to_owned(), code.into());
    Ok(())
}

fn create(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let given = call.body.iter().filter(|(_, value)| !value.is_null());
    let mut fields: Map<_, _> = given.map(|(name, value)| (name.clone(), value.clone())).collect();
    check(world, &mut fields, None)?;
    Ok(Reply::Json(discount::insert(world, fields)))
}

fn patch(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let mut fields = world.objects.find(TABLE, call.id())?.fields.clone();
    let given = call.body.iter().filter(|(_, value)| !value.is_null());
    fields.extend(given.map(|(name, value)| (name.clone(), value.clone())));
    check(world, &mut fields, Some(call.id()))?;
    let now = world.now();
    let object = world.objects.find_mut(TABLE, call.id())?;
    object.change(fields, now);
    show(object)
}

fn add_customers(world: &mut World, call: &Call) -> Result<Reply, Error> {
    let added = call.body.get("customer_ids").and_then(Value::as_array).cloned();
    let added = added.unwrap_or_default();
    for id in added.iter().filter_map(Value::as_str) {
        world.customers.find(id)?;
    }
    let object = world.objects.find_mut(TABLE, call.id())?;
    let mut ids = object.list("customer_ids").to_vec();
    ids.extend(added);
    ids.dedup();
    object.set("customer_ids", ids.clone());
    let items: Vec<_> = ids.into_iter().map(|id| json!({ "customer_id": id })).collect();
    Ok(Reply::Json(json!({ "items": items })))
}
