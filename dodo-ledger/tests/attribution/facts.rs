//! The stored form of facts. A change of `facts.json` is a change of the stored format.

use dodo_core::webhook::Inbox;
use dodo_ledger::attribution::Rules;
use dodo_ledger::attribution::{
    Erasure, FORMAT, Fact, FactKind, Item, PlanChange, Timeline, Void, parse,
};
use serde_json::{Value, json};

use crate::{
    booking::texts,
    memory::fact,
    payloads::{Delivery, day, payment, recovered},
    records,
    support::{TestStore, hooks, work},
    world::{Act, bind},
};

/// One fact of every kind, with every field.
fn facts() -> Vec<Fact> {
    let rules = Rules::default();
    let mut facts: Vec<Fact> =
        records::story().iter().filter_map(|act| fact(act, &rules)).collect();
    let visit = json!({
        "visitor": "v1", "landing_path": "/a", "referrer_host": "b.example", "device": "mobile",
        "click_ids": { "gclid": "g1" }, "user_id": "42", "campaign": { "source": "s" },
    });
    let all = json!({
        "status": "on_hold", "quantity": 8, "addons": [{ "addon_id": "adn_1", "quantity": 2 }],
        "previous_billing_date": day(0).to_string(), "next_billing_date": day(31).to_string(),
        "expires_at": day(365).to_string(), "paused_at": day(9).to_string(),
        "past_due_ends_at": day(34).to_string(), "has_payment_method": true,
        "cancelled_at": day(20).to_string(), "cancelled_by": { "actor_type": "customer" },
        "scheduled_change": {
            "product_id": "pdt_2", "quantity": 3, "effective_at": day(31).to_string(),
            "addons": [{ "addon_id": "adn_2", "quantity": 1 }],
        },
    });
    let body = crate::payloads::subscription("subscription.updated", "sub_1", day(9), all);
    let charge = crate::payloads::charged(
        "pay_9",
        "sub_1",
        day(31),
        2000,
        json!({
            "product_cart": [{ "product_id": "pdt_1", "quantity": 2 }], "includes_usage": true,
            "charge_type": "renewal", "billing": { "country": "DE", "city": "Berlin" },
            "service_periods": [{ "subscription_id": "sub_1", "starts_at": day(31).to_string(),
                "ends_at": day(62).to_string() }],
        }),
    );
    let failed =
        payment("payment.failed", "pay_8", day(3), 900, json!({ "error_code": "declined" }));
    let acts: Vec<Act> = story![
        bind("cks_2", visit),
        body.clone(),
        charge,
        failed,
        recovered("pay_8", "pay_9", day(32)),
        delivery(
            "entitlement_grant.revoked",
            json!({
                "payload_type": "EntitlementGrant", "id": "grant_1", "entitlement_id": "ent_1",
                "status": "Revoked", "integration_type": "license_key", "customer_id": "cus_ann",
                "payment_id": "pay_9", "subscription_id": "sub_1", "revocation_reason": "manual",
                "revoked_at": day(33).to_string(), "delivered_at": day(31).to_string(),
                "feature": { "feature_id": "sso", "feature_type": "boolean" },
                "license_key": { "id": "lic_1", "key": "SECRET-1", "status": "disabled",
                    "activations_limit": 5, "expires_at": day(365).to_string() },
            })
        ),
        delivery(
            "license_key.created",
            json!({
                "payload_type": "LicenseKey", "id": "lic_1", "key": "SECRET-1", "status": "active",
                "product_id": "pdt_1", "customer_id": "cus_ann", "payment_id": "pay_9",
                "subscription_id": "sub_1", "activations_limit": 5,
                "expires_at": day(365).to_string(), "created_at": day(31).to_string(),
            })
        ),
        crate::payloads::charged("pay_7", "sub_1", day(40), 2000, json!({})).test_mode(),
    ];
    facts.extend(acts.iter().filter_map(|act| fact(act, &rules)));
    let template = facts[0].clone();
    let of_application =
        |id: &str, kind| Fact { id: id.to_owned(), kind, person: None, ..template.clone() };
    let FactKind::Subscription(snapshot) = parse(&body.event(), &rules).unwrap().unwrap().kind
    else {
        unreachable!()
    };
    let addons = vec![Item { id: "adn_1".to_owned(), quantity: None }];
    facts.extend([
        of_application("snapshot", FactKind::ApiSnapshot(snapshot)),
        of_application(
            "change",
            FactKind::PlanChange(Box::new(PlanChange {
                subscription_id: "sub_1".to_owned(),
                product_id: Some("pdt_2".to_owned()),
                quantity: Some(1),
                addons,
                effective_at: Some(day(31)),
            })),
        ),
        of_application(
            "void:charge:pay_9",
            FactKind::Void(Void {
                record_id: "charge:pay_9".to_owned(),
                payment_id: "pay_9".to_owned(),
                reason: "test order".to_owned(),
            }),
        ),
    ]);
    let mut timeline = Timeline::default();
    facts.iter().cloned().for_each(|fact| assert!(timeline.push(fact)));
    let erasure = Erasure::for_customer(&timeline, "cus_ann");
    facts.extend(erasure.apply(&mut timeline, day(400)).map(|applied| applied.fact));
    facts
}

