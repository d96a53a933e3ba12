//! Webhooks beside their references, in one run: `cargo bench -p dodo-core --bench webhooks`.
//!
//! - verify: `hmac` and `sha2` by hand, and the `standardwebhooks` crate
//! - parse: a plain derive over the same fields, text for everything
//! - route: verify, route and read, against the sum of the two references
#![expect(clippy::unwrap_used, reason = "a benchmark")]

mod plain;

use std::{future::ready, hint::black_box};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dodo_core::{Environment, WebhookKey, Webhooks, event::Payment, testing::sign};
use hmac::{Hmac, KeyInit, Mac};
use http::{Extensions, HeaderMap};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SAMPLE: &str = include_str!("../../tests/data/samples/payment.succeeded.json");

struct Delivery {
    key: WebhookKey,
    headers: HeaderMap,
    body: Bytes,
}

fn delivery() -> Delivery {
    let value: serde_json::Value = serde_json::from_str(SAMPLE).unwrap();
    let body = Bytes::from(value.to_string());
    let key = WebhookKey::new(SECRET, Environment::Live).unwrap();
    let headers = sign(&key, "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", &body);
    Delivery { key, headers, body }
}

/// What one would write with `hmac` and `sha2` in a few lines.
fn verify_by_hand(secret: &[u8], headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name| headers.get(name).unwrap().to_str().unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
    mac.update(header("webhook-id").as_bytes());
    mac.update(b".");
    mac.update(header("webhook-timestamp").as_bytes());
    mac.update(b".");
    mac.update(body);
    let signature = header("webhook-signature").strip_prefix("v1,").unwrap();
    mac.verify_slice(&STANDARD.decode(signature).unwrap()).is_ok()
}

fn verify(c: &mut Criterion) {
    let Delivery { key, headers, body } = delivery();
    let secret = STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    let other = standardwebhooks::Webhook::new(SECRET).unwrap();
    let mut group = c.benchmark_group("verify");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("hmac+sha2", |b| {
        b.iter(|| assert!(verify_by_hand(&secret, black_box(&headers), black_box(&body))));
    });
    group.bench_function("dodo-core", |b| {
        b.iter(|| key.verify(black_box(&headers), black_box(body.clone())).unwrap());
    });
    group.bench_function("standardwebhooks", |b| {
        b.iter(|| other.verify(black_box(&body), black_box(&headers)).unwrap());
    });
    group.finish();
}

fn parse(c: &mut Criterion) {
    let Delivery { key, headers, body } = delivery();
    let event = key.verify(&headers, body.clone()).unwrap();
    let mut group = c.benchmark_group("parse");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("plain derive", |b| {
        b.iter(|| serde_json::from_slice::<plain::Event>(black_box(&body)).unwrap());
    });
    group.bench_function("dodo-core", |b| {
        b.iter(|| black_box(&event).typed::<Payment>().unwrap());
    });
    group.bench_function("dodo-core, envelope only", |b| {
        b.iter(|| black_box(&event).envelope().unwrap());
    });
    let faulty = SAMPLE.replace("\"tax\": 931", "\"tax\": [931]");
    assert_ne!(faulty, SAMPLE);
    let headers = sign(&key, "msg_1", faulty.as_bytes());
    let event = key.verify(&headers, faulty.into()).unwrap();
    group.bench_function("dodo-core, one damaged field", |b| {
        b.iter(|| black_box(&event).typed::<Payment>().unwrap());
    });
    group.finish();
}

fn route(c: &mut Criterion) {
    let Delivery { key, headers, body } = delivery();
    let secret = STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    let dispatcher = Webhooks::builder(key.clone())
        .on_payment_succeeded(|event| {
            black_box(event);
            ready(Ok(()))
        })
        .build()
        .unwrap()
        .dispatcher();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut group = c.benchmark_group("verify, route and read");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("hmac+sha2 and plain derive", |b| {
        b.iter(|| {
            assert!(verify_by_hand(&secret, black_box(&headers), black_box(&body)));
            serde_json::from_slice::<plain::Event>(black_box(&body)).unwrap()
        });
    });
    group.bench_function("dodo-core, verify and read", |b| {
        b.iter(|| {
            let event = key.verify(black_box(&headers), black_box(body.clone())).unwrap();
            event.typed::<Payment>().unwrap()
        });
    });
    group.bench_function("dodo-core, verify and dispatch to a callback", |b| {
        b.iter(|| {
            let event = key.verify(black_box(&headers), black_box(body.clone())).unwrap();
            runtime.block_on(dispatcher.dispatch(event, 1, Extensions::new())).unwrap();
        });
    });
    group.finish();
}

criterion_group!(benches, verify, parse, route);
criterion_main!(benches);
