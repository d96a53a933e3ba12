use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// The app's own id of the payer: a user or a team.
///
/// 1 to 128 visible ASCII characters without `@`, because an e-mail address is not an id: it changes, and two
/// people can have had it. It comes from the app's session, never from a request's body or query.
///
/// `Debug` shows no id: it is personal data.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OwnerId(Box<str>);

impl OwnerId {
    /// Checks the id.
    ///
    /// # Errors
    /// [`InvalidOwner`](ErrorKind::InvalidOwner).
    pub fn new(id: impl AsRef<str>) -> Result<Self, Error> {
        let id = id.as_ref();
        let is_allowed = |b: u8| b.is_ascii_graphic() && b != b'@';
        if (1..=128).contains(&id.len()) && id.bytes().all(is_allowed) {
            return Ok(Self(id.into()));
        }
        let text = "not an owner: use 1 to 128 visible ASCII characters without @";
        Err(Error::new(ErrorKind::InvalidOwner, text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for OwnerId {
    type Error = Error;

    fn try_from(id: String) -> Result<Self, Error> {
        Self::new(id)
    }
}

impl From<OwnerId> for String {
    fn from(id: OwnerId) -> Self {
        id.0.into()
    }
}

impl fmt::Debug for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerId(..)")
    }
}
