//! The interface between core and a web framework: a buffered request in, a buffered answer out.
//!
//! An endpoint answers every request itself, with methods, body limits and deadlines. An adapter
//! converts types and adds nothing, so frameworks cannot differ. `ADAPTERS.md` in the repository is
//! the contract in words.

mod body;
mod methods;
mod mount;
mod or;
mod service;

use std::{future::Future, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};

#[doc(hidden)]
pub use self::methods::{Disjoint, Get, GetAndPost, GetPostDelete, MethodSet, Post, Unmatched};
pub use self::{
    body::read_body,
    mount::MountPrefix,
    or::Or,
    service::{EndpointService, serve},
};
use crate::{
    Error, ErrorKind,
    panic::catch,
    refusal::{self, ErrorPage},
};

/// A handler that any framework can mount.
///
/// The [checkouts](crate::checkout), [`CustomerPortal`](crate::CustomerPortal), [`Webhooks`](crate::Webhooks) and two
/// endpoints joined with [`or`](Self::or) implement it. The trait is sealed, because the contract
/// with adapters can grow.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an endpoint of dodo-core",
    note = "a builder becomes an endpoint by `.build()?`"
)]
pub trait Endpoint: private::Sealed + Clone + Send + Sync + 'static {
    /// The methods that the endpoint answers. It answers 405 to every other method, before it reads
    /// the body.
    #[doc(hidden)]
    type Methods: MethodSet;

    /// Whether the endpoint answers `HEAD` like `GET`. The server leaves the body out.
    #[doc(hidden)]
    const ANSWERS_HEAD: bool = false;

    /// The largest body to buffer, in bytes. Beyond it the answer is 413.
    fn body_limit(&self, method: &Method) -> usize;

    /// The longest time to wait for the whole body. After it, the answer is 408.
    fn body_timeout(&self, method: &Method) -> Duration;

    #[doc(hidden)]
    fn run(&self, request: Request<Bytes>) -> impl Future<Output = Response<Bytes>> + Send;

    /// Whether its answers carry caching headers of their own. Otherwise they are `no-store`.
    #[doc(hidden)]
    fn owns_caching(&self, _method: &Method) -> bool {
        false
    }

    /// The page of the application that shows errors, if this request is from a browser.
    #[doc(hidden)]
    fn error_page(&self, _method: &Method, _headers: &HeaderMap) -> Option<&ErrorPage> {
        None
    }

    /// Answers the request. It never fails and never panics: after a panic in a hook it answers
    /// 500.
    fn handle(&self, mut request: Request<Bytes>) -> impl Future<Output = Response<Bytes>> + Send {
        async move {
            if let Some(refusal) = self.refuse(request.method(), request.headers()) {
                return refusal;
            }
            if request.method() == Method::HEAD {
                *request.method_mut() = Method::GET;
            }
            let owns_caching = self.owns_caching(request.method());
            let answer = catch(|| self.run(request)).await;
            let mut response = answer.unwrap_or_else(|_panic| {
                tracing::error!(target: "dodo::endpoint", "a hook of the application panicked");
                Error::new(
                    ErrorKind::CallbackFailed,
                    "the application failed to handle the request",
                )
                .to_response()
            });
            let headers = response.headers_mut();
            if !(owns_caching && headers.contains_key(header::CACHE_CONTROL)) {
                // Checkout and portal links open payments and accounts: no cache may keep them.
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
            response
        }
    }

    /// For adapters: returns the answer if it does not depend on the body.
    #[doc(hidden)]
    fn refuse(&self, method: &Method, headers: &HeaderMap) -> Option<Response<Bytes>> {
        if accepts::<Self>(method) {
            return None;
        }
        let error = Error::new(ErrorKind::MethodNotAllowed, "this method is not allowed here")
            .with_allow(Self::Methods::allow(Self::ANSWERS_HEAD));
        if method == Method::HEAD {
            let mut response = error.to_response();
            response.headers_mut().remove(header::CONTENT_TYPE);
            *response.body_mut() = Bytes::new();
            return Some(response);
        }
        Some(refusal::refuse(&error, self.error_page(method, headers)))
    }

    /// Joins two endpoints on one path. Their methods must differ.
    ///
    /// ```
    /// # fn f(client: dodo_core::Client) -> Result<(), dodo_core::Error> {
    /// use dodo_core::{checkout::{SessionCheckout, StaticCheckout}, endpoint::Endpoint};
    /// // GET and POST on one path.
    /// let session = SessionCheckout::builder(client.clone()).build()?;
    /// let _ = StaticCheckout::builder(client).build()?.or(session);
    /// # Ok(())
    /// # }
    /// # let _ = f as fn(_) -> _;
    /// ```
    fn or<E: Endpoint>(self, other: E) -> Or<Self, E>
    where
        Self::Methods: Disjoint<E::Methods>,
    {
        Or::new(self, other)
    }

    /// Returns it as a [`tower_service::Service`] over any [`http_body::Body`].
    fn into_service(self) -> EndpointService<Self> {
        EndpointService::new(self)
    }
}

/// An endpoint that starts checkouts: a static link, a dynamic link, a session, or two of them joined
/// with [`or`](Endpoint::or).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a checkout",
    note = "a builder becomes a checkout by `.build()?`"
)]
pub trait CheckoutEndpoint: Endpoint {}

/// Whether an endpoint answers `method`.
fn accepts<E: Endpoint>(method: &Method) -> bool {
    E::Methods::contains(method) || (E::ANSWERS_HEAD && *method == Method::HEAD)
}

pub(crate) mod private {
    /// Seals [`Endpoint`](super::Endpoint).
    pub trait Sealed {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An endpoint like the dashboard: cacheable, with `HEAD` like `GET`.
    #[derive(Clone)]
    struct Page;

    impl private::Sealed for Page {}

    impl Endpoint for Page {
        type Methods = Get;

        const ANSWERS_HEAD: bool = true;

        fn body_limit(&self, _: &Method) -> usize {
            0
        }

        fn body_timeout(&self, _: &Method) -> Duration {
            Duration::from_secs(1)
        }

        fn owns_caching(&self, _: &Method) -> bool {
            true
        }

        async fn run(&self, request: Request<Bytes>) -> Response<Bytes> {
            let mut response = Response::new(Bytes::from(request.method().to_string()));
            if request.uri().path() == "/cached" {
                let value = HeaderValue::from_static("private, no-cache");
                response.headers_mut().insert(header::CACHE_CONTROL, value);
            }
            response
        }
    }

    #[tokio::test]
    async fn opted_in_endpoint_answers_head_and_owns_caching() {
        for (method, path, status, cache) in [
            ("GET", "/cached", 200, "private, no-cache"),
            ("HEAD", "/cached", 200, "private, no-cache"),
            ("GET", "/plain", 200, "no-store"),
        ] {
            let request = Request::builder().method(method).uri(path).body(Bytes::new()).unwrap();
            let answer = Page.handle(request).await;
            assert_eq!((answer.status().as_u16(), &**answer.body()), (status, &b"GET"[..]));
            assert_eq!(answer.headers()[header::CACHE_CONTROL], cache, "{method} {path}");
        }
        let refused = Page.handle(Request::post("/").body(Bytes::new()).unwrap()).await;
        assert_eq!(refused.headers()[header::ALLOW], "GET, HEAD");
    }
}
