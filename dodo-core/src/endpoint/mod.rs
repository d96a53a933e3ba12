//! The one seam between core and a web framework: a buffered request in, a buffered answer out.
//!
//! Whatever an endpoint answers, it answers here: methods, body limits and deadlines included. An
//! adapter converts types and adds nothing, so frameworks cannot differ. `ADAPTERS.md` in the
//! repository is the contract in words.

mod body;
mod methods;
mod or;
mod service;

use std::{future::Future, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};

pub use self::{
    body::read_body,
    methods::Methods,
    or::Or,
    service::{EndpointService, serve},
};
use crate::{Error, ErrorKind, panic::catch};

/// A handler that any framework can mount.
///
/// Implemented by the three [checkouts](crate::checkout), by
/// [`CustomerPortal`](crate::CustomerPortal), by [`Webhooks`](crate::Webhooks) and by two of them
/// joined with [`or`](Self::or). Sealed: the contract with adapters can grow.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an endpoint of dodo-core",
    note = "endpoints are made by `SessionCheckout::builder(..).build()?`, `CustomerPortal::...` and `Webhooks::builder(..).build()`"
)]
pub trait Endpoint: private::Sealed + Clone + Send + Sync + 'static {
    /// The methods it answers; everything else is 405, before the body is read.
    const METHODS: Methods;

    /// The largest body to buffer, in bytes. Beyond it the answer is 413.
    fn body_limit(&self, method: &Method) -> usize;

    /// The longest to wait for the whole body. Beyond it the answer is 408.
    fn body_deadline(&self, method: &Method) -> Duration;

    #[doc(hidden)]
    fn run(&self, request: Request<Bytes>) -> impl Future<Output = Response<Bytes>> + Send;

    /// Answers the request. Never fails and never panics: a panic in a hook is a 500.
    fn handle(&self, request: Request<Bytes>) -> impl Future<Output = Response<Bytes>> + Send {
        async move {
            if let Some(refusal) = self.refuse(request.method()) {
                return refusal;
            }
            let answer = catch(|| self.run(request)).await;
            let mut response = answer.unwrap_or_else(|_panic| {
                tracing::error!(target: "dodo::endpoint", "a hook of the application panicked");
                Error::new(
                    ErrorKind::CallbackFailed,
                    "the application failed to handle the request",
                )
                .to_response()
            });
            // Checkout and portal links open payments and accounts: no cache may keep them.
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
    }

    /// For adapters: the answer that does not need the body, if there is one.
    fn refuse(&self, method: &Method) -> Option<Response<Bytes>> {
        if Self::METHODS.contains(method) {
            return None;
        }
        let mut response =
            Error::new(ErrorKind::MethodNotAllowed, "this method is not allowed here")
                .with_allow(Self::METHODS.allow())
                .to_response();
        if method == Method::HEAD {
            response.headers_mut().remove(header::CONTENT_TYPE);
            *response.body_mut() = Bytes::new();
        }
        Some(response)
    }

    /// Two endpoints on one path, told apart by method.
    ///
    /// ```
    /// # fn f(client: dodo_core::Client) -> Result<(), dodo_core::Error> {
    /// use dodo_core::{Endpoint, checkout::{SessionCheckout, StaticCheckout}};
    /// // GET and POST on one path.
    /// let session = SessionCheckout::builder(client.clone()).build()?;
    /// let _ = StaticCheckout::builder(client).build()?.or(session);
    /// # Ok(())
    /// # }
    /// # let _ = f as fn(_) -> _;
    /// ```
    ///
    /// ```compile_fail
    /// # fn f(client: dodo_core::Client) -> Result<(), dodo_core::Error> {
    /// use dodo_core::{Endpoint, checkout::{DynamicCheckout, SessionCheckout}};
    /// // Both answer POST: this does not compile.
    /// let session = SessionCheckout::builder(client.clone()).build()?;
    /// let _ = DynamicCheckout::builder(client).build()?.or(session);
    /// # Ok(())
    /// # }
    /// # let _ = f as fn(_) -> _; // the methods are compared when code is made for `f`
    /// ```
    fn or<E: Endpoint>(self, other: E) -> Or<Self, E> {
        const { assert!(!Self::METHODS.overlaps(E::METHODS), "both endpoints answer the same method") }
        Or::new(self, other)
    }

    /// As a [`tower_service::Service`] over any [`http_body::Body`].
    fn into_service(self) -> EndpointService<Self> {
        EndpointService::new(self)
    }
}

pub(crate) mod private {
    /// Seals [`Endpoint`](super::Endpoint).
    pub trait Sealed {}
}
