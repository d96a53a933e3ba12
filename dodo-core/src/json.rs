use bytes::Bytes;
use serde::Serialize;

/// JSON of texts, numbers, lists and objects under texts: nothing that can fail.
///
/// Unlike `Value::to_string` it does not pass through `fmt`, which costs three times as much.
pub(crate) fn to_json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// The same as a value.
pub(crate) fn to_value(value: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}
