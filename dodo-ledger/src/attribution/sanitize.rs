//! What becomes a key, a link or a column must fit there, whatever was delivered: PostgreSQL stores no
//! NUL in a text, and an index takes rows of a third of a page. An event that the database refuses
//! would never be booked, and its callbacks never run.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// The longest id that is kept as it is, in bytes. Those of Dodo Payments have about 30; a link is
/// indexed by two of them.
const LONGEST_ID: usize = 200;
/// The kept beginning of a long id, so that people recognize it.
const KEPT: usize = 60;
/// The longest text of a column that is indexed, in characters: what metadata may hold.
const LONGEST_TEXT: usize = 500;

/// An id as the ledger keeps it: itself, unless it is over-long or holds a control character. Then its
/// beginning and its hash, so that two of them stay two. What fits already is not changed again.
pub(crate) fn id(id: &str) -> Cow<'_, str> {
    if id.len() <= LONGEST_ID && !id.chars().any(char::is_control) {
        return id.into();
    }
    let mut fitting: String = id.chars().filter(|c| !c.is_control()).take(KEPT).collect();
    if fitting.len() > KEPT {
        fitting = fitting.chars().filter(char::is_ascii).collect();
    }
    fitting.push('~');
    for byte in Sha256::digest(id).iter().take(16) {
        fitting.push_str(&format!("{byte:02x}"));
    }
    fitting.into()
}

/// A text as a column keeps it: the whole of it is in the entry's JSON.
pub(crate) fn column(text: &str) -> Cow<'_, str> {
    if !text.contains('\0') && text.chars().nth(LONGEST_TEXT).is_none() {
        return text.into();
    }
    text.chars().filter(|c| *c != '\0').take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_fit_stay_apart_and_are_fitted_once() {
        let long = "x".repeat(6000);
        let emoji = "\u{1f600}".repeat(2000);
        let hostile = ["a\0b", "a\0c", "ab\n", &long, &emoji, &format!("{long}y")];
        let fitted: std::collections::BTreeSet<String> =
            hostile.iter().map(|text| id(text).into_owned()).collect();
        assert_eq!(fitted.len(), hostile.len());
        for text in &fitted {
            assert!(text.len() <= LONGEST_ID && !text.chars().any(char::is_control), "{text}");
            assert_eq!(id(text), *text);
        }
        assert_eq!(id("pay_1"), "pay_1");
        assert_eq!(id(""), "");
    }

    #[test]
    fn columns_hold_no_nul_and_no_more_than_they_can() {
        assert_eq!(column("a\0b"), "ab");
        assert_eq!(column("a\nb"), "a\nb");
        assert_eq!(column(&"\u{1f600}".repeat(2000)).chars().count(), LONGEST_TEXT);
    }
}
