//! The lines that a new user sees for common mistakes, under `tracing_subscriber::fmt::init()`.
//! Each case is one line, and `docs/log-messages.md` has its text. Cases run in processes of their
//! own, because a process has one subscriber. Errors show without `RUST_LOG`; the other levels need
//! `RUST_LOG=info`, because the feature `env-filter` shows errors only.

use std::{env, process::Command, time::Duration};

use bytes::Bytes;
use dodo_core::{
    BoxError, Client, Dodo, Environment, WebhookKey, Webhooks,
    attribution::AttributionRecord,
    checkout::{SessionCheckout, StaticCheckout},
    client::DodoBuilder,
    endpoint::Endpoint,
    testing::signed_request,
    webhook::WebhooksBuilder,
};
use dodo_ledger::{Ledger, Store, sink::FnSink};
use http::{Method, Request, Response, header};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tracing::level_filters::LevelFilter;

const CHILD: &str = "DODO_TEST_LOG_CASE";
const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const PAGE: &str = include_str!("../../docs/log-messages.md");

/// A client whose API answers with this status.
fn answering(status: u16) -> Client {
    let transport = move |_: Request<Bytes>| async move {
        let mut response = Response::new(Bytes::from_static(br#"{"code":"X","message":"canary"}"#));
        *response.status_mut() = status.try_into().unwrap();
        Ok::<_, BoxError>(response)
    };
    Client::builder("sk_canary", Environment::Test).with_transport(transport).build().unwrap()
}

async fn buy(client: Client) -> u16 {
    buy_from(client, "https://shop.example").await
}

async fn buy_from(client: Client, origin: &str) -> u16 {
    let body = r#"{"product_cart":[{"product_id":"pdt_a","quantity":1}]}"#;
    let request = Request::post("/api/checkout")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::HOST, "shop.example")
        .header(header::ORIGIN, origin)
        .body(Bytes::from(body))
        .unwrap();
    let checkout = SessionCheckout::builder(client).build().unwrap();
    checkout.handle(request).await.status().as_u16()
}

async fn open_link(client: Client) -> u16 {
    open_link_of(client, "pdt_a").await
}

async fn open_link_of(client: Client, product: &str) -> u16 {
    let uri = format!("/api/checkout?productId={product}");
    let request = Request::get(uri).body(Bytes::new()).unwrap();
    let checkout = StaticCheckout::builder(client).build().unwrap();
    checkout.handle(request).await.status().as_u16()
}

/// Builds a client from the environment, and calls paths that name the status of their answer.
async fn call_all(level: Option<LevelFilter>) {
    let transport = |request: Request<Bytes>| async move {
        let mut response = Response::new(Bytes::from_static(b"{}"));
        *response.status_mut() = request.uri().path()[1..].parse().unwrap();
        Ok::<_, BoxError>(response)
    };
    let builder = DodoBuilder::from_env().unwrap().client(|client| {
        let client = client.with_transport(transport).max_retries(0);
        match level {
            Some(level) => client.log_level(level),
            None => client,
        }
    });
    let dodo = builder.build().unwrap();
    for path in ["/200", "/429", "/401"] {
        let _answer = dodo.client().call(Method::GET, path, &[], None).await;
    }
}

async fn deliver(times: usize, change: impl Fn(&mut Request<Bytes>)) {
    let key = WebhookKey::new(KEY, Environment::Test).unwrap();
    let hooks = Webhooks::builder(key).build().unwrap();
    let other = WebhookKey::new(OTHER, Environment::Test).unwrap();
    for _ in 0..times {
        let mut request =
            signed_request(&other, "msg_1", r#"{"type":"payment.succeeded","data":{}}"#);
        change(&mut request);
        let answer = hooks.handle(request).await;
        assert_eq!(answer.status(), 401);
    }
}

/// Webhooks whose callback reports that it ran, and fails.
fn failing() -> (WebhooksBuilder<()>, UnboundedReceiver<()>) {
    let (failed, fails) = unbounded_channel();
    let key = WebhookKey::new(KEY, Environment::Test).unwrap();
    let hooks = Webhooks::builder(key).on_any(move |_| {
        let _sent = failed.send(());
        async { Err(BoxError::from("the mail server is down")) }
    });
    (hooks, fails)
}

async fn event(hooks: &Webhooks) -> u16 {
    let body = r#"{"type":"payment.succeeded","data":{"payment_id":"pay_1","total_amount":1,"currency":"USD"}}"#;
    hooks.handle(signed_request(hooks.key(), "msg_1", body)).await.status().as_u16()
}

/// Returns after the first failure of the callback: the workers finish it before they stop.
async fn event_of_a_ledger() {
    let ledger = Ledger::open("sqlite::memory:").await.unwrap();
    let (hooks, mut fails) = failing();
    let (hooks, workers) = ledger.attach(hooks).unwrap();
    assert_eq!(event(&hooks).await, 200);
    fails.recv().await.unwrap();
    workers.shutdown(Duration::from_secs(5)).await;
}

/// Returns after the first failure of a sink's callback.
async fn record_of_a_ledger() {
    let (failed, mut fails) = unbounded_channel();
    let crm = FnSink::new("crm", move |_: AttributionRecord| {
        let _sent = failed.send(());
        async { Err::<(), _>(BoxError::from("the CRM is down")) }
    });
    let store = Store::open("sqlite::memory:").await.unwrap();
    let ledger = Ledger::builder(store).sink(crm.include_test_mode()).build().unwrap();
    ledger.migrate().await.unwrap();
    let key = WebhookKey::new(KEY, Environment::Test).unwrap();
    let (hooks, workers) = ledger.attach(Webhooks::builder(key)).unwrap();
    assert_eq!(event(&hooks).await, 200);
    fails.recv().await.unwrap();
    workers.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn child() {
    let Ok(case) = env::var(CHILD) else { return };
    tracing_subscriber::fmt::init();
    match &*case {
        "start" => {
            Dodo::builder("sk_canary", format!("{KEY} {OTHER}"), Environment::Test)
                .build()
                .unwrap();
        }
        "wrong webhook key" => deliver(50, |_| ()).await,
        "unsigned request" => {
            deliver(50, |request| drop(request.headers_mut().remove("webhook-signature"))).await;
        }
        "old timestamp" => {
            deliver(1, |request| {
                request.headers_mut().insert("webhook-timestamp", 1_600_000_000.into());
            })
            .await;
        }
        "wrong API key" => assert_eq!(buy(answering(401)).await, 502),
        "wrong API key, static" => assert_eq!(open_link(answering(403)).await, 502),
        "unreachable API" => {
            let client = Client::builder("sk_canary", Environment::Test)
                .base_url("http://127.0.0.1:9")
                .build()
                .unwrap();
            assert_eq!(buy(client).await, 502);
        }
        "unknown product" => assert_eq!(open_link(answering(404)).await, 404),
        "unknown products" => {
            let client = answering(404);
            for id in ["pdt_a", "pdt_b", "pdt_c"] {
                assert_eq!(open_link_of(client.clone(), id).await, 404);
            }
        }
        "rejected requests" => {
            let client = answering(422);
            for _ in 0..3 {
                assert_eq!(buy(client.clone()).await, 422);
            }
        }
        "foreign origin" => {
            let client = answering(200);
            for _ in 0..3 {
                assert_eq!(buy_from(client.clone(), "https://evil.example").await, 403);
            }
        }
        "client level" => call_all(None).await,
        "client level in code" => call_all(Some(LevelFilter::ERROR)).await,
        "ledger" => {
            let ledger = Ledger::open("sqlite::memory:").await.unwrap();
            let key = WebhookKey::new(KEY, Environment::Test).unwrap();
            let (_hooks, workers) = ledger.attach(Webhooks::builder(key)).unwrap();
            workers.shutdown(Duration::from_secs(5)).await;
        }
        "failing callback" => assert_eq!(event(&failing().0.build().unwrap()).await, 500),
        "failing callback, ledger" => event_of_a_ledger().await,
        "failing sink callback" => record_of_a_ledger().await,
        "missing database folder" => {
            Ledger::open("sqlite:/no-such-folder/ledger.db").await.unwrap_err();
        }
        "rejected request" => assert_eq!(buy(answering(422)).await, 422),
        "live mode on this machine" => {
            let client = Client::builder("sk_canary", Environment::Live);
            client.base_url("http://127.0.0.1:9").build().unwrap();
        }
        other => panic!("no case {other}"),
    }
}

/// The lines of a case, with this `RUST_LOG`.
fn lines(case: &str, filter: Option<&str>) -> Vec<String> {
    lines_with(case, filter, &[])
}

fn lines_with(case: &str, filter: Option<&str>, variables: &[(&str, &str)]) -> Vec<String> {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "child", "--nocapture"]).env(CHILD, case).env_remove("RUST_LOG");
    child.envs(variables.iter().copied());
    let output = child.envs(filter.map(|filter| ("RUST_LOG", filter))).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{case}: {text}");
    text.lines().filter(|line| line.contains("dodo::")).map(str::to_owned).collect()
}

#[test]
fn mistake_logs_one_line_that_the_docs_show() {
    for (case, level, names) in [
        ("start", " INFO ", vec!["mode=test_mode", "api=\"https://test.", "webhook_keys=2"]),
        ("ledger", " INFO ", vec!["ledger attached", "store=\"sqlite\"", "mode=test_mode"]),
        ("wrong webhook key", "ERROR ", vec!["DODO_PAYMENTS_WEBHOOK_KEY", "signature_mismatch"]),
        ("unsigned request", " WARN ", vec!["signature_missing"]),
        ("old timestamp", " WARN ", vec!["clock"]),
        ("wrong API key", "ERROR ", vec!["DODO_PAYMENTS_API_KEY", "status=401", "mode=test_mode"]),
        ("wrong API key, static", "ERROR ", vec!["DODO_PAYMENTS_API_KEY", "status=403"]),
        (
            "unreachable API",
            "ERROR ",
            vec!["DODO_PAYMENTS_BASE_URL", "http://127.0.0.1:9", "refused"],
        ),
        ("unknown product", "ERROR ", vec!["product_not_found", "DODO_PAYMENTS_ENVIRONMENT"]),
        ("unknown products", "ERROR ", vec!["product_not_found", "repeated=0"]),
        ("rejected requests", " WARN ", vec!["dodo_code=\"X\"", "repeated=0"]),
        ("foreign origin", " WARN ", vec!["https://evil.example", "repeated=0", "DODO_PUBLIC_URL"]),
        (
            "failing callback",
            "ERROR ",
            vec!["kind=\"payment.succeeded\"", "msg_1", "the mail server is down"],
        ),
        (
            "failing callback, ledger",
            "ERROR ",
            vec![
                "kind=\"payment.succeeded\"",
                "msg_1",
                "callback_failed",
                "the mail server is down",
            ],
        ),
        (
            "failing sink callback",
            " WARN ",
            vec!["sink=\"crm\"", "record=\"charge:pay_1\"", "the CRM is down"],
        ),
        ("missing database folder", "ERROR ", vec!["path=/no-such-folder", "create it"]),
        ("rejected request", " WARN ", vec!["dodo_code=\"X\"", "docs/checkout.md"]),
        ("live mode on this machine", " WARN ", vec!["DODO_PAYMENTS_ENVIRONMENT=test_mode"]),
    ] {
        let filter = match level {
            "ERROR " => None,
            " WARN " => Some("warn"),
            _ => Some("info"),
        };
        let lines = lines(case, filter);
        let [line] = &*lines else { panic!("{case}: {lines:#?}") };
        assert!(line.contains(level), "{case}: {line}");
        assert!(!line.contains("canary"), "{case}: {line}");
        for name in names {
            assert!(line.contains(name), "{case} lacks {name}: {line}");
        }
        // The text stands between the target and the first field.
        let text = line.split_once("dodo::").unwrap().1.split_once(": ").unwrap().1;
        let end = text.match_indices('=').next().map_or(text.len(), |(at, _)| at);
        let text = match case {
            "live mode on this machine" => text.split(" api=").next().unwrap(),
            _ => text.get(..end).unwrap().rsplit_once(' ').unwrap().0,
        };
        assert!(PAGE.contains(text), "{case}: docs/log-messages.md lacks {text:?}");
    }
}

#[test]
fn level_of_client_hides_more_verbose_lines() {
    let all = [" INFO ", "DEBUG ", " WARN ", "ERROR "];
    for (case, level, shown) in [
        ("client level", None, &all[..]),
        ("client level", Some("debug"), &all[..]),
        ("client level", Some("info"), &[" INFO ", " WARN ", "ERROR "]),
        ("client level", Some("warn"), &[" WARN ", "ERROR "]),
        ("client level", Some("error"), &["ERROR "]),
        ("client level", Some("off"), &[]),
        ("client level in code", Some("debug"), &["ERROR "]),
    ] {
        let mut variables = vec![
            ("DODO_PAYMENTS_API_KEY", "sk_canary"),
            ("DODO_PAYMENTS_WEBHOOK_KEY", KEY),
            ("DODO_PAYMENTS_ENVIRONMENT", "test_mode"),
        ];
        variables.extend(level.map(|level| ("DODO_PAYMENTS_LOG", level)));
        let lines = lines_with(case, Some("dodo=debug"), &variables);
        assert_eq!(lines.len(), shown.len(), "{case} {level:?}: {lines:#?}");
        for (line, level) in lines.iter().zip(shown) {
            assert!(line.contains(level), "{case} {level}: {line}");
        }
    }
}
