//! Changes one place of a JSON text and leaves every other byte of meaning as it is.
//!
//! Works on spans of text, not on a tree: numbers that no type holds and objects that are nested too
//! deep for a tree survive next to the fault.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;
use serde_path_to_error::Segment;

use crate::event::date::UNREADABLE;

/// Takes the value at `path` out: a key goes with its value, an element of a list becomes `null`, so
/// that the others keep their index. Where the path ends at an object with a key twice, the earlier
/// one goes, as in JavaScript.
pub(super) fn remove(json: &str, path: &[Segment]) -> Option<String> {
    change(json, path, &|_| Some(Change::Remove))
}

/// Marks the text at `path` as a date that cannot be read; takes anything else out.
pub(super) fn mark(json: &str, path: &[Segment]) -> Option<String> {
    change(json, path, &|value| {
        if value.starts_with('"') {
            let key = serde_json::to_string(UNREADABLE).ok()?;
            return Some(Change::Replace(format!("{{{key}:{value}}}")));
        }
        Some(Change::Remove)
    })
}

enum Change {
    Replace(String),
    Remove,
}

type Decide<'a> = &'a dyn Fn(&str) -> Option<Change>;

fn change(json: &str, path: &[Segment], decide: Decide<'_>) -> Option<String> {
    let Some((first, rest)) = path.split_first() else {
        return without_duplicates(json);
    };
    match first {
        Segment::Map { key } => change_member(json, key, rest, decide),
        Segment::Seq { index } => change_element(json, *index, rest, decide),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

fn inside(value: &str, rest: &[Segment], decide: Decide<'_>) -> Option<Change> {
    if !rest.is_empty() {
        return change(value, rest, decide).map(Change::Replace);
    }
    match without_duplicates(value) {
        Some(cleaned) => Some(Change::Replace(cleaned)),
        None => decide(value),
    }
}

fn change_member(json: &str, key: &str, rest: &[Segment], decide: Decide<'_>) -> Option<String> {
    let Members(members) = serde_json::from_str(json).ok()?;
    let mut out = Object::default();
    let last = members.iter().rposition(|(name, _)| name == key)?;
    for (at, (name, value)) in members.iter().enumerate() {
        if name != key {
            out.push(name, value.get());
        } else if at == last {
            match inside(value.get(), rest, decide)? {
                Change::Replace(new) => out.push(name, &new),
                Change::Remove => {}
            }
        }
    }
    Some(out.finish())
}

fn change_element(json: &str, at: usize, rest: &[Segment], decide: Decide<'_>) -> Option<String> {
    let elements: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    if elements.get(at)?.get() == "null" {
        return None; // already taken out
    }
    let mut out = String::with_capacity(json.len());
    for (index, element) in elements.iter().enumerate() {
        out.push(if index == 0 { '[' } else { ',' });
        if index != at {
            out.push_str(element.get());
            continue;
        }
        match inside(element.get(), rest, decide)? {
            Change::Replace(new) => out.push_str(&new),
            Change::Remove => out.push_str("null"),
        }
    }
    out.push(']');
    Some(out)
}

/// The object with the last of each key only; `None` if that changes nothing.
fn without_duplicates(json: &str) -> Option<String> {
    let Members(members) = serde_json::from_str(json).ok()?;
    let mut last = std::collections::HashMap::new();
    for (at, (name, _)) in members.iter().enumerate() {
        last.insert(name.as_ref(), at);
    }
    if last.len() == members.len() {
        return None;
    }
    let mut out = Object::default();
    for (at, (name, value)) in members.iter().enumerate() {
        if last.get(name.as_ref()) == Some(&at) {
            out.push(name, value.get());
        }
    }
    Some(out.finish())
}

/// Writes an object.
#[derive(Default)]
struct Object(String);

impl Object {
    fn push(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&serde_json::Value::from(name).to_string());
        self.0.push(':');
        self.0.push_str(value);
    }

    fn finish(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }
}

/// The keys and values of an object, in order, duplicates included.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Key(name), value)) = map.next_entry::<Key<'de>, &RawValue>()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
