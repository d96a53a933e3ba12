//! The parser for the cookies of a request, which are not trusted.

use http::{HeaderMap, header};

/// The largest size of the `Cookie` headers that the parser reads, in bytes. Browsers send far
/// less, and a client must not choose the amount of work.
const MAX_BYTES: usize = 64 * 1024;
/// The largest number of cookies that the parser reads. Browsers store at most about 200 of a site.
const MAX_COOKIES: usize = 500;

/// Calls `each` with the name and value of every readable cookie, in the order they were sent.
///
/// Several `Cookie` headers count as one. The function skips a pair without a name or `=`, or that
/// is not UTF-8, and continues with the next. It removes double quotes around a value.
pub(super) fn each<'h>(headers: &'h HeaderMap, mut each: impl FnMut(&str, &'h str)) {
    let mut left = MAX_BYTES;
    let headers = headers.get_all(header::COOKIE).iter();
    let pairs = headers.flat_map(|header| header.as_bytes().split(|&b| b == b';'));
    for pair in pairs.take(MAX_COOKIES) {
        let Some(rest) = left.checked_sub(pair.len() + 1) else { return };
        left = rest;
        let Ok(pair) = std::str::from_utf8(pair) else { continue };
        match pair.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                each(name.trim(), unquoted(value.trim()));
            }
            _ => {}
        }
    }
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value)
}

/// Whether a cookie's name is this one; one `*` in the pattern stands for any text.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => {
            name.strip_prefix(before).is_some_and(|rest| rest.ends_with(after))
        }
    }
}
