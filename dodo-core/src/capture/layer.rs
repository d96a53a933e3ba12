use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Request, Response, header};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::VisitorCapture;

/// Reads every request and puts a [`Captured`](super::Captured) into its extensions.
///
/// Put it in front of all pages, not only of the checkout: a campaign is seen where the visitor
/// lands. In axum that is outside of `nest`, which cuts its prefix off the path before the layers
/// of the nested router see it: the landing path would lack it too.
#[derive(Clone, Debug)]
#[must_use]
pub struct VisitorLayer(VisitorCapture);

impl VisitorLayer {
    /// Captures what `capture` says.
    pub const fn new(capture: VisitorCapture) -> Self {
        Self(capture)
    }
}

impl<S> Layer<S> for VisitorLayer {
    type Service = VisitorService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        VisitorService { inner, capture: self.0.clone() }
    }
}

/// What [`VisitorLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct VisitorService<S> {
    inner: S,
    capture: VisitorCapture,
}

impl<S, B, R> Service<Request<B>> for VisitorService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = VisitorFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let (captured, set_cookie) = self.capture.begin(&parts);
        parts.extensions.insert(captured);
        VisitorFuture { inner: self.inner.call(Request::from_parts(parts, body)), set_cookie }
    }
}

pin_project! {
    /// The response of a [`VisitorService`].
    #[derive(Debug)]
    pub struct VisitorFuture<F> {
        #[pin]
        inner: F,
        set_cookie: Option<HeaderValue>,
    }
}

impl<F, R, E> Future for VisitorFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(cookie) = this.set_cookie.take() {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Poll::Ready(Ok(response))
    }
}
