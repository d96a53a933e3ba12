//! Removes personal data and secrets from texts of Dodo Payments.

use std::borrow::Cow;

/// The longest stored text of Dodo Payments, in characters.
const LIMIT: usize = 300;
const MASK: &str = "******";
/// The prefixes of keys and secrets of Dodo Payments and related services.
const SECRET_PREFIXES: &[&str] = &["sk_", "rk_", "whsec_", "whsk_", "Bearer"];

/// Returns a shortened text without the API key, without e-mail addresses, without other keys and
/// without control characters.
pub(super) fn mask(text: &str, key: &str) -> String {
    let text: Cow<'_, str> = if !key.is_empty() && text.contains(key) {
        text.replace(key, MASK).into()
    } else {
        text.into()
    };
    let mut out = String::new();
    let is_break = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>(),;=".contains(c);
    for word in text.split_inclusive(is_break) {
        let bare = word.trim_end_matches(is_break);
        let rest = word.get(bare.len()..).unwrap_or_default();
        let is_secret = SECRET_PREFIXES.iter().any(|prefix| bare.contains(prefix));
        out.push_str(if bare.contains('@') || is_secret { MASK } else { bare });
        out.extend(rest.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
    match out.char_indices().nth(LIMIT) {
        Some((at, _)) => out.truncate(at),
        None => out.shrink_to_fit(),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_keys_addresses_and_control_characters() {
        for (text, expected) in [
            ("invalid API key k3y-42!", "invalid API key ******"),
            ("key=sk_live_SECRET, sorry", "key=******, sorry"),
            ("customer <jane@example.com> exists", "customer <******> exists"),
            ("\"jane+x@example.com\"", "\"******\""),
            ("Authorization: Bearer abc", "Authorization: ****** abc"),
            ("a\r\nb\u{1b}[31m", "a  b [31m"),
            ("plain text", "plain text"),
            ("", ""),
        ] {
            assert_eq!(mask(text, "k3y-42!"), expected);
        }
        assert_eq!(mask(&"x".repeat(10_000), "k").chars().count(), LIMIT);
        assert_eq!(mask("plain", ""), "plain");
    }
}
