//! The data of a visit in a request, except ids: referrer, page, click ids, device.

use std::{borrow::Cow, collections::BTreeMap};

use http::{HeaderMap, HeaderValue, Uri, header, request::Parts, uri::Authority};

use super::{campaign_cookie::Kept, device::DeviceHeaders, value::usable};

/// The longest path, host or click id, in characters. The capture omits longer ones.
const MAX_PART: usize = 200;
/// The largest size of a query string that the capture reads, in bytes.
const MAX_QUERY: usize = 8 * 1024;

/// The origin of a visit.
#[derive(Clone, Debug, Default)]
pub(super) struct Visit {
    /// The path of the first known page, without its query.
    pub(super) landing_path: Option<String>,
    /// The host of a referrer that is another site.
    pub(super) referrer_host: Option<String>,
    pub(super) click_ids: BTreeMap<String, String>,
    pub(super) device: DeviceHeaders,
}

impl Visit {
    pub(super) fn from_request(request: &Parts) -> Self {
        Self { device: DeviceHeaders::from_headers(&request.headers), ..Self::default() }
    }

    pub(super) fn take(&mut self, kept: Kept) {
        self.landing_path = kept.landing_path;
        self.referrer_host = kept.referrer_host;
        self.click_ids = kept.click_ids;
    }
}

/// The queries of a request: its own, and the query of the page of the same site that sent it.
pub(super) struct Page {
    referrer: Option<Uri>,
    same_site: bool,
}

impl Page {
    /// `own_host` is the public host of the application. If it is unknown, the request names it.
    pub(super) fn from_request(parts: &Parts, own_host: Option<&str>) -> Self {
        let is_own = |host: &str| match own_host {
            Some(own) => own.eq_ignore_ascii_case(host),
            None => is_host(parts, host),
        };
        let referrer = parts
            .headers
            .get(header::REFERER)
            .and_then(|value| Uri::try_from(value.as_bytes()).ok())
            .filter(|uri| uri.host().is_some());
        // Browsers name the relation of the pages, even if a proxy changed `Host`.
        let same_site = match parts.headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            Some(b"same-origin") => true,
            Some(b"cross-site") => false,
            _ => referrer.as_ref().and_then(Uri::host).is_some_and(is_own),
        };
        Self { referrer, same_site }
    }

    /// The query of the page of our own site that sent this request.
    pub(super) fn query(&self) -> Option<&str> {
        self.own().and_then(Uri::query)
    }

    fn own(&self) -> Option<&Uri> {
        self.referrer.as_ref().filter(|_| self.same_site)
    }

    /// The earliest page that this request shows: the page that sent it, or the requested page.
    pub(super) fn landing_path(&self, request: &Parts) -> Option<String> {
        match self.own() {
            Some(uri) => part(uri.path()),
            None if is_page(request) => part(request.uri.path()),
            None => None,
        }
    }

    pub(super) fn referrer_host(&self) -> Option<String> {
        let uri = self.referrer.as_ref().filter(|_| !self.same_site)?;
        part(&uri.host()?.to_ascii_lowercase())
    }
}

/// Whether the request asks this host: in HTTP/2 the URI says it, in HTTP/1 `Host`. Ports are not
/// compared.
fn is_host(parts: &Parts, host: &str) -> bool {
    let is = |own: &str| own.eq_ignore_ascii_case(host);
    if let Some(own) = parts.uri.host() {
        return is(own);
    }
    let authority = parts.headers.get(header::HOST);
    let authority = authority.and_then(|value| Authority::try_from(value.as_bytes()).ok());
    authority.is_some_and(|authority| is(authority.host()))
}

/// Returns a value that is short enough and has no control characters.
pub(super) fn part(text: &str) -> Option<String> {
    let short = text.chars().nth(MAX_PART).is_none();
    usable(text).ok().filter(|_| short).map(str::to_owned)
}

/// Whether a browser loads a page with this request, rather than a script, an image or a prefetch.
pub(super) fn is_page(parts: &Parts) -> bool {
    if parts.method != http::Method::GET || prefetches(&parts.headers) {
        return false;
    }
    match parts.headers.get("sec-fetch-dest") {
        Some(dest) => dest.as_bytes() == b"document",
        None => {
            parts.headers.get_all(header::ACCEPT).iter().any(|accept| {
                accept.as_bytes().windows(b"text/html".len()).any(|w| w == b"text/html")
            })
        }
    }
}

fn prefetches(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose"]
        .iter()
        .flat_map(|name| headers.get_all(*name))
        .any(|line| line.as_bytes().windows(b"prefetch".len()).any(|w| w == b"prefetch"))
}

/// Returns the decoded pairs of a query string. Invalid UTF-8 becomes U+FFFD.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let bytes = query.as_bytes();
    let read = match bytes.get(..MAX_QUERY) {
        // The last pair within the limit may be cut, and a cut id is wrong: omit it.
        Some(head) => head.rsplitn(2, |&b| b == b'&').nth(1).unwrap_or_default(),
        None => bytes,
    };
    form_urlencoded::parse(read)
}
