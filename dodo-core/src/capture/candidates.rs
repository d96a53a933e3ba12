//! The values of a request, and the winning one for each key.

use serde::Serialize;

use super::{IdRole, SkipReason, config::Field, value::usable};

/// The place of a value in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CaptureSource {
    /// The signed-in user of the app.
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
    /// The rank of an origin. If several origins have a usable value, the lowest rank wins.
    ///
    /// For an id, the cookie of its tool comes first. For a campaign, the origin that is nearest to
    /// the visitor's last step comes first, unless the cookie credits the first campaign.
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
    /// The position of its name among the names of the field in this origin.
    nth: usize,
    pub(super) origin: CaptureSource,
    pub(super) value: Result<Box<str>, SkipReason>,
}

/// The values of one request for the fields of a capture.
#[derive(Clone, Default)]
pub(super) struct Candidates {
    all: Vec<Candidate>,
    /// Without consent, values do not stay in memory.
    denied: bool,
    first_touch: bool,
}

impl Candidates {
    pub(super) fn new(denied: bool, first_touch: bool) -> Self {
        Self { all: Vec::new(), denied, first_touch }
    }

    /// Adds a value for a field, sent under the field's `nth` name of this origin. In one origin
    /// the earlier name counts, and for one name the first usable value: browsers send the cookie
    /// of the longer path first (RFC 6265, section 5.4).
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

    /// The value of a field and its origin: the best origin with a usable value. The fields of a
    /// tool's campaign are taken from one origin together, so that two links are never mixed.
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
        let mut own = self.field_candidates(index);
        let found = own.find(|c| c.origin == origin)?;
        Some((origin, found.value.as_deref().ok()?))
    }

    /// The reason why a field has no value, and the origin of the unusable value.
    pub(super) fn why_not(&self, index: usize) -> (Option<CaptureSource>, SkipReason) {
        match self.field_candidates(index).next() {
            None => (None, SkipReason::Absent),
            Some(Candidate { origin, value, .. }) => {
                (Some(*origin), value.as_ref().err().copied().unwrap_or(SkipReason::Superseded))
            }
        }
    }

    /// All candidates of a field.
    pub(super) fn field_candidates(&self, index: usize) -> impl Iterator<Item = &Candidate> {
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
