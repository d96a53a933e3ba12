//! The body of an HTML form.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::fields::{Kind, Schema, invalid_field};
use crate::Error;

/// The levels of a name. Fields of Dodo Payments have three.
const DEEPEST: usize = 8;

/// Reads a form as the fields of a call: `customer.email` is a field of `customer`. An empty value
/// counts as absent, because browsers send empty inputs.
///
/// # Errors
/// 400 for a repeated field, for a name that is a field and an object, and for a name with more
/// than eight levels.
pub(super) fn read(body: &Bytes, schema: &Schema) -> Result<Map<String, Value>, Error> {
    let mut fields = Map::new();
    for (path, text) in form_urlencoded::parse(body) {
        if text.is_empty() {
            continue;
        }
        // Each level is a level of the stack, here and where the value is dropped.
        if path.split('.').nth(DEEPEST).is_some() {
            let name = path.split('.').next().unwrap_or_default();
            return Err(invalid_field(&format!("/{name}"), "must not be nested so deep"));
        }
        let value = match (schema.kind(&path), &*path) {
            (Some(Kind::Int(..) | Kind::Amount(_)), _) | (None, "quantity") => {
                text.parse::<i64>().map_or_else(|_| (&*text).into(), Value::from)
            }
            (Some(Kind::Bool), _) => match &*text {
                "true" | "on" => true.into(),
                "false" => false.into(),
                other => other.into(),
            },
            _ => (&*text).into(),
        };
        insert(&mut fields, &path, &path, value)?;
    }
    Ok(fields)
}

fn insert(
    fields: &mut Map<String, Value>,
    path: &str,
    whole: &str,
    value: Value,
) -> Result<(), Error> {
    let Some((name, rest)) = path.split_once('.') else {
        return match fields.insert(path.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(Error::duplicate_parameter(whole)),
        };
    };
    match fields.entry(name).or_insert_with(|| Map::new().into()) {
        Value::Object(inside) => insert(inside, rest, whole, value),
        _ => Err(invalid_field(&format!("/{name}"), "must be a field or an object, not both")),
    }
}
