//! The body of a webhook: an event's envelope around the current state of its object.

use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    contract::{Shape, contract, property},
    state::{
        SandboxState,
        webhook::{Event, Subject},
    },
};

/// The body to send for this event now. Dodo sends the object as it is at the time of the attempt,
/// so two attempts may differ.
pub(crate) fn render(state: &SandboxState, event: &Event) -> String {
    body(state, event).to_string()
}

/// The body as JSON, with the values that a trigger set.
pub(crate) fn body(state: &SandboxState, event: &Event) -> Value {
    let mut body = json!({
        "business_id": state.business_id,
        "data": data(state, event),
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

fn data(state: &SandboxState, event: &Event) -> Value {
    let (resource, id) = match &event.subject {
        Subject::Object { resource, id } => (resource, id),
        Subject::Fixed(data) => return data.clone(),
    };
    let shape = Shape { newest: state.settings.newest_fields, event: true };
    let schema = contract().event(&event.kind).map(|body| property(contract(), body, "data"));
    let data = Some(state.json(*resource, id)).filter(|data| !data.is_null()).zip(schema);
    let data = data.map(|(data, schema)| contract().shape(schema, data, shape));
    let mut data = data.unwrap_or(Value::Null);
    if let Some(fields) = data.as_object_mut() {
        fields.insert("payload_type".to_owned(), resource.payload_type().into());
    }
    data
}
