//! The difference between two answers.

use crate::{access::Access, reason::Reason};

/// A change of the access of one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessChange {
    /// The answer before.
    pub before: Access,
    /// The answer after.
    pub after: Access,
    /// The reason of the answer after.
    pub reason: Reason,
}

impl AccessChange {
    /// Compares two answers. `None`: the owner may do the same things, until the same time, for the same
    /// reason.
    #[must_use]
    pub fn between(before: &Access, after: &Access) -> Option<Self> {
        after.differs_from(before).then(|| Self {
            before: before.clone(),
            after: after.clone(),
            reason: after.reason().clone(),
        })
    }

    /// Features that the change switches on.
    pub fn gained(&self) -> impl Iterator<Item = &str> {
        self.after.features().filter(|feature| !self.before.can(feature))
    }

    /// Features that the change switches off.
    pub fn lost(&self) -> impl Iterator<Item = &str> {
        self.before.features().filter(|feature| !self.after.can(feature))
    }
}
