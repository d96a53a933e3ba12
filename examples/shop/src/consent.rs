//! The visitor's answer to the banner, and the gate that asks for it before each capture.

use dodo_core::{
    RequestHead,
    capture::{Captured, consent::Consent},
};

/// The cookie that holds the answer. It is necessary for the banner, so it needs no consent itself.
const COOKIE: &str = "shop_consent";
/// How long an answer is valid: 180 days, in seconds.
const MAX_AGE: u32 = 180 * 24 * 60 * 60;

/// The choice of the visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The banner asks.
    Open,
    Granted,
    Denied,
    /// The browser denies for every site, by Global Privacy Control. The banner does not ask.
    DeniedByBrowser,
}

impl Choice {
    /// The choice in a request.
    pub(crate) fn from_request(head: &RequestHead, captured: Option<&Captured>) -> Self {
        match head.cookie(COOKIE).as_deref() {
            // With a "yes" in the cookie, only the browser's signal can have denied.
            Some("granted") if captured.is_some_and(|c| !c.consent().allows()) => {
                Self::DeniedByBrowser
            }
            _ if head.headers.contains_key("sec-gpc") => Self::DeniedByBrowser,
            Some("granted") => Self::Granted,
            Some("denied") => Self::Denied,
            _ => Self::Open,
        }
    }

    /// The decision of the gate: without an answer nothing is captured.
    pub(crate) fn gate(parts: &http::request::Parts) -> Consent {
        match RequestHead::from(parts.clone()).cookie(COOKIE).as_deref() {
            Some("granted") => Consent::Granted,
            _ => Consent::Denied,
        }
    }

    /// The `Set-Cookie` headers for an answer of the banner's form. A "no" also removes the cookie
    /// that the page's script set; the capture removes the one of the campaign.
    pub(crate) fn cookies(answer: &str, secure: bool) -> Vec<String> {
        let secure = if secure { "; Secure" } else { "" };
        let (answer, age) = match answer {
            "granted" | "denied" => (answer, MAX_AGE),
            _ => ("", 0),
        };
        let mut cookies = vec![format!(
            "{COOKIE}={answer}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"
        )];
        if answer != "granted" {
            cookies.push(format!("visitor=; Path=/; Max-Age=0; SameSite=Lax{secure}"));
        }
        cookies
    }
}
