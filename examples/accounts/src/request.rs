//! Two facts about a request that an application must read with care.

use std::net::IpAddr;

use cookie::Cookie;
use http::uri::Authority;

/// The addresses at which an application is served: this machine, and its public address.
///
/// An application on `127.0.0.1` has to check `Host`. Otherwise a page of another site can let its own
/// name point to this machine, and read the answers (DNS rebinding).
#[derive(Clone, Debug, Default)]
pub struct Hosts(Option<String>);

impl Hosts {
    /// This machine, and the host of `public_url`.
    #[must_use]
    pub fn new(public_url: Option<&str>) -> Self {
        let authority = public_url.and_then(|url| url.split_once("://")).map(|(_, rest)| rest);
        Self(authority.and_then(|text| host_of(text.split('/').next()?)))
    }

    /// As [`new`](Self::new), with the address in `DODO_PUBLIC_URL`.
    #[must_use]
    pub fn from_env() -> Self {
        // `Client::from_env` reports a value that cannot be used.
        Self::new(dodo_core::env::variable("DODO_PUBLIC_URL").ok().flatten().as_deref())
    }

    /// Returns whether a request with this `Host` header is for the application. Every browser sends
    /// the header, so a request without it is not one of a foreign page.
    #[must_use]
    pub fn accept(&self, host: Option<&[u8]>) -> bool {
        let Some(host) = host else { return true };
        let Some(host) = std::str::from_utf8(host).ok().and_then(host_of) else { return false };
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            || self.0.as_ref() == Some(&host)
    }
}

fn host_of(authority: &str) -> Option<String> {
    Some(authority.parse::<Authority>().ok()?.host().to_ascii_lowercase())
}

/// Returns the first cookie of this name among the values of the request's `Cookie` headers.
///
/// Cookies of other programs may hold any bytes. They must not hide this one.
#[must_use]
pub fn cookie<'h>(headers: impl IntoIterator<Item = &'h [u8]>, name: &str) -> Option<String> {
    headers.into_iter().find_map(|header| {
        let mut cookies = Cookie::split_parse(String::from_utf8_lossy(header));
        let found =
            cookies.find(|cookie| cookie.as_ref().is_ok_and(|cookie| cookie.name() == name));
        Some(found?.ok()?.value_trimmed().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_host_is_refused() {
        let local = Hosts::new(None);
        let public = Hosts::new(Some("https://Shop.example:8443/"));
        for (host, here, there) in [
            ("127.0.0.1:3000", true, true),
            ("127.8.8.8", true, true),
            ("LocalHost:3000", true, true),
            ("[::1]:3000", true, true),
            ("shop.example", false, true),
            ("shop.EXAMPLE:8443", false, true),
            ("evil.example", false, false),
            ("127.0.0.1.evil.example", false, false),
            ("localhost.evil.example:3000", false, false),
            ("192.168.1.4:3000", false, false),
            ("evil.example@127.0.0.1", true, true), // userinfo: no browser sends it
            ("", false, false),
            ("\u{fffd}", false, false),
        ] {
            assert_eq!(local.accept(Some(host.as_bytes())), here, "{host}");
            assert_eq!(public.accept(Some(host.as_bytes())), there, "{host}");
        }
        assert!(local.accept(None));
    }

    #[test]
    fn foreign_bytes_hide_no_cookie() {
        for headers in [
            &["session=abc"][..],
            &["theme=dark; session=abc"],
            &["theme=dark", "session=abc"],
            &["name=Zoë;session=abc"],
            &["odd; =; session=abc"],
        ] {
            let headers = headers.iter().map(|header| header.as_bytes());
            assert_eq!(cookie(headers, "session").as_deref(), Some("abc"));
        }
        assert_eq!(cookie([&b"a=\xff\xfe; session=abc"[..]], "session").as_deref(), Some("abc"));
        assert_eq!(cookie([&b"my_session=abc"[..]], "session"), None);
    }
}
