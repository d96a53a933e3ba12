//! What tests of applications are given, and that it does not panic.

use dodo_core::{
    ErrorKind, EventKind, Webhooks,
    endpoint::Endpoint,
    event::{Payment, Refund},
    testing::{EventBuilder, signed_request},
};

use super::support::key;

#[test]
fn event_of_other_payload_cannot_be_modified() {
    let paid = || EventBuilder::new(EventKind::PaymentSucceeded);
    let edited = paid().modify(|payment: &mut Payment| payment.total_amount = 7).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&edited.body()).unwrap();
    assert_eq!(body["data"]["total_amount"], 7);

    let refused = paid().modify(|refund: &mut Refund| refund.amount = Some(7)).unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::InvalidRequest, "another_payload"));
    let spoilt = paid().set_json("payment_id", serde_json::Value::Null);
    assert!(spoilt.modify(|payment: &mut Payment| payment.total_amount = 7).is_err());
}

#[tokio::test]
async fn id_unfit_for_header_gives_delivery_without_id() {
    let hooks = Webhooks::builder(key()).build().unwrap();
    for (id, status) in [("msg_1", 200), ("msg\r\n1", 401), ("msg_\u{0}", 401)] {
        let event = EventBuilder::new(EventKind::PaymentSucceeded).id(id);
        let request = event.to_request(&key());
        assert_eq!(request.headers().contains_key("webhook-id"), status == 200, "{id:?}");
        assert_eq!(hooks.handle(request).await.status(), status, "{id:?}");
        assert_eq!(
            hooks.handle(signed_request(&key(), id, event.body())).await.status(),
            status,
            "{id:?}"
        );
    }
}
