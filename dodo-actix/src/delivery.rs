use actix_web::{FromRequest, HttpRequest, dev::Payload as Body, web};
use dodo_core::{Error, Event, WebhookKey, event::Payload, webhook::VerifiedEvent};
use futures_core::future::LocalBoxFuture;

use crate::{Rejection, convert};

/// A delivery with a verified signature, for your own handlers. The key comes from the app's data;
/// the extractor reads the body under the limits of [`WebhookKey::verify_request`].
///
/// Most applications should use [`webhooks`](crate::webhooks): it routes by type, parses leniently,
/// and answers so that Dodo Payments retries a failed delivery.
///
/// ```
/// use actix_web::{App, HttpResponse, web};
/// use dodo_actix::VerifiedWebhook;
/// use dodo_core::{Environment, WebhookKey};
///
/// async fn keep(delivery: VerifiedWebhook) -> HttpResponse {
///     println!("{}: {} bytes", delivery.0.id(), delivery.0.body().len());
///     HttpResponse::Ok().finish()
/// }
///
/// # fn main() -> Result<(), dodo_core::Error> {
/// let key = WebhookKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Environment::Test)?;
/// let app = App::new().app_data(web::Data::new(key)).route("/keep", web::post().to(keep));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct VerifiedWebhook(pub VerifiedEvent);

impl FromRequest for VerifiedWebhook {
    type Error = Rejection;
    type Future = LocalBoxFuture<'static, Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, payload: &mut Body) -> Self::Future {
        let key = request.app_data::<web::Data<WebhookKey>>().cloned();
        let converted = convert::request(request, payload.take());
        Box::pin(async move {
            let key = key.ok_or_else(|| {
                Error::config("no webhook key: is it in `app_data(web::Data::new(key))`?")
            })?;
            let (parts, body) = converted?.into_parts();
            Ok(Self(key.verify_request(&parts.headers, body).await?))
        })
    }
}

/// A verified event with a typed payload. An event of another payload is refused with 400 and the
/// code `unexpected_event`.
///
/// ```
/// use actix_web::{App, HttpResponse, web};
/// use dodo_actix::WebhookEvent;
/// use dodo_core::event::Refund;
///
/// async fn refunds(refund: WebhookEvent<Refund>) -> HttpResponse {
///     println!("{} is {}", refund.0.data.refund_id, refund.0.kind);
///     HttpResponse::Ok().finish()
/// }
///
/// let app = App::new().route("/refunds", web::post().to(refunds));
/// ```
#[derive(Clone, Debug)]
pub struct WebhookEvent<T>(pub Event<T>);

impl<T: Payload> FromRequest for WebhookEvent<T> {
    type Error = Rejection;
    type Future = LocalBoxFuture<'static, Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, payload: &mut Body) -> Self::Future {
        let delivery = VerifiedWebhook::from_request(request, payload);
        Box::pin(async move { Ok(Self(delivery.await?.0.typed()?)) })
    }
}
