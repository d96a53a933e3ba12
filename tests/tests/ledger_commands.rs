//! `ledger setup-webhook` at the sandbox.
#![expect(clippy::unwrap_used, reason = "tests")]

use dodo_core::{BoxError, Client, Environment, WebhookKey};
use dodo_ledger::{
    Ledger,
    cli::{self, CliOutcome},
};
use dodo_sandbox::Sandbox;
use serde_json::Value;

/// The outcome of `setup-webhook`, its standard output, and its errors.
async fn setup(ledger: &Ledger, client: &Client, url: &str) -> (CliOutcome, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let words = ["setup-webhook", url, "--operator", "ann", "--reason", "a new host"];
    let outcome = cli::run_with(ledger, Some(client), words, &mut out, &mut err).await;
    (outcome, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[tokio::test]
async fn setup_webhook_creates_one_endpoint_and_prints_its_variable() -> Result<(), BoxError> {
    let sandbox = Sandbox::start().await?;
    let client = Client::builder(sandbox.api_key(), Environment::Test);
    let client = client.base_url(sandbox.url()).build()?;
    let ledger = Ledger::in_memory().await?;
    let url = "https://shop.example/api/webhook?from=dodo";

    let (outcome, out, err) = setup(&ledger, &client, url).await;
    assert_eq!(outcome, CliOutcome::Done, "{err}");
    assert!(err.starts_with("created endpoint "), "{err}");
    let secret = out.trim().strip_prefix("DODO_PAYMENTS_WEBHOOK_KEY=").unwrap();
    WebhookKey::new(secret, Environment::Test)?;
    assert!(!err.contains(secret), "the secret is on the standard output alone");

    let (outcome, again, err) = setup(&ledger, &client, url).await;
    assert_eq!((outcome, again), (CliOutcome::Done, out), "{err}");
    assert!(err.starts_with("updated endpoint "), "{err}");
    let listed = reqwest::Client::new().get(format!("{}/webhooks", sandbox.url()));
    let listed: Value = listed.bearer_auth(sandbox.api_key()).send().await?.json().await?;
    let endpoints = listed["data"].as_array().unwrap();
    assert_eq!(endpoints.iter().filter(|endpoint| endpoint["url"] == url).count(), 1, "{listed}");

    let (outcome, out, err) = setup(&ledger, &client, "http://shop.example/api/webhook").await;
    assert_eq!((outcome, out.as_str()), (CliOutcome::Failed, ""));
    assert!(err.contains("https"), "{err}");

    let audit = ledger.audit(10).await?;
    let entry = &audit[2];
    let entry = [&*entry.operator, &*entry.action, &*entry.object, &*entry.reason];
    assert_eq!(entry, ["ann", "setup-webhook", "https://shop.example/api/webhook", "a new host"]);
    Ok(())
}
