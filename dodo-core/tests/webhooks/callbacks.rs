//! What runs, in which order, and what the answer is when it does not go well.

use std::{
    convert::Infallible,
    future::{pending, ready},
    sync::{Arc, Mutex},
    time::Duration,
};

use dodo_core::{
    BoxError, Environment, Event, EventKind, Webhooks,
    attribution::AttributionRecord,
    endpoint::Endpoint,
    event::{Payment, RawJson, Subscription},
    testing::{EventBuilder, signed_request},
    webhook::{Inbox, Receipt, VerifiedEvent, WebhooksBuilder},
};
use http::Extensions;

use crate::support::{key, key_in};

type Notes = Arc<Mutex<Vec<String>>>;

fn note(notes: &Notes, text: impl Into<String>) {
    notes.lock().unwrap().push(text.into());
}

fn taken(notes: &Notes) -> Vec<String> {
    std::mem::take(&mut notes.lock().unwrap())
}

async fn status(hooks: &Webhooks, event: &EventBuilder) -> u16 {
    hooks.handle(event.to_request(&key())).await.status().as_u16()
}

fn event(kind: &str) -> EventBuilder {
    EventBuilder::new(kind.into())
}

#[tokio::test]
async fn first_any_then_typed_in_their_order_then_the_sink() {
    let notes = Notes::default();
    let sink = {
        let notes = notes.clone();
        move |record: AttributionRecord| {
            note(&notes, record.id);
            ready(Ok::<(), Infallible>(()))
        }
    };
    let hooks = Webhooks::builder(key())
        .with_state(notes.clone())
        .attribution_sink(sink)
        .on_payment_succeeded(|e: Event<Payment, Notes>| async move {
            note(&e.state, format!("typed {}", e.data.total_amount));
            Ok(())
        })
        .on_any(|e| async move {
            note(&e.state, format!("any {}", e.kind));
            Ok(())
        })
        .on::<serde_json::Value, _, _>(EventKind::PaymentSucceeded, |e| async move {
            note(&e.state, format!("own {}", e.data["total_amount"]));
            Ok(())
        })
        .on_payment_succeeded(|e| async move {
            note(&e.state, format!("again {}", e.data.payment_id));
            Ok(())
        })
        .build()
        .unwrap();
    assert_eq!(status(&hooks, &event("payment.succeeded")).await, 200);
    assert_eq!(
        taken(&notes),
        [
            "any payment.succeeded",
            "typed 2000",
            "own 2000",
            "again pay_test",
            "charge:pay_test",
            "identify:pay_test"
        ]
    );
    // No callback of this type: an optional field of another type costs nothing, a required one does.
    assert_eq!(status(&hooks, &event("payout.failed").set_json("fee", "x")).await, 200);
    assert_eq!(taken(&notes), ["any payout.failed"]);
    assert_eq!(status(&hooks, &event("payout.failed").set_json("payout_id", 7)).await, 400);
    assert_eq!(taken(&notes), ["any payout.failed"]);
}

/// Counts how often it is read.
#[derive(Clone, serde::Deserialize)]
struct Counted {
    #[serde(rename = "payment_id", deserialize_with = "count")]
    _id: (),
}

static READ: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

fn count<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    READ.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    serde::Deserialize::deserialize(deserializer).map(|_: String| ())
}

