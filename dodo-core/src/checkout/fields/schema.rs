use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{
    FIELDS, Field, Kind, Meaning, Policy, Where,
    place::{Place, Segment},
};
use crate::{Error, ErrorKind, checkout::metadata};

/// The fields of one call as a tree.
#[derive(Debug)]
pub(crate) struct Schema {
    fields: Vec<Node>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: &'static str,
    pub(super) field: &'static Field,
    pub(super) children: Vec<Self>,
}

static SESSION: LazyLock<Schema> =
    LazyLock::new(|| Schema::with_fields(|on| on.overlaps(Where::SESSION)));
static DYNAMIC: LazyLock<Schema> = LazyLock::new(|| {
    Schema::with_fields(|on| on.overlaps(Where::PAYMENT) || on.overlaps(Where::SUBSCRIPTION))
});

impl Schema {
    /// `POST /checkouts`.
    pub(crate) fn session() -> &'static Self {
        &SESSION
    }

    /// `POST /payments` and `POST /subscriptions`. The kind of the product decides between the two.
    pub(crate) fn dynamic() -> &'static Self {
        &DYNAMIC
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.fields
    }

    /// The meaning of a field at the top.
    pub(crate) fn meaning(&self, name: &str) -> Option<Meaning> {
        self.fields.iter().find(|node| node.name == name)?.field.meaning
    }

    /// The kind of a field by the names on its path.
    pub(crate) fn kind(&self, path: &str) -> Option<Kind> {
        let mut nodes = &self.fields;
        let mut kind = None;
        for name in path.split('.') {
            let node = nodes.iter().find(|node| node.name == name)?;
            (nodes, kind) = (&node.children, Some(node.field.kind));
        }
        kind
    }

    fn with_fields(takes: impl Fn(Where) -> bool) -> Self {
        let mut fields = Vec::new();
        for field in FIELDS.iter().filter(|field| takes(field.on)) {
            insert(&mut fields, field.path, field);
        }
        Self { fields }
    }
}

/// Inserts a field at its path. The table names containers before their fields.
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

/// Checks a body in place. A refused field is an error, a dropped field is removed, and an invalid
/// value is an error that names the place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cleaner<'a> {
    policy: &'a Policy,
}

impl<'a> Cleaner<'a> {
    pub(crate) fn new(policy: &'a Policy) -> Self {
        Self { policy }
    }

    pub(crate) fn clean(
        self,
        schema: &Schema,
        mut body: Map<String, Value>,
    ) -> Result<Map<String, Value>, Error> {
        self.members(&schema.fields, &mut body, None)?;
        Ok(body)
    }

    fn members(
        self,
        nodes: &[Node],
        members: &mut Map<String, Value>,
        within: Option<&Place<'_>>,
    ) -> Result<(), Error> {
        let mut drops_some = false;
        for (name, value) in members.iter_mut() {
            if value.is_null() {
                drops_some = true; // To Dodo, null is the same as absent.
                continue;
            }
            let place = Place { within, segment: Segment::Name(name) };
            let node = nodes.iter().find(|node| node.name == name);
            match node.filter(|node| self.policy.permits(node.field.path, node.field.class)) {
                Some(node) => {
                    self.value(node, value, &place)?;
                    let is_empty = value.as_object().is_some_and(Map::is_empty);
                    if node.field.kind == Kind::Customer && is_empty {
                        *value = Value::Null;
                        drops_some = true;
                    }
                }
                None if self.policy.is_express() => {
                    *value = Value::Null;
                    drops_some = true;
                }
                None => return Err(not_allowed(name, &place)),
            }
        }
        if drops_some {
            members.retain(|_, value| !value.is_null());
        }
        Ok(())
    }

    fn value(self, node: &Node, value: &mut Value, place: &Place<'_>) -> Result<(), Error> {
        let kind = node.field.kind;
        match (kind, value) {
            (Kind::Object(required), Value::Object(members)) => {
                self.members(&node.children, members, Some(place))?;
                match required.iter().find(|name| !members.contains_key(**name)) {
                    Some(missing) => Err(missing_field(&place.member(missing).pointer())),
                    None => Ok(()),
                }
            }
            (Kind::Customer, Value::Object(members)) => self.customer(node, members, place),
            (Kind::List(..) | Kind::Items(_), Value::Array(values)) => {
                if !kind.takes_length(values.len()) {
                    return Err(invalid(kind, place));
                }
                let Some(element) = node.children.first() else { return Ok(()) };
                values.iter_mut().enumerate().try_for_each(|(index, value)| {
                    let segment = Segment::Index(index);
                    self.value(element, value, &Place { within: Some(place), segment })
                })
            }
            (Kind::Metadata, Value::Object(pairs)) => {
                metadata::check(pairs).map_err(|key| match key {
                    Some(key) => invalid(kind, &place.member(key)),
                    None => invalid(kind, place),
                })
            }
            (kind, value) => match kind.check(std::mem::take(value)) {
                Some(checked) => {
                    *value = checked;
                    Ok(())
                }
                None => Err(invalid(kind, place)),
            },
        }
    }

    /// A new customer by e-mail or an existing one by id. If both are given, the id is dropped, as
    /// in Express: the id would open an existing account.
    fn customer(
        self,
        node: &Node,
        members: &mut Map<String, Value>,
        place: &Place<'_>,
    ) -> Result<(), Error> {
        let named_by_id = members.contains_key("customer_id");
        self.members(&node.children, members, Some(place))?;
        if named_by_id && members.is_empty() {
            return Ok(()); // The policy dropped the id: the client names no customer.
        }
        match (members.contains_key("email"), members.contains_key("customer_id")) {
            (true, _) => {
                members.remove("customer_id");
                Ok(())
            }
            (false, true) => Ok(()),
            (false, false) => Err(missing_field(&place.member("email").pointer())),
        }
    }
}

fn invalid(kind: Kind, place: &Place<'_>) -> Error {
    invalid_field(&place.pointer(), kind.expectation())
}

fn not_allowed(name: &str, place: &Place<'_>) -> Error {
    Error::new(ErrorKind::FieldNotAllowed, "this field may not be set by a client")
        .with_field(name)
        .with_pointer(&place.pointer())
}

/// Returns the field name of a pointer: its last segment that is not an index.
fn name(pointer: &str) -> &str {
    let is_index = |segment: &&str| segment.bytes().all(|b| b.is_ascii_digit());
    pointer.rsplit('/').find(|segment| !is_index(segment)).unwrap_or_default()
}

pub(crate) fn invalid_field(pointer: &str, expectation: &'static str) -> Error {
    Error::new(ErrorKind::InvalidRequest, expectation)
        .with_code("invalid_field")
        .with_field(name(pointer))
        .with_pointer(pointer)
}

pub(crate) fn missing_field(pointer: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, "a required field is missing")
        .with_code("missing_field")
        .with_field(name(pointer))
        .with_pointer(pointer)
}
