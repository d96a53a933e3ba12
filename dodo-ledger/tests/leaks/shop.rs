//! A webhook route with a ledger behind it, workers and every sink.

use std::{error::Error, time::Duration};

use dodo_axum::webhooks;
use dodo_core::{
    BoxError, Environment, WebhookKey, Webhooks, attribution::AttributionRecord,
    capture::CheckoutContext, client::ReqwestTransport, testing::sign,
};
use dodo_ledger::{
    Ledger, LedgerBuilder, RetryPolicy, Store, Workers,
    sink::{DataFast, Dub, FnSink, Ga4, JsonLines, PostHog, Segment, WebhookSink},
};
use serde_json::json;

use crate::{
    canary::{TOKEN, TOOL_KEY, VISITOR, WRITE_KEY, secret},
    database,
    server::Server,
    support::TestStore,
};

pub(crate) struct Shop {
    pub(crate) ledger: Ledger,
    pub(crate) sinks: Server,
    url: String,
    key: WebhookKey,
    workers: Workers,
    http: reqwest::Client,
    /// What values of the application looked like on the way here.
    shown: Vec<String>,
}

/// What a sender is answered.
#[derive(Debug)]
#[expect(dead_code, reason = "`Debug` shows it")]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: reqwest::header::HeaderMap,
    body: String,
}

impl Shop {
    pub(crate) async fn open(store: &TestStore) -> Self {
        let sinks = Server::start().await;
        let store_url = database::url_with_password(store);
        let opened = Store::open(&store_url).await.unwrap();
        let mut shown = vec![format!("{opened:?} {opened:#?}")];
        let builder = with_sinks(Ledger::builder(opened), &sinks, store, &mut shown);
        shown.push(format!("{builder:?}"));
        let ledger = builder.build().unwrap();
        ledger.migrate().await.unwrap();

        // The first test that comes here installs it.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::new();
        let key = WebhookKey::new(&secret("webhook"), Environment::Live).unwrap();
        let hooks = Webhooks::builder(key.clone())
            .on_payment_failed(async |_| Err::<(), BoxError>("not today".into()))
            .on_payment_cancelled(async |_| -> Result<(), BoxError> { panic!("a bug") });
        let (hooks, workers) = ledger.attach(hooks).unwrap();
        shown.push(format!("{hooks:?} {key:?} {:?}", hooks.dispatcher()));
        let route = axum::Router::new().route("/webhook", webhooks(hooks));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, route).await.unwrap() });
        shown.push(format!("{ledger:?} {workers:?}"));
        Self { ledger, sinks, url, key, workers, http, shown }
    }

    pub(crate) async fn deliver(&self, id: &str, body: &[u8]) -> Answer {
        self.send(sign(&self.key, id, body), body).await
    }

    /// A delivery with the signature of another key.
    pub(crate) async fn forge(&self, body: &[u8]) -> Answer {
        let key = WebhookKey::new(&secret("stranger"), Environment::Live).unwrap();
        self.send(sign(&key, "msg_forged", body), body).await
    }

    async fn send(&self, headers: reqwest::header::HeaderMap, body: &[u8]) -> Answer {
        let request = self.http.post(&self.url).headers(headers).body(body.to_vec());
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer { status, headers, body: answer.text().await.unwrap() }
    }

    pub(crate) fn shown(&self) -> &[String] {
        &self.shown
    }

    pub(crate) async fn close(self) {
        self.workers.shutdown(Duration::from_secs(5)).await;
    }
}

fn with_sinks(
    builder: LedgerBuilder,
    server: &Server,
    store: &TestStore,
    shown: &mut Vec<String>,
) -> LedgerBuilder {
    let segment = Segment::at(&server.url, WRITE_KEY).unwrap();
    let hook = format!("{}/hooks/{TOKEN}?key={TOKEN}", server.url);
    let forwarder =
        WebhookSink::new(&hook, WebhookKey::new(&secret("forwarder"), Environment::Live).unwrap())
            .unwrap();
    // Named after the store's schema or folder: both tests of this process have their own.
    let name: String = store.url.chars().filter(char::is_ascii_alphanumeric).collect();
    let file = std::env::temp_dir().join(format!("dodo-ledger-leaks-{name}.jsonl"));
    let lines = JsonLines::open(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    let callback = FnSink::new("crm", async |record: AttributionRecord| {
        if record.payment_id.ends_with('1') { Err("the CRM is away") } else { Ok(()) }
    });
    let (datafast, dub, posthog, ga4) = tools(&server.url);
    shown.push(format!("{segment:?} {forwarder:?} {lines:?} {callback:?}"));
    shown.push(format!("{datafast:?} {dub:?} {posthog:?} {ga4:?}"));
    let soon = RetryPolicy::new(Duration::from_millis(2), Duration::from_millis(10), 5);
    builder
        .sink(segment)
        .sink(forwarder)
        .sink(lines)
        .sink(callback)
        .sink(datafast)
        .sink(dub)
        .sink(posthog)
        .sink(ga4)
        .callback_retry(soon.max_attempts(2))
        .sink_retry(soon.max_attempts(3))
        .consent_grace_period(Duration::ZERO)
}

/// Tools whose key goes into a header, the body or the query.
fn tools(url: &str) -> (DataFast, Dub, PostHog, Ga4) {
    let http = || ReqwestTransport::new(Duration::from_secs(5), None).unwrap();
    (
        DataFast::with_transport(url, TOOL_KEY, http()).unwrap(),
        Dub::with_transport(url, TOOL_KEY, http()).unwrap(),
        PostHog::with_transport(url, TOOL_KEY, http()).unwrap(),
        Ga4::with_transport(url, "G-1", TOOL_KEY, http()).unwrap(),
    )
}

/// A checkout context.
pub(crate) fn context() -> CheckoutContext {
    let context = json!({
        "visitor": VISITOR, "campaign": { "source": "canary-source" }, "consent": "granted",
        "tool_ids": { "dub_click_id": "canary-dub" }, "landing_path": "/canary",
        "referrer_host": "canary.example", "click_ids": { "gclid": "canary-gclid" },
        "user_id": "canary-user", "captured_at": "2026-11-20T09:00:00Z",
    });
    serde_json::from_value(context).unwrap()
}

/// Everything that an error can be made to say.
pub(crate) fn said(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut said = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        said.push(format!("{error}"));
        said.push(format!("{error:?} {error:#?}"));
        next = error.source();
    }
    said
}
