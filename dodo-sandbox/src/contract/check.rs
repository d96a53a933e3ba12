//! Checks values against schemas.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Contract, Operation,
    node::Node,
    schema::{has_type, marked},
};

/// The first fault of a value: its place and the rule that it breaks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    place: String,
    rule: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.trim_start_matches('.');
        if place.is_empty() { f.write_str(&self.rule) } else { write!(f, "{place}: {}", self.rule) }
    }
}

pub(super) fn fault<T>(place: &str, rule: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { place: place.to_owned(), rule: rule.into() })
}

impl Contract {
    /// Checks a request's JSON body.
    ///
    /// # Errors
    /// The first fault.
    pub(crate) fn check_body(&self, operation: &Operation, body: &Value) -> Result<(), Fault> {
        operation.body.as_ref().map_or(Ok(()), |schema| self.check(schema, body, ""))
    }

    /// Checks a request's query.
    ///
    /// # Errors
    /// The first fault.
    pub(crate) fn check_query<'a>(
        &self,
        operation: &Operation,
        query: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Result<(), Fault> {
        for (name, text) in query.clone() {
            match operation.query.iter().find(|parameter| parameter.name == name) {
                None => return fault(name, "the API has no such parameter"),
                Some(parameter) => self.check_text(&parameter.schema, text, name)?,
            }
        }
        let mut required = operation.query.iter().filter(|parameter| parameter.required);
        match required.find(|parameter| !query.clone().any(|(name, _)| name == parameter.name)) {
            Some(parameter) => fault(parameter.name, "is required"),
            None => Ok(()),
        }
    }

    fn check_text(&self, schema: &Node, text: &str, place: &str) -> Result<(), Fault> {
        let forms = self.schemas.forms(schema);
        let is = |name: &str| forms.iter().any(|form| has_type(form, name));
        let value = match (is("integer") || is("number"), is("boolean")) {
            (true, _) => text.parse::<i64>().ok().map(Value::from),
            (_, true) => text.parse::<bool>().ok().map(Value::from),
            _ => Some(Value::from(text)),
        };
        match value {
            Some(value) => self.check(schema, &value, place),
            None => fault(place, "cannot be read"),
        }
    }

    /// The form of a value that has several.
    pub(super) fn form_of<'a>(&'a self, schema: &'a Node, value: &Value) -> &'a Node {
        if value.is_object() {
            return self.schemas.form_of(schema, value);
        }
        let forms = self.schemas.forms(schema);
        let fits = |form: &&&Node| forms.len() == 1 || self.check(form, value, "").is_ok();
        forms.iter().find(fits).or(forms.first()).copied().unwrap_or(Node::NULL)
    }

    pub(super) fn check(&self, schema: &Node, value: &Value, place: &str) -> Result<(), Fault> {
        if value.is_null() {
            return match self.schemas.nullable(schema) {
                true => Ok(()),
                false => fault(place, "must not be null"),
            };
        }
        let form = self.form_of(schema, value);
        if form.get("allOf").is_some() || has_type(form, "object") {
            return self.check_object(form, value, place);
        }
        if let Some(allowed) = form.get("enum").map(Node::items)
            && !allowed.iter().any(|own| own == value)
        {
            let shown: Vec<_> = allowed.iter().take(8).map(|own| own.value().to_string()).collect();
            return fault(place, format!("must be one of {}", shown.join(", ")));
        }
        match value {
            _ if form.get("type").is_none() => Ok(()),
            Value::String(text) if has_type(form, "string") => check_string(form, text, place),
            Value::Bool(_) if has_type(form, "boolean") => Ok(()),
            Value::Number(number) if has_type(form, "integer") => {
                check_integer(form, number.as_i64(), place)
            }
            Value::Number(_) if has_type(form, "number") => Ok(()),
            Value::Array(items) if has_type(form, "array") => self.check_items(form, items, place),
            _ => fault(place, format!("must be {}", type_name(form))),
        }
    }

    fn check_items(&self, schema: &Node, items: &[Value], place: &str) -> Result<(), Fault> {
        if limit(schema, "minItems").is_some_and(|least| items.len() < least) {
            return fault(place, "has too few items");
        }
        if let Some(most) = limit(schema, "maxItems").filter(|most| items.len() > *most) {
            return fault(place, format!("has at most {most} items"));
        }
        let schema = schema.get("items").unwrap_or(Node::NULL);
        items
            .iter()
            .enumerate()
            .try_for_each(|(at, item)| self.check(schema, item, &format!("{place}[{at}]")))
    }

    fn check_object(&self, schema: &Node, value: &Value, place: &str) -> Result<(), Fault> {
        let Some(fields) = value.as_object() else { return fault(place, "must be an object") };
        let object = self.schemas.object(schema);
        for (name, value) in fields {
            let place = format!("{place}.{name}");
            let known = object.properties.iter().find(|(own, ..)| own == name);
            match known.map(|(_, schema, _)| *schema).or(object.others) {
                Some(schema) => self.check(schema, value, &place)?,
                None if object.properties.is_empty() => {}
                None => return fault(&place, "the API has no such field"),
            }
        }
        let hidden = |schema: &Node| marked(schema, "x-newest") || marked(schema, "x-events-only");
        for (name, schema, required) in object.properties {
            if required && !fields.contains_key(name) && !hidden(schema) {
                return fault(&format!("{place}.{name}"), "is required");
            }
        }
        Ok(())
    }
}

fn limit(schema: &Node, name: &str) -> Option<usize> {
    schema.get(name)?.as_i64()?.try_into().ok()
}

fn check_string(schema: &Node, text: &str, place: &str) -> Result<(), Fault> {
    let length = text.chars().count();
    if limit(schema, "minLength").is_some_and(|least| length < least) {
        return fault(place, "is too short");
    }
    if let Some(most) = limit(schema, "maxLength").filter(|most| length > *most) {
        return fault(place, format!("has at most {most} characters"));
    }
    match schema.field("format").as_str() {
        Some("date-time") if text.parse::<Timestamp>().is_err() => {
            fault(place, "must be a date and time by RFC 3339")
        }
        Some("uuid") if !is_uuid(text) => fault(place, "must be a UUID"),
        _ => Ok(()),
    }
}

fn is_uuid(text: &str) -> bool {
    let dashes = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match dashes.contains(&at) {
            true => byte == b'-',
            false => byte.is_ascii_hexdigit(),
        })
}

fn check_integer(schema: &Node, number: Option<i64>, place: &str) -> Result<(), Fault> {
    let Some(number) = number else { return fault(place, "must be an integer") };
    let small = schema.field("format").as_str() == Some("int32");
    if small && i32::try_from(number).is_err() {
        return fault(place, "is too large or too small");
    }
    let bound = |name: &str| schema.get(name).and_then(Node::as_i64);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), _) if number < least => fault(place, format!("must be at least {least}")),
        (_, Some(most)) if number > most => fault(place, format!("must be at most {most}")),
        _ => Ok(()),
    }
}

fn type_name(schema: &Node) -> String {
    match schema.get("type") {
        Some(Node::Text(name)) => format!("of type {name}"),
        Some(Node::List(names)) => {
            let mut names = names.iter().filter_map(Node::as_str).filter(|name| *name != "null");
            format!("of type {}", names.next().unwrap_or("null"))
        }
        _ => "of another type".to_owned(),
    }
}
