//! Objects of the API whose state is JSON. Their [`Resource`] says what the API makes of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    SandboxState,
    table::{Row, Table},
};
use crate::{
    Error,
    api::{
        list::Listed,
        resource::{Definition, Resource, Write, write_object},
    },
    clock::rfc3339,
    id,
};

/// An object with an id and fields.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) resource: &'static Resource,
    pub(crate) id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) fields: Map<String, Value>,
}

impl Row for Object {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for Object {
    const WRITE: Option<Write<Self>> = Some(write_object);

    fn table<'a>(state: &'a SandboxState, path: &str) -> Option<&'a Table<Self>> {
        state.objects.0.get(path)
    }

    fn remove(state: &mut SandboxState, path: &str, id: &str) {
        state.objects.0.get_mut(path).and_then(|table| table.remove(id));
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn json(&self, state: &SandboxState) -> Value {
        let mut fields = self.fields.clone();
        if let Value::Object(computed) = (self.resource.computed)(state, self) {
            fields.extend(computed);
        }
        fields.into()
    }

    fn own_fields(&self, _state: &SandboxState) -> Value {
        self.fields.clone().into()
    }

    fn has_value(&self, name: &str, wanted: &str) -> bool {
        field_matches(self.get(name), wanted)
    }

    fn is_archived(&self) -> bool {
        self.get("archived_at").is_some()
    }
}

/// Whether a field has this value, or is a list that has it.
pub(crate) fn field_matches(field: Option<&Value>, wanted: &str) -> bool {
    match field {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => text.eq_ignore_ascii_case(wanted),
        Some(Value::Array(items)) => items.iter().any(|item| item == wanted),
        Some(Value::Bool(own)) => wanted.parse() == Ok(*own),
        Some(other) => other.as_i64().is_some_and(|own| wanted.parse() == Ok(own)),
    }
}

impl Object {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// Of an absent field: the empty text.
    pub(crate) fn str(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_i64()
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Bool(true))
    }

    pub(crate) fn has(&self, name: &str, text: &str) -> bool {
        self.text(name) == Some(text)
    }

    /// The elements of a list; empty for other fields.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// A field that is a date.
    pub(crate) fn date(&self, name: &str) -> Option<Timestamp> {
        self.text(name)?.parse().ok()
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// Takes fields over and notes the change.
    pub(crate) fn change(&mut self, fields: impl Into<Value>, now: Timestamp) {
        if let Value::Object(fields) = fields.into() {
            self.fields.extend(fields);
        }
        self.set("updated_at", rfc3339(now));
    }
}

/// Tables of objects, by the path of their resource.
#[derive(Debug, Default)]
pub(crate) struct Objects(BTreeMap<&'static str, Table<Object>>);

impl SandboxState {
    /// All objects of a resource, oldest first.
    pub(crate) fn all(&self, resource: &Resource) -> impl DoubleEndedIterator<Item = &Object> {
        self.objects.0.get(resource.path).into_iter().flat_map(Table::iter)
    }

    /// As [`all`](Self::all), to change them.
    pub(crate) fn all_mut(
        &mut self,
        resource: &Resource,
    ) -> impl DoubleEndedIterator<Item = &mut Object> {
        self.objects.0.get_mut(resource.path).into_iter().flat_map(Table::iter_mut)
    }

    /// The objects with this text in a field, oldest first.
    pub(crate) fn matching<'a>(
        &'a self,
        resource: &Resource,
        field: &'a str,
        text: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Object> {
        self.all(resource).filter(move |object| object.has(field, text))
    }

    pub(crate) fn remove(&mut self, resource: &Resource, id: &str) {
        Object::remove(self, resource.path, id);
    }

    /// Adds an object with a new id, which is returned.
    pub(crate) fn add(&mut self, resource: &'static Resource, fields: Value) -> String {
        let id = id::new(resource.prefix);
        self.put(resource, id.clone(), fields);
        id
    }

    /// Adds an object with this id, and the fields that all objects have.
    pub(crate) fn put(&mut self, resource: &'static Resource, id: String, given: Value) {
        let now = self.now();
        let mut fields = Map::new();
        for (name, value) in [
            ("business_id", self.business_id.clone()),
            ("brand_id", self.brand_id.clone()),
            ("created_at", rfc3339(now)),
            ("updated_at", rfc3339(now)),
            (resource.id, id.clone()),
        ] {
            fields.insert(name.to_owned(), value.into());
        }
        if let Value::Object(given) = given {
            fields.extend(given);
        }
        let object = Object { resource, id, created_at: now, fields };
        let tables = &mut self.objects.0;
        tables
            .entry(resource.path)
            .or_insert_with(|| Table::new(resource.name, super::OBJECTS))
            .insert(object);
    }

    pub(crate) fn get(&self, resource: &Resource, id: &str) -> Option<&Object> {
        self.objects.0.get(resource.path)?.get(id)
    }

    /// The object.
    ///
    /// # Errors
    /// 404 if it does not exist.
    pub(crate) fn find(&self, resource: &Resource, id: &str) -> Result<&Object, Error> {
        self.get(resource, id).ok_or_else(|| Error::unknown(resource.name, id))
    }

    /// The object, to change it.
    ///
    /// # Errors
    /// 404 if it does not exist.
    pub(crate) fn find_mut(&mut self, resource: &Resource, id: &str) -> Result<&mut Object, Error> {
        let found = self.objects.0.get_mut(resource.path).and_then(|table| table.get_mut(id));
        found.ok_or_else(|| Error::unknown(resource.name, id))
    }

    /// The object as the API shows it; `null` if it does not exist.
    pub(crate) fn json(&self, resource: &dyn Definition, id: &str) -> Value {
        resource.json(self, id).unwrap_or_default()
    }
}
