//! The pages: parts that are generated from tables in code, blocks of code, and requests.

pub mod fences;
mod literal;
pub mod requests;

use std::{fs, path::PathBuf};

/// Compares a part of a page under `docs/`, between `<!-- NAME:begin -->` and `<!-- NAME:end -->`,
/// with its source. With `UPDATE_DOCS=1` in the environment it writes the part instead.
///
/// # Panics
/// If the page has no such part or differs.
pub fn check(page: &str, name: &str, generated: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let text = fs::read_to_string(&path).expect("the page exists");
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let (before, rest) = text.split_once(&begin).expect("the part begins");
    let (part, after) = rest.split_once(&end).expect("the part ends");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{begin}{generated}{end}{after}")).expect("writable");
        return;
    }
    assert_eq!(part, generated, "{page} is out of date: run this test with UPDATE_DOCS=1");
}

/// A text as one cell of a table.
#[must_use]
pub fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
