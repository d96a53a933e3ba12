//! Causes of errors for the log, without data. The messages of databases quote the rejected row,
//! those of serde the unreadable value, and those of sqlx the URL with its password.

use std::fmt;

use dodo_core::BoxError;

/// A cause without quoted data.
pub(crate) struct RedactedError {
    text: String,
    /// The database's own code: SQLSTATE, or SQLite's.
    code: Option<String>,
    /// The names of the table and the constraint.
    place: Vec<String>,
}

impl RedactedError {
    /// Returns the place of a JSON error, without the value.
    pub(crate) fn from_json(error: &serde_json::Error) -> Self {
        let text = format!("unreadable at line {} column {}", error.line(), error.column());
        Self { text, code: None, place: Vec::new() }
    }

    /// Returns the message of sqlx. For a database error, it leaves out the detail with the row.
    /// For a URL, it leaves out all quoted text.
    pub(crate) fn from_sqlx(error: sqlx::Error) -> BoxError {
        let cause = match &error {
            sqlx::Error::Database(said) => Self {
                text: said.message().to_owned(),
                code: said.code().map(Into::into),
                place: [said.table(), said.constraint()]
                    .into_iter()
                    .flatten()
                    .map(str::to_owned)
                    .collect(),
            },
            sqlx::Error::Configuration(_) => {
                Self { text: without_quoted(&innermost(&error)), code: None, place: Vec::new() }
            }
            _ => return error.into(),
        };
        Box::new(cause)
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

/// The text up to the first quotation mark.
fn without_quoted(text: &str) -> String {
    match text.split_once(['"', '`', '\'']) {
        Some((before, _)) => format!("{before}..."),
        None => text.to_owned(),
    }
}

impl fmt::Display for RedactedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        for detail in self.code.iter().chain(&self.place) {
            write!(f, ", {detail}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RedactedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for RedactedError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_values_are_omitted() {
        for (text, expected) in [
            ("invalid port number", "invalid port number"),
            ("unknown value \"hun\\\"ter2\" for `mode`", "unknown value ..."),
            ("unknown query parameter `hunter2` while parsing", "unknown query parameter ..."),
            ("", ""),
        ] {
            assert_eq!(without_quoted(text), expected);
        }
    }
}
