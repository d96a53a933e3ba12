//! The requests recorded with `@dodopayments/express`, sent to the routes that imitate it.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use dodo_core::{Client, Environment};
use dodo_tests::{
    conformance::{API_KEY, Conformance, RETURN_URL},
    docs,
    parity::{Parity, Report},
    replay::{Calls, DIFFERENCES, recorded},
    stub::INTERNAL_TEXTS,
    subject::Surroundings,
};

/// As an application has it: reads are repeated. No product is remembered, since calls are counted.
fn conformance(surroundings: Surroundings) -> Conformance {
    let client = Client::builder(API_KEY, Environment::Live)
        .return_url(RETURN_URL)
        .base_url(&surroundings.upstream)
        .product_cache_ttl(Duration::ZERO)
        .build();
    Conformance::with_client(client.expect("a client for the stub"), surroundings)
}

#[tokio::test]
async fn recorded_requests_match_or_differ_on_purpose() {
    let explained: BTreeMap<&str, (u16, Calls)> = DIFFERENCES
        .iter()
        .flat_map(|class| class.requests.iter().map(|(id, status)| (*id, (*status, class.calls))))
        .collect();
    let listed: usize = DIFFERENCES.iter().map(|class| class.requests.len()).sum();
    assert_eq!(explained.len(), listed, "a request is in two classes");

    let parity = Parity::start(conformance).await.unwrap();
    let (mut report, mut same, mut problems) = (Report::default(), 0, Vec::new());
    for recorded in recorded() {
        let case = recorded.case();
        let all = parity.observe(&case).await.unwrap();
        report.cases += 1;
        report.compare(&case, &all);
        let ours = &all[0].1;
        let differences = recorded.differences(ours);
        match (differences.is_empty(), explained.get(recorded.id.as_str())) {
            (true, None) => same += 1,
            (false, Some((status, calls))) if *status == ours.status => {
                let made: Vec<_> = ours.upstream.iter().map(|call| call.bare()).collect();
                if !calls.hold(&recorded.express.upstream, &made) {
                    problems.push(format!("{}: {calls:?} does not hold: {made:?}", recorded.id));
                }
            }
            (true, Some(_)) => {
                problems.push(format!("{}: does not differ any longer", recorded.id))
            }
            (false, _) => problems.push(format!("{}: {}", recorded.id, differences.join("; "))),
        }
        let is_problem = ours.headers.get("content-type").is_some_and(|t| t[0].contains("problem"));
        if ours.status >= 400 && ours.body.is_empty() == is_problem {
            problems.push(format!("{}: {} without a problem document", recorded.id, ours.status));
        }
        for secret in INTERNAL_TEXTS.iter().chain([&API_KEY]) {
            if ours.body.contains(secret) || format!("{:?}", ours.headers).contains(secret) {
                problems.push(format!("{}: {secret} is in the answer", recorded.id));
            }
        }
        for event in &ours.full_log.0 {
            if event.fields.values().any(|v| v.contains(API_KEY) || v.contains("SECRETHINT")) {
                problems.push(format!("{}: a secret is in the log: {event:?}", recorded.id));
            }
        }
    }
    println!("replay: {} requests, {same} as the adaptor, {listed} on purpose not", report.cases);
    report.assert_equal("replay");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(same + listed, 151);
}

#[test]
fn migration_guide_names_every_class_of_difference() {
    let mut table =
        String::from("| class | difference | reason | recorded requests |\n|---|---|---|---|\n");
    for class in DIFFERENCES {
        let (what, why) = (docs::cell(class.what), docs::cell(class.why));
        writeln!(table, "| {} | {what} | {why} | {} |", class.name, class.requests.len()).unwrap();
    }
    docs::check("migration-from-express.md", "differences", &table);
}
