//! Helpers for the JSON of sinks.

use dodo_core::{internals::minor_to_major, money::Money};
use serde_json::{Map, Value, json};

/// A JSON number in major units: 20.0 for 2000 cents, 500 for 500 yen. The format demands a number,
/// so this function converts the exact text.
pub(super) fn major(minor: impl Into<i128>, money: Money) -> Value {
    let minor = minor.into();
    match (money.exponent, i64::try_from(minor)) {
        (0, Ok(minor)) => json!(minor),
        (exponent, _) => {
            let number = minor_to_major(minor, exponent).parse::<f64>();
            number.map_or(Value::Null, |number| json!(number))
        }
    }
}

/// The fields of an object, without empty ones.
pub(super) fn without_nulls(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}