#[tokio::test]
async fn callbacks_of_one_event_share_one_parse() {
    let ok = |_: Event<Counted>| ready(Ok(()));
    let hooks = (0..5).fold(Webhooks::builder(key()), |hooks, _| {
        hooks.on(EventKind::PaymentSucceeded, ok).on_payment_succeeded(|_| ready(Ok(())))
    });
    assert_eq!(status(&hooks.build().unwrap(), &event("payment.succeeded")).await, 200);
    assert_eq!(READ.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn unknown_types_are_taken() {
    let notes = Notes::default();
    let noting = |name: &'static str| {
        let notes = notes.clone();
        move |e: Event<RawJson>| {
            note(&notes, format!("{name} {} {}", e.kind, e.data.as_str().unwrap()));
            ready(Ok(()))
        }
    };
    let hooks = Webhooks::builder(key())
        .on_unknown(noting("unknown"))
        .on_any(noting("any"))
        .build()
        .unwrap();
    assert_eq!(status(&hooks, &event("payment.teleported").set_json("a", 1)).await, 200);
    assert_eq!(
        taken(&notes),
        [r#"any payment.teleported {"a":1}"#, r#"unknown payment.teleported {"a":1}"#]
    );
    assert_eq!(status(&hooks, &event("payment.failed")).await, 200);
    assert_eq!(taken(&notes).len(), 1, "a known type is not unknown");
    let body = r#"{"type":"x.y","timestamp":"2026-01-01T00:00:00Z","business_id":"b"}"#;
    assert_eq!(
        hooks.handle(signed_request(&key(), "msg_1", body)).await.status(),
        200,
        "without data"
    );
}

#[tokio::test]
async fn unknown_type_may_have_typed_callback() {
    let notes = Notes::default();
    let hooks = Webhooks::builder(key())
        .with_state(notes.clone())
        .on::<Payment, _, _>("payment.teleported".into(), |e| async move {
            note(&e.state, e.data.payment_id);
            Ok(())
        })
        .build()
        .unwrap();
    let payment = event("payment.teleported")
        .set_json("payment_id", "pay_1")
        .set_json("total_amount", 1)
        .set_json("currency", "EUR");
    assert_eq!(status(&hooks, &payment).await, 200);
    assert_eq!(taken(&notes), ["pay_1"]);
}

#[tokio::test]
async fn first_failure_stops_and_asks_for_retry() {
    let notes = Notes::default();
    let counting = || {
        let notes = notes.clone();
        move |_: Event<Payment>| {
            note(&notes, "ran");
            ready(Ok(()))
        }
    };
    let failing = Webhooks::builder(key())
        .on_payment_succeeded(counting())
        .on_payment_succeeded(|_| ready(Err("canary: the database is down".into())))
        .on_payment_succeeded(counting())
        .build()
        .unwrap();
    let answer = failing.handle(event("payment.succeeded").to_request(&key())).await;
    assert_eq!(answer.status(), 500);
    assert!(!String::from_utf8_lossy(answer.body()).contains("canary"), "{answer:?}");
    assert_eq!(taken(&notes).len(), 1);

    let any_fails = Webhooks::builder(key())
        .on_any(|_| ready(Err("no".into())))
        .on_payment_succeeded(counting())
        .build()
        .unwrap();
    assert_eq!(status(&any_fails, &event("payment.succeeded")).await, 500);
    assert_eq!(taken(&notes).len(), 0);

    let sink_fails = Webhooks::builder(key())
        .on_payment_succeeded(counting())
        .attribution_sink(|_: AttributionRecord| ready(Err("no")))
        .build()
        .unwrap();
    assert_eq!(status(&sink_fails, &event("payment.succeeded")).await, 500);
    assert_eq!(status(&sink_fails, &event("payment.failed")).await, 200, "nothing to emit");
}

#[tokio::test(start_paused = true)]
async fn panics_and_missed_deadlines_are_failures() {
    let ok = || ready(Ok(()));
    let hooks = Webhooks::builder(key())
        .on_payment_succeeded(|_| -> std::future::Ready<Result<(), BoxError>> { panic!("call") })
        .on_payment_failed(|_| async {
            tokio::task::yield_now().await;
            panic!("poll");
            #[expect(unreachable_code, reason = "gives the block its type")]
            Ok(())
        })
        .on_payment_cancelled(|_| pending::<()>())
        .on_payment_processing(|_| async {
            tokio::time::sleep(Duration::from_millis(9_999)).await;
            Ok(())
        })
        .on_refund_failed(move |_| ok())
        .build()
        .unwrap();
    for (kind, expected) in [
        ("payment.succeeded", 500),
        ("payment.failed", 500),
        ("payment.cancelled", 500),
        ("payment.processing", 200),
        ("refund.failed", 200),
    ] {
        assert_eq!(status(&hooks, &event(kind)).await, expected, "{kind}");
    }
    let started = tokio::time::Instant::now();
    let short = Webhooks::builder(key())
        .callback_timeout(Duration::from_secs(2))
        .on_payment_cancelled(|_| pending::<()>())
        .build()
        .unwrap();
    assert_eq!(status(&short, &event("payment.cancelled")).await, 500);
    assert_eq!(started.elapsed().as_secs(), 2);
}

/// A payload of the application's that cannot cope.
#[derive(Clone, serde::Deserialize)]
struct Panicking {
    #[serde(rename = "payment_id", deserialize_with = "give_up")]
    _id: (),
}

fn give_up<'de, D: serde::Deserializer<'de>>(_: D) -> Result<(), D::Error> {
    panic!("cannot read this");
}

#[tokio::test]
async fn panic_of_payload_reader_fails_callback() {
    let hooks = Webhooks::builder(key())
        .on(EventKind::PaymentSucceeded, |_: Event<Panicking>| ready(Ok(())))
        .build()
        .unwrap();
    let signed = event("payment.succeeded").to_verified();
    let error = hooks.dispatcher().dispatch(signed, 1, Extensions::new()).await.unwrap_err();
    assert_eq!(error.code(), "callback_panicked");
}

#[tokio::test]
async fn unreadable_events_run_any_and_unreadable() {
    let notes = Notes::default();
    let any = {
        let notes = notes.clone();
        move |e: Event<RawJson>| {
            note(&notes, format!("any {}", e.data.as_bytes().len()));
            ready(Ok(()))
        }
    };
    let without = Webhooks::builder(key())
        .on_any(any.clone())
        .on_payment_succeeded(|_| ready(Ok(())))
        .build()
        .unwrap();
    let no_json = || signed_request(&key(), "msg_1", "{\"type\":");
    assert_eq!(without.handle(no_json()).await.status(), 400);
    assert_eq!(taken(&notes), ["any 8"]);

    let unreadable = {
        let notes = notes.clone();
        move |e: Event<dodo_core::event::UnreadableEvent>| {
            note(&notes, format!("{} at {:?}", e.kind, e.data.pointer));
            assert!(!e.data.problem.contains("canary"), "{}", e.data.problem);
            let refuses = e.data.problem.contains("total_amount");
            ready(if refuses { Err("not mine".into()) } else { Ok(()) })
        }
    };
    let with = Webhooks::builder(key())
        .on_any(any)
        .on_payment_succeeded(|_| ready(Ok(())))
        .on_unreadable(unreadable)
        .build()
        .unwrap();
    assert_eq!(with.handle(no_json()).await.status(), 200);
    assert_eq!(taken(&notes), ["any 8", " at \"\""]);
    let no_currency = event("payment.succeeded").set_json("currency", "canary");
    assert_eq!(status(&with, &no_currency).await, 200);
    assert_eq!(taken(&notes)[1], "payment.succeeded at \"/data/currency\"");
    let no_amount =
        event("payment.succeeded").set_json("total_amount", "x").set_json("q", "total_amount");
    assert_eq!(status(&with, &no_amount).await, 200, "the pointer names the field");
    let missing = r#"{"type":"payment.succeeded","data":{"payment_id":"p","currency":"EUR"}}"#;
    assert_eq!(with.handle(signed_request(&key(), "msg_1", missing)).await.status(), 500);
}

#[tokio::test]
async fn events_say_what_the_body_does_not() {
    let seen = Arc::new(Mutex::new(None));
    let hooks = |environment| {
        let seen = seen.clone();
        Webhooks::builder(key_in(environment))
            .on_subscription_active(move |e: Event<Subscription>| {
                *seen.lock().unwrap() = Some(e);
                ready(Ok(()))
            })
            .build()
            .unwrap()
    };
    let body = r#"{"type":"subscription.active","data":{"subscription_id":"sub_1","next_billing_date":"soon",
        "created_at":"2026-11-03T14:22:07.418332Z","quantity":"x"}}"#;
    for (environment, live) in [(Environment::Test, false), (Environment::Live, true)] {
        assert_eq!(
            hooks(environment).handle(signed_request(&key(), "msg_7", body)).await.status(),
            200
        );
        let event = seen.lock().unwrap().take().unwrap();
        assert_eq!((event.id.as_str(), event.live, event.attempt()), ("msg_7", live, 1));
        assert!(event.raw().as_str().unwrap().contains("soon"));
        assert_eq!(event.timestamp.as_second(), 1_795_000_000, "when it was received");
        assert_eq!(event.data.next_billing_date.as_ref().unwrap().to_string(), "soon");
        assert!(event.data.created_at.as_ref().unwrap().timestamp().is_some());
        assert_eq!(event.data.quantity, None);
        let warnings: Vec<&str> = event.context_pointers();
        assert_eq!(
            warnings,
            ["/timestamp", "/business_id", "/data/next_billing_date", "/data/quantity"]
        );
    }
}

