//! The forwarder, the file and the closure.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dodo_core::{Environment, WebhookKey, attribution::AttributionRecord};
use dodo_ledger::{
    SendOutcome, Sink,
    sink::{FnSink, JsonLines, WebhookSink},
};
use http::HeaderMap;

use crate::{
    charge,
    server::{Mood, Server},
    support::KEY,
    tell,
};

#[tokio::test]
async fn forwarded_records_verify_as_standard_webhooks() {
    let server = Server::start().await;
    let key = WebhookKey::new(KEY, Environment::Live).unwrap();
    let sink = WebhookSink::new(&format!("{}/in", server.url), key.clone()).unwrap();
    assert_eq!(tell(&sink, vec![charge("pay_1")]).await, [SendOutcome::Accepted]);

    let received = &server.log()[0];
    let mut headers = HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, received.headers[name].parse().unwrap());
    }
    let event = key.verify(&headers, Bytes::from(received.body.clone())).unwrap();
    assert_eq!(event.id(), "charge:pay_1");
    let record: AttributionRecord = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(record, charge("pay_1"));
    assert!(!format!("{sink:?}").contains("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
}

#[tokio::test]
async fn personal_data_can_stay_at_home() {
    let server = Server::start().await;
    let key = WebhookKey::new(KEY, Environment::Live).unwrap();
    let sink = WebhookSink::new(&server.url, key).unwrap().without_personal_data();
    let mut record = charge("pay_1");
    record.email_sha256 = Some([7; 32]);
    tell(&sink, vec![record]).await;
    let record: AttributionRecord = serde_json::from_slice(&server.log()[0].body).unwrap();
    assert_eq!((record.contact, record.email_sha256), (None, None));
}

#[tokio::test]
async fn forwarder_reports_unknown_outcomes() {
    let server = Server::start().await;
    let sink =
        WebhookSink::new(&server.url, WebhookKey::new(KEY, Environment::Live).unwrap()).unwrap();
    server.set(Mood::Cut);
    assert!(matches!(tell(&sink, vec![charge("pay_1")]).await[0], SendOutcome::Unknown { .. }));
    server.set(Mood::Status(503, Some(9)));
    let told = tell(&sink, vec![charge("pay_1")]).await;
    assert!(
        matches!(told[0], SendOutcome::Retry { after: Some(after), .. } if after.as_secs() == 9)
    );
    server.set(Mood::Status(302, None));
    assert!(matches!(tell(&sink, vec![charge("pay_1")]).await[0], SendOutcome::Rejected { .. }));
    let nobody =
        WebhookSink::new("http://127.0.0.1:9", WebhookKey::new(KEY, Environment::Live).unwrap())
            .unwrap();
    assert!(matches!(tell(&nobody, vec![charge("pay_1")]).await[0], SendOutcome::Retry { .. }));
}

#[tokio::test]
async fn lines_are_appended_and_a_torn_one_is_ended() {
    let path = std::env::temp_dir().join(format!("dodo-lines-{}.jsonl", std::process::id()));
    std::fs::write(&path, "{\"torn\":").unwrap();
    let sink = JsonLines::open(&path).unwrap();
    let told = tell(&sink, vec![charge("pay_1"), charge("pay_2")]).await;
    assert_eq!(told, [SendOutcome::Accepted, SendOutcome::Accepted]);
    drop(sink);
    let again = JsonLines::open(&path).unwrap();
    tell(&again, vec![charge("pay_3")]).await;

    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "{\"torn\":");
    let ids: Vec<String> = lines[1..]
        .iter()
        .map(|line| serde_json::from_str::<AttributionRecord>(line).unwrap().id)
        .collect();
    assert_eq!(ids, ["charge:pay_1", "charge:pay_2", "charge:pay_3"]);
}

#[tokio::test]
async fn closure_is_a_sink() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let sink = FnSink::new("log", move |record: AttributionRecord| {
        log.lock().unwrap().push(record.id.clone());
        async move { if record.id.ends_with("_2") { Err("not now") } else { Ok(()) } }
    });
    assert_eq!(sink.name(), "log");
    let told = tell(&sink, vec![charge("pay_1"), charge("pay_2")]).await;
    assert_eq!(told[0], SendOutcome::Accepted);
    assert!(matches!(told[1], SendOutcome::Retry { .. }));
    assert_eq!(*seen.lock().unwrap(), ["charge:pay_1", "charge:pay_2"]);
}
