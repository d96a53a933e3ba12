//! Changes one place of a JSON text and leaves every other byte of meaning as it is.
//!
//! Works on spans of text, not on a tree: numbers that no type holds and objects that are nested too
//! deep for a tree survive next to the fault.

use std::{borrow::Cow, collections::HashMap, fmt};

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;
use serde_path_to_error::Segment;

use crate::event::date::UNREADABLE;

/// Takes the value at `path` out: a key goes with its value, an element of a list becomes `null`, so
/// that the others keep their index. `None` if there is nothing to take out.
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
    match path.split_first()? {
        (Segment::Map { key }, rest) => change_member(json, key, rest, decide),
        (Segment::Seq { index }, rest) => change_element(json, *index, rest, decide),
        _ => None,
    }
}

fn inside(value: &str, rest: &[Segment], decide: Decide<'_>) -> Option<Change> {
    if rest.is_empty() { decide(value) } else { change(value, rest, decide).map(Change::Replace) }
}

fn change_member(json: &str, key: &str, rest: &[Segment], decide: Decide<'_>) -> Option<String> {
    let Members(members) = serde_json::from_str(json).ok()?;
    let mut out = Object::default();
    let mut found = false;
    for (name, value) in &members {
        if name != key {
            out.push(name, value.get());
            continue;
        }
        found = true;
        match inside(value.get(), rest, decide)? {
            Change::Replace(new) => out.push(name, &new),
            Change::Remove => {}
        }
    }
    found.then(|| out.finish())
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

/// Where an object on the `path` has a key twice, the earlier one goes, as in JavaScript. `None` if
/// there is none.
pub(super) fn without_duplicates(json: &str, path: &[Segment]) -> Option<String> {
    let found = path.iter().enumerate().find_map(|(depth, _)| {
        let (above, _) = path.split_at_checked(depth)?;
        change_duplicates(json, above)
    });
    found.or_else(|| change_duplicates(json, path))
}

fn change_duplicates(json: &str, path: &[Segment]) -> Option<String> {
    if path.is_empty() {
        return last_of_each(json);
    }
    change(json, path, &|value| last_of_each(value).map(Change::Replace))
}

fn last_of_each(json: &str) -> Option<String> {
    let Members(members) = serde_json::from_str(json).ok()?;
    let last: HashMap<&str, usize> =
        members.iter().enumerate().map(|(at, (name, _))| (name.as_ref(), at)).collect();
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
