//! Random values by a schema, for tests: most fit it, some do not.

use serde_json::{Map, Value, json};

use super::{
    Contract, Operation,
    node::Node,
    schema::{has_type, marked},
};

/// A source of random values with ids that exist.
pub(crate) struct Generator<'a> {
    state: u64,
    ids: &'a [String],
}

impl<'a> Generator<'a> {
    pub(crate) fn new(seed: u64, ids: &'a [String]) -> Self {
        Self { state: seed.wrapping_mul(2).wrapping_add(1), ids }
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // xorshift64*
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let number = self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap_or(0) % bound.max(1)
    }

    /// One of these; texts of an id that exists more often than others.
    pub(crate) fn text(&mut self) -> String {
        let texts = [
            "",
            "x",
            "ada@example.com",
            "https://example.com/r",
            "12.5",
            "-1",
            "é\u{1f600}",
            "<b>&\"'",
            "../x",
        ];
        if self.below(3) > 0 && !self.ids.is_empty() {
            return self.ids.get(self.below(self.ids.len())).cloned().unwrap_or_default();
        }
        texts.get(self.below(texts.len())).map_or_else(String::new, |text| (*text).to_owned())
    }
}

impl Contract {
    /// A body for this operation.
    pub(crate) fn generate_body(
        &self,
        operation: &Operation,
        by: &mut Generator<'_>,
    ) -> Option<Value> {
        operation.body.as_ref().map(|schema| self.generate(schema, by, 0))
    }

    /// A query for this operation.
    pub(crate) fn generate_query(
        &self,
        operation: &Operation,
        by: &mut Generator<'_>,
    ) -> Vec<(String, String)> {
        let chosen: Vec<_> = operation.query.iter().filter(|_| by.below(3) == 0).collect();
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        chosen
            .into_iter()
            .map(|own| (own.name.to_owned(), text(self.generate(&own.schema, by, 0))))
            .collect()
    }

    fn generate(&self, schema: &Node, by: &mut Generator<'_>, depth: usize) -> Value {
        if by.below(60) == 0 {
            return [json!(null), json!([]), json!({}), json!("x"), json!(-1)][by.below(5)].clone();
        }
        if self.schemas.nullable(schema) && by.below(3) == 0 {
            return Value::Null;
        }
        let forms = self.schemas.forms(schema);
        let form = forms.get(by.below(forms.len())).copied().unwrap_or(Node::NULL);
        if let Some(values) = form.get("enum").map(Node::items) {
            let usual = values.iter().find(|own| matches!(own.as_str(), Some("USD" | "US")));
            let usual = usual.filter(|_| by.below(4) > 0);
            return usual.or(values.get(by.below(values.len()))).map_or(Value::Null, Node::value);
        }
        if has_type(form, "array") {
            let items = form.get("items").unwrap_or(Node::NULL);
            let length = if depth > 4 { 0 } else { by.below(3) };
            return (0..length).map(|_| self.generate(items, by, depth + 1)).collect();
        }
        if has_type(form, "string") {
            return match form.field("format").as_str() {
                Some("date-time") => {
                    ["2026-12-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
                        [by.below(3)]
                    .into()
                }
                Some("uuid") => "00000000-0000-4000-8000-000000000000".into(),
                _ => by.text().into(),
            };
        }
        if has_type(form, "integer") || has_type(form, "number") {
            return [0_i64, 1, 2, 3, 100, 1900, 10_000, -1, 2_147_483_647][by.below(9)].into();
        }
        if has_type(form, "boolean") {
            return (by.below(2) == 0).into();
        }
        let mut fields = Map::new();
        for (name, schema, required) in self.schemas.object(form).properties {
            if !marked(schema, "x-newest") && (required || by.below(3) == 0) && depth < 6 {
                fields.insert(name.to_owned(), self.generate(schema, by, depth + 1));
            }
        }
        fields.into()
    }
}
