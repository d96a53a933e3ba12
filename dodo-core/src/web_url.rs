//! A strict parser for the URLs that this crate accepts: `https` and `http`, ASCII, no credentials.
//!
//! Browsers repair invalid URLs (`https:evil`, `/\evil`, tabs, full-width dots). A filter that
//! repairs in another way allows an open redirect. So this parser repairs nothing, and refuses
//! everything except the plain form of RFC 3986.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Longer URLs are refused, in bytes.
const MAX_LENGTH: usize = 2048;

/// An absolute `http` or `https` URL in its plain form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebUrl<'a> {
    origin: WebOrigin,
    /// Path, query and fragment, as written; empty or starting with `/`, `?` or `#`.
    rest: &'a str,
}

/// Scheme, host and port, comparable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WebOrigin {
    secure: bool,
    host: Box<str>,
    port: u16,
}

impl WebOrigin {
    /// The host in lower case; an IPv6 address in brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// `https`, or `http` that does not leave this machine.
    pub(crate) fn is_secure_or_loopback(&self) -> bool {
        self.secure || self.is_loopback()
    }

    pub(crate) fn is_loopback(&self) -> bool {
        match &*self.host {
            "localhost" => true,
            host if host.ends_with(".localhost") => true,
            host => {
                match (host.parse::<Ipv4Addr>(), host.trim_matches(['[', ']']).parse::<Ipv6Addr>())
                {
                    (Ok(v4), _) => v4.is_loopback(),
                    (_, Ok(v6)) => v6.is_loopback(),
                    _ => false,
                }
            }
        }
    }

    /// Whether a `Host` header (or authority) names the same host and port. A missing port is the
    /// scheme's own.
    pub(crate) fn is_at(&self, authority: &str) -> bool {
        parse_authority(authority, default_port(self.secure))
            .is_some_and(|(host, port)| host == self.host && port == self.port)
    }
}

impl<'a> WebUrl<'a> {
    /// Reads a URL. `None`: it is not in the plain form.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MAX_LENGTH || !text.bytes().all(is_url_byte) {
            return None;
        }
        let (scheme, after) = text.split_once("://")?;
        let secure = match scheme {
            s if s.eq_ignore_ascii_case("https") => true,
            s if s.eq_ignore_ascii_case("http") => false,
            _ => return None,
        };
        let end = after.find(['/', '?', '#']).unwrap_or(after.len());
        let (authority, rest) = after.split_at_checked(end)?;
        let (host, port) = parse_authority(authority, default_port(secure))?;
        if !percent_encoding_is_whole(rest) {
            return None;
        }
        Some(Self { origin: WebOrigin { secure, host, port }, rest })
    }

    pub(crate) fn origin(&self) -> &WebOrigin {
        &self.origin
    }

    /// Whether the URL is only an origin, with at most a trailing slash.
    pub(crate) fn is_bare_origin(&self) -> bool {
        matches!(self.rest, "" | "/")
    }

    /// Whether the URL has neither query nor fragment.
    pub(crate) fn is_bare_path(&self) -> bool {
        !self.rest.contains(['?', '#'])
    }
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// Visible ASCII, without what RFC 3986 leaves out and browsers rewrite.
fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// Whether each byte stands for itself, and each `%` starts an encoded byte.
pub(crate) fn is_plain(text: &str) -> bool {
    text.bytes().all(is_url_byte) && percent_encoding_is_whole(text)
}

fn percent_encoding_is_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let mut digits = after.bytes();
        let mut hex = || digits.next().is_some_and(|b| b.is_ascii_hexdigit());
        hex() && hex()
    })
}

/// Lower-case host and port. No user name, no empty port, no repairs.
fn parse_authority(text: &str, default_port: u16) -> Option<(Box<str>, u16)> {
    if let Some(after) = text.strip_prefix('[') {
        let (inside, port) = after.split_once(']')?;
        let address: Ipv6Addr = inside.parse().ok()?;
        return Some((format!("[{address}]").into(), parse_port(port, default_port)?));
    }
    let at = text.find(':').unwrap_or(text.len());
    let (host, port) = text.split_at_checked(at)?;
    let host = host.to_ascii_lowercase();
    is_host(&host).then_some(())?;
    Some((host.into(), parse_port(port, default_port)?))
}

fn parse_port(text: &str, default_port: u16) -> Option<u16> {
    if text.is_empty() {
        return Some(default_port);
    }
    let digits = text.strip_prefix(':')?;
    let plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

/// A DNS name or a dotted IPv4 address, lower case.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A name whose last label is a number is an address to a browser, also as `0x7f.1` or `2130706433`.
    let numeric = |label: &str| {
        label.bytes().all(|b| b.is_ascii_digit())
            || label.strip_prefix("0x").is_some_and(|h| h.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    host.len() <= 253
        && host.split('.').all(label)
        && (host.parse::<Ipv4Addr>().is_ok() || !host.rsplit('.').next().is_some_and(numeric))
}
