use std::borrow::Cow;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::request::Parts;

use super::{ConsentGate, granted, read_consent_cookie};
use crate::capture::consent::Consent;

/// IAB Europe's Transparency and Consent Framework 2: the cookie `euconsent-v2` holds a TC string.
///
/// The gate reads only the purposes of the core segment. A string of another version, or one that
/// is too short, is not consent.
#[derive(Clone, Debug)]
#[must_use]
pub struct Tcf {
    purposes: Vec<u8>,
    cookie: Cow<'static, str>,
}

/// First bit of `PurposesConsent` in the core segment: after version (6 bits), created (36), last
/// updated (36), CMP id (12) and version (12), screen (6), language (12), vendor list version (12),
/// policy version (6), two flags and the special features (12). "Transparency and Consent String with
/// Global Vendor List Format", version 2.
const PURPOSES_AT: usize = 152;
const PURPOSES: u8 = 24;

const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl Tcf {
    /// Requires purpose 1: store and access information on a device.
    pub fn storage() -> Self {
        Self::purpose(1)
    }

    /// Requires this purpose: 1 to 24. The framework defines the first eleven.
    pub fn purpose(purpose: u8) -> Self {
        Self { purposes: vec![purpose], cookie: "euconsent-v2".into() }
    }

    /// Also requires this purpose.
    pub fn and_purpose(mut self, purpose: u8) -> Self {
        self.purposes.push(purpose);
        self
    }

    /// Reads the TC string from another cookie.
    pub fn cookie(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.cookie = name.into();
        self
    }

    fn read(&self, tc_string: &str) -> Consent {
        let core = tc_string.split('.').next().unwrap_or_default();
        let Ok(bytes) = BASE64URL.decode(core) else { return Consent::Denied };
        let bit = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
        let version = (0..6).fold(0, |version, at| version << 1 | u8::from(bit(at)));
        let consents = |&purpose: &u8| {
            (1..=PURPOSES).contains(&purpose) && bit(PURPOSES_AT + usize::from(purpose) - 1)
        };
        granted(version == 2 && self.purposes.iter().all(consents))
    }
}

impl ConsentGate for Tcf {
    fn decide(&self, request: &Parts) -> Consent {
        read_consent_cookie(request, &self.cookie, |tc_string| self.read(tc_string))
    }

    fn name(&self) -> Cow<'_, str> {
        "TCF".into()
    }
}
