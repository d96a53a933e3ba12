//! The trace of each captured value, which explains why a payment has no visitor.

use std::{fmt, time::Instant};

use serde::Serialize;

use super::{Captured, DeviceClass, SkipReason, candidates::CaptureSource, config::Field};
use crate::{capture::consent::Consent, repeats::Repeats};

/// The values of a request: found, injected into metadata, or omitted with a reason.
///
/// Serialize it for a page for developers: it is JSON for people, and its form can change. Values
/// are masked unless [`VisitorCapture::unmask`](crate::capture::VisitorCapture::unmask) names their
/// key.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CaptureTrace {
    /// The consent of the visitor.
    #[doc(hidden)]
    pub consent: Consent,
    /// The gate that decided, or `Sec-GPC`.
    #[doc(hidden)]
    pub decided_by: Option<String>,
    /// Every metadata key that the capture could fill.
    #[doc(hidden)]
    pub values: Vec<TracedValue>,
    /// Keys of the client whose pairs were dropped, with the reason: only the capture fills the key, or
    /// captured values took the room.
    #[doc(hidden)]
    pub dropped_from_client: Vec<(String, SkipReason)>,
    /// Names of the click ids that go into the checkout's context.
    #[doc(hidden)]
    pub click_ids: Vec<String>,
    /// The path of the first page of the visit, for the checkout's context.
    #[doc(hidden)]
    pub landing_path: Option<String>,
    /// The host of the site that sent the visitor, for the checkout's context.
    #[doc(hidden)]
    pub referrer_host: Option<String>,
    /// The class of device, for the checkout's context.
    #[doc(hidden)]
    pub device: DeviceClass,
}

/// Shows which fields are set, without texts of the visitor: paths and hosts can hold personal data.
impl fmt::Debug for CaptureTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureTrace")
            .field("consent", &self.consent)
            .field("decided_by", &self.decided_by)
            .field("values", &self.values)
            .field("dropped_from_client", &self.dropped_from_client.len())
            .field("click_ids", &self.click_ids)
            .field("landing_path", &self.landing_path.is_some())
            .field("referrer_host", &self.referrer_host.is_some())
            .field("device", &self.device)
            .finish()
    }
}

/// The result of one metadata key.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TracedValue {
    /// The metadata key.
    pub key: String,
    /// The tool it belongs to; `own` for the app's own mappings.
    pub tool: &'static str,
    /// The result.
    pub outcome: CaptureOutcome,
    /// The place of the value.
    pub origin: Option<CaptureSource>,
    /// Its value, masked.
    pub value: Option<String>,
    /// Other places with a value for this key, and the reason why the capture did not use it.
    pub instead_of: Vec<(CaptureSource, SkipReason)>,
}

/// Shows whether there is a value: `unmask` shows it to pages of the app only.
impl fmt::Debug for TracedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracedValue")
            .field("key", &self.key)
            .field("tool", &self.tool)
            .field("outcome", &self.outcome)
            .field("origin", &self.origin)
            .field("value", &self.value.is_some())
            .field("instead_of", &self.instead_of)
            .finish()
    }
}

/// The result of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CaptureOutcome {
    /// The value was found. This request has not written metadata.
    Found,
    /// The value is in the payment's metadata.
    Injected,
    /// The value is not in the metadata, for this reason.
    LeftOut(SkipReason),
}

impl Captured {
    /// Returns the values of this request so far.
    #[must_use]
    pub fn trace(&self) -> CaptureTrace {
        let fields = self.capture.fields().iter().enumerate();
        CaptureTrace {
            consent: self.decision.consent,
            decided_by: self.decision.by.clone(),
            values: fields.map(|(index, field)| self.trace_field(index, field)).collect(),
            dropped_from_client: Vec::new(),
            click_ids: self.visit.click_ids.keys().cloned().collect(),
            landing_path: self.visit.landing_path.clone(),
            referrer_host: self.visit.referrer_host.clone(),
            device: self.visit.device.class(),
        }
    }

    fn trace_field(&self, index: usize, field: &Field) -> TracedValue {
        let found = self.value(index);
        let unmask = self.capture.settings().unmask.contains(&field.key);
        let (origin, outcome, value) = match found {
            Some((origin, value)) => {
                let shown = if unmask { value.to_owned() } else { mask(value) };
                (Some(origin), CaptureOutcome::Found, Some(shown))
            }
            None => {
                let (origin, reason) = self.candidates.why_not(index);
                (origin, CaptureOutcome::LeftOut(reason), None)
            }
        };
        let others = self.candidates.field_candidates(index).filter(|c| Some(c.origin) != origin);
        let instead_of = others
            .map(|c| (c.origin, c.value.as_ref().err().copied().unwrap_or(SkipReason::Superseded)));
        TracedValue {
            key: field.key.clone().into_owned(),
            tool: field.tool,
            outcome,
            origin,
            value,
            instead_of: instead_of.collect(),
        }
    }
}

impl CaptureTrace {
    pub(super) fn set(&mut self, index: usize, outcome: CaptureOutcome) {
        if let Some(explained) = self.values.get_mut(index) {
            explained.outcome = outcome;
        }
    }

    /// Logs one event for the checkout at `DEBUG`, and one at `WARN` for each unusable value: once a
    /// minute for each key and reason, because visitors cause them. The events have keys of the
    /// capture and reasons, never values.
    pub(super) fn log(&self, warned: &Repeats<(Box<str>, &'static str)>) {
        let keys = |of: &dyn Fn(&TracedValue) -> Option<String>| {
            self.values.iter().filter_map(of).collect::<Vec<_>>().join(",")
        };
        if tracing::enabled!(target: "dodo::capture", tracing::Level::DEBUG) {
            let injected =
                keys(&|v| (v.outcome == CaptureOutcome::Injected).then(|| v.key.clone()));
            let left_out = keys(&|v| match v.outcome {
                CaptureOutcome::LeftOut(reason) => Some(format!("{}:{reason}", v.key)),
                _ => None,
            });
            tracing::debug!(
                target: "dodo::capture",
                consent = ?self.consent,
                decided_by = self.decided_by.as_deref(),
                injected,
                left_out,
                "explained the metadata of a checkout"
            );
        }
        let now = Instant::now();
        for explained in &self.values {
            if let CaptureOutcome::LeftOut(reason) = explained.outcome
                && reason.is_fault()
            {
                let (key, reason) = (&*explained.key, reason.as_str());
                if let Some(repeated) = warned.count((key.into(), reason), now) {
                    tracing::warn!(target: "dodo::capture", repeated, key, reason, "not captured");
                }
            }
        }
        for (key, reason) in &self.dropped_from_client {
            // Only keys of the capture: every other key is the client's own word.
            let key = if *reason == SkipReason::FromClient { &**key } else { "any" };
            let reason = reason.as_str();
            if let Some(repeated) = warned.count((key.into(), reason), now) {
                tracing::warn!(
                    target: "dodo::capture", repeated, key, reason, "not taken from the client"
                );
            }
        }
    }
}

impl SkipReason {
    /// Returns whether a developer may have to act. A value that is absent, denied or replaced as
    /// intended is not a fault.
    const fn is_fault(self) -> bool {
        !matches!(self, Self::Absent | Self::ConsentDenied | Self::SetByApp | Self::Superseded)
    }
}

/// Masks a value: a developer recognizes a test visitor, and the shown part is too short for other
/// use.
fn mask(value: &str) -> String {
    let length = value.chars().count();
    let shown: String = value.chars().take(if length >= 12 { 3 } else { 0 }).collect();
    format!("{shown}… ({length} characters)")
}