trait Pointers {
    fn context_pointers(&self) -> Vec<&str>;
}

impl<T, S> Pointers for Event<T, S> {
    fn context_pointers(&self) -> Vec<&str> {
        let mut pointers: Vec<&str> = self.warnings().iter().map(|w| w.pointer.as_str()).collect();
        pointers.sort_by_key(|pointer| pointer.starts_with("/data"));
        pointers
    }
}

#[derive(Default)]
struct Store {
    events: Mutex<Vec<VerifiedEvent>>,
    is_down: std::sync::atomic::AtomicBool,
}

impl Inbox for Store {
    type Error = &'static str;

    async fn accept(&self, event: &VerifiedEvent) -> Result<Receipt, &'static str> {
        if self.is_down.load(std::sync::atomic::Ordering::Relaxed) {
            return Err("canary: disk full");
        }
        let mut events = self.events.lock().unwrap();
        if events.iter().any(|known| known.id() == event.id()) {
            return Ok(Receipt::Duplicate);
        }
        events.push(event.clone());
        Ok(Receipt::Stored)
    }
}

#[tokio::test]
async fn with_an_inbox_nothing_runs_in_the_request() {
    let notes = Notes::default();
    let store = Arc::new(Store::default());
    let hooks = Webhooks::builder(key())
        .inbox(store.clone())
        .with_state(notes.clone())
        .on_payment_succeeded(|e: Event<Payment, Notes>| async move {
            let transaction = e.extensions().get::<&str>().copied().unwrap_or_default();
            note(&e.state, format!("{} {} {transaction}", e.data.payment_id, e.attempt()));
            Ok(())
        })
        .build()
        .unwrap();
    let payment = event("payment.succeeded");
    assert_eq!(status(&hooks, &payment).await, 200);
    assert_eq!(status(&hooks, &payment).await, 200, "a duplicate");
    assert_eq!(status(&hooks, &event("a.new_one")).await, 200);
    assert_eq!(
        hooks.handle(signed_request(&key(), "msg_odd", "no json")).await.status(),
        200,
        "parked"
    );
    assert_eq!(taken(&notes), Vec::<String>::new());

    let events = std::mem::take(&mut *store.events.lock().unwrap());
    assert_eq!(events.len(), 3);
    let mut results = Vec::new();
    for event in events {
        let mut extensions = Extensions::new();
        extensions.insert("transaction");
        let outcome = hooks.dispatcher().dispatch(event, 3, extensions).await;
        results.push(outcome.map_err(|error| error.kind()));
    }
    assert_eq!(results, [Ok(()), Ok(()), Err(dodo_core::ErrorKind::UnreadableEvent)]);
    assert_eq!(taken(&notes), ["pay_test 3 transaction"]);

    store.is_down.store(true, std::sync::atomic::Ordering::Relaxed);
    let answer = hooks.handle(payment.to_request(&key())).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert!(!String::from_utf8_lossy(answer.body()).contains("canary"));
}

