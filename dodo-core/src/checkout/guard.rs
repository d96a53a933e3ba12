//! The checks of a request before its body is read: its type, and the page that sends it.

use bytes::Bytes;
use http::{HeaderMap, Method, header, request::Parts};
use serde_json::{Map, Value};

use super::return_to::{PageOrigin, web_origin};
use crate::{Client, Error, ErrorKind};

/// The format of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyType {
    Json,
    /// `application/x-www-form-urlencoded`, as an HTML form sends it.
    Form,
    Nothing,
}

/// Returns the type of the body. 415 for a type that the endpoint does not read. `forms`: whether
/// it reads HTML forms.
///
/// Browsers send other types to another origin without a preflight request. For JSON, they send a
/// preflight request.
pub(super) fn body_type(parts: &Parts, body: &Bytes, forms: bool) -> Result<BodyType, Error> {
    if parts.method == Method::GET {
        return Ok(BodyType::Nothing);
    }
    let refused = || {
        let expected = if forms {
            "the body must be application/json or application/x-www-form-urlencoded, in UTF-8"
        } else {
            "the body must be application/json in UTF-8"
        };
        Error::new(ErrorKind::UnsupportedMediaType, expected)
    };
    if !is_identity(&parts.headers) {
        return Err(refused());
    }
    let Some(value) = parts.headers.get(header::CONTENT_TYPE) else {
        return if body.is_empty() { Ok(BodyType::Nothing) } else { Err(refused()) };
    };
    let mut segments = value.to_str().map_err(|_| refused())?.split(';').map(str::trim);
    let essence = segments.next().unwrap_or_default();
    let is_utf8 = segments.filter_map(|p| p.split_once('=')).all(|(name, value)| {
        let value = value.trim().trim_matches(['"', '\'']);
        !name.trim().eq_ignore_ascii_case("charset")
            || ["utf-8", "utf8"].iter().any(|name| name.eq_ignore_ascii_case(value))
    });
    let body_type = if essence.eq_ignore_ascii_case("application/json") {
        Some(BodyType::Json)
    } else if forms && essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Some(BodyType::Form)
    } else {
        None
    };
    body_type.filter(|_| is_utf8).ok_or_else(refused)
}

fn is_identity(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.all(|v| v.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// For the companion crates: the fields of a `POST` from a page of this origin, as JSON or as a
/// form. The flag is `true` for a form.
///
/// # Errors
/// 415 for another type, 403 for another origin, 400 for a body that is not an object.
pub fn own_fields(
    parts: &Parts,
    body: &Bytes,
    client: &Client,
) -> Result<(Map<String, Value>, bool), Error> {
    let body_type = body_type(parts, body, true)?;
    check_origin(parts, &[], client)?;
    let unusable = || Error::new(ErrorKind::InvalidRequest, "the body must be a JSON object");
    Ok(match body_type {
        BodyType::Json if body.is_empty() => (Map::new(), false),
        BodyType::Json => (serde_json::from_slice(body).map_err(|_| unusable())?, false),
        BodyType::Form => {
            let mut fields = Map::new();
            for (name, value) in form_urlencoded::parse(body) {
                if fields.insert(name.clone().into_owned(), value.into_owned().into()).is_some() {
                    return Err(Error::duplicate_parameter(&name));
                }
            }
            (fields, true)
        }
        BodyType::Nothing => (Map::new(), false),
    })
}

/// 403 if a browser reports that another site sends the request.
///
/// A page cannot set `Sec-Fetch-Site`, and the header is right behind proxies that change `Host`.
/// For browsers without it, `Origin` is compared with the public address of the application, else
/// with `Host`. A request without both headers is not from a browser, or it follows a link.
pub(super) fn check_origin(
    parts: &Parts,
    allowed: &[PageOrigin],
    client: &Client,
) -> Result<(), Error> {
    let public_url = client.public_url();
    let text = |name| parts.headers.get(name).and_then(|v| v.to_str().ok());
    let site = text("sec-fetch-site");
    let mut origins = parts.headers.get_all(header::ORIGIN).iter();
    let cause = match (origins.next(), origins.next()) {
        (None, _) if site == Some("cross-site") => "a page of another site sent the request",
        (None, _) => return Ok(()),
        (Some(_), Some(_)) => "the request has two Origin headers",
        (Some(origin), None) => {
            let origin = origin.to_str().unwrap_or_default();
            if allowed.iter().any(|allowed| allowed.is(origin)) {
                return Ok(());
            }
            match site {
                Some("same-origin") => return Ok(()),
                Some(_) => "a page of another origin sent the request",
                None if is_own(parts, origin, public_url) => return Ok(()),
                None => "a page of another origin sent the request, or a proxy changed Host",
            }
        }
    };
    if let Some(repeated) = client.count_refusal("dodo::checkout", cause) {
        tracing::warn!(
            target: "dodo::checkout",
            origin = shown_origin(text("origin")),
            host = shown(public_url.or_else(|| host(parts))),
            sec_fetch_site = shown(site),
            cause,
            repeated,
            "checkout request refused: origin not allowed; allow the origin with \
             `allow_page_origins`, or set DODO_PUBLIC_URL behind a proxy"
        );
    }
    Err(Error::new(ErrorKind::OriginNotAllowed, "requests from this origin are not allowed"))
}

/// An origin is scheme, host and port. Anything else may hold personal data, and is not logged.
fn shown_origin(header: Option<&str>) -> &str {
    match header {
        Some(text) if text != "null" && PageOrigin::configured(text).is_err() => "malformed",
        header => shown(header),
    }
}

/// At most 200 characters of a header: it is visible ASCII.
fn shown(header: Option<&str>) -> &str {
    let text = header.unwrap_or("none");
    text.get(..200).unwrap_or(text)
}

/// Whether this is the origin of the application: its public address, if it names one, else `Host`.
fn is_own(parts: &Parts, origin: &str, public_url: Option<&str>) -> bool {
    let Some(url) = web_origin(origin) else { return false };
    match public_url.and_then(web_origin) {
        Some(public) => url.origin() == public.origin(),
        None => host(parts).is_some_and(|host| url.origin().is_at(host)),
    }
}

/// The requested host: from `Host` in HTTP/1, from the URI in HTTP/2.
fn host(parts: &Parts) -> Option<&str> {
    match parts.headers.get(header::HOST) {
        Some(host) => host.to_str().ok(),
        None => parts.uri.authority().map(http::uri::Authority::as_str),
    }
}
