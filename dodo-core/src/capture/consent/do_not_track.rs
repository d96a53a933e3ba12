use std::borrow::Cow;

use http::request::Parts;

use super::ConsentGate;
use crate::Consent;

/// The header `DNT: 1`. No standard any more, but some vendors' terms ask to respect it.
///
/// ```
/// use dodo_core::{DoNotTrack, VisitorCapture};
/// let capture = VisitorCapture::bantico().consent(DoNotTrack);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct DoNotTrack;

impl ConsentGate for DoNotTrack {
    /// Without the header, or with another value, it abstains: nobody has to be asked.
    fn decide(&self, request: &Parts) -> Consent {
        match request.headers.get("dnt") {
            Some(value) if value.as_bytes().trim_ascii() == b"1" => Consent::Denied,
            _ => Consent::NotAsked,
        }
    }

    fn name(&self) -> Cow<'_, str> {
        "DNT".into()
    }
}
