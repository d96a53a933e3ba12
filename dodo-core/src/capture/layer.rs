use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Extensions, HeaderValue, Request, Response, Uri, header};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::VisitorCapture;

/// Reads every request and puts a [`Captured`](super::Captured) into its extensions.
///
/// Put it in front of all pages, not only of the checkout: a campaign is seen where the visitor
/// lands. In axum take the layer of `dodo-axum`, which knows the whole path inside of `nest`, too.
#[derive(Clone, Debug)]
#[must_use]
pub struct VisitorLayer {
    capture: VisitorCapture,
    whole_uri: WholeUri,
}

type WholeUri = fn(&Extensions) -> Option<&Uri>;

impl VisitorLayer {
    /// Creates the layer of a capture.
    pub const fn new(capture: VisitorCapture) -> Self {
        Self { capture, whole_uri: |_| None }
    }

    /// For adapters: sets the function that returns the requested URI, if a router removes prefixes
    /// from paths. The layer reads the landing path from this URI, and does not change the URI of
    /// the inner service.
    #[doc(hidden)]
    pub const fn whole_uri(mut self, whole_uri: fn(&Extensions) -> Option<&Uri>) -> Self {
        self.whole_uri = whole_uri;
        self
    }
}

impl<S> Layer<S> for VisitorLayer {
    type Service = VisitorService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        VisitorService { inner, layer: self.clone() }
    }
}

/// The service that [`VisitorLayer`] creates.
#[derive(Clone, Debug)]
pub struct VisitorService<S> {
    inner: S,
    layer: VisitorLayer,
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
        let whole = (self.layer.whole_uri)(&parts.extensions).cloned();
        let given = whole.map(|whole| mem::replace(&mut parts.uri, whole));
        let (captured, set_cookie) = self.layer.capture.capture(&parts);
        if let Some(given) = given {
            parts.uri = given;
        }
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
