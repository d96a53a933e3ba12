//! The operator's commands: the program by itself, and in an application.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use dodo_core::{BoxError, Client, Environment, attribution::AttributionRecord, webhook::Inbox};
use dodo_ledger::{
    Ledger,
    attribution::Rules,
    cli::{self, CliOutcome},
    sink::FnSink,
};
use http::{Request, Response};
use serde_json::json;
use support::{TestStore, eventually, hooks, payment, work};

on_every_store! { reconciled_objects_follow_rules_and_reach_sinks }

/// Runs the program: its exit code and everything it printed.
async fn ledger(url: &str, words: &[&str]) -> (i32, String) {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_ledger"))
        .args(["--url", url])
        .args(words)
        .env_remove("DODO_PAYMENTS_API_KEY")
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(60), output).await.unwrap().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&printed).into_owned())
}

/// The words of a command. `BY` names operator and reason.
fn words(command: &str) -> Vec<&str> {
    let by: &[&str] = &["--operator", "ann", "--reason", "a test"];
    let words = command.split_whitespace();
    words.flat_map(|word| if word == "BY" { by.to_vec() } else { vec![word] }).collect()
}

/// Runs a command as an application does.
async fn operate(ledger: &Ledger, client: Option<&Client>, words: &[&str]) -> (CliOutcome, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let outcome = cli::run_with(ledger, client, words, &mut out, &mut err).await;
    (outcome, String::from_utf8([out, err].concat()).unwrap())
}

