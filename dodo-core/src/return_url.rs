//! URLs to which a customer returns, and the hosts and schemes in them.

use std::borrow::Cow;

use crate::web_url::{WebUrl, is_plain};

/// The longest URL, in bytes.
const MAX_LENGTH: usize = 2048;

/// Schemes that run code or read files of the customer's machine. No option allows them.
const FORBIDDEN: [&str; 7] =
    ["javascript", "data", "file", "blob", "vbscript", "filesystem", "view-source"];

/// The plain ASCII form of an absolute URI: `https://shop.example/done`, or a link into an app,
/// `myapp://done`. `None` for a text that is not one, and for a forbidden scheme.
///
/// Server code may set each of them. For clients, [`scheme`] and the origin decide.
pub(crate) fn absolute(text: &str) -> Option<Cow<'_, str>> {
    let name = scheme(text)?;
    if name.eq_ignore_ascii_case("https") || name.eq_ignore_ascii_case("http") {
        let ascii = with_ascii_host(text)?;
        WebUrl::parse(&ascii)?;
        return Some(ascii);
    }
    let rest = text.get(name.len() + 1..)?;
    let fits = text.len() <= MAX_LENGTH && !rest.is_empty() && is_plain(rest);
    (fits && is_app_scheme(name)).then_some(text.into())
}

/// The scheme of a URI, as written.
pub(crate) fn scheme(text: &str) -> Option<&str> {
    let (name, _) = text.split_once(':')?;
    is_scheme(name).then_some(name)
}

/// Whether this is a scheme of an app: neither of the web nor forbidden.
pub(crate) fn is_app_scheme(name: &str) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    is_scheme(name) && !is("http") && !is("https") && !FORBIDDEN.into_iter().any(is)
}

/// RFC 3986, section 3.1.
fn is_scheme(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// The URL with its host in the form that browsers send, `xn--...` for other scripts.
///
/// Only the host is converted: other parts of the URL must be ASCII already. The result is ASCII, so
/// that no later reader of the URL can see another host.
pub(crate) fn with_ascii_host(url: &str) -> Option<Cow<'_, str>> {
    if url.is_ascii() {
        return Some(url.into());
    }
    let (scheme, after) = url.split_once("://")?;
    let end = after.find(['/', '?', '#', ':']).unwrap_or(after.len());
    let (host, rest) = after.split_at_checked(end)?;
    let labels: Option<Vec<_>> = host.split('.').map(ascii_label).collect();
    Some(format!("{scheme}://{}{rest}", labels?.join(".")).into())
}

/// The longest label of a host, in bytes.
const LONGEST_LABEL: usize = 63;

fn ascii_label(label: &str) -> Option<String> {
    if label.is_ascii() {
        return Some(label.to_owned());
    }
    // The ASCII form is not shorter, so reject early: the work below grows with the square of the
    // length.
    if label.chars().nth(LONGEST_LABEL).is_some() {
        return None;
    }
    let label = label.to_lowercase();
    label.chars().all(is_letter).then_some(())?;
    Some(format!("xn--{}", punycode(&label)?))
}

/// Letters, digits and marks of scripts in composed form. Characters that browsers rewrite or drop
/// (full-width forms, other full stops, invisible ones) are not letters of a host.
fn is_letter(c: char) -> bool {
    match c {
        'a'..='z' | '0'..='9' | '-' => true,
        '\0'..='\u{bf}' | '\u{300}'..='\u{36f}' => false,
        '\u{2000}'..='\u{2fff}' | '\u{3002}' | '\u{e000}'..='\u{f8ff}' => false,
        '\u{fe00}'..='\u{fe0f}' | '\u{fb00}'..='\u{fb06}' | '\u{ff00}'.. => false,
        c => !c.is_whitespace() && !c.is_control(),
    }
}

/// RFC 3492, section 6.3.
fn punycode(label: &str) -> Option<String> {
    const BASE: u32 = 36;
    let mut out: String = label.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(out.len()).ok()?;
    let total = u32::try_from(label.chars().count()).ok()?;
    if basic > 0 {
        out.push('-');
    }
    let (mut n, mut delta, mut bias, mut handled) = (128_u32, 0_u32, 72_u32, basic);
    while handled < total {
        let next = label.chars().map(u32::from).filter(|c| *c >= n).min()?;
        delta = delta.checked_add((next - n).checked_mul(handled + 1)?)?;
        n = next;
        for c in label.chars().map(u32::from) {
            if c < n {
                delta = delta.checked_add(1)?;
            }
            if c != n {
                continue;
            }
            let (mut q, mut k) = (delta, BASE);
            loop {
                let threshold = k.saturating_sub(bias).clamp(1, 26);
                if q < threshold {
                    break;
                }
                out.push(digit(threshold + (q - threshold) % (BASE - threshold))?);
                q = (q - threshold) / (BASE - threshold);
                k += BASE;
            }
            out.push(digit(q)?);
            bias = adapted(delta, handled + 1, handled == basic);
            delta = 0;
            handled += 1;
        }
        delta = delta.checked_add(1)?;
        n += 1;
    }
    Some(out)
}

/// `a` to `z`, then `0` to `9`.
fn digit(value: u32) -> Option<char> {
    match value {
        0..26 => char::from_u32(u32::from('a') + value),
        _ => char::from_digit(value - 26, 10),
    }
}

fn adapted(delta: u32, points: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / points;
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_other_scripts_become_punycode() {
        for (url, ascii) in [
            ("https://münchen.example/done", "https://xn--mnchen-3ya.example/done"),
            ("https://MÜNCHEN.example", "https://xn--mnchen-3ya.example"),
            ("https://bücher.example:8443/?a#b", "https://xn--bcher-kva.example:8443/?a#b"),
            ("https://faß.example/", "https://xn--fa-hia.example/"),
            ("https://пример.испытание/", "https://xn--e1afmkfd.xn--80akhbyknj4f/"),
            ("https://例え.テスト/", "https://xn--r8jz45g.xn--zckzah/"),
            ("https://उदाहरण.परीक्षा/", "https://xn--p1b6ci4b4b3a.xn--11b5bs3a9aj6g/"),
        ] {
            assert_eq!(absolute(url).as_deref(), Some(ascii), "{url}");
        }
        for url in [
            "https://ｅｖｉｌ.example/",
            "https://evil。example/",
            "https://e\u{200b}vil.example/",
            "https://e\u{301}vil.example/",
            "https://münchen.example/ü",
            "https://user@münchen.example/",
        ] {
            assert_eq!(absolute(url), None, "{url}");
        }
    }

    #[test]
    fn labels_of_more_than_63_letters_are_not_converted() {
        assert!(ascii_label(&"é".repeat(63)).is_some());
        assert_eq!(ascii_label(&"é".repeat(64)), None);
    }

    #[test]
    fn app_links_are_absolute_and_code_schemes_are_refused() {
        for url in ["myapp://done", "myapp:done", "com.example.app:/done?x=1#y", "mailto:a@b.co"] {
            assert_eq!(absolute(url).as_deref(), Some(url));
        }
        for url in [
            "",
            "done",
            "/done",
            "//evil.example",
            "myapp:",
            "my app://done",
            "1app://done",
            "myapp://do ne",
            "myapp://<b>",
            "myapp://%zz",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "blob:https://shop.example/x",
            "vbscript:x",
            "view-source:https://shop.example/",
            "https:evil.example",
            "https:///evil.example",
        ] {
            assert_eq!(absolute(url), None, "{url}");
        }
    }
}
