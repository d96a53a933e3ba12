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
    /// The `Host` header.
    pub host: Option<String>,
    /// The `Origin` header.
    pub origin: Option<String>,
    /// The `Sec-Fetch-Site` header.
    pub fetch_site: Option<String>,
    /// What the visitor layer found.
    pub captured: Option<Captured>,
    /// The body, at most [`BODY_LIMIT`](Self::BODY_LIMIT) bytes of it.
    pub body: Vec<u8>,
}

impl Ask {
    /// The longest body that a page reads, in bytes.
    pub const BODY_LIMIT: usize = 8 << 10;

    /// Whether a browser says that a page of another site sent this. `Sec-Fetch-Site` cannot be set by
    /// a page; browsers without it send `Origin`. Neither of them is no browser.
    pub(crate) fn is_from_elsewhere(&self) -> bool {
        match (&self.fetch_site, &self.origin) {
            (Some(site), _) => site != "same-origin",
            (None, Some(origin)) => {
                let authority = origin.split_once("://").map(|(_, authority)| authority);
                authority.is_none() || authority != self.host.as_deref()
            }
            (None, None) => false,
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_known_by_their_headers() {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        for (site, origin, elsewhere) in [
            ("", "", false),
            ("same-origin", "http://127.0.0.1:3000", false),
            ("same-site", "http://127.0.0.1:4000", true),
            ("cross-site", "http://127.0.0.1:3000", true),
            ("none", "", true),
            ("", "http://127.0.0.1:3000", false),
            ("", "http://127.0.0.1:4000", true),
            ("", "https://evil.example", true),
            ("", "null", true),
        ] {
            let ask = Ask {
                host: text("127.0.0.1:3000"),
                origin: text(origin),
                fetch_site: text(site),
                ..Ask::default()
            };
            assert_eq!(ask.is_from_elsewhere(), elsewhere, "{site:?} {origin:?}");
        }
    }
}