#[tokio::test]
async fn exit_code_reports_the_result() {
    let store = TestStore::sqlite().await.unwrap();
    let silent = |_: AttributionRecord| async { Ok::<(), Infallible>(()) };
    let crm = FnSink::new("crm", silent).include_test_mode();
    let own = store.builder().await.sink(crm).sink(FnSink::new("books", silent)).build().unwrap();
    own.migrate().await.unwrap();
    own.accept(&payment("msg_1", "pay_1")).await.unwrap();
    let hooks = hooks().on_any(|_| async { Ok(()) });
    let workers = work(&own, hooks);
    eventually("it is done", async || own.stats().await.unwrap().pending == 0).await;
    workers.shutdown(Duration::from_secs(5)).await;
    for (command, code, says) in [
        ("migrate", 0, "up to date"),
        ("stats", 0, "pending 0"),
        ("failed-events", 0, ""),
        ("event msg_1", 0, "done"),
        ("replay msg_1 BY", 0, "callbacks queued"),
        ("redrive --dead BY", 0, "queued 0 dead events"),
        ("export jsonl --test BY", 0, "1 records"),
        ("prune 3000 BY", 0, "erased 0"),
        ("sink crm", 0, "lag 0.0 s"),
        ("redrive-sink crm BY", 0, "queued 0 dead letters"),
        // It never got a record, and the program has no other sink.
        ("sink books", 1, "no sink books: its queue has no record"),
        ("redrive-sink crn BY", 1, "no sink crn: its queue has no record"),
        ("--help", 0, "  migrate "),
        ("event msg_none", 1, "no event msg_none"),
        ("redrive msg_none BY", 1, "event msg_none is neither dead nor parked"),
        ("replay msg_none BY", 1, "event msg_none is unknown, pending, or has no body"),
        ("", 2, "Usage: ledger"),
        ("nonsense", 2, "unrecognized subcommand 'nonsense'"),
        ("event", 2, "<ID>"),
        ("prune soon BY", 2, "invalid value 'soon'"),
        ("export xml BY", 2, "possible values: csv, jsonl"),
        // Without operator and reason nothing changes.
        ("redrive msg_1", 2, "--operator <OPERATOR>"),
        ("replay msg_1 --operator ann", 2, "--reason <REASON>"),
        ("export csv", 2, "--operator <OPERATOR>"),
        ("redrive BY", 2, "<ID|--dead|--parked>"),
        ("redrive msg_1 --dead BY", 2, "cannot be used with"),
        // The program has no rules and no sinks.
        ("reconcile 30 BY", 2, "run it in the application"),
        ("erase cus_1 BY", 2, "run it in the application"),
        ("explain pay_1", 2, "run it in the application"),
        ("rebuild BY", 2, "run it in the application"),
        ("replay-sink crm 30 BY", 2, "run it in the application"),
    ] {
        let (exit, printed) = ledger(&store.url, &words(command)).await;
        assert_eq!(exit, code, "{command}: {printed}");
        assert!(printed.contains(says), "{command}: {printed}");
    }

    for (command, expected, says) in [
        ("explain pay_1", CliOutcome::Done, "charge:pay_1"),
        ("explain pay_none", CliOutcome::Failed, "no payment pay_none"),
        ("sink crm", CliOutcome::Done, "pending 0"),
        ("sink books", CliOutcome::Done, "pending 0"),
        ("redrive-sink books BY", CliOutcome::Done, "queued 0 dead letters"),
        ("sink crn", CliOutcome::Failed, "no sink crn: the sinks are crm, books"),
        ("redrive-sink crn BY", CliOutcome::Failed, "no sink crn: the sinks are crm, books"),
        ("replay-sink crm 3000 BY", CliOutcome::Done, "queued 1 records"),
        ("replay-sink books 3000 BY", CliOutcome::Done, "queued 0 records"),
        ("replay-sink crn 30 BY", CliOutcome::Failed, "no sink crn: the sinks are crm, books"),
        ("replay-sink crm while BY", CliOutcome::Usage, "invalid value 'while'"),
        ("rebuild BY", CliOutcome::Done, "repaired 0 records\nrepaired 0 money rows"),
        ("erase cus_2 BY", CliOutcome::Failed, "no data of customer cus_2"),
        ("erase cus_1 BY", CliOutcome::Done, "changed 1 records, erased 1 deliveries"),
        ("erase cus_1 BY", CliOutcome::Failed, "no data of customer cus_1"),
        ("reconcile while BY", CliOutcome::Usage, "invalid value 'while'"),
    ] {
        let (outcome, printed) = operate(&own, None, &words(command)).await;
        assert_eq!(outcome, expected, "{command}: {printed}");
        assert!(printed.contains(says), "{command}: {printed}");
    }
    let audit = own.audit(100).await.unwrap();
    let entries = audit.iter().rev().map(|entry| format!("{} {}", entry.action, entry.object));
    let (erasures, others): (Vec<_>, Vec<_>) =
        entries.partition(|entry| entry.starts_with("erase"));
    assert_eq!(
        others,
        [
            "replay msg_1",
            "redrive all dead events",
            "export all records of test mode",
            "prune bodies older than 3000 days",
            "redrive-sink crm",
            "redrive msg_none",
            "replay msg_none",
            "redrive-sink books",
            "replay-sink crm, 3000 days",
            "replay-sink books, 3000 days",
            "rebuild all tables that follow from facts",
        ]
    );
    // The log outlives an erasure, so it has hashes alone.
    assert_eq!(erasures.len(), 3);
    assert!(erasures.iter().all(|entry| !entry.contains("cus_")), "{erasures:?}");
    store.remove().await;
}

#[tokio::test]
async fn operator_and_reason_are_short_lines() {
    let ledger = Ledger::in_memory().await.unwrap();
    let long = "x".repeat(201);
    for (operator, reason, says) in [
        ("", "a test", "it is empty"),
        ("ann", "  ", "it is empty"),
        ("ann", "two\nlines", "it has control characters"),
        (&long, "a test", "it has over 200 characters"),
    ] {
        let words = ["prune", "1", "--operator", operator, "--reason", reason];
        let (outcome, printed) = operate(&ledger, None, &words).await;
        assert_eq!(outcome, CliOutcome::Usage, "{printed}");
        assert!(printed.contains(says), "{printed}");
    }
    assert_eq!(ledger.audit(1).await.unwrap(), []);
    let (outcome, printed) = operate(&ledger, None, &words("prune 1 BY")).await;
    assert_eq!((outcome, ledger.audit(9).await.unwrap().len()), (CliOutcome::Done, 1), "{printed}");
}

