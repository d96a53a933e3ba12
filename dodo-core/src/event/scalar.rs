use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::capture::is_placeholder;

/// Metadata of an object of Dodo Payments.
pub type Metadata = BTreeMap<String, MetadataValue>;

/// A metadata value: text, a number or a boolean. `Debug` shows the type only: a value may be personal
/// data.
#[derive(Clone, PartialEq)]
pub enum MetadataValue {
    /// Text.
    Text(String),
    /// An integer.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A boolean.
    Bool(bool),
}

impl MetadataValue {
    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn is_absent(&self) -> bool {
        match self {
            Self::Text(text) => text.trim().is_empty() || is_placeholder(text),
            _ => false,
        }
    }

    /// Returns the value as text: `12345`, `true`. Returns `None` for blank text, and for a text such as
    /// `undefined`, `null` or `[object Object]`, which programs print for a missing value.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        (!self.is_absent()).then(|| self.to_string())
    }
}

impl fmt::Debug for MetadataValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(..)",
            Self::Integer(_) => "Integer(..)",
            Self::Float(_) => "Float(..)",
            Self::Bool(_) => "Bool(..)",
        })
    }
}

impl fmt::Display for MetadataValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(n) => n.fmt(f),
            Self::Float(n) => n.fmt(f),
            Self::Bool(b) => b.fmt(f),
        }
    }
}

impl From<&str> for MetadataValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for MetadataValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for MetadataValue {
    fn from(n: i64) -> Self {
        Self::Integer(n)
    }
}

impl From<bool> for MetadataValue {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl Serialize for MetadataValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Integer(n) => serializer.serialize_i64(*n),
            Self::Float(n) => serializer.serialize_f64(*n),
            Self::Bool(b) => serializer.serialize_bool(*b),
        }
    }
}

/// Implemented by hand, because `#[serde(untagged)]` would buffer every value.
impl<'de> Deserialize<'de> for MetadataValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = MetadataValue;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number or a boolean")
            }
            fn visit_bool<E>(self, b: bool) -> Result<MetadataValue, E> {
                Ok(MetadataValue::Bool(b))
            }
            fn visit_i64<E>(self, n: i64) -> Result<MetadataValue, E> {
                Ok(MetadataValue::Integer(n))
            }
            fn visit_u64<E>(self, n: u64) -> Result<MetadataValue, E> {
                #[expect(clippy::cast_precision_loss, reason = "no integer type of ours holds it")]
                Ok(i64::try_from(n).map_or(MetadataValue::Float(n as f64), MetadataValue::Integer))
            }
            fn visit_f64<E>(self, n: f64) -> Result<MetadataValue, E> {
                Ok(MetadataValue::Float(n))
            }
            fn visit_str<E>(self, text: &str) -> Result<MetadataValue, E> {
                Ok(MetadataValue::Text(text.to_owned()))
            }
            fn visit_string<E>(self, text: String) -> Result<MetadataValue, E> {
                Ok(MetadataValue::Text(text))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Reads a map of metadata. `null` is empty; a value that is `null` is left out.
pub(super) fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Metadata, D::Error> {
    struct Visitor;
    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Metadata;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of text, numbers and booleans")
        }
        fn visit_unit<E>(self) -> Result<Metadata, E> {
            Ok(Metadata::new())
        }
        fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Metadata, A::Error> {
            let mut metadata = Metadata::new();
            while let Some((key, value)) = entries.next_entry::<String, Option<MetadataValue>>()? {
                match value {
                    Some(value) => metadata.insert(key, value),
                    // The last of two equal keys counts, also when it is `null`.
                    None => metadata.remove(&key),
                };
            }
            Ok(metadata)
        }
    }
    deserializer.deserialize_any(Visitor)
}
