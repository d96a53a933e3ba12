//! The checkout routes and the portal, good and bad, through every framework.

use std::{collections::BTreeMap, fmt::Write as _};

use dodo_core::{
    Client, Environment,
    capture::Preset,
    checkout::{self, FieldRule, FieldSet, SessionCheckout},
    internals::metadata_keys,
};
use dodo_tests::{
    case::Case,
    conformance::{API_KEY, Conformance, RETURN_URL},
    docs,
    parity::{Parity, Report},
    stub::INTERNAL_TEXTS,
    tables::{self, attacks, hostile_urls},
};
use serde_json::json;

#[tokio::test]
async fn every_row_answers_and_asks_as_its_table_says() {
    let parity = Parity::start(Conformance::surrounded).await.unwrap();
    let cases = tables::checkout_and_portal();
    assert!(cases.len() >= 300, "{} rows", cases.len());
    run(&parity, cases).await.assert_equal("checkout and portal");
}

#[tokio::test]
async fn attacks_are_refused_and_dodo_never_sees_what_they_want() {
    let parity = Parity::start(Conformance::surrounded).await.unwrap();
    let cases: Vec<Case> =
        attacks::refused().into_iter().chain(attacks::own_account_only()).collect();
    assert!(cases.len() >= 100, "{} rows", cases.len());
    run(&parity, cases).await.assert_equal("attacks");
}

#[tokio::test]
async fn urls_of_the_shop_are_let_through() {
    assert!(hostile_urls::HOSTILE_URLS.len() >= 60);
    let parity = Parity::start(Conformance::surrounded).await.unwrap();
    let cases = hostile_urls::FRIENDLY_URLS.iter().map(|url| {
        let cart = json!([{ "product_id": "pdt_a", "quantity": 1 }]);
        let body = json!({ "product_cart": cart, "return_url": url });
        Case::post(*url, "/strict/api/checkout/session", body.to_string()).status(200)
    });
    run(&parity, cases.collect()).await.assert_equal("the shop's own URLs");
}

/// Sends a table to all servers, and searches the results for secrets.
async fn run(parity: &Parity, cases: Vec<Case>) -> Report {
    let mut report = Report::default();
    for case in cases {
        let all = parity.observe(&case).await.unwrap();
        report.cases += 1;
        report.compare(&case, &all);
        for (framework, observed) in &all {
            let answer = format!("{:?} {}", observed.headers, observed.body);
            let log = format!("{:?}", observed.full_log.0);
            let mut leak = |what: &str, text: &str, secrets: &[&str]| {
                for secret in secrets.iter().filter(|secret| text.contains(**secret)) {
                    report.failures.push(format!("{}: {framework}: {secret} in {what}", case.name));
                }
            };
            leak("the answer", &answer, &[API_KEY, "test@example.com"]);
            leak("the answer", &answer, &INTERNAL_TEXTS);
            leak("the log", &log, &[API_KEY, "SECRETHINT", "test@example.com", "a@b.co"]);
            let upstream = format!("{:?}", observed.upstream);
            leak("a call of Dodo's", &upstream, &[attacks::CANARY, "evil.example"]);
        }
    }
    report
}

/// The page on field policy says what the code does.
#[test]
fn table_of_fields_is_in_docs() {
    let mut guarded = String::from("| set | fields |\n|---|---|\n");
    let mut sets: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for field in checkout::fields() {
        if let Some(set) = field.guarded {
            let note =
                if field.note.is_empty() { String::new() } else { format!(": {}", field.note) };
            let line = format!("`{}` ({}){note}", field.path, calls(&field).join(", "));
            sets.entry(set).or_default().push(line);
        }
    }
    for (set, fields) in sets {
        writeln!(guarded, "| `FieldSet::{set:?}` | {} |", docs::cell(&fields.join("<br>")))
            .unwrap();
    }
    docs::check("field-policy.md", "guarded", &guarded);

    let mut all = String::from(
        "| field | in | from clients | meaning | value | note |\n|---|---|---|---|---|---|\n",
    );
    for field in checkout::fields() {
        let who = guard(&field).map_or("yes".to_owned(), |set| format!("`{set:?}`"));
        let (place, value, note) =
            (calls(&field).join(", "), docs::cell(field.expectation), docs::cell(field.note));
        let meaning = field.meaning.unwrap_or_default();
        writeln!(all, "| `{}` | {place} | {who} | {meaning} | {value} | {note} |", field.path)
            .unwrap();
    }
    docs::check("field-policy.md", "fields", &all);

    let mut keys = String::from("| key | preset | protected |\n|---|---|---|\n");
    for read in metadata_keys() {
        let preset = read.preset.map_or("the application's own user", Preset::name);
        let when = if read.is_campaign() { "if the preset is in use" } else { "always" };
        writeln!(keys, "| `{}` | {preset} | {when} |", read.key).unwrap();
    }
    docs::check("field-policy.md", "metadata", &keys);
}

/// Returns the set that guards the field, or a field around it in the same call.
fn guard(field: &FieldRule) -> Option<FieldSet> {
    let around = |outer: &FieldRule| {
        let inside = field.path.strip_prefix(outer.path);
        inside.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            && calls(outer).iter().any(|call| calls(field).contains(call))
    };
    checkout::fields().filter(around).find_map(|outer| outer.guarded)
}

fn calls(field: &FieldRule) -> Vec<&'static str> {
    [
        (field.session, "session"),
        (field.payment, "payment"),
        (field.subscription, "subscription"),
        (field.static_link, "static link"),
    ]
    .into_iter()
    .filter_map(|(takes, name)| takes.then_some(name))
    .collect()
}

#[test]
fn key_is_in_no_debug_output() {
    let client = Client::builder(API_KEY, Environment::Live).return_url(RETURN_URL);
    assert!(!format!("{client:?}").contains(API_KEY));
    let client = client.build().unwrap();
    let (express, strict) = (
        SessionCheckout::builder(client.clone()).express_compatible().build().unwrap(),
        dodo_core::CustomerPortal::builder(client.clone()).build().unwrap(),
    );
    let shown = format!("{client:?} {client:#?} {express:?} {strict:?}");
    assert!(!shown.contains(API_KEY) && !shown.contains("TOKEN"), "{shown}");
}