#[tokio::test]
async fn wrong_path_is_an_error_and_creates_no_file() {
    let directory = std::env::temp_dir().join(format!("dodo-ledger-typo-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let url = format!("sqlite:{}/legder.db", directory.display());
    for words in
        [&["stats"][..], &["failed-events"], &words("prune 1 BY"), &words("redrive msg_1 BY")]
    {
        let (exit, printed) = ledger(&url, words).await;
        assert_eq!(exit, 1, "{words:?}: {printed}");
        assert!(printed.contains("no ledger database at this path"), "{printed}");
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "{words:?} makes a file");
    }
    assert_eq!(ledger(&url, &["migrate"]).await.0, 0);
    assert_eq!(ledger(&url, &["stats"]).await.0, 0);
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Dodo's API with these payments; one without a status is not found.
fn api(payments: Vec<serde_json::Value>) -> Client {
    let transport = move |request: Request<Bytes>| {
        let path = request.uri().path().to_owned();
        let first = request.uri().query().is_some_and(|query| query.contains("page_number=0"));
        let page = |items| (200, json!({ "items": items }).to_string());
        let (status, body) = match path.rsplit('/').next().unwrap() {
            "payments" if first => page(payments.clone()),
            "payments" | "refunds" => page(Vec::new()),
            id => match payments.iter().find(|one| one["payment_id"] == id) {
                Some(found) if found["status"].is_string() => (200, found.to_string()),
                _ => (404, "{}".to_owned()),
            },
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        async move { Ok::<_, BoxError>(response) }
    };
    let client = Client::builder("sk_test", Environment::Live).with_transport(transport);
    client.max_retries(0).build().unwrap()
}

async fn reconciled_objects_follow_rules_and_reach_sinks(store: &TestStore) {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let sink = FnSink::new("books", move |record: AttributionRecord| {
        let _closed = told.send(record.visitor.map(|found| found.value));
        async { Ok::<(), Infallible>(()) }
    });
    let rules = Rules::default().visitor_key("reader");
    let ledger = store.builder().await.rules(rules).sink(sink).build().unwrap();
    let paid = json!({
        "payment_id": "pay_1", "status": "succeeded", "business_id": "bus_1",
        "created_at": "2026-11-20T10:00:00Z", "total_amount": 2000, "currency": "USD",
        "customer": { "customer_id": "cus_1" }, "metadata": { "reader": "v1" },
    });
    let client = api(vec![paid.clone()]);
    let (outcome, printed) = operate(&ledger, Some(&client), &words("reconcile 30 BY")).await;
    assert_eq!(outcome, CliOutcome::Failed, "{printed}");
    assert!(printed.contains("`Ledger::migrate`"), "{printed}");

    ledger.migrate().await.unwrap();
    let (outcome, printed) = operate(&ledger, Some(&client), &words("reconcile 30 BY")).await;
    assert_eq!(outcome, CliOutcome::Done, "{printed}");
    assert!(printed.contains("booked 1 payments of 1 and 0 refunds of 0"), "{printed}");

    let hooks = hooks().on_any(|_| async { Ok(()) });
    let workers = work(&ledger, hooks);
    let heard = tokio::time::timeout(Duration::from_secs(20), heard.recv()).await;
    assert_eq!(heard.unwrap(), Some(Some("v1".to_owned())));
    workers.shutdown(Duration::from_secs(5)).await;

    let client = api(vec![paid, json!({ "payment_id": "pay_gone" })]);
    let (outcome, printed) = operate(&ledger, Some(&client), &words("reconcile 30 BY")).await;
    assert_eq!(outcome, CliOutcome::Failed, "{printed}");
    assert!(printed.contains("skipped 1 objects"), "{printed}");
}

#[tokio::test]
async fn database_url_follows_the_rule_of_all_variables() {
    let store = TestStore::sqlite().await.unwrap();
    store.builder().await.build().unwrap().migrate().await.unwrap();
    let url = &store.url;
    for (value, code, says) in [
        (format!(" {url}\n"), 0, "pending 0"),
        (format!("\"{url}\""), 2, "DATABASE_URL has quotes in its value: remove the quotes"),
        (format!("{url} {url}"), 2, "DATABASE_URL has a blank inside: set it to one value"),
        (" ".to_owned(), 2, "the URL of the database is missing"),
    ] {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_ledger"))
            .arg("stats")
            .env("DATABASE_URL", &value)
            .output();
        let output = output.await.unwrap();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        assert_eq!(output.status.code(), Some(code), "{value}: {printed}");
        assert!(printed.contains(says), "{value}: {printed}");
    }
}
