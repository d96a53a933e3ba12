//! The operator's program: it prints what it is asked for, and no more.

use std::{path::Path, process::Stdio};

use dodo_core::{Client, Environment};
use dodo_ledger::cli;
use tokio::process::Command;

use crate::{
    canary::{API_KEY, EMAIL, PASSWORD, TOKEN, WRITE_KEY, assert_none},
    database,
    dodo::{self, Refunds},
    shop::Shop,
    support::TestStore,
};

/// Runs a command as the application does, and gives everything it printed.
async fn operate(shop: &Shop, words: &[&str], upstream: &str) -> String {
    let client = Client::builder(API_KEY, Environment::Live)
        .base_url(upstream)
        .max_retries(1)
        .build()
        .unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    cli::run_with(&shop.ledger, Some(&client), words, &mut out, &mut err).await;
    String::from_utf8([out, err].concat()).unwrap()
}

/// Runs the program and gives everything it printed.
pub(crate) async fn run(url: &str, words: &[&str]) -> String {
    let output = Command::new(Path::new(env!("CARGO_BIN_EXE_ledger")))
        .args(words)
        .env("DATABASE_URL", url)
        .env("DODO_PAYMENTS_API_KEY", API_KEY)
        .env("RUST_LOG", "trace")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(60), output);
    let output = output.await.unwrap().unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

pub(crate) async fn every_command(store: &TestStore, shop: &Shop) {
    let url = database::url_with_password(store);
    for refunds in [Refunds::None, Refunds::Error(401), Refunds::Error(422), Refunds::Garbage] {
        let upstream = dodo::serve(refunds).await;
        let printed = operate(
            shop,
            &["reconcile", "400", "--operator", "ann", "--reason", "a test"],
            &upstream,
        )
        .await;
        assert!(printed.contains("payments"), "{printed}");
        assert_none("ledger reconcile", [printed]);
        assert_none(
            "ledger reconcile",
            [run(&url, &["reconcile", "400", "--operator", "ann", "--reason", "a test"]).await],
        );
    }
    let dead = shop.ledger.failed_events(1).await.unwrap().remove(0).id;
    for words in [
        vec!["migrate"],
        vec!["stats"],
        vec!["failed-events"],
        vec!["event", "msg_paid"],
        vec!["sink", "segment"],
        vec!["sink", "forwarder"],
        vec!["redrive", &dead, "--operator", "ann", "--reason", "a test"],
        vec!["replay", "msg_paid", "--operator", "ann", "--reason", "a test"],
        vec!["redrive", "--dead", "--operator", "ann", "--reason", "a test"],
        vec!["redrive", "--parked", "--operator", "ann", "--reason", "a test"],
        vec!["redrive-sink", "segment", "--operator", "ann", "--reason", "a test"],
        vec!["prune", "3000", "--operator", "ann", "--reason", "a test"],
        vec!["erase", "cus_unknown", "--operator", "ann", "--reason", "a test"],
        vec!["nonsense"],
        vec![],
    ] {
        let printed = run(&url, &words).await;
        assert!(!printed.is_empty(), "{words:?} prints nothing");
        assert_none(&format!("ledger {}", words.join(" ")), [printed]);
    }
    let printed = operate(
        shop,
        &["erase", "cus_unknown", "--operator", "ann", "--reason", "a test"],
        "http://127.0.0.1:1",
    )
    .await;
    assert_none("ledger erase", [printed]);
    // These are asked who brought a payment; the export of whole records names the buyer, too.
    let secrets = [API_KEY, PASSWORD, WRITE_KEY, TOKEN];
    let buyer = [EMAIL, "canary name", "canary street"];
    let told: [(&[&str], &[&str]); 3] = [
        (&["explain", "pay_1"], &buyer),
        (&["export", "csv", "--operator", "ann", "--reason", "a test"], &buyer),
        (&["export", "jsonl", "--operator", "ann", "--reason", "a test"], &["canary street"]),
    ];
    for (words, more) in told {
        let printed = operate(shop, words, "http://127.0.0.1:1").await;
        assert!(printed.contains("pay_1"), "{words:?} knows the payment");
        for secret in secrets.iter().chain(more) {
            assert!(!printed.contains(secret), "{words:?} prints {secret}");
        }
    }
}
