//! Limits texts from payloads to values that every column and index accepts. PostgreSQL stores no
//! NUL in a text, and an index entry is at most a third of a page. If the database rejected an
//! event, the ledger could never book it or run its callbacks.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// The longest id that is stored unchanged, in bytes. Ids of Dodo Payments have about 30 bytes. One
/// index holds two ids.
const LONGEST_ID: usize = 200;
/// The length of the stored beginning of a long id, by which people recognize it.
const KEPT: usize = 60;
/// The longest text of an indexed column, in characters: the limit of a metadata value.
const LONGEST_TEXT: usize = 500;

/// Returns an id as the ledger stores it. A valid id stays unchanged. An id that is too long or has
/// a control character becomes its beginning and its hash, so that two ids stay different. A second
/// call changes nothing.
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

/// Returns a text cut to the length of a column. The JSON of the record holds the whole text.
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
    fn sanitized_ids_fit_differ_and_stay_unchanged() {
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
