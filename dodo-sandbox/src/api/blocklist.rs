//! Blocked customers.

use serde_json::{Value, json};

use super::{
    call::{Call, Reply},
    customers::CUSTOMERS,
    resource::Resource,
};
use crate::{
    Error,
    clock::rfc3339,
    flow::subscription,
    id,
    state::{SandboxState, object::Object},
};

pub(crate) static BLOCKLIST: Resource = Resource {
    name: "blocklist entry",
    path: "/blocklist/customers",
    prefix: "blk_",
    routes: &[
        ("POST /blocklist/customers", block),
        ("DELETE /blocklist/customers/{}", unblock),
        ("POST /blocklist/customers/{}/notes", add_note),
        ("PATCH /blocklist/customers/{}/notes/{}", patch_note),
    ],
    ..Resource::PLAIN
};

/// Blocks a customer: their subscriptions end, and they cannot pay.
fn block(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let same = |customer: &&Object| match call.text("customer_id") {
        Some(id) => id == customer.id,
        None => {
            call.text("email").is_some_and(|own| own.eq_ignore_ascii_case(customer.str("email")))
        }
    };
    let customer = state.all(&CUSTOMERS).find(same).ok_or_else(|| Error::not_found("customer"))?;
    let customer = customer.clone();
    if customer.get("blocked_at").is_some() {
        return Err(Error::conflict("CONFLICT", "the customer is blocked already"));
    }
    let own = state.subscriptions.iter().filter(|own| own.customer_id == customer.id);
    let ids: Vec<_> = own.filter(|own| !own.is_over()).map(|own| own.id.clone()).collect();
    for id in &ids {
        subscription::cancel(state, id, Some("merchant"))?;
    }
    let entry = json!({
        "cancelled_subscription_ids": ids,
        "customer_email": customer.get("email"),
        "customer_id": customer.id,
        "customer_name": customer.get("name"),
        "identifier": customer.get("email"),
        "notes": [],
        "reason": call.text("reason"),
        "remaining_subscription_ids": [],
        "source": call.text("source").unwrap_or("api"),
        "subscriptions_swept": true,
    });
    let id = state.add(&BLOCKLIST, entry);
    let now = rfc3339(state.now());
    let customer = state.find_mut(&CUSTOMERS, &customer.id)?;
    customer.set("blocked_at", now);
    customer.set("blocklist_entry_id", id.clone());
    Ok(Reply::Json(state.json(&BLOCKLIST, &id)))
}

fn unblock(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let now = rfc3339(state.now());
    let entry = state.find_mut(&BLOCKLIST, call.id())?;
    entry.set("unblocked_at", now);
    let customer_id = entry.str("customer_id").to_owned();
    let customer = state.find_mut(&CUSTOMERS, &customer_id)?;
    customer.set("blocked_at", Value::Null);
    customer.set("blocklist_entry_id", Value::Null);
    Ok(Reply::Empty)
}

fn add_note(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let now = rfc3339(state.now());
    let entry = state.find_mut(&BLOCKLIST, call.id())?;
    let note = json!({ "id": id::new("nte_"), "note": call.text("note"), "created_at": now });
    let mut notes = entry.list("notes").to_vec();
    notes.push(note.clone());
    entry.set("notes", notes);
    Ok(Reply::Json(note))
}

fn patch_note(state: &mut SandboxState, call: &Call) -> Result<Reply, Error> {
    let now = rfc3339(state.now());
    let entry = state.find_mut(&BLOCKLIST, call.id())?;
    let notes = entry.fields.get_mut("notes").and_then(Value::as_array_mut);
    let own = |note: &&mut Value| note.get("id").is_some_and(|id| id == call.last_id());
    let note = notes.into_iter().flatten().find(own).and_then(Value::as_object_mut);
    let note = note.ok_or_else(|| Error::not_found("note"))?;
    note.insert("note".to_owned(), call.text("note").into());
    note.insert("updated_at".to_owned(), now.into());
    Ok(Reply::Json(Value::Object(note.clone())))
}
