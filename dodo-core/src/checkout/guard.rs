//! What a `POST` must be before its body is read: JSON, and from a page of ours.

use http::{HeaderMap, header, request::Parts};

use crate::{
    Error, ErrorKind,
    web_url::{Origin, WebUrl},
};

/// 415 unless the body is JSON in UTF-8, not compressed.
///
/// Browsers send other types across origins without asking first; JSON they do not.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Error> {
    let refused =
        || Error::new(ErrorKind::UnsupportedMediaType, "the body must be application/json");
    let value =
        headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).ok_or_else(refused)?;
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let is_json = essence.eq_ignore_ascii_case("application/json");
    let is_utf8 = parts.filter_map(|p| p.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    let is_plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|v| v.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_json && is_utf8 && is_plain { Ok(()) } else { Err(refused()) }
}

/// 403 if a browser says that the request comes from another site.
///
/// `Sec-Fetch-Site` cannot be set by a page and knows the truth behind proxies that change `Host`;
/// for browsers without it `Origin` is compared with `Host`. No `Origin` at all is no browser, or a
/// request that changes nothing.
pub(super) fn check_origin(parts: &Parts, allowed: &[Origin]) -> Result<(), Error> {
    let refused = || {
        Err(Error::new(ErrorKind::OriginNotAllowed, "requests from this origin are not allowed"))
    };
    let mut origins = parts.headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return Ok(()) };
    if origins.next().is_some() {
        return refused();
    }
    let url = origin.to_str().ok().and_then(WebUrl::parse).filter(WebUrl::is_bare_origin);
    if url.as_ref().is_some_and(|url| allowed.contains(url.origin())) {
        return Ok(());
    }
    let site = parts.headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
    let same = match site {
        Some(b"same-origin") => true,
        Some(_) => false,
        None => url.is_some_and(|url| host(parts).is_some_and(|host| url.origin().is_at(host))),
    };
    if same { Ok(()) } else { refused() }
}

/// The host that the client asked: of `Host` in HTTP/1, of the URI in HTTP/2.
fn host(parts: &Parts) -> Option<&str> {
    match parts.headers.get(header::HOST) {
        Some(host) => host.to_str().ok(),
        None => parts.uri.authority().map(http::uri::Authority::as_str),
    }
}
