//! The contract's JSON, borrowed from its text: a tenth of the memory of `serde_json::Value`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A JSON value of the contract.
#[derive(Clone, Debug, Default)]
pub(crate) enum Node {
    #[default]
    Null,
    Bool(bool),
    Number(i64),
    Text(&'static str),
    List(Box<[Node]>),
    Object(Box<[(&'static str, Node)]>),
}

impl Node {
    pub(super) const NULL: &'static Self = &Self::Null;

    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.fields().iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The field; `null` if it is absent.
    pub(super) fn field(&self, name: &str) -> &Self {
        self.get(name).unwrap_or(Self::NULL)
    }

    /// Takes a field out; `null` if it is absent.
    pub(super) fn take(&mut self, name: &str) -> Self {
        let Self::Object(fields) = self else { return Self::Null };
        let found = fields.iter_mut().find(|(own, _)| *own == name);
        found.map(|(_, value)| std::mem::take(value)).unwrap_or_default()
    }

    /// The fields of an object; none of other values.
    pub(super) fn fields(&self) -> &[(&'static str, Self)] {
        if let Self::Object(fields) = self { fields } else { &[] }
    }

    pub(super) fn into_fields(self) -> impl Iterator<Item = (&'static str, Self)> {
        let fields = if let Self::Object(fields) = self { fields } else { Box::default() };
        fields.into_iter()
    }

    /// The values of a list; none of other values.
    pub(super) fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    pub(super) fn as_str(&self) -> Option<&'static str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn as_i64(&self) -> Option<i64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// As a value of requests and answers.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(own) => (*own).into(),
            Self::Number(own) => (*own).into(),
            Self::Text(own) => (*own).into(),
            Self::List(own) => own.iter().map(Self::value).collect(),
            Self::Object(own) => {
                own.iter().map(|(name, value)| ((*name).to_owned(), value.value())).collect()
            }
        }
    }
}

impl PartialEq<Value> for Node {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(own), Value::Bool(other)) => own == other,
            (Self::Number(own), other) => other.as_i64() == Some(*own),
            (Self::Text(own), Value::String(other)) => own == other,
            _ => false,
        }
    }
}

impl Deserialize<'static> for Node {
    fn deserialize<D: Deserializer<'static>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl Visitor<'static> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without escapes and fractions")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, own: bool) -> Result<Node, E> {
        Ok(Node::Bool(own))
    }

    fn visit_i64<E>(self, own: i64) -> Result<Node, E> {
        Ok(Node::Number(own))
    }

    fn visit_u64<E: serde::de::Error>(self, own: u64) -> Result<Node, E> {
        i64::try_from(own).map(Node::Number).map_err(E::custom)
    }

    fn visit_borrowed_str<E>(self, own: &'static str) -> Result<Node, E> {
        Ok(Node::Text(own))
    }

    fn visit_seq<A: SeqAccess<'static>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items.into()))
    }

    fn visit_map<A: MapAccess<'static>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Object(fields.into()))
    }
}
