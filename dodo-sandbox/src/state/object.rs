//! Plain objects of the API: their state is the JSON that the API shows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    World,
    table::{Row, Table},
};
use crate::{Error, api::list::Listed, clock::rfc3339};

/// An object with an id and fields.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) fields: Map<String, Value>,
}

impl Row for Object {
    const NAME: &'static str = "object";
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for Object {
    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn json(&self, _world: &World) -> Value {
        Value::Object(self.fields.clone())
    }
}

impl Object {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
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
    pub(crate) fn change(&mut self, fields: Map<String, Value>, now: Timestamp) {
        self.fields.extend(fields);
        self.set("updated_at", rfc3339(now));
    }
}

/// Tables of objects, each by the first segment of its path.
#[derive(Debug, Default)]
pub(crate) struct Objects(BTreeMap<&'static str, Table<Object>>);

impl Objects {
    pub(crate) fn table(&mut self, name: &'static str) -> &mut Table<Object> {
        self.0.entry(name).or_insert_with(|| Table::new(super::OBJECTS))
    }

    /// All objects of a table, oldest first.
    pub(crate) fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &Object> {
        self.0.get(name).into_iter().flat_map(Table::iter)
    }

    /// Adds an object with the usual fields.
    pub(crate) fn add(
        &mut self,
        table: &'static str,
        (id_field, id): (&str, String),
        now: Timestamp,
        mut fields: Map<String, Value>,
    ) -> Value {
        fields.insert(id_field.to_owned(), id.clone().into());
        for name in ["created_at", "updated_at"] {
            fields.insert(name.to_owned(), rfc3339(now).into());
        }
        self.table(table).insert(Object { id, created_at: now, fields: fields.clone() });
        Value::Object(fields)
    }

    /// The object.
    ///
    /// # Errors
    /// 404 if it does not exist.
    pub(crate) fn find(&self, table: &str, id: &str) -> Result<&Object, Error> {
        let found = self.0.get(table).and_then(|table| table.get(id));
        found.ok_or_else(|| Error::not_found("object"))
    }

    /// The object, to change it.
    ///
    /// # Errors
    /// 404 if it does not exist.
    pub(crate) fn find_mut(&mut self, table: &str, id: &str) -> Result<&mut Object, Error> {
        let found = self.0.get_mut(table).and_then(|table| table.get_mut(id));
        found.ok_or_else(|| Error::not_found("object"))
    }
}
