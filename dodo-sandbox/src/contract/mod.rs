//! The contract of the API: a copy of its description in `contract/api.json`, with operations,
//! schemas and event types. This module depends on nothing else of the crate, so that the tests
//! check the sandbox's answers with it.

#[cfg(test)]
mod answers;
mod check;
#[cfg(test)]
pub(crate) mod generate;
mod sample;
mod schema;

use std::sync::LazyLock;

use http::Method;
use serde_json::Value;

pub(crate) use self::sample::{Facts, Shape};
use self::schema::{Schemas, field};

/// One parameter of a query.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    required: bool,
    schema: Value,
}

/// The body of a successful answer.
#[derive(Debug)]
pub(crate) enum Content {
    Empty,
    Json(Value),
    /// Bytes of this media type.
    Bytes(String),
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// With parameters in braces, such as `/payments/{payment_id}`.
    pub(crate) path: String,
    /// As [`path`](Self::path) with `{}` for each parameter: the key of handlers.
    pub(crate) shape: String,
    pub(crate) query: Vec<Parameter>,
    pub(crate) body: Option<Value>,
    pub(crate) body_required: bool,
    /// Of a successful answer.
    pub(crate) status: u16,
    pub(crate) content: Content,
    /// Needs no API key.
    pub(crate) open: bool,
}

/// The parameters of a path, in its order.
pub(crate) type PathParameters = Vec<(String, String)>;

/// All of the contract.
#[derive(Debug)]
pub(crate) struct Contract {
    schemas: Schemas,
    operations: Vec<Operation>,
    /// Event types with the schemas of their bodies.
    events: Vec<(String, Value)>,
}

/// The contract. The first call parses it, in a few milliseconds.
pub(crate) fn contract() -> &'static Contract {
    static CONTRACT: LazyLock<Contract> =
        LazyLock::new(|| Contract::read(include_str!("../../contract/api.json")));
    &CONTRACT
}

/// An outcome of looking for an operation.
pub(crate) enum Found {
    Operation(&'static Operation, PathParameters),
    /// The path exists, with other methods.
    OtherMethod,
    Nothing,
}

impl Contract {
    fn read(text: &str) -> Self {
        let mut document: Value = serde_json::from_str(text).unwrap_or_default();
        let mut take = |name: &str| document.get_mut(name).map(Value::take).unwrap_or_default();
        let mut components = take("components");
        let schemas = components.get_mut("schemas").map(Value::take).unwrap_or_default();
        let mut operations = Vec::new();
        for (path, methods) in object(take("paths")) {
            for (method, operation) in object(methods) {
                operations.extend(Operation::read(&path, &method, operation));
            }
        }
        let body = |mut event: Value| {
            event.pointer_mut("/post/requestBody").map(json_schema).unwrap_or_default()
        };
        let events =
            object(take("webhooks")).map(|(name, event)| (name, body(event).unwrap_or_default()));
        Self { operations, events: events.collect(), schemas: Schemas(schemas) }
    }

    pub(crate) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The names of all event types.
    pub(crate) fn event_types(&self) -> impl Iterator<Item = &str> {
        self.events.iter().map(|(name, _)| name.as_str())
    }

    /// The schema of an event's body.
    pub(crate) fn event(&self, kind: &str) -> Option<&Value> {
        self.events.iter().find(|(name, _)| name == kind).map(|(_, schema)| schema)
    }

    /// Finds the operation of a request. A fixed segment wins over a parameter.
    pub(crate) fn find(&'static self, method: &Method, path: &str) -> Found {
        let segments: Vec<&str> = path.split('/').collect();
        let mut best: Option<(&Operation, PathParameters)> = None;
        let mut other = false;
        for operation in &self.operations {
            let Some(parameters) = operation.matches(&segments) else { continue };
            if best.as_ref().is_some_and(|(_, taken)| taken.len() <= parameters.len()) {
                other |= operation.method != method;
            } else if operation.method == method {
                best = Some((operation, parameters));
            } else {
                other = true;
            }
        }
        match (best, other) {
            (Some((operation, parameters)), _) => Found::Operation(operation, parameters),
            (None, true) => Found::OtherMethod,
            (None, false) => Found::Nothing,
        }
    }
}

impl Operation {
    fn read(path: &str, method: &str, mut operation: Value) -> Option<Self> {
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).ok()?;
        if method == Method::OPTIONS {
            return None;
        }
        let open = operation.get("security").is_none_or(|keys| keys == &Value::Array(Vec::new()));
        let parameters = operation.get("parameters").and_then(Value::as_array);
        let query = parameters.into_iter().flatten().filter_map(Parameter::read).collect();
        let body_required =
            operation.pointer("/requestBody/required").and_then(Value::as_bool).unwrap_or(false);
        let body = operation.get_mut("requestBody").and_then(json_schema);
        let (status, mut answer) = object(operation.get_mut("responses")?.take())
            .find(|(status, _)| status.starts_with('2'))?;
        let media = answer.get("content").and_then(Value::as_object);
        let media = media.and_then(|content| content.keys().next().cloned());
        let content = match media.as_deref() {
            None => Content::Empty,
            Some("application/json") => Content::Json(json_schema(&mut answer)?),
            Some(media) => Content::Bytes(media.to_owned()),
        };
        let shape: Vec<_> =
            path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
        Some(Self {
            method,
            path: path.to_owned(),
            shape: shape.join("/"),
            query,
            body,
            body_required,
            status: status.parse().ok()?,
            content,
            open,
        })
    }

    /// The parameters, if the path has this form.
    fn matches(&self, segments: &[&str]) -> Option<PathParameters> {
        let mut own = self.path.split('/');
        let mut parameters = Vec::new();
        for segment in segments {
            let part = own.next()?;
            match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(name) if !segment.is_empty() => {
                    let value = percent_encoding::percent_decode_str(segment).decode_utf8().ok()?;
                    parameters.push((name.to_owned(), value.into_owned()));
                }
                None if part == *segment => {}
                _ => return None,
            }
        }
        own.next().is_none().then_some(parameters)
    }
}

impl Parameter {
    fn read(parameter: &Value) -> Option<Self> {
        (parameter.get("in")? == "query").then_some(())?;
        Some(Self {
            name: parameter.get("name")?.as_str()?.to_owned(),
            required: parameter.get("required")?.as_bool()?,
            schema: parameter.get("schema")?.clone(),
        })
    }
}

fn object(value: Value) -> impl Iterator<Item = (String, Value)> {
    match value {
        Value::Object(map) => Some(map).into_iter().flatten(),
        _ => None.into_iter().flatten(),
    }
}

/// The schema of a JSON body or answer.
fn json_schema(holder: &mut Value) -> Option<Value> {
    Some(holder.get_mut("content")?.get_mut("application/json")?.get_mut("schema")?.take())
}

/// A schema of one property of an object schema.
pub(crate) fn property<'a>(contract: &'a Contract, schema: &'a Value, name: &str) -> &'a Value {
    field(contract.schemas.object(schema), name)
}
