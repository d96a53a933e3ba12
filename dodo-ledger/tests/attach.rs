//! `Ledger::attach` and `receive_only`: the wiring and its errors.
#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::{convert::Infallible, time::Duration};

use dodo_core::{
    Webhooks,
    attribution::MetadataMapping,
    capture::{Preset, VisitorCapture},
    endpoint::Endpoint as _,
    testing::sign,
    webhook::{Receipt, VerifiedEvent},
};
use dodo_ledger::{ErrorKind, Ledger, sink::FnSink};
use http::{Request, StatusCode};

use support::{Log, TestStore, eventually, hooks, payment};

async fn ledger() -> Ledger {
    TestStore::memory().await.unwrap().ledger().await
}

async fn deliver(hooks: &Webhooks, event: &VerifiedEvent) -> StatusCode {
    let mut request = Request::post("/webhook").body(event.body().clone()).unwrap();
    *request.headers_mut() = sign(hooks.key(), event.id(), event.body());
    hooks.handle(request).await.status()
}

#[tokio::test]
async fn attach_books_deliveries_and_runs_callbacks() {
    let ledger = ledger().await;
    let (ran, mut runs) = tokio::sync::mpsc::unbounded_channel();
    let callback = move |event: dodo_core::Event<dodo_core::event::Payment>| {
        let ran = ran.clone();
        async move { ran.send(event.data.payment_id).unwrap() }
    };
    let (hooks, workers) = ledger.attach(hooks().on_payment_succeeded(callback)).unwrap();
    assert_eq!(deliver(&hooks, &payment("msg_1", "pay_1")).await, StatusCode::OK);
    assert_eq!(runs.recv().await.as_deref(), Some("pay_1"));
    eventually("it is done", async || ledger.stats().await.unwrap().pending == 0).await;
    assert!(workers.shutdown(Duration::from_secs(5)).await);
    assert!(ledger.record("charge:pay_1").await.unwrap().is_some());
}

#[tokio::test]
async fn attach_with_another_inbox_fails() {
    struct Elsewhere;
    impl dodo_core::webhook::Inbox for Elsewhere {
        type Error = Infallible;
        async fn accept(&self, _: &VerifiedEvent) -> Result<Receipt, Infallible> {
            Ok(Receipt::Stored)
        }
    }
    let ledger = ledger().await;
    let error = ledger.attach(hooks().inbox(Elsewhere)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("`.inbox(..)`"), "{error}");
    let error = ledger.receive_only(hooks().inbox(ledger.clone())).unwrap_err();
    assert!(error.to_string().contains("`.inbox(..)`"), "{error}");
}

#[tokio::test]
async fn receive_only_stores_and_logs_no_missing_worker() {
    let (log, _guard) = Log::of_this_thread(tracing::Level::ERROR);
    let ledger = ledger().await;
    let hooks = ledger.receive_only(hooks()).unwrap();
    assert_eq!(deliver(&hooks, &payment("msg_1", "pay_1")).await, StatusCode::OK);
    assert_eq!(ledger.stats().await.unwrap().unbooked, 1);
    assert_eq!(log.text(), "");
}

#[tokio::test]
async fn dropped_workers_are_an_error_in_the_log() {
    let (log, _guard) = Log::of_this_thread(tracing::Level::ERROR);
    let ledger = ledger().await;
    let (hooks, workers) = ledger.attach(hooks()).unwrap();
    assert!(workers.shutdown(Duration::ZERO).await);
    assert_eq!(deliver(&hooks, &payment("msg_1", "pay_1")).await, StatusCode::OK);
    assert!(log.text().contains("call `Ledger::attach` and keep its `Workers`"), "{}", log.text());
}

#[tokio::test]
async fn two_sinks_of_one_name_fail_at_build() {
    let sink = |name| FnSink::new(name, |_| async { Ok::<_, Infallible>(()) });
    let store = TestStore::memory().await.unwrap();
    let error = store.builder().await.sink(sink("twice")).sink(sink("twice")).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "twice");
    let renamed = store.builder().await.sink(sink("once")).sink(sink("twice"));
    assert!(renamed.build().is_ok());
}

/// `source` is an ordinary word of an app whose presets do not use it.
#[tokio::test]
async fn campaign_keys_are_read_for_the_presets_in_use() {
    let bought = |id: &str| {
        let body = payment(id, id);
        let mut body: serde_json::Value = serde_json::from_slice(body.body()).unwrap();
        body["data"]["metadata"] =
            serde_json::json!({ "source": "mobile-app", "utm_source": "news" });
        support::delivery(id, body.to_string())
    };
    for (capture, expected) in [
        (None, Some("mobile-app")),
        (Some(VisitorCapture::new().preset(Preset::Bantico)), Some("mobile-app")),
        (Some(VisitorCapture::new().preset(Preset::Utm)), Some("news")),
        (Some(VisitorCapture::visitors_now()), None),
    ] {
        let ledger = ledger().await;
        let mut hooks = hooks();
        if let Some(capture) = &capture {
            hooks = hooks.metadata_mapping(MetadataMapping::default().captured_by(capture));
        }
        let (hooks, workers) = ledger.attach(hooks).unwrap();
        assert_eq!(deliver(&hooks, &bought("pay_1")).await, StatusCode::OK);
        eventually("it is done", async || ledger.stats().await.unwrap().pending == 0).await;
        workers.shutdown(Duration::from_secs(5)).await;
        let record = ledger.record("charge:pay_1").await.unwrap().unwrap();
        let source = record.campaign.and_then(|found| found.value.source);
        assert_eq!(source.as_deref(), expected, "{capture:?}");
    }
}
