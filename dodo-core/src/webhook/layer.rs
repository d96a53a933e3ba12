use std::{
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{key::WebhookKey, verified::VerifiedEvent};
use crate::{BoxError, BoxFuture, Error, endpoint::read_body};

/// The largest body in bytes.
const LIMIT: usize = 256 * 1024;
/// Sets the time limit for the arrival of the body.
const TIMEOUT: Duration = Duration::from_secs(10);

async fn receive<B>(
    key: &WebhookKey,
    headers: &HeaderMap,
    body: B,
    limit: usize,
    timeout: Duration,
) -> Result<VerifiedEvent, Error>
where
    B: http_body::Body,
    B::Error: Into<BoxError>,
{
    let body = read_body(body, limit, timeout).await?;
    key.verify(headers, body).inspect_err(|refused| key.log_refusal(refused))
}

impl WebhookKey {
    /// For extractors: reads a body of at most 256 KiB that arrives within 10 seconds, and verifies it.
    ///
    /// # Errors
    /// [`BodyTooLarge`](crate::ErrorKind::BodyTooLarge), [`BodyTimeout`](crate::ErrorKind::BodyTimeout)
    /// or, logged with the reason, [`InvalidSignature`](crate::ErrorKind::InvalidSignature).
    pub async fn verify_request<B>(
        &self,
        headers: &HeaderMap,
        body: B,
    ) -> Result<VerifiedEvent, Error>
    where
        B: http_body::Body,
        B::Error: Into<BoxError>,
    {
        receive(self, headers, body, LIMIT, TIMEOUT).await
    }
}

/// Verifies deliveries in front of your own handler.
///
/// Reads the body under a limit, verifies it, puts the
/// [`VerifiedEvent`](crate::webhook::VerifiedEvent) into the request's extensions and passes the
/// request on with the same body. Without a valid signature it answers 401. It answers 408 to a
/// late body and 413 to a body that is too large.
#[derive(Clone, Debug)]
#[must_use]
pub struct VerifyWebhookLayer {
    key: WebhookKey,
    limit: usize,
    timeout: Duration,
}

impl VerifyWebhookLayer {
    /// Creates the layer for bodies of up to 256 KiB that arrive within 10 seconds.
    pub fn new(key: WebhookKey) -> Self {
        Self { key, limit: LIMIT, timeout: TIMEOUT }
    }

    /// Sets the largest body in bytes.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Sets the time limit for the arrival of the body.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl<S> Layer<S> for VerifyWebhookLayer {
    type Service = VerifyWebhook<S>;

    fn layer(&self, inner: S) -> VerifyWebhook<S> {
        VerifyWebhook { inner, settings: self.clone() }
    }
}

/// The service of [`VerifyWebhookLayer`].
#[derive(Clone, Debug)]
pub struct VerifyWebhook<S> {
    inner: S,
    settings: VerifyWebhookLayer,
}

impl<S, B, R> Service<Request<B>> for VerifyWebhook<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body + From<Bytes> + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Call the service that was polled ready, because its clone is not ready.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let VerifyWebhookLayer { key, limit, timeout } = self.settings.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match receive(&key, &parts.headers, body, limit, timeout).await {
                Ok(event) => {
                    let body = B::from(event.body().clone());
                    parts.extensions.insert(event);
                    inner.call(Request::from_parts(parts, body)).await
                }
                Err(error) => Ok(error.to_response().map(R::from)),
            }
        })
    }
}
