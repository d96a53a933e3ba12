//! Reads HTML forms and draws their fields.

use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
};
use http::{HeaderMap, StatusCode, header};

use super::Escaped;
use crate::Error;

const LIMIT: usize = 64 * 1024;

/// A submitted form: names and values in their order.
#[derive(Debug, Default)]
pub(crate) struct Form(pub(crate) Vec<(String, String)>);

impl Form {
    /// A field's value without blanks around it; empty when absent.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim())
    }

    /// A field's value, unless it is empty.
    pub(crate) fn some(&self, name: &str) -> Option<String> {
        Some(self.get(name)).filter(|value| !value.is_empty()).map(str::to_owned)
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Error;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Error> {
        same_origin(request.headers())?;
        let too_large = |_| {
            Error::refused(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "form too large")
        };
        let bytes = to_bytes(request.into_body(), LIMIT).await.map_err(too_large)?;
        Ok(Self(form_urlencoded::parse(&bytes).into_owned().collect()))
    }
}

/// Refuses what another site's page sends through the developer's browser.
pub(crate) fn same_origin(headers: &HeaderMap) -> Result<(), Error> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::HOST)) else {
        return Ok(());
    };
    // Browsers say "null" for their own forms too where a referrer is suppressed; then
    // `Sec-Fetch-Site` tells.
    let own = match origin {
        "null" => headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin"),
        origin => origin.strip_prefix("http://") == Some(host),
    };
    if own {
        return Ok(());
    }
    Err(Error::refused(StatusCode::FORBIDDEN, "FORBIDDEN", "forms of other sites are not taken"))
}

/// One labelled field.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a str,
    pub(crate) label: &'a str,
    pub(crate) value: &'a str,
    /// The input's `type`; empty: text.
    pub(crate) kind: &'a str,
    pub(crate) autocomplete: &'a str,
    pub(crate) placeholder: &'a str,
    pub(crate) required: bool,
    pub(crate) locked: bool,
}

impl Field<'_> {
    pub(crate) fn html(self) -> String {
        let flag = |on, text| if on { text } else { "" };
        format!(
            "<label>{}<input type=\"{}\" name=\"{}\" value=\"{}\" placeholder=\"{}\" \
             autocomplete=\"{}\" maxlength=\"254\"{}{}></label>",
            Escaped(self.label),
            if self.kind.is_empty() { "text" } else { self.kind },
            Escaped(self.name),
            Escaped(self.value),
            Escaped(self.placeholder),
            if self.autocomplete.is_empty() { "off" } else { self.autocomplete },
            flag(self.required, " required"),
            flag(self.locked, " readonly"),
        )
    }
}

/// A labelled choice of values and texts.
pub(crate) fn select(name: &str, label: &str, options: &[(&str, &str)], chosen: &str) -> String {
    let options: String = options
        .iter()
        .map(|(value, text)| {
            let selected = if *value == chosen { " selected" } else { "" };
            format!("<option value=\"{}\"{selected}>{}</option>", Escaped(value), Escaped(text))
        })
        .collect();
    format!(
        "<label>{}<select name=\"{}\">{options}</select></label>",
        Escaped(label),
        Escaped(name)
    )
}
