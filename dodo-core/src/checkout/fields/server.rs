//! The limits of Dodo Payments, for values of server code.
//!
//! Rules against browsers do not apply to the application's own values. A value within the
//! documented limits goes to Dodo Payments, even under a name that this crate does not know.

use serde_json::{Map, Value};

use super::{
    Field, Kind, Schema,
    place::{Place, Segment},
    schema::Node,
};
use crate::{Error, checkout::metadata};

const REFERENCE: &str = "API reference of Dodo Payments";
const OWN: &str = "rule of dodo-core: such a URL runs code or reads files";

/// Checks fields of server code, and brings them into Dodo's form. `null` is the same as absent.
///
/// # Errors
/// [`Config`](crate::ErrorKind::Config) for the first value over a limit. The text names the rule and
/// its origin, the pointer names the field.
pub(crate) fn check_server_fields(
    schema: &Schema,
    fields: impl Into<Value>,
) -> Result<Map<String, Value>, Error> {
    let mut fields = match fields.into() {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    members(schema.nodes(), &mut fields, None)?;
    Ok(fields)
}

/// As [`check_server_fields`], for one field without parts.
pub(crate) fn check_server_value(field: &'static Field, mut value: Value) -> Result<Value, Error> {
    let node = Node { name: field.path, field, children: Vec::new() };
    let place = Place { within: None, segment: Segment::Name(field.path) };
    self::value(&node, &mut value, &place)?;
    Ok(value)
}

fn members(
    nodes: &[Node],
    members: &mut Map<String, Value>,
    within: Option<&Place<'_>>,
) -> Result<(), Error> {
    members.retain(|_, value| !value.is_null());
    for (name, value) in members.iter_mut() {
        if let Some(node) = nodes.iter().find(|node| node.name == name) {
            self::value(node, value, &Place { within, segment: Segment::Name(name) })?;
        }
    }
    Ok(())
}

fn value(node: &Node, value: &mut Value, place: &Place<'_>) -> Result<(), Error> {
    let kind = node.field.kind;
    match (kind, &mut *value) {
        (Kind::Object(_) | Kind::Customer, Value::Object(inside)) => {
            members(&node.children, inside, Some(place))?;
            let missing = match kind {
                Kind::Object(required) => required.iter().find(|name| !inside.contains_key(**name)),
                _ if inside.contains_key("customer_id") || inside.contains_key("email") => None,
                _ => Some(&"email"),
            };
            missing.map_or(Ok(()), |name| Err(refused(&place.member(name), "required", REFERENCE)))
        }
        (Kind::List(..) | Kind::Items(_), Value::Array(elements)) => {
            if let (Kind::List(min, max), false) = (kind, kind.takes_length(elements.len())) {
                return Err(refused(place, &format!("{min} to {max} elements"), REFERENCE));
            }
            let Some(element) = node.children.first() else { return Ok(()) };
            elements.iter_mut().enumerate().try_for_each(|(index, value)| {
                let segment = Segment::Index(index);
                self::value(element, value, &Place { within: Some(place), segment })
            })
        }
        (Kind::Metadata, Value::Object(pairs)) => metadata::check(pairs).map_err(|key| {
            let rule = "at most 50 pairs, keys of 1 to 40 letters, digits, '_' and '-', values of at \
                        most 500 characters";
            match key {
                Some(key) => refused(&place.member(key), rule, REFERENCE),
                None => refused(place, rule, REFERENCE),
            }
        }),
        (Kind::Limited(max), Value::String(text)) if text.chars().count() > max => {
            Err(refused(place, &format!("at most {max} characters"), REFERENCE))
        }
        (Kind::Int(min, max), Value::Number(_)) => checked(kind, value, place, || {
            (format!("a whole number from {min} to {max}"), REFERENCE)
        }),
        (Kind::Country, Value::String(_)) => checked(kind, value, place, || {
            ("a country code of two capital letters".to_owned(), REFERENCE)
        }),
        (Kind::Currency, Value::String(_)) => checked(kind, value, place, || {
            ("a currency code of three capital letters".to_owned(), REFERENCE)
        }),
        (Kind::ReturnUrl, Value::String(_)) => checked(kind, value, place, || {
            ("an absolute URL, not of the schemes javascript, data, file, blob, vbscript".to_owned(), OWN)
        }),
        _ => Ok(()),
    }
}

fn checked(
    kind: Kind,
    value: &mut Value,
    place: &Place<'_>,
    rule: impl FnOnce() -> (String, &'static str),
) -> Result<(), Error> {
    match kind.check(value.clone()) {
        Some(plain) => {
            *value = plain;
            Ok(())
        }
        None => {
            let (rule, origin) = rule();
            Err(refused(place, &rule, origin))
        }
    }
}

fn refused(place: &Place<'_>, rule: &str, origin: &str) -> Error {
    Error::server_value(rule, origin).with_pointer(&place.pointer())
}
