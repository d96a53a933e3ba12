//! What a page needs of a request.

use dodo_core::Captured;

/// A request for a page.
///
/// Frameworks disagree about the version of the `http` crate, so this has none of its types.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The method, such as `GET`.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query string, without its question mark.
    pub query: Option<String>,
    /// The `Cookie` header.
    pub cookies: Option<String>,
    /// The `If-None-Match` header.
    pub if_none_match: Option<String>,
    /// What the visitor layer found.
    pub captured: Option<Captured>,
    /// The body, at most [`BODY_LIMIT`](Self::BODY_LIMIT) bytes of it.
    pub body: Vec<u8>,
}

impl Ask {
    /// The longest body that a page reads, in bytes.
    pub const BODY_LIMIT: usize = 8 << 10;

    /// The first query parameter of this name.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        field(self.query.as_deref().unwrap_or_default().as_bytes(), name)
    }

    /// The first form field of this name.
    pub(crate) fn form_field(&self, name: &str) -> Option<String> {
        field(&self.body, name)
    }
}

fn field(encoded: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(encoded).find_map(|(n, value)| (n == name).then(|| value.into_owned()))
}
