//! Rules for inputs beyond the schemas of the contract.

use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::BODY_LIMIT;
use crate::Error;

/// A JSON body of the sandbox's own routes. An empty body counts as `{}`.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Error> {
        let too_large = |_| {
            Error::refused(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "body too large")
        };
        let bytes = to_bytes(request.into_body(), BODY_LIMIT).await.map_err(too_large)?;
        let bytes = if bytes.is_empty() { b"{}" } else { bytes.as_ref() };
        let mut json = serde_json::Deserializer::from_slice(bytes);
        serde_path_to_error::deserialize(&mut json).map(Self).map_err(|error| {
            if error.inner().is_data() {
                Error::invalid(error.to_string())
            } else {
                let message = "the body is not valid JSON";
                Error::refused(StatusCode::BAD_REQUEST, "INVALID_REQUEST_BODY", message)
            }
        })
    }
}

/// Checks metadata by Dodo's limits: 50 pairs, keys of 40 and values of 500 characters.
///
/// # Errors
/// 422 beyond them.
pub(crate) fn check_metadata(metadata: &Map<String, Value>) -> Result<(), Error> {
    if metadata.len() > 50 {
        return Err(Error::unprocessable("MAXIMUM_KEYS_REACHED", "metadata: at most 50 pairs"));
    }
    for (key, value) in metadata {
        let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
        if key.is_empty() || key.len() > 40 || !key.bytes().all(plain) {
            return Err(Error::invalid("metadata: keys have 1 to 40 characters of [A-Za-z0-9_-]"));
        }
        if value.as_str().is_some_and(|text| text.chars().count() > 500) {
            return Err(Error::invalid("metadata: values have at most 500 characters"));
        }
    }
    Ok(())
}

/// Checks metadata and returns it. Absent metadata counts as empty.
///
/// # Errors
/// As [`check_metadata`].
pub(crate) fn metadata(given: Option<Map<String, Value>>) -> Result<Map<String, Value>, Error> {
    let metadata = given.unwrap_or_default();
    check_metadata(&metadata).map(|()| metadata)
}

/// Whether a text may be an e-mail address.
pub(crate) fn is_email(text: &str) -> bool {
    text.contains('@') && text.len() <= 254
}

/// Schemes that run code, or read a file, in the browser that follows an address.
const UNSAFE_SCHEMES: [&str; 5] = ["javascript", "data", "file", "blob", "vbscript"];

/// Whether a text is an absolute URL. Without allowed schemes, every scheme is allowed that runs no
/// code and reads no file, because apps have their own schemes.
pub(crate) fn is_url(url: &str, allowed: &[&str]) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let is = |name: &&str| scheme.eq_ignore_ascii_case(name);
    let host = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next());
    is_scheme
        && (allowed.is_empty() || allowed.iter().any(is))
        && !UNSAFE_SCHEMES.iter().any(is)
        && (!["http", "https"].iter().any(is) || host.is_some_and(|host| !host.is_empty()))
        && !rest.is_empty()
        && url.len() <= 2048
        && url.bytes().all(|b| b.is_ascii_graphic() || b >= 0x80)
}

/// Checks an address of a query for browsers and apps, and returns it.
///
/// # Errors
/// 422 unless it is an absolute URL.
pub(crate) fn page_url(name: &str, given: Option<String>) -> Result<Option<String>, Error> {
    match given {
        Some(url) if !is_url(&url, &[]) => {
            Err(Error::invalid(format!("{name}: must be an absolute URL")))
        }
        given => Ok(given),
    }
}
