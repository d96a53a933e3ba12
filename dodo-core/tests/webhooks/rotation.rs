//! A rehearsal of a key rotation under traffic: nothing is refused, and the counts say when the old key
//! is no longer in use.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use dodo_core::{
    Environment, EventKind, WebhookKey, Webhooks,
    endpoint::Endpoint,
    testing::EventBuilder,
    webhook::{Inbox, Receipt, VerifiedEvent},
};
use http::{HeaderValue, StatusCode};
use tokio::task::JoinSet;

use crate::support::{NOW, SECRET, time};

const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Counts deliveries by the position of the secret that verified them.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<BTreeMap<Option<usize>, usize>>>);

impl Inbox for Counts {
    type Error = std::convert::Infallible;

    async fn accept(&self, event: &VerifiedEvent) -> Result<Receipt, Self::Error> {
        *self.0.lock().unwrap().entry(event.key_position()).or_default() += 1;
        Ok(Receipt::Stored)
    }
}

/// How Dodo Payments signs: with the old key, with both, with the new key.
#[derive(Clone, Copy)]
enum Sender {
    Old,
    Both,
    New,
}

fn key(secrets: &[&str]) -> WebhookKey {
    WebhookKey::from_secrets(secrets, Environment::Test).unwrap().with_clock(|| time(NOW))
}

/// Sends 100 deliveries at once and returns their statuses and the counts per secret.
async fn traffic(secrets: &[&str], sender: Sender) -> (usize, BTreeMap<Option<usize>, usize>) {
    let counts = Counts::default();
    let hooks: Webhooks =
        Webhooks::builder::<()>(key(secrets)).inbox(counts.clone()).build().unwrap();
    let mut deliveries = JoinSet::new();
    for n in 0..100 {
        let hooks = hooks.clone();
        deliveries.spawn(async move {
            let event = EventBuilder::new(EventKind::PaymentSucceeded).id(format!("msg_{n}"));
            let signature = |secret: &str| {
                event.to_request(&key(&[secret])).headers()["webhook-signature"].clone()
            };
            let (old, new) = (signature(SECRET), signature(NEW));
            let both = [old.as_bytes(), b" ", new.as_bytes()].concat();
            let mut request = event.to_request(&key(&[SECRET]));
            let signature = match sender {
                Sender::Old => old,
                Sender::Both => HeaderValue::from_bytes(&both).unwrap(),
                Sender::New => new,
            };
            request.headers_mut().insert("webhook-signature", signature);
            hooks.handle(request).await.status()
        });
    }
    let statuses = deliveries.join_all().await;
    let accepted = statuses.iter().filter(|status| **status == StatusCode::OK).count();
    let counts = counts.0.lock().unwrap().clone();
    (accepted, counts)
}

#[tokio::test]
async fn rotation_refuses_nothing_and_counts_each_key() {
    for (step, secrets, sender, position) in [
        ("before", &[SECRET][..], Sender::Old, 0),
        ("new key in front, deployed", &[NEW, SECRET], Sender::Old, 1),
        ("rotated at Dodo, both sign", &[NEW, SECRET], Sender::Both, 0),
        ("the old key expires", &[NEW, SECRET], Sender::New, 0),
        ("old key removed", &[NEW], Sender::New, 0),
    ] {
        let (accepted, counts) = traffic(secrets, sender).await;
        assert_eq!(accepted, 100, "{step}");
        assert_eq!(counts, BTreeMap::from([(Some(position), 100)]), "{step}");
    }
    let (accepted, _) = traffic(&[NEW], Sender::Old).await;
    assert_eq!(accepted, 0, "the removed key no longer verifies");
}
