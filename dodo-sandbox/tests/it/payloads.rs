//! Payloads have every field that Dodo's have, and no other: compared with recorded samples.

use std::{collections::BTreeSet, path::Path, time::Duration};

use dodo_sandbox::{Behavior, DisputeOutcome, Product, Sandbox, cards};
use serde_json::{Value, json};

use crate::support::{Receiver, api, session};

fn sample(event: &str) -> Option<Value> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/samples");
    let text = std::fs::read_to_string(samples.join(format!("{event}.json"))).ok()?;
    serde_json::from_str(&text).ok()
}

/// Where two values have other keys or other kinds of value; nulls, empty lists and metadata fit
/// everything.
fn differences(path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let (a, b): (BTreeSet<_>, BTreeSet<_>) =
                (ours.keys().collect(), theirs.keys().collect());
            found.extend(a.difference(&b).map(|key| format!("{path}/{key} is not in the sample")));
            found.extend(b.difference(&a).map(|key| format!("{path}/{key} is missing")));
            for key in a.intersection(&b).filter(|key| **key != "metadata") {
                differences(&format!("{path}/{key}"), &ours[*key], &theirs[*key], found);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            if let (Some(ours), Some(theirs)) = (ours.first(), theirs.first()) {
                differences(&format!("{path}/0"), ours, theirs, found);
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        (ours, theirs) => {
            if std::mem::discriminant(ours) != std::mem::discriminant(theirs) {
                found.push(format!("{path}: {ours} where the sample has {theirs}"));
            }
        }
    }
}

/// Lives through everything the sandbox emits.
async fn live(sandbox: &Sandbox) {
    let buy = async |product: &str, card: &str| {
        let body = json!({
            "product_cart": [{ "product_id": product, "quantity": 1 }],
            "customer": { "email": "ada@example.com", "name": "Ada", "phone_number": "+491" },
            "metadata": { "visitor": "v_1" },
            "custom_fields": [{ "key": "team", "label": "Team", "field_type": "text" }],
        });
        let id = session(sandbox, body).await;
        sandbox.pay_session(&id, card).unwrap().payment_id
    };
    let subscription = async |payment_id: &str| {
        let (_, payment) = api(sandbox, "GET", &format!("/payments/{payment_id}"), None).await;
        payment["subscription_id"].as_str().unwrap().to_owned()
    };
    let patch = async |id: &str, body: Value| {
        let (status, answer) =
            api(sandbox, "PATCH", &format!("/subscriptions/{id}"), Some(body)).await;
        assert_eq!(status, 200, "{answer}");
    };
    let app = buy("pdt_app", cards::OK).await;
    buy("pdt_app", cards::PROCESSING_INDIA).await;
    let lost = buy("pdt_app", cards::DECLINED).await;
    sandbox.advance(Duration::from_secs(3600)).unwrap();
    sandbox.pay_session(&sandbox.recovery_link(&lost).unwrap(), cards::OK).unwrap();
    for outcome in [
        DisputeOutcome::Challenged,
        DisputeOutcome::Accepted,
        DisputeOutcome::Cancelled,
        DisputeOutcome::Expired,
        DisputeOutcome::Won,
        DisputeOutcome::Lost,
    ] {
        let payment = buy("pdt_app", cards::OK).await;
        let dispute = sandbox.open_dispute(&payment).unwrap();
        sandbox.resolve_dispute(&dispute, outcome).unwrap();
    }
    sandbox.refund_payment(&app, Some(100)).unwrap();
    sandbox.refund_payment(&app, None).unwrap();
    let body = json!({ "product_cart": [{ "product_id": "pdt_app", "quantity": 1 }] });
    sandbox.abandon_session(&session(sandbox, body).await).unwrap();

    buy("pdt_pro", cards::DECLINED).await;
    let short = subscription(&buy("pdt_short", cards::OK).await).await;
    let pro = subscription(&buy("pdt_pro", cards::OK).await).await;
    patch(&pro, json!({ "status": "paused" })).await;
    patch(&pro, json!({ "status": "active" })).await;
    let change = json!({
        "product_id": "pdt_short", "quantity": 1, "proration_billing_mode": "do_not_bill",
    });
    let path = format!("/subscriptions/{pro}/change-plan");
    assert_eq!(api(sandbox, "POST", &path, Some(change)).await.0, 200);
    let bad = subscription(&buy("pdt_pro", cards::RENEWAL_FAILS).await).await;
    sandbox.advance(Duration::from_secs(32 * 24 * 60 * 60)).unwrap();
    let path = format!("/subscriptions/{bad}/update-payment-method");
    let (_, link) = api(sandbox, "POST", &path, Some(json!({ "type": "new" }))).await;
    sandbox
        .pay_session(link["payment_link"].as_str().unwrap().rsplit('/').next().unwrap(), cards::OK)
        .unwrap();
    sandbox.advance(Duration::from_secs(32 * 24 * 60 * 60)).unwrap();
    patch(&pro, json!({ "status": "cancelled" })).await;
    let (_, gone) = api(sandbox, "GET", &format!("/subscriptions/{short}"), None).await;
    assert_eq!(gone["status"], "expired");
}

/// What the sandbox sends of each kind, with the newest fields or without.
async fn bodies(newest_fields: bool, grace_days: Option<u32>) -> Vec<Value> {
    let mut behavior = Behavior::default();
    behavior.newest_fields = newest_fields;
    behavior.dunning = true;
    behavior.abandoned_checkout_recovery = true;
    behavior.delivered_after_created = true;
    behavior.grace_days = grace_days;
    let sandbox = Sandbox::builder()
        .clock_rate(0.0)
        .behavior(behavior)
        .product(Product::one_time("pdt_app", "App", "EUR", 4900).license_keys(Some(3)))
        .product(Product::monthly("pdt_pro", "Pro", "EUR", 1900).license_keys(None))
        .product(
            Product::monthly("pdt_short", "Short", "EUR", 900)
                .runs_for(2, dodo_sandbox::RenewalInterval::Month),
        )
        .start()
        .await
        .unwrap();
    let receiver = Receiver::of(&sandbox).await;
    live(&sandbox).await;
    sandbox.wait_until_idle().await;
    receiver.arrivals().into_iter().map(|arrival| arrival.body).collect()
}

#[tokio::test]
async fn payloads_have_the_keys_of_the_samples() {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for grace in [None, Some(3)] {
        for body in bodies(false, grace).await {
            let kind = body["type"].as_str().unwrap();
            let sample = sample(kind).unwrap_or_else(|| panic!("no sample of {kind}"));
            seen.insert(kind.to_owned());
            differences(kind, &body, &sample, &mut found);
        }
    }
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "{}", found.join("\n"));
    // Refunds fail only when asked for; payouts, credits and failed grants are never made.
    assert_eq!(seen.len(), 32, "{seen:?}");
}

#[tokio::test]
async fn newest_fields_are_of_newest_client() {
    let bodies = bodies(true, None).await;
    let renewal = bodies.iter().find(|body| body["data"]["charge_type"] == "renewal").unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/samples/extra");
    let text = std::fs::read_to_string(samples.join("payment.succeeded.sub-renewal.json")).unwrap();
    let mut found = Vec::new();
    differences("renewal", renewal, &serde_json::from_str(&text).unwrap(), &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
