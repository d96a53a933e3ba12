//! Refusals of an endpoint: the line in the log, and the page for browsers.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::{Client, Error, ErrorKind, client::ApiError, web_url::WebUrl};

/// Logs an [`Error`](crate::Error) under a target, in one line. The client has already logged its
/// failed calls, and mistakes of visitors have the level DEBUG. The line has no text of Dodo
/// Payments and no value of a visitor.
macro_rules! log_refusal {
    ($target:literal, $client:expr, $error:expr) => {{
        let error: &$crate::Error = $error;
        let upstream = $crate::client::ApiError::from_error(error);
        let cause = std::error::Error::source(error).map(tracing::field::display);
        match (error.kind(), $crate::refusal::repeated($client, $target, error)) {
            ($crate::ErrorKind::CallbackFailed | $crate::ErrorKind::Config, _) => {
                tracing::error!(target: $target, code = error.code(), cause, "{}", error.message());
            }
            ($crate::ErrorKind::RejectedByDodo, Some(repeated)) => tracing::warn!(
                target: $target,
                code = error.code(),
                upstream_status = upstream.and_then(|u| u.status()).map(|s| s.as_u16()),
                dodo_code = error.dodo_code(),
                request_id = upstream.and_then($crate::client::ApiError::request_id),
                repeated,
                "request rejected by Dodo Payments; look up the code in docs/checkout.md"
            ),
            ($crate::ErrorKind::NotFound, Some(repeated)) => tracing::error!(
                target: $target,
                code = error.code(),
                request_id = upstream.and_then($crate::client::ApiError::request_id),
                repeated,
                "object not found; check its id, and that DODO_PAYMENTS_ENVIRONMENT is its mode"
            ),
            _ if error.status().is_server_error() && upstream.is_none() => tracing::warn!(
                target: $target, code = error.code(), cause, "{}", error.message()
            ),
            // The line has no field, because a visitor chooses the names of fields.
            _ => tracing::debug!(target: $target, code = error.code(), "request refused"),
        }
    }};
}
pub(crate) use log_refusal;

/// Returns the number of equal refusals that were left out before, if this refusal of Dodo Payments
/// is to be logged. A visitor can cause any number of them.
pub(crate) fn repeated(client: &Client, target: &'static str, error: &Error) -> Option<u64> {
    let is_answer = match error.kind() {
        ErrorKind::RejectedByDodo => true,
        ErrorKind::NotFound => ApiError::from_error(error).is_some_and(|u| !u.is_repeated()),
        _ => false,
    };
    let code = error.dodo_code().unwrap_or(error.code());
    if is_answer { client.count_refusal(target, code) } else { None }
}

/// A page of the application that shows an error to a browser.
#[derive(Clone, Debug)]
pub struct ErrorPage(Box<str>);

impl ErrorPage {
    /// Checks the value of a builder's option: a path of the application, or an absolute URL.
    pub(crate) fn new(option: &str, url: &str) -> Result<Self, Error> {
        let is_path = url.starts_with('/') && !url.starts_with("//");
        let absolute = if is_path { format!("https://app.invalid{url}") } else { url.to_owned() };
        match WebUrl::parse(&absolute) {
            Some(_) => Ok(Self(url.into())),
            None => Err(Error::option(option, url, "write a path, such as /checkout/error")),
        }
    }

    /// Returns this page if a browser navigates: a script that reads JSON does not accept
    /// `text/html`.
    pub(crate) fn for_browser(&self, headers: &HeaderMap) -> Option<&Self> {
        let accept = headers.get(header::ACCEPT)?.as_bytes();
        let is_html = |kind: &[u8]| {
            let essence = kind.split(|b| *b == b';').next().unwrap_or_default();
            essence.trim_ascii().eq_ignore_ascii_case(b"text/html")
        };
        accept.split(|b| *b == b',').any(is_html).then_some(self)
    }

    /// 303 to the page, with `Allow` and `Retry-After` of the error. The query names its code, which is
    /// a constant.
    fn answer(&self, error: &Error) -> Option<Response<Bytes>> {
        let (page, fragment) = match self.0.split_once('#') {
            Some((page, fragment)) => (page, format!("#{fragment}")),
            None => (&*self.0, String::new()),
        };
        let separator = if page.contains('?') { '&' } else { '?' };
        let location = format!("{page}{separator}code={}{fragment}", error.code());
        let location = HeaderValue::from_str(&location).ok()?;
        let mut response = error.to_response();
        *response.status_mut() = StatusCode::SEE_OTHER;
        *response.body_mut() = Bytes::new();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        headers.insert(header::LOCATION, location);
        Some(response)
    }
}

/// The answer to a refused request: the page of the application, if there is one, else the problem
/// document.
pub(crate) fn refuse(error: &Error, page: Option<&ErrorPage>) -> Response<Bytes> {
    page.and_then(|page| page.answer(error)).unwrap_or_else(|| error.to_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_page_takes_paths_and_urls_of_the_web() {
        for (page, location) in [
            ("/oops", Some("/oops?code=not_found")),
            ("/oops?lang=de#top", Some("/oops?lang=de&code=not_found#top")),
            ("https://shop.example/oops", Some("https://shop.example/oops?code=not_found")),
            ("", None),
            ("oops", None),
            ("//evil.example/", None),
            ("/\\evil.example/", None),
            ("javascript:alert(1)", None),
            ("/a b", None),
        ] {
            let built = ErrorPage::new("error_page", page);
            assert_eq!(built.is_ok(), location.is_some(), "{page}");
            let Ok(page) = built else { continue };
            let answer = refuse(&Error::new(ErrorKind::NotFound, "no"), Some(&page));
            assert_eq!(answer.status(), 303);
            assert_eq!(answer.headers()["location"], location.unwrap());
        }
    }

    #[test]
    fn error_page_is_for_requests_that_accept_html() {
        let page = ErrorPage::new("error_page", "/oops").unwrap();
        for (accept, browser) in [
            (None, false),
            (Some("*/*"), false),
            (Some("application/json"), false),
            (Some("text/html"), true),
            (Some("application/xhtml+xml, TEXT/HTML;q=0.9"), true),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(accept.map(|a| (header::ACCEPT, HeaderValue::from_static(a))));
            assert_eq!(page.for_browser(&headers).is_some(), browser, "{accept:?}");
        }
    }
}
