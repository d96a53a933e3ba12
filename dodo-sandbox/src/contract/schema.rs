//! Schemas, as far as the contract uses JSON Schema.

use serde_json::Value;

/// The named schemas.
#[derive(Debug)]
pub(crate) struct Schemas(pub(super) Value);

/// The properties of an object, from all parts of its schema.
#[derive(Debug, Default)]
pub(crate) struct ObjectSchema<'a> {
    /// Name, schema, and whether it is required.
    pub(super) properties: Vec<(&'a str, &'a Value, bool)>,
    /// Of names that are not listed.
    pub(super) others: Option<&'a Value>,
}

impl Schemas {
    /// Follows references.
    pub(super) fn resolve<'a>(&'a self, mut schema: &'a Value) -> &'a Value {
        while let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let name = name.rsplit('/').next().unwrap_or_default();
            schema = self.0.get(name).unwrap_or(&Value::Null);
        }
        schema
    }

    /// The forms that a value may have beside `null`; one for a schema without alternatives.
    pub(super) fn forms<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.resolve(schema);
        match schema.get("oneOf").and_then(Value::as_array) {
            None => vec![schema],
            Some(parts) => parts
                .iter()
                .filter(|part| !is_null_type(part))
                .flat_map(|part| self.forms(part))
                .collect(),
        }
    }

    /// Whether `null` fits.
    pub(super) fn nullable(&self, schema: &Value) -> bool {
        let schema = self.resolve(schema);
        let parts = schema.get("oneOf").and_then(Value::as_array);
        has_type(schema, "null")
            || parts.into_iter().flatten().any(|part| self.nullable(part))
            || (schema.get("type").is_none() && parts.is_none() && schema.get("allOf").is_none())
    }

    /// The form of an object that has several: the one whose tag fits, or that knows most of its
    /// fields.
    pub(super) fn form_of<'a>(&'a self, schema: &'a Value, value: &Value) -> &'a Value {
        let forms = self.forms(schema);
        let known = |form: &&&Value| {
            let Some(fields) = value.as_object() else { return 0 };
            let object = self.object(form);
            let tag = |name: &str, schema: &Value| {
                let tags = self.resolve(schema).get("enum").and_then(Value::as_array);
                tags.filter(|tags| tags.len() == 1).map(|tags| tags.first() == fields.get(name))
            };
            let fits = object.properties.iter().filter_map(|(name, schema, _)| tag(name, schema));
            let tags = fits.map(|fits| if fits { 100 } else { -100 }).sum::<i32>();
            let names = object.properties.iter().map(|(name, _, required)| {
                let there = fields.contains_key(*name);
                i32::from(there) * 2 - i32::from(*required && !there)
            });
            tags + names.sum::<i32>()
        };
        forms.iter().rev().max_by_key(known).copied().unwrap_or(&Value::Null)
    }

    /// The properties of an object's schema.
    pub(super) fn object<'a>(&'a self, schema: &'a Value) -> ObjectSchema<'a> {
        let schema = self.resolve(schema);
        let mut object = ObjectSchema::default();
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            object.properties.extend(self.object(part).properties);
        }
        object.others = schema.get("additionalProperties").filter(|other| **other != false);
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|all| all.iter().any(|own| own == name));
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            object.properties.push((name, property, is_required(name)));
        }
        object
    }
}

pub(super) fn field<'a>(object: ObjectSchema<'a>, name: &str) -> &'a Value {
    let found = object.properties.into_iter().find(|(own, ..)| *own == name);
    found.map_or(&Value::Null, |(_, schema, _)| schema)
}

/// Whether the schema names this type, alone or among others.
pub(super) fn has_type(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(own)) => own == name,
        Some(Value::Array(all)) => all.iter().any(|own| own == name),
        _ => false,
    }
}

fn is_null_type(schema: &Value) -> bool {
    schema.get("type").is_some_and(|own| own == "null")
}

/// Whether the schema has this mark.
pub(super) fn marked(schema: &Value, mark: &str) -> bool {
    schema.get(mark).is_some()
}
