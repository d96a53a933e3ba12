use std::fmt;

use http::HeaderValue;

use super::builder::API_KEY as VARIABLE;
use crate::Error;

/// An API key. Its text appears in no `Debug` output.
#[derive(Clone)]
pub(super) struct ApiKey {
    header: HeaderValue,
}

const BEARER: &str = "Bearer ";

impl ApiKey {
    /// Checks a key. Blanks around it are dropped.
    ///
    /// Keys have no documented prefix or length, so a key is any visible ASCII text. A quote at an
    /// end comes from a shell or a file, and would reach Dodo Payments.
    pub(super) fn new(key: &str) -> Result<Self, Error> {
        let key = key.trim();
        let unusable = |message| Error::config(message).with_field(VARIABLE);
        if key.is_empty() {
            return Err(unusable("the API key is empty: copy it from the dashboard"));
        }
        if key.starts_with(['"', '\'', '`']) || key.ends_with(['"', '\'', '`']) {
            return Err(unusable("the API key has quotes: remove the quotes"));
        }
        if !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(unusable("the API key is not visible ASCII: copy it from the dashboard"));
        }
        let mut header = HeaderValue::try_from(format!("{BEARER}{key}")).map_err(|_| {
            unusable("the API key does not fit a header: copy it from the dashboard")
        })?;
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
