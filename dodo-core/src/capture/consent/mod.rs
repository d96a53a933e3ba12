//! Consent gates: decisions from the headers and cookies of the visitor's browser.

mod combine;
mod cookiebot;
mod decision;
mod do_not_track;
mod one_trust;
mod tcf;

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
};

use http::{HeaderMap, request::Parts};

pub use self::{
    combine::{AllGates, AnyGate},
    cookiebot::Cookiebot,
    decision::Consent,
    do_not_track::DoNotTrack,
    one_trust::OneTrust,
    tcf::Tcf,
};
use super::{VisitorCapture, cookies};

/// Decides whether the visitor of a request may be attributed.
///
/// Closures are gates:
///
/// ```
/// use dodo_core::capture::{VisitorCapture, consent::Consent};
///
/// let capture = VisitorCapture::visitors_now().consent(|request: &http::request::Parts| {
///     match request.extensions.get::<Consent>() {
///         Some(Consent::Granted) => Consent::Granted,
///         _ => Consent::Denied, // not asked yet: a configured gate must grant
///     }
/// });
/// ```
pub trait ConsentGate: Send + Sync + 'static {
    /// Returns the decision for this request. A gate without an answer returns [`Consent::Denied`].
    fn decide(&self, request: &Parts) -> Consent;

    /// Returns the name of the gate in explanations.
    fn name(&self) -> Cow<'_, str> {
        std::any::type_name::<Self>().into()
    }
}

impl<F> ConsentGate for F
where
    F: Fn(&Parts) -> Consent + Send + Sync + 'static,
{
    fn decide(&self, request: &Parts) -> Consent {
        self(request)
    }
}

/// A decision and the gate that made it.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub(super) consent: Consent,
    pub(super) by: Option<String>,
}

/// The decision of all gates. Global Privacy Control comes first: no gate can overrule it.
pub(super) fn decide(capture: &VisitorCapture, request: &Parts) -> Decision {
    let settings = capture.settings();
    // The specification has only the value `1`. Other values are not a signal.
    if settings.honors_gpc && has_element(&request.headers, "sec-gpc", b"1") {
        return Decision { consent: Consent::Denied, by: Some("Sec-GPC".to_owned()) };
    }
    let mut decision = Decision { consent: Consent::NotAsked, by: None };
    for gate in &settings.gates {
        match unwinding(|| gate.decide(request)).unwrap_or(Consent::Denied) {
            Consent::NotAsked => {}
            consent => decision = Decision { consent, by: Some(gate.name().into_owned()) },
        }
        if decision.consent == Consent::Denied {
            break;
        }
    }
    decision
}

/// Returns `true` if a header has this element. A header with several lines, or a proxy that joins
/// them, makes a list.
fn has_element(headers: &HeaderMap, name: &str, element: &[u8]) -> bool {
    let lines = headers.get_all(name).iter();
    let mut elements = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    elements.any(|found| found.trim_ascii() == element)
}

/// Reads a consent cookie. If the browser sends it more than once, all must grant. A missing cookie
/// means that the visitor was not asked, which is not consent.
fn read_consent_cookie(request: &Parts, name: &str, read: impl Fn(&str) -> Consent) -> Consent {
    let mut answer = None;
    cookies::each(&request.headers, |found, value| {
        if found == name && answer != Some(Consent::Denied) {
            answer = Some(read(value));
        }
    });
    answer.unwrap_or(Consent::Denied)
}

fn granted(yes: bool) -> Consent {
    if yes { Consent::Granted } else { Consent::Denied }
}

/// Runs code of the app, so that a panic in it fails neither a page nor a checkout.
pub(super) fn unwinding<T>(code: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(code));
    if result.is_err() {
        tracing::error!(target: "dodo::capture", "a closure given to the capture panicked");
    }
    result.ok()
}
