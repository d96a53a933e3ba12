//! The contract of the API: a copy of its description in `contract/api.json`, with operations,
//! schemas and event types. This module depends on nothing else of the crate, so that the tests
//! check the sandbox's answers with it.

#[cfg(test)]
mod answers;
mod check;
#[cfg(test)]
pub(crate) mod fields;
#[cfg(test)]
pub(crate) mod generate;
mod node;
mod sample;
mod schema;

use std::sync::LazyLock;

pub(crate) use self::sample::{Facts, Shape};
use self::{
    node::Node,
    schema::{Schemas, field},
};
use http::Method;

/// One parameter of a query.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    required: bool,
    schema: Node,
}

/// The body of a successful answer.
#[derive(Debug)]
pub(crate) enum Content {
    Empty,
    Json(Node),
    /// Bytes of this media type.
    Bytes(&'static str),
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// With parameters in braces, such as `/payments/{payment_id}`.
    pub(crate) path: &'static str,
    /// As [`path`](Self::path) with `{}` for each parameter: the key of handlers.
    pub(crate) shape: String,
    pub(crate) query: Vec<Parameter>,
    pub(crate) body: Option<Node>,
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
    events: Vec<(&'static str, Node)>,
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
    fn read(text: &'static str) -> Self {
        let mut document: Node = serde_json::from_str(text).unwrap_or_default();
        let schemas = document.take("components").take("schemas");
        let mut operations = Vec::new();
        for (path, methods) in document.take("paths").into_fields() {
            for (method, operation) in methods.into_fields() {
                operations.extend(Operation::read(path, method, operation));
            }
        }
        let body = |mut event: Node| json_schema(event.take("post").take("requestBody"));
        let events = document.take("webhooks").into_fields();
        let events = events.map(|(name, event)| (name, body(event).unwrap_or_default()));
        Self { operations, events: events.collect(), schemas: Schemas(schemas) }
    }

    pub(crate) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The names of all event types.
    pub(crate) fn event_types(&self) -> impl Iterator<Item = &str> {
        self.events.iter().map(|(name, _)| *name)
    }

    /// The schema of an event's body.
    pub(crate) fn event(&self, kind: &str) -> Option<&Node> {
        self.events.iter().find(|(name, _)| *name == kind).map(|(_, schema)| schema)
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
    fn read(path: &'static str, method: &str, mut operation: Node) -> Option<Self> {
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).ok()?;
        if method == Method::OPTIONS {
            return None;
        }
        let open = operation.field("security").items().is_empty();
        let query = operation.field("parameters").items().iter().filter_map(Parameter::read);
        let query = query.collect();
        let body = operation.take("requestBody");
        let body_required = matches!(body.get("required"), Some(Node::Bool(true)));
        let body = json_schema(body);
        let mut answers = operation.take("responses").into_fields();
        let (status, answer) = answers.find(|(status, _)| status.starts_with('2'))?;
        let content = match answer.field("content").fields().first() {
            None => Content::Empty,
            Some(("application/json", _)) => Content::Json(json_schema(answer)?),
            Some((media, _)) => Content::Bytes(media),
        };
        let shape: Vec<_> =
            path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
        Some(Self {
            method,
            path,
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
    fn read(parameter: &Node) -> Option<Self> {
        (parameter.get("in")?.as_str()? == "query").then_some(())?;
        Some(Self {
            name: parameter.get("name")?.as_str()?,
            required: matches!(parameter.get("required")?, Node::Bool(true)),
            schema: parameter.get("schema")?.clone(),
        })
    }
}

/// The schema of a JSON body or answer.
fn json_schema(mut holder: Node) -> Option<Node> {
    let schema = holder.take("content").take("application/json").take("schema");
    (!matches!(schema, Node::Null)).then_some(schema)
}

/// A schema of one property of an object schema.
pub(crate) fn property<'a>(contract: &'a Contract, schema: &'a Node, name: &str) -> &'a Node {
    field(contract.schemas.object(schema), name)
}
