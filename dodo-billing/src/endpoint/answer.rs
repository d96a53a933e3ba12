use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// The answer of a route.
pub(super) enum Answer {
    /// A document. After a form, the browser goes to the page of the app instead.
    Json(Value),
    /// A link to Dodo Payments, under this name. After a form, the browser follows it.
    Link(&'static str, String),
    /// A page of Dodo Payments that a link of the app opens.
    Open(String),
    /// The page on which the customer confirms a charge. Nothing has changed yet.
    Payment(String),
    /// The result of a checkout: `done`, `pending` or `failed`. A browser goes to the page of the app.
    Result(&'static str),
    /// An invoice.
    Pdf(Bytes),
}

impl Answer {
    pub(super) fn into_response(
        self,
        is_form: bool,
        is_browser: bool,
        page: &str,
    ) -> Response<Bytes> {
        match self {
            Self::Open(url) => see_other(&url),
            Self::Payment(url) if is_form => see_other(&url),
            Self::Payment(url) => {
                let body = json!({ "payment_url": url }).to_string();
                let mut response = with_content_type("application/json", body.into());
                *response.status_mut() = StatusCode::ACCEPTED;
                response
            }
            Self::Json(_) if is_form => see_other(page),
            Self::Link(_, url) if is_form => see_other(&url),
            Self::Result(status) if is_browser => {
                let separator = if page.contains('?') { '&' } else { '?' };
                see_other(&format!("{page}{separator}checkout={status}"))
            }
            Self::Json(body) => with_content_type("application/json", body.to_string().into()),
            Self::Link(name, url) => {
                with_content_type("application/json", json!({ name: url }).to_string().into())
            }
            Self::Result(status) => with_content_type(
                "application/json",
                json!({ "status": status }).to_string().into(),
            ),
            Self::Pdf(pdf) => {
                let mut response = with_content_type("application/pdf", pdf);
                let name = HeaderValue::from_static("attachment; filename=\"invoice.pdf\"");
                response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
                response
            }
        }
    }
}

fn with_content_type(kind: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// 303. A location that no header takes is the root.
pub(crate) fn see_other(location: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, location);
    response
}
