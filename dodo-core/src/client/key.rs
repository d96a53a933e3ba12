use std::fmt;

use http::HeaderValue;

use crate::{Error, ErrorKind};

/// An API key: opaque, and never shown.
#[derive(Clone)]
pub(super) struct ApiKey {
    header: HeaderValue,
}

const BEARER: &str = "Bearer ";

impl ApiKey {
    /// Keys have no documented prefix or length, so all that is asked of them is that they can be a
    /// header: not empty, visible ASCII.
    pub(super) fn new(key: &str) -> Result<Self, Error> {
        let unusable = || {
            Error::new(
                ErrorKind::Config,
                "the API key is empty or not visible ASCII: set DODO_PAYMENTS_API_KEY to the key of the dashboard",
            )
        };
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(unusable());
        }
        let mut header = HeaderValue::try_from(format!("{BEARER}{key}")).map_err(|_| unusable())?;
        header.set_sensitive(true);
        Ok(Self { header })
    }

    /// The value of `Authorization`, marked as sensitive.
    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// The key itself, to cut it out of texts.
    pub(super) fn expose(&self) -> &str {
        self.header.to_str().ok().and_then(|h| h.strip_prefix(BEARER)).unwrap_or_default()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(******)")
    }
}
