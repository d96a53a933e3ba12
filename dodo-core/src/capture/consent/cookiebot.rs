use std::borrow::Cow;

use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::{ConsentGate, granted, read_consent_cookie};
use crate::capture::consent::Consent;

/// Cookiebot's cookie `CookieConsent`: an object literal of JavaScript, percent-encoded, or `-1` if
/// the visitor's region requires no consent.
#[derive(Clone, Debug)]
#[must_use]
pub struct Cookiebot {
    category: &'static str,
}

impl Cookiebot {
    /// Requires the category `statistics`.
    pub const fn statistics() -> Self {
        Self { category: "statistics" }
    }

    /// Requires the category `marketing`.
    pub const fn marketing() -> Self {
        Self { category: "marketing" }
    }

    fn read(&self, cookie: &str) -> Consent {
        let Ok(text) = percent_decode_str(cookie).decode_utf8() else { return Consent::Denied };
        if text.trim() == "-1" {
            return Consent::NotAsked;
        }
        let Some(object) = text.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}')) else {
            return Consent::Denied;
        };
        let mut fields = unquoted_split(object).filter_map(|field| field.split_once(':'));
        granted(fields.any(|(name, value)| {
            name.trim().trim_matches(['\'', '"']) == self.category && value.trim() == "true"
        }))
    }
}

/// Splits at commas outside of single quotes: the stamp in front of the categories is free text.
fn unquoted_split(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '\'';
        c == ',' && !quoted
    })
}

impl ConsentGate for Cookiebot {
    fn decide(&self, request: &Parts) -> Consent {
        read_consent_cookie(request, "CookieConsent", |cookie| self.read(cookie))
    }

    fn name(&self) -> Cow<'_, str> {
        "Cookiebot".into()
    }
}
