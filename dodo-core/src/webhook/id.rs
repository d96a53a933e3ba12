use std::fmt;

/// The longest id that needs no allocation. Dodo Payments' ids have about 31 bytes.
const INLINE: usize = 62;

/// A `webhook-id`: 1 to 256 visible ASCII characters without a `.`.
#[derive(Clone)]
pub(super) enum DeliveryId {
    Inline { length: u8, bytes: [u8; INLINE] },
    Heap(Box<str>),
}

impl DeliveryId {
    pub(super) const MAX: usize = 256;

    /// Whether the value of a header is a valid id. A `.` could move the border between id and
    /// timestamp in the signed text.
    pub(super) fn is_valid(id: &[u8]) -> bool {
        (1..=Self::MAX).contains(&id.len()) && id.iter().all(|b| b.is_ascii_graphic() && *b != b'.')
    }

    pub(super) fn new(id: &str) -> Self {
        let mut bytes = [0; INLINE];
        match (bytes.get_mut(..id.len()), u8::try_from(id.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(id.as_bytes());
                Self::Inline { length, bytes }
            }
            _ => Self::Heap(id.into()),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            // Always UTF-8, because the bytes were copied from a text.
            Self::Inline { length, bytes } => bytes
                .get(..usize::from(*length))
                .and_then(|id| std::str::from_utf8(id).ok())
                .unwrap_or_default(),
            Self::Heap(id) => id,
        }
    }
}

impl fmt::Debug for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_ids_of_every_length() {
        for length in [0, 1, INLINE - 1, INLINE, INLINE + 1, 255, 256, 1000] {
            let id = "x".repeat(length);
            assert_eq!(DeliveryId::new(&id).as_str(), id);
        }
    }
}
