//! Facts as rows: the columns, and compact JSON for the rest.

use dodo_core::attribution::{Contact, email_sha256};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

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
            body: to_json(self)?,
            person: self.person.as_ref().map(person_to_json).transpose()?,
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
        fact.person = person.map(person_from_json).transpose()?;
        Ok(fact)
    }
}

/// The hash of an address that is stored beside it is left out.
fn person_to_json(person: &Person) -> Result<String, Error> {
    let hash = person.email_sha256.filter(|hash| hash_of(person.contact.as_ref()) != Some(*hash));
    to_json(&Person { email_sha256: hash, ..person.clone() })
}

fn person_from_json(json: &str) -> Result<Person, Error> {
    let mut person: Person = from_json(json)?;
    person.email_sha256 = person.email_sha256.or_else(|| hash_of(person.contact.as_ref()));
    Ok(person)
}

/// The hash of the e-mail address of a contact.
pub(crate) fn hash_of(contact: Option<&Contact>) -> Option<[u8; 32]> {
    email_sha256(contact?.email.as_deref()?)
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

pub(crate) fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json)
        .map_err(|error| Error::unreadable("a stored fact cannot be read", &error))
}

pub(crate) fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

pub(crate) fn compacted(value: Value, is_omitted: fn(&Value) -> bool) -> Value {
    let Value::Object(fields) = value else { return value };
    let fields = fields.into_iter().map(|(name, value)| (name, compacted(value, is_omitted)));
    Value::Object(fields.filter(|(_, value)| !is_omitted(value)).collect())
}
