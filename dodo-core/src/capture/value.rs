use std::fmt;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// The longest metadata value that Dodo Payments accepts, in characters.
pub(crate) const MAX_VALUE: usize = 500;
/// The longest metadata key that Dodo Payments accepts, in characters.
pub(super) const MAX_KEY: usize = 40;
/// The largest number of metadata pairs that Dodo Payments accepts.
pub(crate) const MAX_PAIRS: usize = 50;

/// The id by which an analytics tool knows a visitor. Opaque: 1 to 500 characters, none of them a
/// control character.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VisitorId(Box<str>);

impl VisitorId {
    /// Checks an id.
    ///
    /// # Errors
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) if metadata cannot hold the id unchanged, with the
    /// name of the reason as its code, such as `too_long`.
    pub fn new(id: impl AsRef<str>) -> Result<Self, Error> {
        match usable(id.as_ref()) {
            Ok(id) => Ok(Self(id.into())),
            Err(reason) => Err(Error::new(
                ErrorKind::InvalidRequest,
                "not a visitor id: 1 to 500 characters of plain text are allowed",
            )
            .with_code(reason.as_str())),
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Does not show the id: it is personal data.
impl fmt::Debug for VisitorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VisitorId(..)")
    }
}

impl AsRef<str> for VisitorId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<VisitorId> for String {
    fn from(visitor: VisitorId) -> Self {
        visitor.0.into()
    }
}

impl TryFrom<String> for VisitorId {
    type Error = Error;
    fn try_from(id: String) -> Result<Self, Error> {
        Self::new(id)
    }
}

macro_rules! skips { ($( $reason:ident = $name:literal, $meaning:literal; )*) => {
    /// The reason for which a value was not captured or not injected. The list of reasons grows.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
    #[serde(rename_all = "snake_case")]
    #[non_exhaustive]
    pub enum SkipReason { $( #[doc = $meaning] $reason, )* }

    impl SkipReason {
        /// All reasons.
        pub const ALL: &'static [Self] = &[$( Self::$reason, )*];

        /// Its name in logs and JSON.
        #[must_use]
        pub const fn as_str(self) -> &'static str {
            match self { $( Self::$reason => $name, )* }
        }

        /// Returns the meaning as a sentence.
        #[must_use]
        pub const fn meaning(self) -> &'static str {
            match self { $( Self::$reason => $meaning, )* }
        }
    }
} }

skips! {
    Absent = "absent", "Nothing was there to read.";
    Empty = "empty", "It is empty or white space only.";
    Placeholder = "placeholder", "It is a text such as `undefined`, `null`, `NaN` or `[object Object]`, as programs print a missing value.";
    TooLong = "too_long", "It is longer than the 500 characters that Dodo Payments takes. An id is never cut.";
    ControlCharacter = "control_character", "It holds a control character.";
    Undecodable = "undecodable", "It is not in the form in which the tool writes it.";
    WrongType = "wrong_type", "The body holds something that is not a string, a number or a boolean.";
    KeyNotAllowed = "key_not_allowed", "The metadata key is longer than 40 characters or not of `[A-Za-z0-9_-]`.";
    ConsentDenied = "consent_denied", "A consent gate or `Sec-GPC: 1` denied consent.";
    SetByApp = "set_by_app", "The app's own code set this key.";
    Superseded = "superseded", "A better source had a value for this key, or another link's campaign was taken as a whole.";
    NoRoom = "no_room", "The metadata already holds 50 pairs.";
    FromClient = "from_client", "A client sent a value under a key that only the capture fills.";
    Personal = "personal", "It is or may be personal data: kept with the checkout's context, not in metadata.";
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the text is the usual output of a program for a missing value, in upper or lower case.
/// Cookie libraries and forms encode it.
pub(crate) fn is_placeholder(value: &str) -> bool {
    const PRINTED: &[&str] = &[
        "undefined",
        "null",
        "(null)",
        "<null>",
        "NaN",
        "None",
        "nil",
        "<nil>",
        "Infinity",
        "-Infinity",
        "Invalid Date",
        "\"\"",
        "''",
        "{}",
        "[]",
        "[native code]",
    ];
    let value = percent_decode_str(value.trim()).decode_utf8_lossy();
    let is_object = |text: &str| text.starts_with(' ') || text.starts_with('+');
    PRINTED.iter().any(|printed| printed.eq_ignore_ascii_case(&value))
        || (value.strip_prefix("[object").is_some_and(is_object) && value.ends_with(']'))
}

/// Whether metadata can hold the value unchanged.
pub(crate) fn usable(value: &str) -> Result<&str, SkipReason> {
    if value.trim().is_empty() {
        Err(SkipReason::Empty)
    } else if is_placeholder(value) {
        Err(SkipReason::Placeholder)
    } else if value.chars().nth(MAX_VALUE).is_some() {
        Err(SkipReason::TooLong)
    } else if value.chars().any(char::is_control) {
        Err(SkipReason::ControlCharacter)
    } else if value.contains(char::REPLACEMENT_CHARACTER) {
        Err(SkipReason::Undecodable) // a lenient decoder wrote U+FFFD for invalid bytes
    } else {
        Ok(value)
    }
}

/// Whether Dodo Payments accepts this metadata key.
pub(crate) fn is_metadata_key(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Whether the text looks like an e-mail address: some sites identify visitors by it, and Dodo
/// Payments asks to keep personal data out of metadata.
pub(super) fn is_email(value: &str) -> bool {
    let Some((name, domain)) = value.split_once('@') else { return false };
    let is_word =
        |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '@');
    is_word(name) && is_word(domain) && domain.trim_matches('.').contains('.')
}
