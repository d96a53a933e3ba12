use std::borrow::Cow;

use http::request::Parts;

use super::{ConsentGate, has_element};
use crate::capture::consent::Consent;

/// The header `DNT: 1`. It is no longer a standard, but the terms of some vendors require it.
///
/// ```
/// use dodo_core::capture::{Preset, VisitorCapture, consent::DoNotTrack};
/// let capture = VisitorCapture::new().preset(Preset::Bantico).consent(DoNotTrack);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct DoNotTrack;

impl ConsentGate for DoNotTrack {
    /// Without the header, or with another value, the gate abstains.
    fn decide(&self, request: &Parts) -> Consent {
        if has_element(&request.headers, "dnt", b"1") { Consent::Denied } else { Consent::NotAsked }
    }

    fn name(&self) -> Cow<'_, str> {
        "DNT".into()
    }
}
