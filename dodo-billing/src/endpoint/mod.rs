//! The endpoints of billing as one value that any framework mounts.

mod answer;
mod routes;
mod state;

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use dodo_core::{
    Error, ErrorKind, SignedIn,
    capture::Captured,
    endpoint::{Endpoint, GetPostDelete, MountPrefix},
    internals::{SealedEndpoint, own_fields, with_pointer},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use self::answer::Answer;
pub(crate) use self::{answer::see_other, state::state_of};
use crate::{billing::Billing, owner_handle::Owner};

/// The longest body, in bytes.
const BODY: usize = 16 << 10;

/// The endpoints of billing for the signed-in owner. [`Billing::endpoints`] makes it.
///
/// Mount it under a path of its own, such as `/billing`. The app's own middleware puts
/// [`SignedIn`] into the extensions; its `user_id` is the owner. `docs/billing.md` lists the routes.
#[derive(Clone)]
pub struct BillingEndpoints(Arc<Settings>);

struct Settings {
    billing: Billing,
    page: String,
    wait: Duration,
}

impl Billing {
    /// The endpoints, for `mount` of the adapters. `page` is the page of the app to which a browser goes
    /// after a form, and after the return from a checkout, such as `/account`.
    #[must_use]
    pub fn endpoints(&self, page: impl Into<String>) -> BillingEndpoints {
        let wait = Duration::from_secs(5);
        BillingEndpoints(Arc::new(Settings { billing: self.clone(), page: page.into(), wait }))
    }
}

/// A request of a signed-in owner.
struct Asked {
    owner: Owner,
    email: Option<String>,
    captured: Option<Captured>,
    query: String,
    fields: Fields,
    is_browser: bool,
}

/// The fields of a body. Each route takes the fields that it knows.
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(name, "this field must be text")),
        }
    }

    fn number(&mut self, name: &str) -> Result<Option<u32>, Error> {
        let out_of_range =
            || invalid(name, "this number is out of range").with_code("quantity_out_of_range");
        let number = match self.0.remove(name) {
            None | Some(Value::Null) => return Ok(None),
            // A form has only texts.
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_u64().and_then(|number| u32::try_from(number).ok()),
        };
        let number = number.filter(|number| (1..=1_000_000).contains(number));
        number.map(Some).ok_or_else(out_of_range)
    }

    fn flag(&mut self, name: &str) -> Result<bool, Error> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(Value::String(text)) => Ok(text == "true"),
            Some(_) => Err(invalid(name, "this field must be true or false")),
        }
    }

    /// 400 for a field that the route does not know: no body names an owner, a customer or a price.
    fn end(self) -> Result<(), Error> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => {
                let message = "this field is not allowed here";
                let error = Error::new(ErrorKind::FieldNotAllowed, message).with_field(name);
                Err(with_pointer(error, &format!("/{name}")))
            }
        }
    }
}

fn invalid(name: &str, message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message).with_field(name)
}

impl BillingEndpoints {
    async fn answer(&self, parts: &Parts, body: &Bytes) -> Result<Response<Bytes>, Error> {
        let path = MountPrefix::path_below(&parts.extensions, &parts.uri);
        let route = match routes::find(&parts.method, path)? {
            Ok(route) => route,
            Err(allow) => return Ok(not_allowed(allow)),
        };
        let signed_in = parts.extensions.get::<SignedIn>();
        let owner = signed_in
            .and_then(|user| user.user_id.clone())
            .ok_or_else(|| Error::new(ErrorKind::Unauthenticated, "no user is signed in"))?;
        let billing = &self.0.billing;
        let (fields, is_form) = match parts.method {
            Method::GET => (Map::new(), false),
            _ => own_fields(parts, body, billing.client())?,
        };
        let asked = Asked {
            owner: billing.owner(owner),
            email: signed_in.and_then(|user| user.email.clone()),
            captured: parts.extensions.get().cloned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            fields: Fields(fields),
            is_browser: is_form || accepts_html(parts),
        };
        let (page, is_browser) = (&self.0.page, asked.is_browser);
        let is_state = matches!(route, routes::Route::State);
        let answer = route.run(asked, self.0.wait).await?;
        let response = answer.into_response(is_form, is_browser, page);
        Ok(if is_state { tagged(response, &parts.headers) } else { response })
    }
}

/// The state with its tag, or 304 if the client has this state.
fn tagged(mut response: Response<Bytes>, headers: &HeaderMap) -> Response<Bytes> {
    let digest = Sha256::digest(response.body());
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest.get(..12).unwrap_or_default()));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    if known.is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag)) {
        response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Whether a browser navigates: a script that reads JSON does not ask for `text/html`.
pub(crate) fn accepts_html(parts: &Parts) -> bool {
    let accept = parts.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| {
        let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default());
        kinds.map(str::trim).any(|kind| kind.eq_ignore_ascii_case("text/html"))
    })
}

fn not_allowed(allow: &'static str) -> Response<Bytes> {
    let error = Error::new(ErrorKind::MethodNotAllowed, "this method is not allowed here");
    let mut response = error.to_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

impl SealedEndpoint for BillingEndpoints {}

impl Endpoint for BillingEndpoints {
    type Methods = GetPostDelete;

    fn body_limit(&self, _: &Method) -> usize {
        BODY
    }

    fn body_timeout(&self, _: &Method) -> Duration {
        Duration::from_secs(10)
    }

    async fn run(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        self.answer(&parts, &body).await.unwrap_or_else(|error| {
            if error.status().is_server_error() {
                let cause = std::error::Error::source(&error).map(tracing::field::display);
                tracing::warn!(
                    target: "dodo::billing", code = error.code(), cause, "{}", error.message()
                );
            }
            error.to_response()
        })
    }
}

impl fmt::Debug for BillingEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BillingEndpoints").field("page", &self.0.page).finish_non_exhaustive()
    }
}
