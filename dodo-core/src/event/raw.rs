use std::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::lenient;
use crate::{Error, ErrorKind};

/// JSON as it was sent, byte for byte. Cheap to clone.
///
/// `Debug` shows the size only: payloads hold personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct RawJson(Bytes);

impl RawJson {
    /// `part` is a piece of `body`; nothing is copied.
    pub(crate) fn slice(body: &Bytes, part: &str) -> Self {
        Self(body.slice_ref(part.as_bytes()))
    }

    pub(crate) fn whole(body: Bytes) -> Self {
        Self(body)
    }

    /// The bytes. They are JSON unless the event is unreadable.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text; `None` where it is not UTF-8, as only an unreadable event can be.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Reads it as `T`, as leniently as typed events are read; warnings are dropped.
    ///
    /// # Errors
    /// [`UnreadableEvent`](ErrorKind::UnreadableEvent) when the text is not JSON, or lacks a field that `T` requires.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let text = self
            .as_str()
            .ok_or_else(|| Error::new(ErrorKind::UnreadableEvent, "the payload is not UTF-8"))?;
        lenient::read(text, "").map(|read| read.value)
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawJson({} bytes)", self.0.len())
    }
}