fn delivery(kind: &str, data: Value) -> Delivery {
    Delivery {
        id: format!("msg_{kind}"),
        body: json!({ "business_id": "bus_1", "type": kind, "timestamp": day(31).to_string(), "data": data }),
        live: true,
    }
}

fn json_of(fact: &Fact) -> Value {
    let row = fact.to_row().unwrap();
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    json!({
        "id": row.id, "occurred_at": row.occurred_at, "kind": row.kind,
        "body": json(&row.body), "person": row.person.as_deref().map(json),
    })
}

#[test]
fn stored_form_of_every_fact_is_pinned() {
    let found: Vec<Value> = facts().iter().map(json_of).collect();
    let expected: Vec<Value> = serde_json::from_str(include_str!("facts.json")).unwrap();
    if found != expected {
        let path = std::env::temp_dir().join("facts.json");
        std::fs::write(&path, serde_json::to_string_pretty(&found).unwrap()).unwrap();
        panic!("the stored form changed: compare {} with facts.json", path.display());
    }
}

#[test]
fn stored_fact_is_read_as_it_was_written() {
    let mut kinds: Vec<&str> = Vec::new();
    for fact in facts() {
        let row = fact.to_row().unwrap();
        let read = Fact::from_row(
            row.id,
            row.occurred_at,
            i64::from(FORMAT),
            &row.body,
            row.person.as_deref(),
        );
        assert_eq!(read.unwrap(), fact);
        assert_eq!(row.kind, fact.kind.name());
        assert!(!row.body.contains("SECRET") && !row.body.contains("Berlin"), "{}", row.body);
        kinds.push(row.kind);
    }
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), 14, "{kinds:?}");
    let row = facts().remove(0).to_row().unwrap();
    let error = Fact::from_row(row.id, 0, i64::from(FORMAT) + 1, &row.body, None).unwrap_err();
    assert_eq!(error.kind(), dodo_ledger::ErrorKind::CorruptRow);
}

/// The body of a delivery is rendered for each attempt, so the fact names the attempt.
#[tokio::test]
async fn time_of_the_delivery_attempt_is_stored() {
    let store = TestStore::sqlite().await.unwrap();
    let ledger = store.ledger().await;
    let event = payment("payment.succeeded", "pay_1", day(0), 900, json!({})).event();
    ledger.accept(&event.with_attempt_at(Some(day(1)))).await.unwrap();
    let workers = work(&ledger, hooks());
    ledger.settled().await.unwrap();
    workers.shutdown(std::time::Duration::from_secs(5)).await;
    let bodies = texts(&store, "SELECT body FROM dodo_fact").await;
    let attempt = format!("\"attempt_at\":\"{}\"", day(1));
    assert!(bodies[0].contains(&attempt), "{bodies:?}");
    store.remove().await;
}
