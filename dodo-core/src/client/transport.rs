use std::{error::Error as StdError, fmt, future::Future, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};

use crate::{BoxError, BoxFuture};

/// Sends one request to Dodo Payments and reads the whole answer.
///
/// The `reqwest` feature brings the implementation for production; in tests a closure is one:
///
/// ```
/// use dodo_core::{BoxError, Client, Environment};
/// # fn main() -> Result<(), dodo_core::Error> {
/// let client = Client::builder("sk_test", Environment::Test)
///     .with_transport(|_request: http::Request<bytes::Bytes>| async {
///         Ok::<_, BoxError>(http::Response::new(bytes::Bytes::from_static(b"{}")))
///     })
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// A transport follows no redirects, limits the size of the answer and does not retry: the client
/// does. If a request was not sent, it returns a [`TransportError`], so that the client can repeat
/// creates. Every other error counts as "may have happened".
pub trait Transport: Send + Sync + 'static {
    /// Sends the request.
    ///
    /// # Errors
    /// A [`TransportError`] if the cause of the failure is known, else any other error.
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<Bytes>, BoxError>> + Send;
}

impl<F, Fut, E> Transport for F
where
    F: Fn(Request<Bytes>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<Bytes>, E>> + Send,
    E: Into<BoxError>,
{
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        self(request).await.map_err(Into::into)
    }
}

/// The knowledge of a [`Transport`] about a failure.
#[derive(Debug)]
pub struct TransportError {
    not_sent: bool,
    timed_out: bool,
    source: BoxError,
}

impl TransportError {
    /// The request may have reached Dodo Payments.
    pub fn new(source: impl Into<BoxError>) -> Self {
        Self { not_sent: false, timed_out: false, source: source.into() }
    }

    /// No byte of the request was sent, for example because the connection was refused.
    #[must_use]
    pub fn not_sent(mut self) -> Self {
        self.not_sent = true;
        self
    }

    /// The request failed by a timeout.
    #[must_use]
    pub fn timed_out(mut self) -> Self {
        self.timed_out = true;
        self
    }

    pub(super) fn is_timeout(&self) -> bool {
        self.timed_out
    }
}

/// Returns whether no byte of the request was sent.
#[must_use]
pub fn was_not_sent(error: &TransportError) -> bool {
    error.not_sent
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.not_sent, self.timed_out) {
            (true, true) => "no connection in time",
            (true, false) => "no connection",
            (false, true) => "no answer in time",
            (false, false) => "no answer",
        })
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

type SendFn = dyn Fn(Request<Bytes>) -> BoxFuture<Result<Response<Bytes>, BoxError>> + Send + Sync;

/// A transport with an erased type, so that `Client` is not generic.
#[derive(Clone)]
pub(super) struct ErasedTransport(Arc<SendFn>);

impl ErasedTransport {
    pub(super) fn new(transport: impl Transport) -> Self {
        let transport = Arc::new(transport);
        Self(Arc::new(move |request| {
            let transport = Arc::clone(&transport);
            Box::pin(async move { transport.send(request).await })
        }))
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        (self.0)(request).await
    }
}