#[test]
fn dispatcher_handles_kinds_with_a_callback_or_a_sink() {
    let handled = |hooks: WebhooksBuilder<()>| {
        let dispatcher = hooks.build().unwrap().dispatcher();
        ["payment.succeeded", "payment.failed", "a.new_one"]
            .map(|kind| dispatcher.handles(&EventKind::from(kind)))
    };
    let hooks = || Webhooks::builder(key());
    let nothing = |_: Event<RawJson>| ready(());
    assert_eq!(handled(hooks()), [false, false, false]);
    assert_eq!(handled(hooks().on_payment_succeeded(|_| ready(()))), [true, false, false]);
    assert_eq!(handled(hooks().on_unknown(nothing)), [false, false, true]);
    assert_eq!(handled(hooks().on_any(nothing)), [true, true, true]);
    assert_eq!(
        handled(hooks().attribution_sink(|_: AttributionRecord| ready(Ok::<_, Infallible>(())))),
        [true, true, true]
    );
    assert_eq!(handled(hooks().on_unreadable(|_| ready(()))), [false, false, false]);
}

#[tokio::test]
async fn refusals_look_alike_and_run_nothing() {
    let notes = Notes::default();
    let counting = notes.clone();
    let hooks = Webhooks::builder(key())
        .on_any(move |_| {
            note(&counting, "ran");
            ready(Ok(()))
        })
        .body_limit(1000)
        .build()
        .unwrap();
    let good = event("payment.cancelled").to_request(&key());
    let mut answers = Vec::new();
    for change in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut request = good.clone();
        request.headers_mut().remove(change);
        answers.push(hooks.handle(request).await);
        let mut request = good.clone();
        request.headers_mut().insert(change, "1".parse().unwrap());
        answers.push(hooks.handle(request).await);
    }
    let mut stranger = good.clone();
    let other =
        dodo_core::WebhookKey::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", Environment::Live)
            .unwrap();
    *stranger.headers_mut() = dodo_core::testing::sign(&other, "msg_1", good.body());
    answers.push(hooks.handle(stranger).await);
    for answer in &answers {
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.body(), answers[0].body(), "the answer tells the reason");
    }
    let mut get = good.clone();
    *get.method_mut() = http::Method::GET;
    let answer = hooks.handle(get).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["allow"]),
        (405, &"POST".parse().unwrap())
    );
    assert_eq!(taken(&notes), Vec::<String>::new());
    assert_eq!(hooks.handle(good).await.status(), 200);
    assert_eq!(taken(&notes).len(), 1);
}

#[tokio::test]
async fn content_type_does_not_matter() {
    let hooks = Webhooks::builder(key()).build().unwrap();
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let mut request = event("payment.succeeded").to_request(&key());
        request.headers_mut().remove("content-type");
        if let Some(value) = content_type {
            request.headers_mut().insert("content-type", value.parse().unwrap());
        }
        assert_eq!(hooks.handle(request).await.status(), 200, "{content_type:?}");
    }
}
