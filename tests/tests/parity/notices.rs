//! The comparison must be able to fail.

use dodo_tests::{
    case::Case,
    conformance::Conformance,
    delivery::Delivery,
    fixture::Shop,
    parity::{Parity, Report},
    server::Framework,
    subject::{Observed, Subject},
};
use serde_json::json;

#[tokio::test]
async fn difference_between_servers_is_reported() {
    let one = Subject::start(Framework::Axum, Conformance::surrounded).await.unwrap();
    let other = Subject::start(Framework::Actix, Shop::surrounded).await.unwrap();
    let parity = Parity::between(vec![one, other]);
    let only_one_has = Delivery::new("msg_1", r#"{"type":"future.thing"}"#).to("/api/webhook");
    let failures = parity.check([only_one_has]).await.failures.join("\n");
    for what in ["status", "callbacks"] {
        assert!(failures.contains(&format!("differ in {what}")), "{failures}");
    }
}

#[tokio::test]
async fn difference_in_any_observation_is_reported() {
    let parity = Parity::start(Shop::surrounded).await.unwrap();
    let paid = include_bytes!("../../data/samples/payment.succeeded.json").as_slice();
    let refused =
        br#"{"type":"payment.failed","data":{"payment_id":"p","total_amount":1,"currency":"EUR"}}"#;
    let cases = [
        Delivery::new("msg_1", paid).to("/webhook"),
        Delivery::new("msg_2", refused).to("/webhook"),
        Case::get("static", "/checkout?productId=pdt_a"),
    ];
    type Change = fn(&mut Observed);
    let changes: [(&str, Change); 7] = [
        ("status", |o| o.status += 1),
        ("headers", |o| o.headers.entry("cache-control".into()).or_default().push("public".into())),
        ("body", |o| o.body.push(' ')),
        ("upstream calls", |o| drop(o.upstream.pop())),
        ("upstream calls", |o| {
            o.upstream.iter_mut().for_each(|call| call.body = json!("other"));
        }),
        ("callbacks", |o| o.callbacks.reverse()),
        ("log", |o| drop(o.log.pop())),
    ];
    let mut noticed = vec![0; changes.len()];
    for case in &cases {
        let all = parity.observe(case).await.unwrap();
        let mut same = Report::default();
        same.compare(case, &all);
        assert_eq!(same.failures, Vec::<String>::new());
        for (index, (what, change)) in changes.iter().enumerate() {
            let mut changed = all.clone();
            change(&mut changed[1].1);
            let mut report = Report::default();
            report.compare(case, &changed);
            let expected = format!("axum and actix differ in {what}");
            noticed[index] += report.failures.iter().filter(|f| f.contains(&expected)).count();
        }
    }
    for ((what, _), noticed) in changes.iter().zip(noticed) {
        assert!(noticed > 0, "a change of {what} goes unnoticed");
    }
}

#[tokio::test]
async fn unmet_expectation_is_reported() {
    let parity = Parity::start(Conformance::surrounded).await.unwrap();
    let right = || Case::get("right", "/api/checkout/static?productId=pdt_missing");
    assert_eq!(parity.check([right().problem(404, "product_not_found")]).await.failures.len(), 0);
    for wrong in [
        right().status(200),
        right().problem(404, "something_else"),
        right().answer(json!({})),
        right().answer_header("content-type", "application/json"),
        right().upstream([]),
        right().callbacks(["onPayload"]),
    ] {
        let report = parity.check([wrong.clone()]).await;
        assert_eq!(report.failures.len(), 1, "{wrong:?}: {:?}", report.failures);
    }
}

#[tokio::test]
async fn secret_in_log_or_answer_is_reported() {
    let parity = Parity::start(Conformance::surrounded).await.unwrap();
    let case = Case::get("portal", "/api/customer-portal?customer_id=cus_canary");
    let failures = parity.check([case]).await.failures;
    assert!(failures.iter().any(|f| f.contains("shows a secret")), "{failures:?}");
}
