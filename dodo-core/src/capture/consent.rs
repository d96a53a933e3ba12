//! Who may say no.

use http::{HeaderMap, request::Parts};

use crate::Consent;

/// Decides whether the visitor of a request may be attributed.
///
/// Closures are gates: `|request: &http::request::Parts| Consent::Granted`.
pub trait ConsentGate: Send + Sync + 'static {
    /// The decision for this request. A gate that finds nothing says [`Consent::Denied`].
    fn decide(&self, request: &Parts) -> Consent;
}

impl<F> ConsentGate for F
where
    F: Fn(&Parts) -> Consent + Send + Sync + 'static,
{
    fn decide(&self, request: &Parts) -> Consent {
        self(request)
    }
}

/// Whether the browser sends Global Privacy Control: `Sec-GPC: 1` is its only value.
pub(super) fn gpc(headers: &HeaderMap) -> bool {
    headers.get("sec-gpc").is_some_and(|v| v.as_bytes().trim_ascii() == b"1")
}
