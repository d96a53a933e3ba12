//! The error of this crate.

use std::{fmt, path::PathBuf, time::Duration};

use dodo_core::BoxError;

use crate::redact::RedactedError;

/// The kind of an error. New kinds may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The database cannot be reached, is locked, full or read-only. The same call may succeed later.
    Unavailable,
    /// More deliveries wait than the queue of the writer holds. The same call may succeed later.
    QueueFull,
    /// The database lacks a table or a column that the ledger needs: run `migrate`. Until then the
    /// ledger retries, and no event becomes a dead letter.
    SchemaOutdated,
    /// The database user lacks a right, or its password is wrong. An operator must fix it. Until then
    /// the ledger retries, and no event becomes a dead letter.
    PermissionDenied,
    /// The database rejected one row or statement. A retry does not help.
    StatementRejected,
    /// A stored row has an unknown form.
    CorruptRow,
    /// The configuration of the ledger or of a sink is incomplete or invalid.
    Config,
    /// The event's transaction is closed: it ends with the callback.
    TransactionClosed,
    /// Dodo Payments did not answer a request as expected. The source is the
    /// [`dodo_core::Error`].
    Upstream,
    /// A [projection](crate::projection) failed, panicked or took too long. Its booking was rolled back.
    Projection,
}

/// The error of every operation of this crate.
///
/// `Display` shows a constant text, and the first missing folder of a SQLite path. The source chain is for
/// the log. Neither quotes a row or a URL.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: &'static str,
    /// The file or folder of the error.
    path: Option<PathBuf>,
    source: Option<BoxError>,
}

/// The time after which a sender repeats a delivery that the store could not take.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: &'static str) -> Self {
        Self { kind, message, path: None, source: None }
    }

    pub(crate) fn config(message: &'static str) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    pub(crate) fn corrupt(message: &'static str) -> Self {
        Self::new(ErrorKind::CorruptRow, message)
    }

    /// A stored row with unexpected JSON.
    pub(crate) fn unreadable(message: &'static str, error: &serde_json::Error) -> Self {
        Self::corrupt(message).with_source(RedactedError::from_json(error))
    }

    /// Names a file or folder of the configuration in the text.
    #[cfg(feature = "sqlite")]
    pub(crate) fn at_path(mut self, path: &std::path::Path) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns whether the same call may succeed later without a change by an operator.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::QueueFull)
    }

    /// Returns whether it is an error of the database and not of one event. It does not count as a
    /// failed attempt.
    pub(crate) fn is_the_databases(&self) -> bool {
        self.is_transient() || self.needs_an_operator()
    }

    /// Returns whether an operator must act before any statement succeeds.
    pub(crate) fn needs_an_operator(&self) -> bool {
        matches!(self.kind, ErrorKind::SchemaOutdated | ErrorKind::PermissionDenied)
    }

    /// Returns a copy without the cause, for another receiver.
    pub(crate) fn without_source(&self) -> Self {
        Self::new(self.kind, self.message)
    }

    /// The cause, for the log.
    pub(crate) fn cause(&self) -> Option<String> {
        self.source.as_ref().map(ToString::to_string)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} ({})", self.message, path.display()),
            None => f.write_str(self.message),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let (kind, message) = match &error {
            E::Database(said) if said.code().is_some_and(|code| is_unavailable(&code)) => {
                (ErrorKind::Unavailable, "the ledger's database cannot take this now")
            }
            E::Database(said) if said.code().is_some_and(|code| is_denied(&code)) => {
                (ErrorKind::PermissionDenied, "database denied access: grant its user the tables")
            }
            E::Database(said)
                if said.code().is_some_and(|code| is_outdated(&code, said.message())) =>
            {
                (
                    ErrorKind::SchemaOutdated,
                    "database lacks a table or column: run `Ledger::migrate`",
                )
            }
            E::Database(_) | E::Encode(_) => {
                (ErrorKind::StatementRejected, "the ledger's database rejected a statement")
            }
            E::RowNotFound
            | E::ColumnIndexOutOfBounds { .. }
            | E::ColumnNotFound(_)
            | E::ColumnDecode { .. }
            | E::Decode(_)
            | E::TypeNotFound { .. } => {
                (ErrorKind::CorruptRow, "a row of the ledger cannot be read")
            }
            E::Configuration(_) => (ErrorKind::Config, "the ledger's database settings are wrong"),
            _ => (ErrorKind::Unavailable, "the ledger's database cannot be reached"),
        };
        Self::new(kind, message).with_source(RedactedError::from_sqlx(error))
    }
}

