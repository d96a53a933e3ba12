use std::borrow::Cow;

use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::{ConsentGate, granted, read_consent_cookie};
use crate::capture::consent::Consent;

/// OneTrust's cookie `OptanonConsent`: `…&groups=C0001:1,C0002:0&…`, percent-encoded.
#[derive(Clone, Debug)]
#[must_use]
pub struct OneTrust {
    groups: Vec<Cow<'static, str>>,
}

impl OneTrust {
    /// Requires `C0002`, OneTrust's group of performance and analytics cookies.
    pub fn analytics() -> Self {
        Self::group("C0002")
    }

    /// Requires `C0004`, OneTrust's group of targeting cookies.
    pub fn targeting() -> Self {
        Self::group("C0004")
    }

    /// Requires this group, for sites with their own groups.
    pub fn group(group: impl Into<Cow<'static, str>>) -> Self {
        Self { groups: vec![group.into()] }
    }

    /// Also requires this group.
    pub fn and_group(mut self, group: impl Into<Cow<'static, str>>) -> Self {
        self.groups.push(group.into());
        self
    }

    fn read(&self, cookie: &str) -> Consent {
        let in_query = |query: &str| {
            let groups =
                form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "groups");
            groups.map(|(_, groups)| groups.into_owned())
        };
        // Some sites encode the whole value twice.
        let groups =
            in_query(cookie).or_else(|| in_query(&percent_decode_str(cookie).decode_utf8().ok()?));
        let groups = groups.unwrap_or_default();
        let is_on = |group: &str| {
            let mut pairs = groups.split(',').filter_map(|pair| pair.trim().split_once(':'));
            pairs.any(|(name, on)| name == group && on == "1")
        };
        granted(self.groups.iter().all(|group| is_on(group)))
    }
}

impl ConsentGate for OneTrust {
    fn decide(&self, request: &Parts) -> Consent {
        read_consent_cookie(request, "OptanonConsent", |cookie| self.read(cookie))
    }

    fn name(&self) -> Cow<'_, str> {
        "OneTrust".into()
    }
}
