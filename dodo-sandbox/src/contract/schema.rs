//! The parts of JSON Schema that the contract uses.

use serde_json::Value;

use super::node::Node;

/// The named schemas.
#[derive(Debug)]
pub(crate) struct Schemas(pub(super) Node);

/// The properties of an object, from all parts of its schema.
#[derive(Debug, Default)]
pub(crate) struct ObjectSchema<'a> {
    /// Name, schema, and whether it is required.
    pub(super) properties: Vec<(&'a str, &'a Node, bool)>,
    /// The schema of names that are not listed.
    pub(super) others: Option<&'a Node>,
}

impl Schemas {
    /// Follows references.
    pub(super) fn resolve<'a>(&'a self, mut schema: &'a Node) -> &'a Node {
        while let Some(name) = schema.get("$ref").and_then(Node::as_str) {
            let name = name.rsplit('/').next().unwrap_or_default();
            schema = self.0.get(name).unwrap_or(Node::NULL);
        }
        schema
    }

    /// The forms that a value may have beside `null`; one for a schema without alternatives.
    pub(super) fn forms<'a>(&'a self, schema: &'a Node) -> Vec<&'a Node> {
        let schema = self.resolve(schema);
        match schema.get("oneOf") {
            None => vec![schema],
            Some(parts) => parts
                .items()
                .iter()
                .filter(|part| !is_null_type(part))
                .flat_map(|part| self.forms(part))
                .collect(),
        }
    }

    /// Whether the schema accepts `null`.
    pub(super) fn nullable(&self, schema: &Node) -> bool {
        let schema = self.resolve(schema);
        let parts = schema.get("oneOf").map(Node::items);
        has_type(schema, "null")
            || parts.into_iter().flatten().any(|part| self.nullable(part))
            || (schema.get("type").is_none() && parts.is_none() && schema.get("allOf").is_none())
    }

    /// The form of an object that has several: the one whose tag fits, or that knows most of its
    /// fields.
    pub(super) fn form_of<'a>(&'a self, schema: &'a Node, value: &Value) -> &'a Node {
        let forms = self.forms(schema);
        let known = |form: &&&Node| {
            let Some(fields) = value.as_object() else { return 0 };
            let object = self.object(form);
            let tag = |name: &str, schema: &Node| match self.resolve(schema).field("enum").items() {
                [tag] => Some(fields.get(name).is_some_and(|own| tag == own)),
                _ => None,
            };
            let fits = object.properties.iter().filter_map(|(name, schema, _)| tag(name, schema));
            let tags = fits.map(|fits| if fits { 100 } else { -100 }).sum::<i32>();
            let names = object.properties.iter().map(|(name, _, required)| {
                let there = fields.contains_key(*name);
                i32::from(there) * 2 - i32::from(*required && !there)
            });
            tags + names.sum::<i32>()
        };
        forms.iter().rev().max_by_key(known).copied().unwrap_or(Node::NULL)
    }

    /// The properties of an object's schema.
    pub(super) fn object<'a>(&'a self, schema: &'a Node) -> ObjectSchema<'a> {
        let schema = self.resolve(schema);
        let mut object = ObjectSchema::default();
        for part in schema.field("allOf").items() {
            object.properties.extend(self.object(part).properties);
        }
        object.others =
            schema.get("additionalProperties").filter(|own| !matches!(own, Node::Bool(false)));
        let required = schema.field("required").items();
        let is_required = |name: &str| required.iter().any(|own| own.as_str() == Some(name));
        for (name, property) in schema.field("properties").fields() {
            object.properties.push((name, property, is_required(name)));
        }
        object
    }
}

pub(super) fn field<'a>(object: ObjectSchema<'a>, name: &str) -> &'a Node {
    let found = object.properties.into_iter().find(|(own, ..)| *own == name);
    found.map_or(Node::NULL, |(_, schema, _)| schema)
}

/// Whether the schema names this type, alone or among others.
pub(super) fn has_type(schema: &Node, name: &str) -> bool {
    match schema.get("type") {
        Some(Node::Text(own)) => *own == name,
        Some(Node::List(all)) => all.iter().any(|own| own.as_str() == Some(name)),
        _ => false,
    }
}

fn is_null_type(schema: &Node) -> bool {
    schema.field("type").as_str() == Some("null")
}

/// Whether the schema has this mark.
pub(super) fn marked(schema: &Node, mark: &str) -> bool {
    schema.get(mark).is_some()
}
