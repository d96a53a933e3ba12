//! The findings that the check accepts: `exceptions.tsv` in `tests/data/word-check`.

use super::Finding;

/// One finding that is accepted, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The file, or the commit.
    pub path: String,
    /// The name of the check.
    pub check: String,
    /// The reason.
    pub reason: String,
}

impl Exception {
    /// Whether it accepts this finding.
    #[must_use]
    pub fn accepts(&self, finding: &Finding) -> bool {
        finding.path == self.path && finding.check == self.check
    }
}

/// Reads lines of path, name of the check and reason, with tabs between them.
///
/// # Panics
/// If a line has no reason.
#[must_use]
pub fn exceptions(list: &str) -> Vec<Exception> {
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [path, check, reason] = columns[..] else { panic!("three columns: {line}") };
            let [path, check, reason] = [path, check, reason].map(str::to_owned);
            Exception { path, check, reason }
        })
        .collect()
}
