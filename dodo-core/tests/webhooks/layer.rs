//! `VerifyWebhookLayer` in front of a handler of one's own.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use dodo_core::{
    Webhooks,
    endpoint::Endpoint,
    event::Payment,
    testing::EventBuilder,
    webhook::{VerifiedEvent, VerifyWebhookLayer},
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::key;

async fn handler(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let event = request.extensions().get::<VerifiedEvent>().unwrap().clone();
    let payment = event.typed::<Payment>().unwrap();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, event.body());
    Ok(Response::new(Full::new(Bytes::from(payment.data.payment_id))))
}

fn service()
-> impl Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible> {
    VerifyWebhookLayer::new(key())
        .body_limit(2000)
        .body_timeout(Duration::from_secs(1))
        .layer(service_fn(handler))
}

#[tokio::test]
async fn passes_on_what_is_signed_and_nothing_else() {
    let request = EventBuilder::new("payment.succeeded".into()).to_request(&key()).map(Full::new);
    let answer = service().oneshot(request.clone()).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "pay_test");

    let (parts, _) = request.clone().into_parts();
    let changed = Request::from_parts(parts.clone(), Full::new(Bytes::from_static(b"{}")));
    assert_eq!(service().oneshot(changed).await.unwrap().status(), 401);
    let large = Request::from_parts(parts, Full::new(Bytes::from(vec![b' '; 2001])));
    assert_eq!(service().oneshot(large).await.unwrap().status(), 413);
}

#[tokio::test]
async fn answers_like_the_endpoint() {
    let mut request = EventBuilder::new("payment.succeeded".into()).to_request(&key());
    request.headers_mut().remove("webhook-id");
    let by_layer = service().oneshot(request.clone().map(Full::new)).await.unwrap();
    let by_endpoint = Webhooks::builder(key()).build().unwrap().handle(request).await;
    assert_eq!(by_layer.status(), by_endpoint.status());
    assert_eq!(&by_layer.into_body().collect().await.unwrap().to_bytes(), by_endpoint.body());
}

#[test]
fn another_kind_of_event_is_not_read_as_this_one() {
    let refund = EventBuilder::new("refund.succeeded".into()).to_verified();
    let error = refund.typed::<Payment>().unwrap_err();
    assert_eq!(error.code(), "unexpected_event");
    assert!(EventBuilder::new("a.new_one".into()).to_verified().typed::<Payment>().is_err());
}
