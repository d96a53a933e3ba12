//! Splits an object or a list into parts, and joins the parts again.
//!
//! It works on spans of text and not on a tree, so numbers of any size and deeply nested objects
//! next to the fault stay unchanged.

use std::{borrow::Cow, collections::HashMap, fmt};

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

/// The parts of a text that is an object or a list.
pub(super) enum Parts<'a> {
    /// Of two equal keys the last one counts, as in JavaScript.
    Object(Vec<(Cow<'a, str>, &'a RawValue)>),
    List(Vec<&'a RawValue>),
}

/// Returns the parts of `json`; `None` if it has none.
pub(super) fn from_json(json: &str) -> Option<Parts<'_>> {
    match json.trim_start().as_bytes().first()? {
        b'{' => {
            let Members(mut members) = serde_json::from_str(json).ok()?;
            let names = members.iter().map(|(name, _)| name.as_ref()).enumerate();
            let last: HashMap<&str, usize> = names.clone().map(|(at, name)| (name, at)).collect();
            let is_last: Vec<bool> = names.map(|(at, name)| last.get(name) == Some(&at)).collect();
            let mut is_last = is_last.into_iter();
            members.retain(|_| is_last.next().unwrap_or(true));
            Some(Parts::Object(members))
        }
        b'[' => serde_json::from_str(json).ok().map(Parts::List),
        _ => None,
    }
}

/// Writes an object.
#[derive(Default)]
pub(super) struct Object(String);

impl Object {
    pub(super) fn push(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&serde_json::Value::from(name).to_string());
        self.0.push(':');
        self.0.push_str(value);
    }

    pub(super) fn finish(mut self) -> String {
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
