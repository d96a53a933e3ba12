use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::{Error, ErrorKind, id::is_id};

/// All characters except the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn invalid_path() -> Error {
    Error::new(
        ErrorKind::InvalidRequest,
        "not a path of the API: '/' and segments that are neither empty nor '.' or '..', special characters encoded by `path_segment`",
    )
    .with_code("invalid_path")
}

/// Encodes any text, such as an id from a client, as one segment of a path for
/// [`Client::call`](crate::Client::call).
///
/// # Errors
/// [`InvalidRequest`](ErrorKind::InvalidRequest) for texts that are unsafe in every encoding: the
/// empty text, `.`, `..`, and texts with slashes or control characters.
///
/// ```
/// # fn main() -> Result<(), dodo_core::Error> {
/// assert_eq!(dodo_core::client::path_segment("order 7")?, "order%207");
/// assert!(dodo_core::client::path_segment("../refunds").is_err());
/// # Ok(())
/// # }
/// ```
pub fn path_segment(text: &str) -> Result<Cow<'_, str>, Error> {
    if is_safe(text) { Ok(utf8_percent_encode(text, ENCODED).into()) } else { Err(invalid_path()) }
}

/// Returns whether a decoded segment stays one segment if a proxy decodes it again.
fn is_safe(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
        && !segment.contains(['/', '\\'])
        && !segment.chars().any(char::is_control)
}

/// Whether every segment of a path stays one segment.
pub(super) fn check(path: &str) -> Result<(), Error> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~%".contains(&b);
    let safe = |segment: &str| {
        segment.bytes().all(plain)
            && percent_decode_str(segment).decode_utf8().is_ok_and(|text| is_safe(&text))
    };
    match path.strip_prefix('/') {
        Some(rest) if rest.split('/').all(safe) => Ok(()),
        _ => Err(invalid_path()),
    }
}

/// The path for the log: a segment that is not an id of Dodo Payments may be personal, so it
/// becomes `*`.
pub(super) fn shown(path: &str) -> String {
    let shown = |segment| match segment {
        "" => segment,
        _ if is_id(segment) => segment,
        _ => "*",
    };
    path.split('/').map(shown).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_keep_their_segments() {
        for good in ["/payments", "/customers/cus_1/customer-portal/session", "/events/a%20b%3Ac"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "payments",
            "/",
            "//payments",
            "/payments/",
            "/a/../b",
            "/a/./b",
            "/a/%2e%2e/b",
            "/a%2Fb",
            "/a%5cb",
            "/a?b=c",
            "/a#b",
            "/a b",
            "/a\\b",
            "/a%00",
            "/a\r\nb",
            "/é",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shown_path_hides_segments_that_are_not_ids() {
        for (path, expected) in [
            ("/payments", "/payments"),
            (
                "/customers/cus_1/customer-portal/session",
                "/customers/cus_1/customer-portal/session",
            ),
            ("/events/jane%40example.com", "/events/*"),
            ("/a\r\nb", "/*"),
        ] {
            assert_eq!(shown(path), expected);
        }
    }

    #[test]
    fn encoded_segment_stays_one_segment_or_is_refused() {
        assert_eq!(path_segment("order/7").map_err(|e| e.code()), Err("invalid_path"));
        for text in ["evt_1", "a b", "ü:1", "100%", "a?b#c"] {
            let segment = path_segment(text).unwrap();
            assert!(check(&format!("/events/{segment}")).is_ok(), "{text} -> {segment}");
        }
    }
}
