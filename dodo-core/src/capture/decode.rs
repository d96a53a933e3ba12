//! The forms in which tools write their ids into cookies.

use std::borrow::Cow;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use percent_encoding::percent_decode_str;

use super::SkipReason;

/// The encoding of a value in the request. The presets have the encodings of their tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CookieDecoder {
    /// Plain text.
    #[default]
    Raw,
    /// Percent-encoded.
    Percent,
    /// Percent-encoded, in double quotes or not: Segment.
    Quoted,
    /// Percent-encoded JSON with the id in `distinct_id`: PostHog.
    #[doc(hidden)]
    PostHog,
    /// `RS_ENC_v3_` and a JSON string in base64: RudderStack.
    #[doc(hidden)]
    RudderStack,
    /// `GA1.1.<random>.<first visit>`, percent-encoded or not: the last two parts are the client id.
    #[doc(hidden)]
    GaClient,
    /// `GS1.1.<session>.…` or `GS2.1.s<session>$…`, percent-encoded or not: the session id.
    #[doc(hidden)]
    GaSession,
}

/// The standard alphabet, with or without padding, because some programs drop the `=` of a cookie.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl CookieDecoder {
    pub(super) fn decode(self, raw: &str) -> Result<Cow<'_, str>, SkipReason> {
        match self {
            Self::Raw => Ok(raw.into()),
            Self::Percent => percent(raw),
            Self::Quoted => {
                let text = percent(raw)?;
                Ok(match text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
                    Some(inner) => Cow::Owned(inner.to_owned()),
                    None => text,
                })
            }
            Self::PostHog => post_hog(raw),
            Self::RudderStack => rudder_stack(raw),
            Self::GaClient => ga_client(raw),
            Self::GaSession => ga_session(raw),
        }
    }
}

fn percent(raw: &str) -> Result<Cow<'_, str>, SkipReason> {
    percent_decode_str(raw).decode_utf8().map_err(|_| SkipReason::Undecodable)
}

fn post_hog(raw: &str) -> Result<Cow<'_, str>, SkipReason> {
    #[derive(serde::Deserialize)]
    struct Cookie {
        distinct_id: String,
    }
    let cookie: Cookie =
        serde_json::from_str(&percent(raw)?).map_err(|_| SkipReason::Undecodable)?;
    Ok(cookie.distinct_id.into())
}

fn rudder_stack(raw: &str) -> Result<Cow<'_, str>, SkipReason> {
    let text = percent(raw)?;
    let encoded = text.strip_prefix("RS_ENC_v3_").ok_or(SkipReason::Undecodable)?;
    let json = BASE64.decode(encoded).map_err(|_| SkipReason::Undecodable)?;
    let id: String = serde_json::from_slice(&json).map_err(|_| SkipReason::Undecodable)?;
    Ok(id.into())
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn ga_client(raw: &str) -> Result<Cow<'_, str>, SkipReason> {
    let raw = percent(raw)?;
    let mut parts = raw.rsplitn(3, '.');
    let (Some(first_visit), Some(random), Some(version)) =
        (parts.next(), parts.next(), parts.next())
    else {
        return Err(SkipReason::Undecodable);
    };
    if !version.starts_with("GA") || !digits(first_visit) || !digits(random) {
        return Err(SkipReason::Undecodable);
    }
    let id = raw.get(version.len() + 1..).ok_or(SkipReason::Undecodable)?;
    Ok(id.to_owned().into())
}

fn ga_session(raw: &str) -> Result<Cow<'_, str>, SkipReason> {
    let raw = percent(raw)?;
    let mut parts = raw.splitn(4, '.');
    let (version, part) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
    let id = match version {
        "GS1" => part,
        "GS2" => part.split('$').find_map(|field| field.strip_prefix('s')).unwrap_or_default(),
        _ => "",
    };
    if digits(id) { Ok(id.to_owned().into()) } else { Err(SkipReason::Undecodable) }
}
