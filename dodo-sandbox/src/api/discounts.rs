//! Discount codes.

use serde_json::{Map, Value, json};

use super::{
    call::{Call, Reply},
    customers::CUSTOMERS,
    list::page,
    resource::Resource,
};
use crate::{
    Error,
    flow::discount,
    id,
    state::{SandboxState, object::Object},
};

pub(crate) static DISCOUNTS: Resource = Resource {
    name: "discount",
    path: "/discounts",
    id: "discount_id",
    prefix: "dsc_",
    defaults: |_| {
        json!({
            "customer_eligibility": "any",
            "metadata": {},
            "restricted_to": [],
            "times_used": 0,
            "preserve_on_plan_change": false,
        })
    },
    check,
    removable: true,
    filters: &[
        ("discount_type", |_, own: &Object, wanted| own.has("type", wanted)),
        ("product_id", |_, own: &Object, wanted| discount::applies_to(own, wanted)),
        ("active", |state, own: &Object, wanted| {
            let active = !discount::is_expired(own, state.now()) && !discount::is_used_up(own);
            wanted == active.to_string()
        }),
    ],
    routes: &[
        ("GET /discounts/code/{}", |state, call| {
            let found = discount::by_code(state, call.id());
            let id = found.ok_or_else(|| Error::not_found("discount"))?.id.clone();
            Ok(Reply::Json(state.json(&DISCOUNTS, &id)))
        }),
        ("GET /discounts/{}/customers", |state, call| {
            let customers = state.find(&DISCOUNTS, call.id())?.list("customer_ids").to_vec();
            page(state, call, customers.into_iter(), |id| json!({ "customer_id": id }))
        }),
        ("POST /discounts/{}/customers", add_customers),
        ("DELETE /discounts/{}/customers/{}", |state, call| {
            let object = state.find_mut(&DISCOUNTS, call.id())?;
            let mut ids = object.list("customer_ids").to_vec();
            ids.retain(|id| id != call.last_id());
            object.set("customer_ids", ids);
            Ok(Reply::Empty)
        }),
    ],
    ..Resource::PLAIN
};

fn check(state: &SandboxState, fields: &mut Map<String, Value>) -> Result<(), Error> {
    let amount = fields.get("amount").and_then(Value::as_i64).unwrap_or(0);
    let flat = fields.get("type").is_some_and(|kind| kind == "flat");
    if !(1..=if flat { i64::MAX } else { 10_000 }).contains(&amount) {
        return Err(Error::invalid("amount: at least 1, and at most 10000 basis points"));
    }
    let code = fields.get("code").and_then(Value::as_str).map(str::to_ascii_uppercase);
    let code = code.unwrap_or_else(|| id::new("").to_ascii_uppercase().chars().take(16).collect());
    if !(3..=100).contains(&code.len()) || code.contains(char::is_whitespace) {
        return Err(Error::invalid("code: 3 or more characters without blanks"));
    }
    let own = fields.get("discount_id").and_then(Value::as_str);
    if discount::by_code(state, &code).is_some_and(|other| Some(other.id.as_str()) != own) {
        return Err(Error::conflict("DISCOUNT_CODE_ALREADY_EXISTS", "a discount has this code"));
    }
    let products = fields.get("restricted_to").and_then(Value::as_array).into_iter().flatten();
    for id in products.filter_map(Value::as_str) {
        state.products.find(id)?;
    }
    fields.insert("code".to_owned(), code.into());
    Ok(())
}

fn add_customers(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let added = call.body.get("customer_ids").and_then(Value::as_array).cloned();
    let added = added.unwrap_or_default();
    for id in added.iter().filter_map(Value::as_str) {
        state.find(&CUSTOMERS, id)?;
    }
    let object = state.find_mut(&DISCOUNTS, call.id())?;
    let mut ids = object.list("customer_ids").to_vec();
    ids.extend(added);
    ids.dedup();
    object.set("customer_ids", ids.clone());
    let items: Vec<_> = ids.into_iter().map(|id| json!({ "customer_id": id })).collect();
    Ok(Reply::Json(json!({ "items": items })))
}
