//! The allowed return URLs of clients.

use crate::{
    Error, ErrorKind,
    return_url::{self, is_app_scheme, with_ascii_host},
    web_url::{WebOrigin, WebUrl},
};

/// The origins and schemes to which a return URL of a client may lead.
#[derive(Clone, Debug, Default)]
pub(super) struct ReturnTargets {
    any_origin: bool,
    origins: Vec<WebOrigin>,
    schemes: Vec<Box<str>>,
}

impl ReturnTargets {
    pub(super) fn allow_any_origin(&mut self) {
        self.any_origin = true;
    }

    pub(super) fn allow_origin(&mut self, text: &str) -> Result<(), Error> {
        self.origins.push(origin("allow_return_origins", text)?);
        Ok(())
    }

    pub(super) fn allow_scheme(&mut self, name: &str) -> Result<(), Error> {
        if !is_app_scheme(name) {
            let remedy = "write the scheme of your app without a colon, such as myapp";
            return Err(Error::option("allow_return_scheme", name, remedy));
        }
        self.schemes.push(name.into());
        Ok(())
    }

    /// Checks a URL of a client. `own` is the shop's return URL: its origin and its scheme are always
    /// allowed.
    pub(super) fn check(&self, url: &str, own: Option<&str>) -> Result<(), Error> {
        let allowed = match WebUrl::parse(url) {
            Some(url) => {
                let own = own.and_then(WebUrl::parse);
                (self.any_origin && url.origin().is_secure_or_loopback())
                    || self.origins.contains(url.origin())
                    || own.is_some_and(|own| own.origin() == url.origin())
            }
            None => {
                let scheme = return_url::scheme(url).unwrap_or_default();
                let is = |name: &str| is_app_scheme(name) && name.eq_ignore_ascii_case(scheme);
                self.schemes.iter().any(|name| is(name))
                    || own.and_then(return_url::scheme).is_some_and(is)
            }
        };
        if allowed {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidRequest, "returning to this address is not allowed")
            .with_code("return_url_not_allowed"))
    }
}

/// Checks the return URL of an option.
pub(super) fn own_url(text: &str) -> Result<Box<str>, Error> {
    let remedy = "write an absolute URL, such as https://shop.example/done";
    return_url::absolute(text)
        .map(|url| url.as_ref().into())
        .ok_or_else(|| Error::option("return_url", text, remedy))
}

/// Reads a web origin that an option lists.
fn origin(option: &str, text: &str) -> Result<WebOrigin, Error> {
    let remedy = "write scheme and host without a path, such as https://shop.example";
    let url = with_ascii_host(text);
    url.as_deref()
        .and_then(WebUrl::parse)
        .filter(WebUrl::is_bare_origin)
        .map(|url| url.origin().clone())
        .ok_or_else(|| Error::option(option, text, remedy))
}

/// An origin of pages: of the web, or of an app that shows pages, `tauri://localhost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PageOrigin {
    Web(WebOrigin),
    /// Origins are compared as text.
    App(Box<str>),
}

impl PageOrigin {
    pub(super) fn configured(text: &str) -> Result<Self, Error> {
        let app = text.split_once("://").filter(|(scheme, host)| {
            let is_host =
                |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
            is_app_scheme(scheme) && !host.is_empty() && host.bytes().all(is_host)
        });
        match app {
            Some(_) => Ok(Self::App(text.into())),
            None => origin("allow_page_origins", text).map(Self::Web),
        }
    }

    /// Whether the value of an `Origin` header names this origin.
    pub(super) fn is(&self, header: &str) -> bool {
        match self {
            Self::Web(origin) => web_origin(header).is_some_and(|url| url.origin() == origin),
            Self::App(text) => **text == *header,
        }
    }
}

/// A web origin as browsers send it.
pub(super) fn web_origin(header: &str) -> Option<WebUrl<'_>> {
    WebUrl::parse(header).filter(WebUrl::is_bare_origin)
}
