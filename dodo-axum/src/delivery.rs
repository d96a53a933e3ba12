use axum::extract::{FromRef, FromRequest, Request};
use dodo_core::{Event, WebhookKey, event::Payload, webhook::VerifiedEvent};

use crate::Rejection;

/// A delivery with a verified signature, for your own handlers. The key comes from the router's
/// state; the extractor reads the body under the limits of [`WebhookKey::verify_request`].
///
/// Most applications should use [`webhooks`](crate::webhooks): it routes by type, parses leniently,
/// and answers so that Dodo Payments retries a failed delivery.
///
/// ```
/// use axum::{Router, http::StatusCode, routing::post};
/// use dodo_axum::VerifiedWebhook;
/// use dodo_core::{Environment, WebhookKey};
///
/// async fn keep(VerifiedWebhook(delivery): VerifiedWebhook) -> StatusCode {
///     println!("{}: {} bytes", delivery.id(), delivery.body().len());
///     StatusCode::OK
/// }
///
/// # fn main() -> Result<(), dodo_core::Error> {
/// let key = WebhookKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Environment::Test)?;
/// let router: Router = Router::new().route("/keep", post(keep)).with_state(key);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct VerifiedWebhook(pub VerifiedEvent);

impl<S> FromRequest<S> for VerifiedWebhook
where
    S: Send + Sync,
    WebhookKey: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let (parts, body) = request.into_parts();
        Ok(Self(WebhookKey::from_ref(state).verify_request(&parts.headers, body).await?))
    }
}

/// A verified event with a typed payload. An event of another payload is refused with 400 and the
/// code `unexpected_event`.
///
/// ```
/// use axum::{Router, extract::FromRef, http::StatusCode, routing::post};
/// use dodo_axum::WebhookEvent;
/// use dodo_core::{WebhookKey, event::Refund};
///
/// #[derive(Clone, FromRef)]
/// struct App {
///     webhook_key: WebhookKey,
/// }
///
/// async fn refunds(WebhookEvent(event): WebhookEvent<Refund>) -> StatusCode {
///     println!("{} is {}", event.data.refund_id, event.kind);
///     StatusCode::OK
/// }
///
/// let router: Router<App> = Router::new().route("/refunds", post(refunds));
/// ```
#[derive(Clone, Debug)]
pub struct WebhookEvent<T>(pub Event<T>);

impl<S, T> FromRequest<S> for WebhookEvent<T>
where
    S: Send + Sync,
    WebhookKey: FromRef<S>,
    T: Payload,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let VerifiedWebhook(delivery) = VerifiedWebhook::from_request(request, state).await?;
        Ok(Self(delivery.typed()?))
    }
}
