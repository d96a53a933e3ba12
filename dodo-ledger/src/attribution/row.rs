//! Facts as rows: the columns, and compact JSON for the rest.

use dodo_core::attribution::AttributionRecord;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::fact::{FORMAT, Fact, Person};
use crate::error::Error;

/// The columns of a stored fact, except its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactRow {
    /// [`Fact::id`].
    pub id: String,
    /// Microseconds since 1970.
    pub occurred_at: i64,
    /// The name of the kind.
    pub kind: &'static str,
    /// The object that the fact is about.
    pub object: String,
    /// The books as JSON.
    pub body: String,
    /// The personal data as JSON. `None`: erased, or the fact names no person.
    pub person: Option<String>,
}

impl Fact {
    /// The row of the fact.
    ///
    /// # Errors
    /// [`CorruptRow`](crate::ErrorKind::CorruptRow) if a value cannot be written as JSON.
    pub fn to_row(&self) -> Result<FactRow, Error> {
        Ok(FactRow {
            id: self.id.clone(),
            occurred_at: self.occurred_at.as_microsecond(),
            kind: self.kind.name(),
            object: self.object().as_str().to_owned(),
            body: to_json(self)?,
            person: self.person.as_ref().map(to_json).transpose()?,
        })
    }

    /// The fact of a row.
    ///
    /// # Errors
    /// [`CorruptRow`](crate::ErrorKind::CorruptRow) if the format or the JSON is unknown.
    pub fn from_row(
        id: String,
        occurred_at: i64,
        format: i64,
        body: &str,
        person: Option<&str>,
    ) -> Result<Self, Error> {
        if format != i64::from(FORMAT) {
            return Err(Error::corrupt("a stored fact has an unknown format: update the ledger"));
        }
        let mut fact: Self = from_json(body)?;
        fact.id = id;
        fact.occurred_at = Timestamp::from_microsecond(occurred_at)
            .map_err(|_| Error::corrupt("a stored fact has an invalid time"))?;
        fact.person = person.map(from_json::<Person>).transpose()?;
        Ok(fact)
    }
}

/// JSON without nulls, `false` and empty lists: the defaults of the stored structs.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String, Error> {
    let failed = |error| Error::corrupt("a fact cannot be written as JSON").with_source(error);
    let compact = compacted(serde_json::to_value(value).map_err(failed)?, is_default);
    serde_json::to_string(&compact).map_err(failed)
}

/// JSON without nulls, for structs whose other fields have no defaults.
pub(crate) fn without_nulls<T: Serialize>(value: &T) -> Result<String, Error> {
    let failed = |error| Error::corrupt("a value cannot be written as JSON").with_source(error);
    let compact = compacted(serde_json::to_value(value).map_err(failed)?, Value::is_null);
    serde_json::to_string(&compact).map_err(failed)
}

/// A record as JSON, without the fields that have their default.
pub(crate) fn record_to_json(record: &AttributionRecord) -> Result<String, Error> {
    let failed = |error| Error::corrupt("a record cannot be written as JSON").with_source(error);
    let mut compact = compacted(serde_json::to_value(record).map_err(failed)?, Value::is_null);
    if let Value::Object(fields) = &mut compact {
        if let Some(flags) = fields.get_mut("flags") {
            *flags = compacted(flags.take(), is_default);
        }
        // `live` has no default. An empty contact is another value than none.
        let is_empty = |name: &str, value: &Value| {
            ["flags", "tool_ids"].contains(&name) && value.as_object().is_some_and(Map::is_empty)
        };
        fields
            .retain(|name, value| name == "live" || !(is_default(value) || is_empty(name, value)));
    }
    serde_json::to_string(&compact).map_err(failed)
}

pub(crate) fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json)
        .map_err(|error| Error::unreadable("a stored fact cannot be read", &error))
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn compacted(value: Value, is_omitted: fn(&Value) -> bool) -> Value {
    let Value::Object(fields) = value else { return value };
    let fields = fields.into_iter().map(|(name, value)| (name, compacted(value, is_omitted)));
    Value::Object(fields.filter(|(_, value)| !is_omitted(value)).collect())
}
