//! The answer of a page, before a framework sends it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use maud::Markup;
use sha2::{Digest, Sha256};

/// All resources come from the shop, no site may frame a page, and no script is inline. A form may
/// redirect to a page of Dodo Payments, because browsers also check the target of a redirect.
pub(crate) fn content_security_policy(sandbox_url: Option<&str>) -> String {
    let pages = sandbox_url.unwrap_or("https://*.dodopayments.com");
    format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
         connect-src 'self'; form-action 'self' {pages}; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// An answer: a status, a few headers and a text.
///
/// Frameworks disagree about the version of the `http` crate, so this has none of its types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Header names, lower case, and their values.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Reply {
    fn new(status: u16, content_type: &str, body: String) -> Self {
        let headers = vec![
            ("content-type", content_type.to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
        ];
        Self { status, headers, body }
    }

    /// A page, with its Content-Security-Policy.
    #[must_use]
    pub fn page(status: u16, page: Markup, policy: &str) -> Self {
        // Pages show one person's orders: no cache on the way may keep them.
        Self::new(status, "text/html; charset=utf-8", page.into_string())
            .header("content-security-policy", policy)
            .header("referrer-policy", "strict-origin-when-cross-origin")
            .header("cache-control", "private, no-cache")
    }

    /// A live part of a page. Answers 304 when the browser has this very version.
    #[must_use]
    pub fn fragment(part: Markup, if_none_match: Option<&str>) -> Self {
        let body = part.into_string();
        let tag = tag(&body);
        let unchanged = if_none_match.is_some_and(|seen| seen.split(',').any(|t| t.trim() == tag));
        let reply = if unchanged {
            Self::new(304, "text/html; charset=utf-8", String::new())
        } else {
            Self::new(200, "text/html; charset=utf-8", body)
        };
        reply.header("etag", tag).header("cache-control", "private, no-cache")
    }

    /// A file that comes with the shop.
    #[must_use]
    pub fn asset(content_type: &'static str, text: &'static str) -> Self {
        Self::new(200, content_type, text.to_owned()).header("cache-control", "public, max-age=300")
    }

    /// A line of text.
    pub(crate) fn plain(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text.to_owned())
            .header("cache-control", "no-store")
    }

    /// "See other": the browser goes there with GET.
    #[must_use]
    pub fn redirect(to: &str) -> Self {
        Self::plain(303, "").header("location", to)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds a cookie, if there is one to set.
    #[must_use]
    pub fn cookie(self, set_cookie: Option<String>) -> Self {
        match set_cookie {
            Some(cookie) => self.header("set-cookie", cookie),
            None => self,
        }
    }
}

/// The entity tag of a fragment: the same text has the same tag, in every process.
pub(crate) fn tag(body: &str) -> String {
    let digest = Sha256::digest(body);
    format!("\"{}\"", BASE64URL.encode(digest.get(..12).unwrap_or(&digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unchanged_fragment_answers_304() {
        let part = || maud::html! { p { "1,500" } };
        let first = Reply::fragment(part(), None);
        assert_eq!(first.status, 200);
        let tag = &first.headers.iter().find(|(name, _)| *name == "etag").unwrap().1;

        let again = Reply::fragment(part(), Some(tag));
        assert_eq!((again.status, again.body.as_str()), (304, ""));
        let changed = Reply::fragment(maud::html! { p { "1,501" } }, Some(tag));
        assert_eq!(changed.status, 200);
    }
}
