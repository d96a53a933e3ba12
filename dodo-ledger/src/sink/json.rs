//! What the JSON of sinks is made of.

use dodo_core::{Money, minor_to_major};
use serde_json::{Map, Value, json};

/// A JSON number in major units: 20.0 for 2000 cents, 500 for 500 yen. The text it is made from is
/// exact; only here does it become a number, because the format asks for one.
pub(super) fn major(minor: i64, money: Money) -> Value {
    let text = minor_to_major(minor, money.exponent);
    match money.exponent {
        0 => json!(minor),
        _ => text.parse::<f64>().map_or(Value::Null, |number| json!(number)),
    }
}

/// The fields of an object, without those that say nothing.
pub(super) fn without_nulls(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}
