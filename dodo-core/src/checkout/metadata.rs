//! Dodo's limits on metadata.

use serde_json::{Map, Value};

use super::fields::invalid_field;
use crate::{
    Error,
    capture::{MAX_PAIRS, MAX_VALUE, is_metadata_key},
};

fn is_value(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= MAX_VALUE * 4 && text.chars().count() <= MAX_VALUE,
        Value::Number(_) | Value::Bool(_) => true,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Checks pairs. The error is the invalid key, or `None` if the number of pairs is too large.
pub(super) fn check(pairs: &Map<String, Value>) -> Result<(), Option<&str>> {
    if let Some((key, _)) =
        pairs.iter().find(|(key, value)| !is_metadata_key(key) || !is_value(value))
    {
        return Err(Some(key));
    }
    if pairs.len() > MAX_PAIRS { Err(None) } else { Ok(()) }
}

/// Checks the pairs of server code and of the client together.
pub(super) fn check_merged(
    server: &Map<String, Value>,
    client: &Map<String, Value>,
) -> Result<(), Error> {
    let added = client.keys().filter(|key| !server.contains_key(*key)).count();
    if server.len() + added > MAX_PAIRS {
        return Err(invalid_field(
            "/metadata",
            "leaves no room for the metadata that the shop sets",
        ));
    }
    Ok(())
}
