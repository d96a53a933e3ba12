//! The values of a request, and the winning one for each key.

use serde::Serialize;

use super::{IdRole, SkipReason, config::Field, value::usable};

/// Where a value was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CaptureSource {
    /// The app named its signed-in user.
    App,
    /// A cookie of the tool.
    Cookie,
    /// The body of the checkout request.
    Body,
    /// The query of the request.
    Query,
    /// Our own [`CampaignCookie`](super::CampaignCookie).
    Kept,
    /// The query of our own page that sent the request, from its `Referer`.
    Page,
}

impl CaptureSource {
    /// Which one is taken when several hold a usable value: the lowest.
    ///
    /// An id is first where its tool keeps it. A campaign is the fresher, the nearer to the visitor's
    /// last step it was read, unless the first touch is to be credited.
    const fn rank(self, role: IdRole, first_touch: bool) -> u8 {
        match (role, self) {
            (IdRole::Campaign(_), Self::Kept) if first_touch => 0,
            (IdRole::Campaign(_), Self::Cookie) => u8::MAX,
            _ => 1 + self as u8,
        }
    }
}

/// A value of the request, or the reason why it is unusable.
#[derive(Clone)]
pub(super) struct Candidate {
    /// Index into the capture's fields.
    field: usize,
    /// Which of the field's names of this origin it had.
    nth: usize,
    pub(super) origin: CaptureSource,
    pub(super) value: Result<Box<str>, SkipReason>,
}

/// What one request brought for the fields of a capture.
#[derive(Clone, Default)]
pub(super) struct Candidates {
    all: Vec<Candidate>,
    /// Without consent, values are not even kept in memory.
    denied: bool,
    first_touch: bool,
}

impl Candidates {
    pub(super) fn new(denied: bool, first_touch: bool) -> Self {
        Self { all: Vec::new(), denied, first_touch }
    }

    /// Notes a value for a field, sent under the field's `nth` name of this origin. Of one origin the
    /// earlier name counts, and of one name the first usable value that was sent: browsers send the
    /// cookie of the longer path first (RFC 6265, section 5.4).
    pub(super) fn add(
        &mut self,
        (field, nth): (usize, usize),
        origin: CaptureSource,
        value: Result<impl AsRef<str>, SkipReason>,
    ) {
        let value = value.and_then(|value| {
            let value = usable(value.as_ref())?;
            if self.denied { Err(SkipReason::ConsentDenied) } else { Ok(value.into()) }
        });
        match self.all.iter_mut().find(|c| c.field == field && c.origin == origin) {
            Some(earlier) => {
                let first = earlier.value.is_err() || nth < earlier.nth;
                if value.is_ok() && first {
                    (earlier.value, earlier.nth) = (value, nth);
                }
            }
            None => self.all.push(Candidate { field, nth, origin, value }),
        }
    }

    /// The value of a field and where it is from: the best origin that has a usable one. The fields of
    /// a tool's campaign are taken from one origin together, so that two links are never mixed.
    pub(super) fn value(&self, fields: &[Field], index: usize) -> Option<(CaptureSource, &str)> {
        let field = fields.get(index)?;
        let together = |other: usize| {
            other == index || fields.get(other).is_some_and(|other| other.shares_campaign(field))
        };
        let origin = self
            .all
            .iter()
            .filter(|c| c.value.is_ok() && together(c.field))
            .map(|c| c.origin)
            .min_by_key(|origin| origin.rank(field.role, self.first_touch))?;
        let mut own = self.of_field(index);
        let found = own.find(|c| c.origin == origin)?;
        Some((origin, found.value.as_deref().ok()?))
    }

    /// Why a field has no value, and where one was seen.
    pub(super) fn why_not(&self, index: usize) -> (Option<CaptureSource>, SkipReason) {
        match self.of_field(index).next() {
            None => (None, SkipReason::Absent),
            Some(Candidate { origin, value, .. }) => {
                (Some(*origin), value.as_ref().err().copied().unwrap_or(SkipReason::Superseded))
            }
        }
    }

    /// Everything that was seen for a field.
    pub(super) fn of_field(&self, index: usize) -> impl Iterator<Item = &Candidate> {
        self.all.iter().filter(move |c| c.field == index)
    }
}

impl Field {
    pub(super) const fn is_campaign(&self) -> bool {
        matches!(self.role, IdRole::Campaign(_))
    }

    pub(super) fn shares_campaign(&self, other: &Self) -> bool {
        self.is_campaign() && other.is_campaign() && self.tool == other.tool
    }
}
