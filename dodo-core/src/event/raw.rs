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
    /// `part` is a part of `body`. Nothing is copied.
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

    /// Returns the text. `None`: it is not UTF-8, which occurs only in an unreadable event.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Reads the JSON as `T`, as leniently as typed events. It drops warnings.
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