/// Whether the database cannot work now. `false`: the statement itself is wrong.
///
/// SQLite: primary result codes (extended codes carry them in the low byte). PostgreSQL: SQLSTATE
/// classes 08 connection, 40 rolled back, 53 resources, 57 operator, 58 system; and 25006
/// read-only, 25P03 a session that was idle for too long, 55006 in use, 55P03 a lock that is not
/// available.
///
/// Not 25P02: it follows a failed statement in the same transaction whose error a callback ignored.
/// The callback would do so at each attempt.
fn is_unavailable(code: &str) -> bool {
    const SQLITE: [u32; 10] = [5, 6, 8, 9, 10, 11, 13, 14, 15, 26];
    const CLASSES: [&str; 5] = ["08", "40", "53", "57", "58"];
    const STATES: [&str; 4] = ["25006", "25P03", "55006", "55P03"];
    if code.len() == 5 && code.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        return STATES.contains(&code) || CLASSES.iter().any(|class| code.starts_with(class));
    }
    code.parse::<u32>().is_ok_and(|code| SQLITE.contains(&(code & 0xff)))
}

/// Returns whether the user of the database lacks a right. PostgreSQL: SQLSTATE class 28 authorization, and
/// 42501 no privilege.
fn is_denied(code: &str) -> bool {
    code.len() == 5 && (code.starts_with("28") || code == "42501")
}

/// Returns whether the database lacks a part of the schema.
///
/// PostgreSQL: SQLSTATE classes 3D no such database, 3F no such schema; and 42703 no such column, 42P01 no
/// such table. SQLite has one code for every statement that it does not understand, so its message decides.
fn is_outdated(code: &str, message: &str) -> bool {
    const STATES: [&str; 2] = ["42703", "42P01"];
    const SQLITE: [&str; 3] = ["no such table: ", "no such column: ", " has no column named "];
    match code.len() {
        5 => STATES.contains(&code) || code.starts_with("3D") || code.starts_with("3F"),
        _ => code == "1" && SQLITE.iter().any(|said| message.contains(said)),
    }
}

impl From<dodo_core::Error> for Error {
    fn from(error: dodo_core::Error) -> Self {
        let (kind, message) = match error.kind() {
            dodo_core::ErrorKind::Config => {
                (ErrorKind::Config, "the configuration of the ledger is wrong")
            }
            _ => (ErrorKind::Upstream, "request to Dodo Payments failed"),
        };
        Self::new(kind, message).with_source(error)
    }
}

impl From<Error> for dodo_core::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            ErrorKind::Config => dodo_core::ErrorKind::Config,
            _ => dodo_core::ErrorKind::StorageUnavailable,
        };
        Self::new(kind, "the store cannot take this now: try again later")
            .with_retry_after(RETRY_AFTER)
            .with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_errors_are_transient_denied_outdated_or_rejected() {
        // SQLSTATE, and SQLite's extended codes: busy, busy snapshot, locked, read-only, full.
        let transient = [
            "08006", "25006", "25P03", "40001", "40P01", "53300", "55006", "55P03", "57014",
            "57P01", "58030", "5", "517", "6", "8", "13",
        ];
        // Password, log in, privilege.
        let denied = ["28P01", "28000", "42501"];
        // Database, schema, column, table.
        let outdated = ["3D000", "3F000", "42703", "42P01"];
        // Syntax, unique, NUL in a text, a broken transaction; SQLite's error, constraint and mismatch.
        let rejected = ["42601", "23505", "22021", "25P02", "54000", "1", "19", "2067", "20", "28"];
        let kinds = |code: &str| {
            (is_unavailable(code), is_denied(code), is_outdated(code, "no such thing"))
        };
        assert_eq!(transient.map(kinds), [(true, false, false); 16]);
        assert_eq!(denied.map(kinds), [(false, true, false); 3]);
        assert_eq!(outdated.map(kinds), [(false, false, true); 4]);
        assert_eq!(rejected.map(kinds), [(false, false, false); 10]);
        for said in [
            "no such table: dodo_inbox",
            "no such column: kept",
            "table dodo_fact has no column named kept",
        ] {
            assert!(is_outdated("1", said), "{said}");
            assert!(!is_outdated("1555", said), "{said}");
        }
    }
}
