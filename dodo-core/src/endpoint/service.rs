use std::{
    convert::Infallible,
    pin::pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower_service::Service;

use super::{Endpoint, body::discard, read_body};
use crate::{BoxError, BoxFuture, refusal::refuse};

/// For adapters: answers a request whose body has not been read yet.
///
/// It answers 405 before it reads the body, and 413 or 408 while it reads the body. Then it returns
/// the endpoint's own answer. The future is `Send` if the body is `Send`. Bodies that stay on one
/// thread, like those of actix-web, also work.
///
/// ```
/// # async fn f(client: dodo_core::Client) -> Result<(), dodo_core::BoxError> {
/// use bytes::Bytes;
/// use dodo_core::{checkout::SessionCheckout, endpoint::serve};
/// use http_body_util::Full;
///
/// let request = http::Request::delete("/api/checkout").body(Full::new(Bytes::new()))?;
/// let checkout = SessionCheckout::builder(client).build()?;
/// let response = serve(&checkout, request).await;
/// assert_eq!(response.status(), 405);
/// # Ok(())
/// # }
/// ```
pub async fn serve<E, B>(endpoint: &E, request: Request<B>) -> Response<Bytes>
where
    E: Endpoint,
    B: http_body::Body,
    B::Error: Into<BoxError>,
{
    let (parts, body) = request.into_parts();
    let time_limit = endpoint.body_timeout(&parts.method);
    if let Some(refusal) = endpoint.refuse(&parts.method, &parts.headers) {
        discard(pin!(body), time_limit).await;
        return refusal;
    }
    let limit = endpoint.body_limit(&parts.method);
    match read_body(body, limit, time_limit).await {
        Ok(body) => endpoint.handle(Request::from_parts(parts, body)).await,
        Err(error) => refuse(&error, endpoint.error_page(&parts.method, &parts.headers)),
    }
}

/// An [`Endpoint`] as a `tower` service: axum, tonic, poem, plain hyper and others take this.
///
/// ```
/// # fn f(client: dodo_core::Client) -> Result<(), dodo_core::Error> {
/// use dodo_core::{checkout::SessionCheckout, endpoint::Endpoint};
/// let service = SessionCheckout::builder(client).build()?.into_service();
/// # fn takes<S: tower_service::Service<http::Request<http_body_util::Full<bytes::Bytes>>>>(_: S) {}
/// # takes(service);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EndpointService<E>(E);

impl<E> EndpointService<E> {
    pub(super) fn new(endpoint: E) -> Self {
        Self(endpoint)
    }
}

impl<E, B> Service<Request<B>> for EndpointService<E>
where
    E: Endpoint,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let endpoint = self.0.clone();
        Box::pin(async move { Ok(serve(&endpoint, request).await.map(Full::new)) })
    }
}
