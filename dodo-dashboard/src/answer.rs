//! Answers and their headers.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use maud::Markup;
use sha2::{Digest, Sha256};

/// A weak entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag(String);

impl Tag {
    /// The tag of parts that together identify the content.
    pub(crate) fn from_parts(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // The hash includes the length of each part, so that two lists of parts cannot have the
            // same bytes.
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let hex: String =
            hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("W/\"{hex}\""))
    }

    pub(crate) fn from_content(content: &str, build: &str) -> Self {
        Self::from_parts(&[content, build])
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the client has this content: a weak comparison (RFC 9110, section 13.1.2). Proxies that
    /// compress add `-gzip` or `-br`.
    pub(crate) fn is_known(&self, headers: &HeaderMap) -> bool {
        let own = opaque(&self.0);
        headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|list| list.trim() == "*" || list.split(',').any(|tag| opaque(tag.trim()) == own))
    }
}

fn opaque(tag: &str) -> &str {
    let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
    tag.strip_suffix("-gzip").or_else(|| tag.strip_suffix("-br")).unwrap_or(tag)
}

/// A page with the Content-Security-Policy.
pub(crate) fn page(status: StatusCode, markup: Markup, policy: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(markup.into_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    harden(headers);
    response
}

/// An answer for programs.
pub(crate) fn file(content_type: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    harden(headers);
    response
}

/// Names the file under which a browser stores the answer.
pub(crate) fn download(response: &mut Response<Bytes>, name: &str) {
    let safe: String =
        name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{safe}.csv\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
}

pub(crate) fn redirect(to: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

/// Lets the browser store the answer, and revalidate it at each use.
pub(crate) fn cacheable(response: &mut Response<Bytes>, tag: &Tag) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("cookie, authorization"));
    if let Ok(tag) = HeaderValue::from_str(tag.as_str()) {
        headers.insert(header::ETAG, tag);
    }
}

pub(crate) fn not_modified(tag: &Tag) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    cacheable(&mut response, tag);
    response
}

fn harden(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly() {
        let tag = Tag::from_parts(&["a", "b"]);
        let bare = tag.as_str().trim_start_matches("W/").to_owned();
        let zipped = bare.replace("\"", "").to_owned();
        for (sent, known) in [
            (tag.as_str().to_owned(), true),
            (bare.clone(), true),
            (format!("\"x\", {bare}"), true),
            (format!("W/\"{zipped}-gzip\""), true),
            (format!("\"{zipped}-br\""), true),
            ("*".to_owned(), true),
            ("\"x\"".to_owned(), false),
            (String::new(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(&sent).unwrap());
            assert_eq!(tag.is_known(&headers), known, "{sent}");
        }
        assert!(!tag.is_known(&HeaderMap::new()));
        assert_ne!(Tag::from_parts(&["ab", ""]), tag);
    }
}
