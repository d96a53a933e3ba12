use std::{
    future::{Ready, ready},
    ops::Deref,
};

use actix_web::{
    Error, FromRequest, HttpRequest,
    dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::header,
};
use dodo_core::capture::VisitorCapture;
use futures_core::future::LocalBoxFuture;

use crate::{DodoExtensions, Rejection, convert, extensions::carried};

/// The visitor that [`VisitorMiddleware`] found.
///
/// The extractor refuses a request without a visitor with 400. If a handler also serves such
/// requests, use `Option<Visitor>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Visitor(pub dodo_core::capture::VisitorId);

impl Deref for Visitor {
    type Target = dodo_core::capture::VisitorId;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromRequest for Visitor {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(
            dodo_core::capture::VisitorId::from_extensions(&carried(request))
                .map(Self)
                .map_err(Rejection),
        )
    }
}

/// Reads every request and puts a [`Captured`](dodo_core::capture::Captured) into its
/// [`dodo_extensions_mut`](DodoExtensions): the equivalent of `VisitorLayer` in tower.
///
/// Put it in front of all pages, not only of the checkout: a campaign is seen where the visitor
/// lands.
///
/// ```
/// use actix_web::{App, web};
/// use dodo_actix::{Visitor, VisitorMiddleware};
/// use dodo_core::capture::VisitorCapture;
///
/// async fn greet(visitor: Option<Visitor>) -> &'static str {
///     if visitor.is_some() { "Welcome back" } else { "Welcome" }
/// }
///
/// let app = App::new()
///     .wrap(VisitorMiddleware::new(VisitorCapture::visitors_now()))
///     .route("/", web::get().to(greet));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct VisitorMiddleware(VisitorCapture);

impl VisitorMiddleware {
    /// Creates the middleware of a capture.
    pub const fn new(capture: VisitorCapture) -> Self {
        Self(capture)
    }
}

impl<S, B> Transform<S, ServiceRequest> for VisitorMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = VisitorMiddlewareService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(VisitorMiddlewareService { service, capture: self.0.clone() }))
    }
}

/// The service that [`VisitorMiddleware`] creates.
#[derive(Debug)]
pub struct VisitorMiddlewareService<S> {
    service: S,
    capture: VisitorCapture,
}

impl<S, B> Service<ServiceRequest> for VisitorMiddlewareService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<S::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        // A page must work for every visitor, so only the routes refuse an unreadable head.
        let set_cookie = convert::parts(request.request()).ok().and_then(|parts| {
            let (captured, set_cookie) = self.capture.capture(&parts);
            request.dodo_extensions_mut().insert(captured);
            convert::header_value(&set_cookie?)
        });
        let inner = self.service.call(request);
        Box::pin(async move {
            let mut answer = inner.await;
            let Some(cookie) = set_cookie else { return answer };
            match &mut answer {
                Ok(response) => response.headers_mut().append(header::SET_COOKIE, cookie),
                // actix-web converts the error into a response outside of this middleware, so the
                // adapter adds the cookie here.
                Err(error) => error.add_response_mapper(move |mut response| {
                    response.headers_mut().append(header::SET_COOKIE, cookie.clone());
                    response
                }),
            }
            answer
        })
    }
}
