use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{FIELDS, Field, Kind, Policy, Where};
use crate::{Error, ErrorKind, checkout::metadata};

/// The fields of one call as a tree.
#[derive(Debug)]
pub(crate) struct Schema {
    fields: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    name: &'static str,
    field: &'static Field,
    children: Vec<Self>,
}

static SESSION: LazyLock<Schema> = LazyLock::new(|| Schema::of(|on| on.overlaps(Where::SESSION)));
static DYNAMIC: LazyLock<Schema> = LazyLock::new(|| {
    Schema::of(|on| on.overlaps(Where::PAYMENT) || on.overlaps(Where::SUBSCRIPTION))
});

impl Schema {
    /// `POST /checkouts`.
    pub(crate) fn session() -> &'static Self {
        &SESSION
    }

    /// `POST /payments` and `POST /subscriptions`; which one is known only after the product.
    pub(crate) fn dynamic() -> &'static Self {
        &DYNAMIC
    }

    fn of(takes: impl Fn(Where) -> bool) -> Self {
        let mut fields = Vec::new();
        for field in FIELDS.iter().filter(|field| takes(field.on)) {
            insert(&mut fields, field.path, field);
        }
        Self { fields }
    }
}

/// Puts a field where its path says. The table names containers before what they contain.
fn insert(nodes: &mut Vec<Node>, path: &'static str, field: &'static Field) {
    let end = path.find(['.', '[']).unwrap_or(path.len());
    // `[]` is the element of a list; a dot only separates.
    let (name, rest) = match path.strip_prefix("[]") {
        Some(rest) => ("[]", rest),
        None => path.split_at_checked(end).unwrap_or((path, "")),
    };
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    match nodes.iter_mut().find(|node| node.name == name) {
        Some(node) if !rest.is_empty() => insert(&mut node.children, rest, field),
        Some(_) => {}
        None => nodes.push(Node { name, field, children: Vec::new() }),
    }
}

/// Takes a body apart and keeps what may go on: what the policy refuses is an error, what it drops
/// is gone, what does not fit is an error that names the place.
#[derive(Debug)]
pub(crate) struct Cleaner<'a> {
    policy: &'a Policy,
    /// Where we are, as a JSON Pointer.
    pointer: String,
}

impl<'a> Cleaner<'a> {
    pub(crate) fn new(policy: &'a Policy) -> Self {
        Self { policy, pointer: String::new() }
    }

    pub(crate) fn clean(
        mut self,
        schema: &Schema,
        body: Map<String, Value>,
    ) -> Result<Map<String, Value>, Error> {
        self.members(&schema.fields, body)
    }

    fn members(
        &mut self,
        nodes: &[Node],
        members: Map<String, Value>,
    ) -> Result<Map<String, Value>, Error> {
        let mut kept = Map::new();
        for (name, value) in members {
            if value.is_null() {
                continue; // To Dodo, null is the same as absent.
            }
            let depth = self.pointer.len();
            push(&mut self.pointer, &name);
            let node = nodes.iter().find(|node| node.name == name);
            match node.filter(|node| self.policy.permits(node.field.path, node.field.class)) {
                Some(node) => {
                    let value = self.value(node, value)?;
                    kept.insert(name, value);
                }
                None if self.policy.is_express() => {}
                None => return Err(self.not_allowed(&name)),
            }
            self.pointer.truncate(depth);
        }
        Ok(kept)
    }

    fn value(&mut self, node: &Node, value: Value) -> Result<Value, Error> {
        let kind = node.field.kind;
        match (kind, value) {
            (Kind::Object(required), Value::Object(members)) => {
                let kept = self.members(&node.children, members)?;
                match required.iter().find(|name| !kept.contains_key(**name)) {
                    Some(missing) => Err(missing_field(&format!("{}/{missing}", self.pointer))),
                    None => Ok(kept.into()),
                }
            }
            (Kind::Customer, Value::Object(members)) => self.customer(node, members),
            (Kind::List(min, max), Value::Array(values)) => {
                if !(min..=max).contains(&values.len()) {
                    return Err(self.invalid(kind));
                }
                self.elements(node, values)
            }
            (Kind::Metadata, Value::Object(pairs)) => match metadata::check(&pairs) {
                Ok(()) => Ok(pairs.into()),
                Err(key) => {
                    if let Some(key) = key {
                        push(&mut self.pointer, key);
                    }
                    Err(self.invalid(kind))
                }
            },
            (kind, value) => kind.check(value).ok_or_else(|| self.invalid(kind)),
        }
    }

    fn elements(&mut self, list: &Node, values: Vec<Value>) -> Result<Value, Error> {
        let Some(element) = list.children.first() else { return Ok(values.into()) };
        let depth = self.pointer.len();
        let mut kept = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            push(&mut self.pointer, &index.to_string());
            kept.push(self.value(element, value)?);
            self.pointer.truncate(depth);
        }
        Ok(kept.into())
    }

    /// A new customer by e-mail or an existing one by id. Where both are given the id is dropped, as
    /// Express does it: it is the one of the two that opens somebody's account.
    fn customer(&mut self, node: &Node, members: Map<String, Value>) -> Result<Value, Error> {
        let mut kept = self.members(&node.children, members)?;
        match (kept.contains_key("email"), kept.contains_key("customer_id")) {
            (true, _) => {
                kept.remove("customer_id");
                Ok(kept.into())
            }
            (false, true) => Ok(kept.into()),
            (false, false) => Err(missing_field(&format!("{}/email", self.pointer))),
        }
    }

    fn invalid(&self, kind: Kind) -> Error {
        invalid_field(&self.pointer, kind.expectation())
    }

    fn not_allowed(&self, name: &str) -> Error {
        Error::new(ErrorKind::FieldNotAllowed, "this field may not be set by a client")
            .with_field(name)
            .with_pointer(&self.pointer)
    }
}

/// Appends a segment to a JSON Pointer (RFC 6901).
fn push(pointer: &mut String, segment: &str) {
    pointer.push('/');
    for letter in segment.chars() {
        match letter {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            _ => pointer.push(letter),
        }
    }
}

/// The name of the field that a pointer points to: its last segment that is no index.
fn name(pointer: &str) -> &str {
    let is_index = |segment: &&str| segment.bytes().all(|b| b.is_ascii_digit());
    pointer.rsplit('/').find(|segment| !is_index(segment)).unwrap_or_default()
}

pub(crate) fn invalid_field(pointer: &str, expectation: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, expectation)
        .with_code("invalid_field")
        .with_field(name(pointer))
        .with_pointer(pointer)
}

pub(crate) fn missing_field(pointer: &str) -> Error {
    Error::new(ErrorKind::Invalid, "a required field is missing")
        .with_code("missing_field")
        .with_field(name(pointer))
        .with_pointer(pointer)
}
