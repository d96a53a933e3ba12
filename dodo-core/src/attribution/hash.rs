//! A SHA-256 in JSON, as hex digits.

use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

pub(super) fn serialize<S: Serializer>(
    hash: &Option<[u8; 32]>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match hash {
        None => serializer.serialize_none(),
        Some(hash) => {
            let mut text = String::with_capacity(64);
            for byte in hash {
                let _infallible = write!(text, "{byte:02x}");
            }
            serializer.serialize_str(&text)
        }
    }
}

/// Older stored records have an array of numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Hex(String),
    Bytes([u8; 32]),
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<[u8; 32]>, D::Error> {
    match Option::<Stored>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Stored::Bytes(hash)) => Ok(Some(hash)),
        Some(Stored::Hex(text)) => match from_hex(&text) {
            Some(hash) => Ok(Some(hash)),
            None => Err(D::Error::custom("not a SHA-256 in hex")),
        },
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 2 * hash.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}
