//! How often memory is asked for. A process of its own: the counting allocator is global.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use std::{future::ready, hint::black_box};

use allocation_counter::measure;
use bytes::Bytes;
use dodo_core::{
    Environment, WebhookKey, Webhooks, endpoint::Endpoint, event::Payment, testing::sign,
};
use http::{HeaderMap, HeaderValue, Request};

const SAMPLE: &str = include_str!("../../tests/data/samples/payment.succeeded.json");

fn compact() -> Bytes {
    let value: serde_json::Value = serde_json::from_str(SAMPLE).unwrap();
    value.to_string().into()
}

fn key() -> WebhookKey {
    let secrets =
        ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];
    WebhookKey::from_secrets(secrets, Environment::Live).unwrap()
}

/// Signed by the second of two keys, with another signature in front: the longest way to a match.
fn delivery(id: &str) -> (HeaderMap, Bytes) {
    let body = compact();
    let signer =
        WebhookKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Environment::Live).unwrap();
    let mut headers = sign(&signer, id, &body);
    let good = headers["webhook-signature"].to_str().unwrap().to_owned();
    let decoy = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
    let both = HeaderValue::from_str(&format!("{decoy} v1a,AAAA {good}")).unwrap();
    headers.insert("webhook-signature", both);
    (headers, body)
}

#[test]
fn verification_allocates_nothing() {
    let key = key();
    let (headers, body) = delivery("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W");
    let mut accepted = None;
    let spent = measure(|| accepted = Some(key.verify(&headers, body)));
    assert!(accepted.unwrap().is_ok());
    assert_eq!(spent.count_total, 0, "{spent:?}");
}

/// The counter counts: the same test with something that does allocate.
#[test]
fn counter_sees_one_allocation() {
    assert_eq!(measure(|| drop(black_box(Box::new(1)))).count_total, 1);
    let key = key();
    let (mut headers, body) = delivery("msg_1");
    headers.remove("webhook-id");
    let spent = measure(|| drop(black_box(key.verify(&headers, body))));
    assert!(spent.count_total > 0, "a refusal makes an error");
}

#[test]
fn payload_without_callback_is_not_parsed() {
    let hooks = Webhooks::builder(key()).on_refund_failed(|_| ready(Ok(()))).build().unwrap();
    let listening =
        Webhooks::builder(key()).on_payment_succeeded(|_| ready(Ok(()))).build().unwrap();
    let plain =
        measure(|| drop(black_box(serde_json::from_slice::<serde_json::Value>(&compact()))));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let count = |hooks: &Webhooks| {
        let (headers, body) = delivery("msg_1");
        let mut request = Request::post("/").body(body).unwrap();
        *request.headers_mut() = headers;
        let mut answer = None;
        let spent = measure(|| answer = Some(runtime.block_on(hooks.handle(request))));
        assert_eq!(answer.unwrap().status(), 200);
        spent.count_total
    };
    let (ignored, heard) = (count(&hooks), count(&listening));
    println!(
        "allocations: {ignored} for an event without a callback, {heard} for a payment, {} for a plain tree of it",
        plain.count_total
    );
    assert!(ignored <= 12, "{ignored}");
    assert!(heard > ignored + 40, "a payment has some forty texts: {heard}");
}

#[test]
fn reading_a_payment_allocates_what_its_texts_need() {
    let (headers, body) = delivery("msg_1");
    let event = key().verify(&headers, body).unwrap();
    let mut payment = None;
    let spent = measure(|| payment = Some(event.typed::<Payment>().unwrap()));
    println!("allocations to read a payment: {}", spent.count_total);
    assert!(spent.count_total < 90, "{}", spent.count_total);
}
