//! How this project writes: the words of its texts, and their shape.
//!
//! - [`text`]: the prose of a file: comments, literals, names of tests, Markdown.
//! - [`words`]: phrases and names that a reader must read twice, from `tests/data/word-check`.
//! - [`shape`]: the length of sentences, table cells, test names and commit subjects.
//! - [`lists`]: the accepted findings.

pub mod lists;
pub mod shape;
pub mod text;
pub mod words;

use std::{fmt, fs, path::PathBuf, process::Command};

/// A text that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, or the commit.
    pub path: String,
    /// The line in the file, from 1.
    pub line: usize,
    /// The name of the check.
    pub check: String,
    /// The text.
    pub text: String,
    /// What the rule demands.
    pub advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, check, text, advice } = self;
        let text: String = text.chars().take(600).collect();
        write!(f, "{path}:{line}: {check} ({advice}): {text}")
    }
}

/// Every finding in one file.
#[must_use]
pub fn check(path: &str, content: &str) -> Vec<Finding> {
    let texts = text::read(path, content);
    let mut findings = words::check(path, &texts);
    findings.extend(words::check_names(path, content));
    findings.extend(shape::check(path, &texts));
    findings
}

/// The folder of the repository.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The output of git in the repository, or `None` if git fails.
#[must_use]
pub fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root()).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The tracked files whose text is checked, with their content.
///
/// # Panics
/// If git does not list the files.
#[must_use]
pub fn tracked() -> Vec<(String, String)> {
    let list = git(&["ls-files"]).expect("git lists the files of this clone");
    list.lines()
        .filter(|path| text::is_read(path))
        .filter_map(|path| Some((path.to_owned(), fs::read_to_string(root().join(path)).ok()?)))
        .collect()
}
