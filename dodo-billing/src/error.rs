//! The error of this crate.

use std::fmt;

/// The kind of an [`Error`]. New kinds may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A name or an id is empty or has a character that is not allowed.
    InvalidName,
    /// A plan, a product or a limit is declared twice.
    DeclaredTwice,
    /// `includes` names a plan that is not declared.
    UnknownPlan,
    /// Plans include each other.
    IncludeCycle,
    /// A product gives nothing.
    Empty,
    /// A duration is negative.
    NegativeDuration,
    /// A text is not a valid owner id.
    InvalidOwner,
    /// A secret is missing or too short.
    WeakSecret,
    /// An option of a builder cannot be used.
    InvalidOption,
}

/// A wrong declaration or setting. The text names it and the action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    text: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: String) -> Self {
        Self { kind, text }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}
