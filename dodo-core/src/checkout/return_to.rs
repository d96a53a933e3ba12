//! Where a customer may be sent after paying.

use crate::{
    Error, ErrorKind,
    web_url::{Origin, WebUrl},
};

/// The origins that a client's `return_url` may point to.
#[derive(Clone, Debug, Default)]
pub(super) struct ReturnOrigins {
    any: bool,
    allowed: Vec<Origin>,
}

impl ReturnOrigins {
    pub(super) fn allow_any(&mut self) {
        self.any = true;
    }

    pub(super) fn allow(&mut self, origin: Origin) {
        self.allowed.push(origin);
    }

    /// Checks a URL from a client. `own` is the shop's own return URL: its origin is allowed.
    pub(super) fn check(&self, url: &str, own: Option<&str>) -> Result<(), ReturnRefused> {
        let url = WebUrl::parse(url).ok_or(ReturnRefused::NotAUrl)?;
        let is_own = || own.and_then(WebUrl::parse).is_some_and(|own| own.origin() == url.origin());
        let anywhere = self.any && url.origin().is_secure_or_loopback();
        if anywhere || self.allowed.contains(url.origin()) || is_own() {
            return Ok(());
        }
        Err(ReturnRefused::Elsewhere)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReturnRefused {
    NotAUrl,
    Elsewhere,
}

impl ReturnRefused {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::NotAUrl => {
                Error::new(ErrorKind::InvalidRequest, "must be an absolute https URL in ASCII")
                    .with_code("invalid_field")
            }
            Self::Elsewhere => {
                Error::new(ErrorKind::InvalidRequest, "returning to this origin is not allowed")
                    .with_code("return_url_not_allowed")
            }
        }
    }
}

/// Reads an origin that an option lists.
pub(super) fn configured(option: &str, text: &str) -> Result<Origin, Error> {
    let problem = "write scheme and host without a path, such as https://shop.example";
    WebUrl::parse(text)
        .filter(WebUrl::is_bare_origin)
        .map(|url| url.origin().clone())
        .ok_or_else(|| Error::option(option, text, problem))
}
