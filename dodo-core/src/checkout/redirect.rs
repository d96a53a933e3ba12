//! Checkouts for links and HTML forms.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Map, Value};

use super::{CheckoutKind, PostCheckout, kind::Assemble, options::Options};
use crate::{
    Error,
    endpoint::{CheckoutEndpoint, Endpoint, private::Sealed},
    refusal::ErrorPage,
};

/// A checkout that answers 303 to the payment page, so that a link or an HTML form starts it.
/// Created by [`CheckoutBuilder::redirect`](super::CheckoutBuilder::redirect).
#[derive(Clone, Debug)]
#[must_use]
pub struct RedirectCheckout<C>(C);

impl<C: CheckoutKind> Assemble for RedirectCheckout<C> {
    type RedirectMethods = C::RedirectMethods;

    fn check_fixed(fields: Map<String, Value>) -> Result<(), Error> {
        C::check_fixed(fields)
    }

    fn assemble(options: Options) -> Self {
        Self(C::assemble(options))
    }
}

impl<C: CheckoutKind> CheckoutKind for RedirectCheckout<C> {
    type Request = C::Request;
}

impl<C: CheckoutKind> CheckoutEndpoint for RedirectCheckout<C> {}

impl<C: PostCheckout> PostCheckout for RedirectCheckout<C> {}

impl<C: CheckoutKind> Sealed for RedirectCheckout<C> {}

impl<C: CheckoutKind> Endpoint for RedirectCheckout<C> {
    type Methods = C::RedirectMethods;

    fn body_limit(&self, method: &Method) -> usize {
        self.0.body_limit(method)
    }

    fn body_timeout(&self, method: &Method) -> Duration {
        self.0.body_timeout(method)
    }

    fn error_page(&self, method: &Method, headers: &HeaderMap) -> Option<&ErrorPage> {
        self.0.error_page(method, headers)
    }

    async fn run(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.0.run(request).await
    }
}

/// 303 to the payment page. `None` for a URL that is not a header.
pub(super) fn see_other(url: &str) -> Option<Response<Bytes>> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(url).ok()?);
    Some(response)
}
