//! The pages. The sandbox renders them without scripts and without resources of other hosts.

pub(crate) mod buy;
pub(crate) mod checkout;
mod checkout_fields;
mod checkout_summary;
pub(crate) mod dashboard;
pub(crate) mod form;
pub(crate) mod portal;
mod theme;

use std::{fmt, sync::Arc};

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{StatusCode, header};

use self::theme::Theme;
use crate::{Error, app::App};

/// Escaped text for HTML: element content and quoted attributes.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

/// A page: its title and the HTML of its body.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) title: String,
    pub(crate) body: String,
    theme: Theme,
    /// Whether it is a page of the dashboard: wide, and with its script.
    dashboard: bool,
}

impl Page {
    pub(crate) fn new(title: impl Into<String>, body: String) -> Self {
        Self {
            status: StatusCode::OK,
            title: title.into(),
            body,
            theme: Theme::default(),
            dashboard: false,
        }
    }

    /// A page of the dashboard, with its script.
    fn dashboard(title: impl Into<String>, body: String) -> Self {
        Self { dashboard: true, ..Self::new(title, body) }
    }

    /// With the look that the merchant chose for the checkout.
    fn themed(self, theme: Theme) -> Self {
        Self { theme, ..self }
    }

    /// A page with an error.
    pub(crate) fn error(error: &Error) -> Self {
        let body = format!(
            "<main class=\"card narrow\"><p class=\"code\">{}</p><h1>{}</h1></main>",
            Escaped(error.code()),
            Escaped(error.message()),
        );
        Self { status: error.status(), ..Self::new("Not possible", body) }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let html = format!(
            "<!doctype html><html{}{}><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <meta name=\"robots\" content=\"noindex\"><title>{}</title>\
             <link rel=\"icon\" href=\"data:,\"><style>{}{}</style></head><body>{}\
             <footer>{}Sandbox · no real money moves here</footer></body></html>",
            self.theme.attributes(),
            if self.dashboard { " class=\"wide\"" } else { "" },
            Escaped(&self.title),
            include_str!("style.css"),
            self.theme.css(),
            self.body,
            self.theme.note(),
        );
        let script = if self.dashboard { "script-src 'self'; connect-src 'self'; " } else { "" };
        let policy = format!(
            "default-src 'none'; style-src 'unsafe-inline'; img-src data: http: https:; font-src https:; {script}\
             base-uri 'none'; frame-ancestors 'none'"
        );
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
            (header::CACHE_CONTROL, "no-store".to_owned()),
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::REFERRER_POLICY, "same-origin".to_owned()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        ];
        (self.status, headers, html).into_response()
    }
}

/// A status as a word in a color.
pub(crate) fn status_badge(status: &str) -> String {
    let class = match status {
        "active" | "succeeded" | "delivered" | "Delivered" | "dispute_won" => "badge good",
        "failed" | "on_hold" | "past_due" | "dispute_lost" | "dispute_opened" => "badge bad",
        _ => "badge",
    };
    format!("<span class=\"{class}\">{}</span>", Escaped(&status.replace('_', " ")))
}

/// Redirects the browser to another page, by GET.
pub(crate) fn see_other(url: &str) -> Response {
    match http::HeaderValue::try_from(url) {
        Ok(url) => (StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response(),
        Err(_) => Page::error(&Error::invalid("the address cannot be used")).into_response(),
    }
}

/// A mark in the place of an image: the sandbox keeps no uploads.
async fn image() -> impl IntoResponse {
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 48 48\"><rect width=\"48\" \
               height=\"48\" fill=\"#e6e4fb\"/><circle cx=\"24\" cy=\"24\" r=\"12\" fill=\"#4338ca\"/></svg>";
    ([(header::CONTENT_TYPE, "image/svg+xml")], svg)
}

/// The pages' routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(dashboard::routes())
        .route("/buy/{product_id}", get(buy::open))
        .route("/images/{id}", get(image))
        .route("/portal/{token}", get(portal::show))
        .route("/portal/{token}/subscriptions/{id}", post(portal::act))
        .route("/session/{id}", get(checkout::show))
        .route("/session/{id}/pay", post(checkout::pay))
        .route("/session/{id}/leave", post(checkout::abandon))
}
