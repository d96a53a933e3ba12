//! The parts that the check leaves out: `exempt.txt`, `todo.txt` and `exceptions.tsv` in
//! `tests/data/word-check`.

use super::Finding;

/// Paths, one a line. A path that ends in `/` is a folder. `#` begins a comment.
#[derive(Clone, Debug)]
pub struct Paths(Vec<String>);

impl Paths {
    /// Reads a list.
    #[must_use]
    pub fn read(list: &str) -> Self {
        let lines = list.lines().map(str::trim);
        Self(lines.filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect())
    }

    /// Whether the list has this file or its folder.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        self.0.iter().any(|entry| covers(entry, path))
    }

    /// The entries that cover none of these files.
    #[must_use]
    pub fn needless(&self, files: &[&str]) -> Vec<&str> {
        let needless = |entry: &&String| !files.iter().any(|file| covers(entry, file));
        self.0.iter().filter(needless).map(String::as_str).collect()
    }
}

fn covers(entry: &str, path: &str) -> bool {
    entry == path || (entry.ends_with('/') && path.starts_with(entry))
}

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
