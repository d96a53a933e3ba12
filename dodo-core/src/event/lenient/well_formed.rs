//! JSON that holds values which no text or number of Rust holds, and raw control characters.
//!
//! RFC 8259 allows half a surrogate pair in a text (section 8.2: a program that cuts a text in the
//! middle of an emoji writes one) and numbers of any size (section 6). It forbids raw line ends and
//! other control characters inside a text. All of them occur in optional fields. They must not lose
//! an order.

use std::{fmt::Write, iter::Peekable};

/// The replacement of half of a surrogate pair, as in JavaScript's `toWellFormed`.
const REPLACEMENT: &str = "\\ufffd";

/// The same JSON with halves of surrogate pairs replaced, control characters inside texts escaped, and
/// numbers that are too large absent. `None` if there are none.
pub(crate) fn text(json: &str) -> Option<String> {
    let mut out = String::with_capacity(json.len());
    let mut changed = false;
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| matches!(c, '"' | '-' | '0'..='9')) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let end = if from.starts_with('"') { end_of_text(from) } else { end_of_number(from) };
        let (token, after) = from.split_at_checked(end)?;
        if from.starts_with('"') {
            changed |= well_formed(token, &mut out);
        } else if token.parse::<f64>().is_ok_and(f64::is_finite) {
            out.push_str(token);
        } else {
            out.push_str("null");
            changed = true;
        }
        rest = after;
    }
    out.push_str(rest);
    changed.then_some(out)
}

/// The place after the closing quote, or the end of the text without one.
fn end_of_text(json: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in json.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    json.len()
}

fn end_of_number(json: &str) -> usize {
    let of_number = |c: char| matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E');
    json.find(|c: char| !of_number(c)).unwrap_or(json.len())
}

/// Copies a quoted text and returns whether it replaced a part.
fn well_formed(quoted: &str, out: &mut String) -> bool {
    let mut changed = false;
    let mut parts = Parts(quoted).peekable();
    while let Some(part) = parts.next() {
        let half = match part.unit() {
            Some(0xD800..=0xDBFF) => match low_half(&mut parts) {
                Some(low) => {
                    out.push_str(part.0);
                    out.push_str(low.0);
                    continue;
                }
                None => true,
            },
            Some(0xDC00..=0xDFFF) => true,
            _ => false,
        };
        if half {
            out.push_str(REPLACEMENT);
            changed = true;
            continue;
        }
        let mut rest = part.0;
        while let Some((before, control)) =
            rest.find(|c| c < ' ').and_then(|at| rest.split_at_checked(at))
        {
            let mut from = control.chars();
            out.push_str(before);
            let _ = write!(out, "\\u{:04x}", from.next().map_or(0, u32::from));
            changed = true;
            rest = from.as_str();
        }
        out.push_str(rest);
    }
    changed
}

fn low_half<'a>(parts: &mut Peekable<Parts<'a>>) -> Option<Part<'a>> {
    parts.next_if(|part| matches!(part.unit(), Some(0xDC00..=0xDFFF)))
}

/// An escape of a text, or the text between two escapes.
struct Part<'a>(&'a str);

impl Part<'_> {
    /// The UTF-16 code unit of `\uXXXX`.
    fn unit(&self) -> Option<u16> {
        u16::from_str_radix(self.0.strip_prefix("\\u")?, 16).ok()
    }
}

struct Parts<'a>(&'a str);

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let length = match self.0.as_bytes() {
            [] => return None,
            [b'\\', b'u', ..] => 6,
            [b'\\', ..] => 2,
            _ => self.0.find('\\').unwrap_or(self.0.len()),
        };
        let (part, rest) = self.0.split_at_checked(length).unwrap_or((self.0, ""));
        self.0 = rest;
        Some(Part(part))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::text;

    #[test]
    fn unrepresentable_values_are_replaced() {
        for (json, repaired) in [
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
            (
                r#"["x\ud83dy","\udc00","\ud83d\ud83d\ude00"]"#,
                r#"["x\ufffdy","\ufffd","\ufffd\ud83d\ude00"]"#,
            ),
            (r#"{"\ud800":1}"#, r#"{"\ufffd":1}"#),
            (r#"["\\ud800","\"\ud800"]"#, r#"["\\ud800","\"\ufffd"]"#),
            (r#"{"a":1e400,"b":-1E+999,"c":1}"#, r#"{"a":null,"b":null,"c":1}"#),
            (r#"["1e400",1e400]"#, r#"["1e400",null]"#),
            ("[\"a\nb\0\",\n\"\t\"]", "[\"a\\u000ab\\u0000\",\n\"\\u0009\"]"),
        ] {
            assert_eq!(text(json).as_deref(), Some(repaired), "{json}");
            assert!(serde_json::from_str::<Value>(repaired).is_ok(), "{repaired}");
        }
        for json in [r#"{"a":"\ud83d\ude00 ü \n","b":[-1.5e3,0]}"#, "", "null", "\"open", "\"\\u12"]
        {
            assert_eq!(text(json), None, "{json}");
        }
    }

    proptest! {
        /// Escapes of any code units, whole and half, between other text: the result is well formed, and
        /// well-formed text is unchanged.
        #[test]
        fn output_is_well_formed_and_valid_text_unchanged(
            parts in prop::collection::vec(prop_oneof![
                any::<u16>().prop_map(|unit| format!("\\u{unit:04x}")),
                (0xD7F0_u16..0xE010).prop_map(|unit| format!("\\u{unit:04X}")),
                "[a-zä\u{1F600} 0-9{},:-]{0,4}",
                Just("\\\\".to_owned()),
                Just("\n".to_owned()),
                Just("\0".to_owned()),
                Just("\\\"".to_owned()),
            ], 0..12),
        ) {
            let json = format!("{{\"k\":\"{}\",\"n\":[1,-2.5e3]}}", parts.concat());
            let before = serde_json::from_str::<Value>(&json).ok();
            let repaired = text(&json);
            match before {
                Some(_) => prop_assert_eq!(repaired, None),
                None => prop_assert!(serde_json::from_str::<Value>(&repaired.unwrap()).is_ok()),
            }
        }
    }
}
