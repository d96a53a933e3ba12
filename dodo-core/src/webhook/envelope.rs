use std::{borrow::Cow, fmt};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use crate::{
    Error, ErrorKind,
    event::{
        EventKind, FieldWarning, RawJson,
        lenient::{describe, well_formed_text},
        read_date, readable,
    },
};

/// The parts of an event around its `data`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Envelope {
    /// The type of the event.
    pub kind: EventKind,
    /// The time of the event. If the body has none, it is the time of receipt, with a warning.
    pub timestamp: Timestamp,
    /// The merchant. Empty if the body has none, with a warning.
    pub business_id: String,
    /// The unread object. `null` if the body has none.
    pub data: RawJson,
    /// The unreadable fields.
    pub warnings: Vec<FieldWarning>,
}

impl Envelope {
    /// Finds the parts of a body without reading `data`.
    pub(super) fn read(body: &Bytes, received_at: Timestamp) -> Result<Self, Error> {
        let found = json_in(body);
        let repaired: Bytes;
        let (body, parts) = match Parts::from_body(&found) {
            Ok(parts) => (&found, parts),
            Err(error) => {
                let text = std::str::from_utf8(&found).ok().and_then(well_formed_text);
                repaired = text.ok_or(error)?.into();
                (&repaired, Parts::from_body(&repaired)?)
            }
        };
        let kind = parts.kind.and_then(string).ok_or_else(|| unreadable("/type"))?;

        let mut warnings = Vec::new();
        let mut warn = |pointer: &str, problem: &str| {
            warnings
                .push(FieldWarning { pointer: pointer.to_owned(), problem: problem.to_owned() });
        };
        let timestamp = parts.timestamp.and_then(string).and_then(|text| read_date(&text));
        if timestamp.is_none() {
            warn("/timestamp", "no RFC 3339 date");
        }
        let business_id = parts.business_id.and_then(string);
        if business_id.is_none() {
            warn("/business_id", "no text");
        }
        Ok(Self {
            kind: EventKind::from(kind.trim()),
            timestamp: timestamp.unwrap_or(received_at),
            business_id: business_id.unwrap_or_default().into_owned(),
            data: parts.data.map_or_else(
                || RawJson::whole(Bytes::from_static(b"null")),
                |data| RawJson::slice(body, data.get()),
            ),
            warnings,
        })
    }
}

impl Envelope {
    /// Decides whether the payload can be read: see [`readable`].
    pub(super) fn check(&self) -> Result<(), Error> {
        readable::check(&self.kind, self.data.as_str().unwrap_or_default())
    }
}

/// The JSON in a body: without a byte order mark, NUL bytes and blanks around it, and with `U+FFFD` in
/// place of bytes that are not UTF-8. A body without such damage is not copied.
fn json_in(body: &Bytes) -> Bytes {
    const BOM: &[u8] = "\u{feff}".as_bytes();
    let is_padding = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
    let mut json: &[u8] = body;
    json = json.strip_prefix(BOM).unwrap_or(json);
    while let Some(rest) = json.split_first().filter(|(byte, _)| is_padding(byte)) {
        json = rest.1;
    }
    while let Some(rest) = json.split_last().filter(|(byte, _)| is_padding(byte)) {
        json = rest.1;
    }
    match String::from_utf8_lossy(json) {
        Cow::Borrowed(_) => body.slice_ref(json),
        Cow::Owned(repaired) => repaired.into(),
    }
}

fn unreadable(pointer: &str) -> Error {
    let error = Error::new(ErrorKind::UnreadableEvent, "the body is not a webhook event");
    if pointer.is_empty() { error } else { error.with_pointer(pointer) }
}

fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    if let Ok(Text(text)) = serde_json::from_str(value.get()) {
        return Some(text);
    }
    let repaired = well_formed_text(value.get())?;
    serde_json::from_str(&repaired).ok().map(Cow::Owned)
}

/// The spans of the four keys. Of two equal keys the last one counts, as in JavaScript.
#[derive(Default)]
struct Parts<'a> {
    kind: Option<&'a RawValue>,
    timestamp: Option<&'a RawValue>,
    business_id: Option<&'a RawValue>,
    data: Option<&'a RawValue>,
}

impl<'a> Parts<'a> {
    fn from_body(body: &'a [u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(body).map_err(|e| unreadable("").with_source(e))?;
        serde_json::from_str(text).map_err(|e| unreadable("").with_source(describe(&e)))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Key {
    Type,
    Timestamp,
    BusinessId,
    Data,
    #[serde(other)]
    Unknown,
}

impl<'de> Deserialize<'de> for Parts<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Parts<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut parts = Parts::default();
                while let Some(key) = map.next_key()? {
                    let place = match key {
                        Key::Type => &mut parts.kind,
                        Key::Timestamp => &mut parts.timestamp,
                        Key::BusinessId => &mut parts.business_id,
                        Key::Data => &mut parts.data,
                        Key::Unknown => {
                            map.next_value::<de::IgnoredAny>()?;
                            continue;
                        }
                    };
                    *place = map.next_value()?;
                }
                Ok(parts)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}
