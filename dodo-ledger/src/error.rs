//! The error of this crate.

use std::{fmt, path::PathBuf, time::Duration};

use dodo_core::BoxError;

use crate::cause::Cause;

/// The kind of an error. New kinds may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The database cannot be reached, is locked, full or read-only. Worth trying again.
    Unavailable,
    /// More deliveries are waiting to be written than the queue holds. Worth trying again.
    Busy,
    /// The database lacks a table or a column, or its user a right or a password that the ledger
    /// needs. An operator must fix it. Until then the ledger retries, and no event becomes a dead
    /// letter.
    Unprepared,
    /// The database refused one row or statement; trying again will not help.
    Refused,
    /// A stored row cannot be read as what it should be.
    Corrupt,
    /// Something is missing or wrong in how the ledger is put together.
    Setup,
    /// The event's transaction is over: it ends with the callback.
    TransactionOver,
}

/// The error of every operation of this crate.
///
/// `Display` shows a constant text, and the first missing folder of a SQLite path. The source chain is for
/// the log. Neither quotes a row or a URL.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: &'static str,
    /// The file or folder that it is about.
    path: Option<PathBuf>,
    source: Option<BoxError>,
}

/// When a sender should come back after the store could not take a delivery.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: &'static str) -> Self {
        Self { kind, message, path: None, source: None }
    }

    pub(crate) fn setup(message: &'static str) -> Self {
        Self::new(ErrorKind::Setup, message)
    }

    pub(crate) fn corrupt(message: &'static str) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// A stored row whose JSON is not what it should be.
    pub(crate) fn unreadable(message: &'static str, error: &serde_json::Error) -> Self {
        Self::corrupt(message).with_source(Cause::of_json(error))
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
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Busy)
    }

    /// Returns whether it is an error of the database, which every event has. It does not count as
    /// a failed attempt.
    pub(crate) fn is_the_databases(&self) -> bool {
        self.is_transient() || self.kind == ErrorKind::Unprepared
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
            E::Database(said)
                if said.code().is_some_and(|code| is_unprepared(&code, said.message())) =>
            {
                (
                    ErrorKind::Unprepared,
                    "database not prepared: run `migrate()`, and grant its user access to the tables",
                )
            }
            E::Database(_) | E::Encode(_) => {
                (ErrorKind::Refused, "database rejected a statement: run `Ledger::migrate`")
            }
            E::RowNotFound
            | E::ColumnIndexOutOfBounds { .. }
            | E::ColumnNotFound(_)
            | E::ColumnDecode { .. }
            | E::Decode(_)
            | E::TypeNotFound { .. } => (ErrorKind::Corrupt, "a row of the ledger cannot be read"),
            E::Configuration(_) => (ErrorKind::Setup, "the ledger's database settings are wrong"),
            _ => (ErrorKind::Unavailable, "the ledger's database cannot be reached"),
        };
        Self::new(kind, message).with_source(Cause::of_sqlx(error))
    }
}

/// Whether the database said that it cannot work now, rather than that the statement is wrong.
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

/// Returns whether an operator must act before the database accepts the statement.
///
/// PostgreSQL: SQLSTATE classes 28 authorization, 3D no such database, 3F no such schema; and 42501 no
/// privilege, 42703 no such column, 42P01 no such table. SQLite has one code for every statement that it
/// does not understand, and tells them apart by its message alone.
fn is_unprepared(code: &str, message: &str) -> bool {
    const CLASSES: [&str; 3] = ["28", "3D", "3F"];
    const STATES: [&str; 3] = ["42501", "42703", "42P01"];
    const SQLITE: [&str; 3] = ["no such table: ", "no such column: ", " has no column named "];
    match code.len() {
        5 => STATES.contains(&code) || CLASSES.iter().any(|class| code.starts_with(class)),
        _ => code == "1" && SQLITE.iter().any(|said| message.contains(said)),
    }
}

impl From<Error> for dodo_core::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            ErrorKind::Setup => dodo_core::ErrorKind::Config,
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
    fn transient_sql_errors_are_retryable() {
        // SQLSTATE, and SQLite's extended codes: busy, busy snapshot, locked, read-only, full.
        let passes = [
            "08006", "25006", "25P03", "40001", "40P01", "53300", "55006", "55P03", "57014",
            "57P01", "58030", "5", "517", "6", "8", "13",
        ];
        // Password, log in, database, schema, privilege, column, table.
        let unprepared = ["28P01", "28000", "3D000", "3F000", "42501", "42703", "42P01"];
        // Syntax, unique, NUL in a text, a broken transaction; SQLite's error, constraint and mismatch.
        let refused = ["42601", "23505", "22021", "25P02", "54000", "1", "19", "2067", "20", "28"];
        let told = |code: &str| (is_unavailable(code), is_unprepared(code, "no such thing"));
        assert_eq!(passes.map(told), [(true, false); 16]);
        assert_eq!(unprepared.map(told), [(false, true); 7]);
        assert_eq!(refused.map(told), [(false, false); 10]);
        for said in [
            "no such table: dodo_inbox",
            "no such column: kept",
            "table dodo_fact has no column named kept",
        ] {
            assert!(is_unprepared("1", said), "{said}");
            assert!(!is_unprepared("1555", said), "{said}");
        }
    }
}
