//! Checks of each request, and headers of each page, that the configuration decides.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header, uri::Authority};

use crate::{Error, app::App};

/// Refuses requests for a host name that is not this machine's, and sets `frame-ancestors`.
///
/// A page of another site can give its own name the address 127.0.0.1. The browser then treats the
/// sandbox as that site, and only the `Host` header shows the difference.
pub(crate) async fn layer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or(request.uri().authority().map(Authority::as_str)).unwrap_or_default();
    if !is_own(host, &app.setup.hosts) {
        let message = "unknown host name: start the sandbox with --allow-host NAME";
        return Error::refused(StatusCode::MISDIRECTED_REQUEST, "HOST_NOT_ALLOWED", message)
            .into_response();
    }
    let mut answer = next.run(request).await;
    if let (Some(allowed), Some(policy)) =
        (&app.setup.frame_ancestors, answer.headers_mut().get_mut(header::CONTENT_SECURITY_POLICY))
    {
        let text = policy.to_str().unwrap_or_default();
        let text = text.replace("frame-ancestors 'none'", &format!("frame-ancestors {allowed}"));
        if let Ok(value) = HeaderValue::try_from(text) {
            *policy = value;
        }
    }
    answer
}

/// Whether a page may call the API: pages of the sandbox itself, of this machine, and of allowed
/// hosts. The API key does not protect, because each page knows the default key.
pub(crate) fn is_trusted_origin(origin: &str, host: &str, names: &[String]) -> bool {
    let Some(page) = origin.strip_prefix("http://").or(origin.strip_prefix("https://")) else {
        return false;
    };
    let Ok(authority) = page.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let is_foreign = address.parse::<IpAddr>().is_ok_and(|address| !address.is_loopback());
    page == host || !is_foreign && is_own(page, names) || is_configured(name, names)
}

fn is_configured(name: &str, names: &[String]) -> bool {
    names.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// IP addresses need no check: only a name can resolve to another machine.
fn is_own(host: &str, names: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let ends_local = name.to_ascii_lowercase();
    address.parse::<IpAddr>().is_ok()
        || ends_local == "localhost"
        || ends_local.ends_with(".localhost")
        || is_configured(name, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_machine_are_trusted() {
        let names = ["sandbox.test".to_owned(), "192.168.1.9".to_owned()];
        for (origin, trusted) in [
            ("http://localhost:3000", true),
            ("https://localhost:3000", true),
            ("http://127.0.0.1:3000", true),
            ("http://[::1]:3000", true),
            ("http://shop.localhost", true),
            ("https://sandbox.test", true),
            ("http://192.168.1.9:3000", true),
            ("http://192.168.1.7:4010", true),
            ("http://192.168.1.7:3000", false),
            ("http://203.0.113.5", false),
            ("https://evil.example", false),
            ("http://localhost.evil.example", false),
            ("http://127.0.0.1@evil.example", false),
            ("chrome-extension://localhost", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(is_trusted_origin(origin, "192.168.1.7:4010", &names), trusted, "{origin}");
        }
    }

    #[test]
    fn only_names_of_this_machine_are_own() {
        let names = ["sandbox.test".to_owned()];
        for (host, own) in [
            ("127.0.0.1:4010", true),
            ("localhost", true),
            ("LOCALHOST:80", true),
            ("shop.localhost:4010", true),
            ("[::1]:4010", true),
            ("192.168.1.7:4010", true),
            ("Sandbox.test:4010", true),
            ("evil.example", false),
            ("evil.example:4010", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.1@evil.example", false),
            ("", false),
            ("a b", false),
        ] {
            assert_eq!(is_own(host, &names), own, "{host}");
        }
    }
}
