//! The body of a webhook: an event's envelope around the current state of its object.

use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    contract::{Shape, contract, property},
    state::{
        World,
        webhook::{Event, Subject},
    },
};

/// The body to send for this event now. Dodo sends the object as it is at the time of the attempt,
/// so two attempts may differ.
pub(crate) fn render(world: &World, event: &Event) -> String {
    body(world, event).to_string()
}

/// The body as JSON, with the values that a trigger set.
pub(crate) fn body(world: &World, event: &Event) -> Value {
    let mut body = json!({
        "business_id": world.business_id,
        "data": data(world, event),
        "timestamp": rfc3339(event.at),
        "type": event.kind,
    });
    for (path, value) in &event.overrides {
        let pointer = format!("/{}", path.replace('.', "/"));
        match body.pointer_mut(&pointer) {
            Some(place) => *place = value.clone(),
            // A new field of an object that exists.
            None => {
                let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
                if let Some(Value::Object(fields)) = body.pointer_mut(parent) {
                    fields.insert(name.to_owned(), value.clone());
                }
            }
        }
    }
    body
}

fn data(world: &World, event: &Event) -> Value {
    let (payload_type, data) = match &event.subject {
        Subject::Payment(id) => ("Payment", world.payments.get(id).map(|row| row.json(world))),
        Subject::Subscription(id) => {
            ("Subscription", world.subscriptions.get(id).map(|row| row.json(world)))
        }
        Subject::Refund(id) => ("Refund", world.refunds.get(id).map(|row| row.json(world))),
        Subject::Dispute(id) => ("Dispute", world.disputes.get(id).map(|row| row.json(world))),
        Subject::License(id) => ("LicenseKey", world.licenses.get(id).map(|row| row.json(world))),
        Subject::Grant(id) => ("EntitlementGrant", world.grants.get(id).map(|row| row.json(world))),
        Subject::Abandoned(id) => {
            ("AbandonedCheckout", world.abandoned.get(id).map(|row| row.json(world)))
        }
        Subject::Dunning(id) => {
            ("DunningAttempt", world.dunnings.get(id).map(|row| row.json(world)))
        }
        Subject::Object { payload_type, table, id } => {
            let object = world.objects.find(table, id).ok();
            (*payload_type, object.map(|object| Value::Object(object.fields.clone())))
        }
        Subject::Fixed(data) => return data.clone(),
    };
    let shape = Shape { newest: world.settings.newest_fields, event: true };
    let schema = contract().event(&event.kind).map(|body| property(contract(), body, "data"));
    let data = data.zip(schema).map(|(data, schema)| contract().shape(schema, data, shape));
    let mut data = data.unwrap_or(Value::Null);
    if let Some(fields) = data.as_object_mut() {
        fields.insert("payload_type".to_owned(), payload_type.into());
    }
    data
}
