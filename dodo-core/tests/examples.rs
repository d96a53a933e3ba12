//! The examples, run as programs against a server on this machine.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
#![cfg(feature = "reqwest")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Output},
    sync::{Arc, Mutex},
    thread,
};

type Log = Arc<Mutex<Vec<String>>>;

/// Answers each request by a table of `METHOD /path?query` and the body to answer with.
fn serve(answers: &'static [(&'static str, &'static str)]) -> (String, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let log = Log::default();
    let seen = log.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = answer(stream.unwrap(), answers, &seen);
        }
    });
    (url, log)
}

fn answer(mut stream: TcpStream, answers: &[(&str, &str)], seen: &Log) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut line, mut length, mut authorized) = (String::new(), 0, false);
    reader.read_line(&mut line)?;
    let request = line.rsplit_once(' ').map(|(request, _)| request.to_owned()).unwrap_or_default();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        match header.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap_or(0),
            Some(("authorization", value)) => authorized = value == "bearer sk_test_example",
            None => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    seen.lock().unwrap().push(format!("{request} {}", String::from_utf8_lossy(&body)));
    let found = answers.iter().find(|(wanted, _)| *wanted == request && authorized);
    let (status, body) = found.map_or(("404 Not Found", "{}"), |(_, body)| ("200 OK", *body));
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// Through cargo, which builds the example if necessary.
fn run(example: &str, url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "dodo-core", "--example", example, "--"])
        .args(arguments)
        .env("DODO_PAYMENTS_API_KEY", "sk_test_example")
        .env("DODO_PAYMENTS_ENVIRONMENT", "test_mode")
        .env("DODO_PAYMENTS_BASE_URL", url)
        .output()
        .unwrap_or_else(|error| panic!("{example} does not start: {error}"))
}

type Answers = &'static [(&'static str, &'static str)];

#[rustfmt::skip]
const TABLE: &[(&str, &[&str], Answers, &str)] = &[
    ("customers", &["jane@example.com", "Jane"], &[
        ("POST /customers", r#"{"customer_id":"cus_1"}"#),
        ("GET /customers/cus_1", r#"{"customer_id":"cus_1","created_at":"2026-01-01T00:00:00Z"}"#),
        ("GET /customers?email=jane%40example.com&page_number=0&page_size=100", r#"{"items":[{"customer_id":"cus_1"}]}"#),
        ("GET /customers?email=jane%40example.com&page_number=1&page_size=100", r#"{"items":[]}"#),
    ], "created cus_1\nsince \"2026-01-01T00:00:00Z\"\nfound \"cus_1\"\n"),
    ("subscriptions", &["sub_1"], &[
        ("GET /subscriptions/sub_1", r#"{"subscription_id":"sub_1","status":"active"}"#),
        ("GET /subscriptions/sub_1/usage-history?page_number=0&page_size=100", r#"{"items":[{"start_date":"a","end_date":"b","meters":[]}]}"#),
        ("GET /subscriptions/sub_1/usage-history?page_number=1&page_size=100", r#"{"items":[]}"#),
    ], "\"sub_1\" is \"active\"\n\"a\" to \"b\": []\n"),
    ("usage_events", &["cus_1", "api.request", "req 7"], &[
        ("POST /events/ingest", r#"{"ingested_count":1}"#),
        ("GET /events/req%207", r#"{"event_id":"req 7"}"#),
        ("GET /events?customer_id=cus_1&page_number=0&page_size=100", r#"{"items":[{"event_id":"req 7","event_name":"api.request"}]}"#),
        ("GET /events?customer_id=cus_1&page_number=1&page_size=100", r#"{"items":[]}"#),
    ], "ingested 1\nread \"req 7\"\nlisted \"req 7\" \"api.request\"\n"),
    ("payments", &[], &[
        ("GET /payments?page_number=0&page_size=100&status=succeeded", r#"{"items":[{"payment_id":"pay_1","total_amount":500,"currency":"JPY"}]}"#),
        ("GET /payments?page_number=1&page_size=100&status=succeeded", r#"{"items":[]}"#),
    ], "pay_1: 500 minor units of JPY\n"),
    ("webhook_endpoint", &["https://shop.example/api/webhook", "payment.succeeded"], &[
        ("GET /webhooks?limit=100", r#"{"data":[],"done":true}"#),
        ("POST /webhooks", r#"{"id":"whk_1","url":"https://shop.example/api/webhook"}"#),
        ("GET /webhooks/whk_1/secret", r#"{"secret":"whsec_1"}"#),
    ], "DODO_PAYMENTS_WEBHOOK_KEY=whsec_1\n"),
];

#[test]
fn every_example_does_what_it_says() {
    for (example, arguments, answers, expected) in TABLE {
        let (url, log) = serve(answers);
        let output = run(example, &url, arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        let seen = log.lock().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            *expected,
            "{example}: {errors} {seen:?}"
        );
        assert_eq!(seen.len(), answers.len(), "{example}: {seen:?}");
    }
}

#[test]
fn failed_example_shows_reason_without_secret() {
    let (url, _) = serve(&[]);
    let output = run("payments", &url, &[]);
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(shown.contains("404") && !shown.contains("sk_test_example"), "{shown}");
}
