//! Builds values that fit schemas: from an object of the sandbox, or from nothing.

use serde_json::{Map, Value, json};

use super::{
    Contract,
    node::Node,
    schema::{has_type, marked},
};

/// Fields that not all answers have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shape {
    /// Fields that only the newest official client declares.
    pub(crate) newest: bool,
    /// Fields that only webhooks carry.
    pub(crate) event: bool,
}

/// Facts that samples contain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) now: &'a str,
    pub(crate) business_id: &'a str,
    pub(crate) brand_id: &'a str,
}

impl Contract {
    /// The value as this schema has it: without fields that the schema lacks, and with the fields
    /// that it requires or that may be null. `None` makes a sample.
    pub(crate) fn shape(&self, schema: &Node, value: Value, shape: Shape) -> Value {
        if value.is_null() {
            return self.empty(schema);
        }
        let form = self.form_of(schema, &value);
        match value {
            Value::Array(items) => {
                let schema = form.get("items").unwrap_or(Node::NULL);
                items.into_iter().map(|item| self.shape(schema, item, shape)).collect()
            }
            Value::Object(mut fields) => {
                let object = self.schemas.object(form);
                if object.properties.is_empty() {
                    return Value::Object(fields);
                }
                let mut shaped = Map::new();
                for (name, schema, required) in object.properties {
                    if (marked(schema, "x-newest") && !shape.newest)
                        || (marked(schema, "x-events-only") && !shape.event)
                    {
                        continue;
                    }
                    let value = match fields.remove(name) {
                        // The newest fields occur only with a value.
                        None | Some(Value::Null) if marked(schema, "x-newest") => continue,
                        Some(value) => self.shape(schema, value, shape),
                        None if required || self.schemas.nullable(schema) => self.empty(schema),
                        None => continue,
                    };
                    shaped.insert(name.to_owned(), value);
                }
                Value::Object(shaped)
            }
            value => value,
        }
    }

    /// The least value of a schema.
    fn empty(&self, schema: &Node) -> Value {
        if self.schemas.nullable(schema) {
            return Value::Null;
        }
        let form = self.schemas.forms(schema).first().copied().unwrap_or(Node::NULL);
        if let Some(first) = form.field("enum").items().first() {
            return first.value();
        }
        match () {
            () if has_type(form, "array") => json!([]),
            () if has_type(form, "integer") || has_type(form, "number") => json!(0),
            () if has_type(form, "boolean") => json!(false),
            () if has_type(form, "string") => json!(""),
            () => self.shape(form, json!({}), Shape { newest: true, event: false }),
        }
    }

    /// A made-up value: required fields have plausible contents, others are null or absent.
    pub(crate) fn sample(&self, schema: &Node, facts: Facts<'_>) -> Value {
        self.sample_of(schema, "", facts)
    }

    fn sample_of(&self, schema: &Node, name: &str, facts: Facts<'_>) -> Value {
        let form = self.schemas.forms(schema).first().copied().unwrap_or(Node::NULL);
        if let Some(values) = form.get("enum").map(Node::items) {
            let usual = ["USD", "US", "active", "succeeded", "success"];
            let is = |text: &str| values.iter().any(|own| own.as_str() == Some(text));
            let usual = usual.into_iter().find(|text| is(text)).map(Value::from);
            return usual.or(values.first().map(Node::value)).unwrap_or_default();
        }
        if has_type(form, "array") {
            let items = form.get("items").unwrap_or(Node::NULL);
            let wanted = form.get("minItems").is_some() || name == "items" || name == "data";
            let item = wanted.then(|| self.sample_of(items, name, facts));
            return item.into_iter().collect();
        }
        if has_type(form, "string") {
            return sample_text(form, name, facts).into();
        }
        if has_type(form, "integer") || has_type(form, "number") {
            return form.get("minimum").map_or(json!(1), Node::value);
        }
        if has_type(form, "boolean") {
            return false.into();
        }
        let mut fields = Map::new();
        for (name, schema, required) in self.schemas.object(form).properties {
            if marked(schema, "x-newest") || marked(schema, "x-events-only") {
                continue;
            }
            let value = match (required, self.schemas.nullable(schema)) {
                (_, true) => Value::Null,
                (true, false) => self.sample_of(schema, name, facts),
                (false, false) => continue,
            };
            fields.insert(name.to_owned(), value);
        }
        fields.into()
    }
}

fn sample_text(schema: &Node, name: &str, facts: Facts<'_>) -> String {
    match schema.field("format").as_str() {
        Some("date-time") => return facts.now.to_owned(),
        Some("uuid") => return "00000000-0000-4000-8000-000000000000".to_owned(),
        _ => {}
    }
    match name {
        "business_id" => facts.business_id,
        "brand_id" => facts.brand_id,
        "email" | "customer_email" => "customer@example.com",
        "currency" => "USD",
        _ if name.ends_with("_at") || name.ends_with("_date") => facts.now,
        _ if name.ends_with("url") || name == "link" => "https://example.com/sample",
        _ if [
            "amount",
            "balance",
            "credits",
            "price",
            "overage",
            "quantity",
            "usage",
            "threshold",
            "units",
        ]
        .iter()
        .any(|word| name.contains(word)) =>
        {
            "1"
        }
        _ => return format!("sample_{}", if name.is_empty() { "text" } else { name }),
    }
    .to_owned()
}
