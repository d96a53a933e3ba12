//! A request for a page.

use dodo_core::{RequestHead, capture::Captured};

/// A request for a page.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The head of the request, with the result of the visitor layer in its extensions.
    pub head: RequestHead,
    /// The body, at most [`BODY_LIMIT`](Self::BODY_LIMIT) bytes of it.
    pub body: Vec<u8>,
}

impl Ask {
    /// The longest body that a page reads, in bytes.
    pub const BODY_LIMIT: usize = 8 << 10;

    /// The visitor layer's result.
    pub(crate) fn captured(&self) -> Option<&Captured> {
        self.head.extension()
    }

    /// Whether a browser reports that a page of another site sent this. A page cannot set
    /// `Sec-Fetch-Site`; browsers without it send `Origin`. A request without both is not from a browser.
    pub(crate) fn is_from_elsewhere(&self, public_url: &str) -> bool {
        match (self.head.header("sec-fetch-site"), self.head.headers.get("origin")) {
            (Some(site), _) => site != "same-origin",
            (None, Some(origin)) => {
                let origin = origin.to_str().unwrap_or("null");
                let authority = origin.split_once("://").map(|(_, authority)| authority);
                origin != public_url
                    && (authority.is_none() || authority != self.head.header("host"))
            }
            (None, None) => false,
        }
    }

    /// The path and the query, as the request has them.
    pub(crate) fn target(&self) -> &str {
        self.head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
    }

    /// The first query parameter of this name.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        field(self.head.uri.query().unwrap_or_default().as_bytes(), name)
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
pub(crate) mod tests {
    use super::*;

    pub(crate) fn ask(target: &str, headers: &[(&str, &str)]) -> Ask {
        let mut request = http::Request::builder().uri(target);
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        Ask { head: request.body(()).unwrap().into_parts().0.into(), body: Vec::new() }
    }

    #[test]
    fn page_of_another_site_is_known_by_its_headers() {
        for (site, origin, elsewhere) in [
            ("", "", false),
            ("same-origin", "http://127.0.0.1:3000", false),
            ("same-site", "http://127.0.0.1:4000", true),
            ("cross-site", "http://127.0.0.1:3000", true),
            ("none", "", true),
            ("", "http://127.0.0.1:3000", false),
            ("", "http://127.0.0.1:4000", true),
            ("", "https://shop.example", false), // its proxy rewrote `Host`
            ("", "http://shop.example", true),
            ("", "https://evil.example", true),
            ("", "null", true),
        ] {
            let headers =
                [("host", "127.0.0.1:3000"), ("origin", origin), ("sec-fetch-site", site)];
            let is_from_elsewhere = ask("/", &headers).is_from_elsewhere("https://shop.example");
            assert_eq!(is_from_elsewhere, elsewhere, "{site:?} {origin:?}");
        }
    }
}
