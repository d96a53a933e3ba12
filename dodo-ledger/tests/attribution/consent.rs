//! The effect of denied consent, with any other source of attribution.

use dodo_core::{attribution::AttributionStep, capture::consent::Consent};
use serde_json::{Value, json};

use crate::{
    payloads::{
        charged, customer, day, dispute, paid, payment, recovered, refund, refunded, subscription,
        visitor,
    },
    rows::{Row, row},
    support::TestStore,
    world::{Act, Records, World, bind, identified},
};

/// A payment of this checkout session.
fn bought(id: &str, at: i64, session: &str, extra: Value) -> Act {
    paid(id, day(at), 2000, json!({ "checkout_session_id": session })).with(extra).into()
}

fn said(session: &str, consent: &str) -> Act {
    bind(session, json!({ "consent": consent }))
}

/// Metadata with every source of attribution.
fn named() -> Value {
    json!({ "metadata": {
        "visitor": "v1", "source": "news", "datafast_visitor_id": "df-1", "user_id": "42",
    } })
}

#[track_caller]
fn no_attribution(records: &Records, ids: &[&str]) {
    for id in ids {
        let record = records.get(id);
        assert_eq!(record.consent, Consent::Denied, "{id}");
        assert_eq!(records.visitor(id), None, "{id}");
        assert!(record.campaign.is_none(), "{id}");
        assert!(record.tool_ids.is_empty() && record.user_id.is_none(), "{id}");
        assert!(!record.flags.ambiguous, "{id}");
    }
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row(
            34,
            "denied consent ignores metadata of payment, refund and dispute",
            vec![
                said("cks_1", "denied"),
                bought("pay_1", 0, "cks_1", named()),
                refunded("ref_1", "pay_1", day(1), json!(500), json!({ "is_partial": true }))
                    .with(named())
                    .into(),
                refund("refund.failed", "ref_1", "pay_1", day(2), json!(500), named()).into(),
                dispute("lost", "dp_1", "pay_1", day(3), json!("500"), named()).into(),
                dispute("won", "dp_1", "pay_1", day(4), json!("500"), named()).into(),
            ],
            |r| {
                let all = [
                    "charge:pay_1",
                    "refund:ref_1",
                    "refund:ref_1:reversal",
                    "dispute:dp_1:loss",
                    "dispute:dp_1:reversal",
                ];
                no_attribution(r, &all);
                assert_eq!(r.ids().len(), all.len());
            },
        ),
        row(
            34,
            "nor a subscription, at its start, its renewal and its end",
            vec![
                said("cks_1", "denied"),
                subscription("subscription.active", "sub_1", day(0), named()).into(),
                charged("pay_1", "sub_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" }))
                    .into(),
                charged("pay_2", "sub_1", day(31), 2000, named()).into(),
                charged("pay_3", "sub_1", day(62), 2000, json!({})).into(),
                subscription("subscription.cancelled", "sub_1", day(70), named()).into(),
            ],
            |r| {
                let life = ["subscription:sub_1:started", "subscription:sub_1:cancelled"];
                no_attribution(r, &life);
                no_attribution(r, &["charge:pay_1", "charge:pay_2", "charge:pay_3"]);
            },
        ),
        row(
            34,
            "nor an address that is known, nor an earlier purchase, nor the customer's metadata",
            vec![
                identified("ann@example.com", "v1"),
                identified("bob@example.com", "v1"),
                identified("bob@example.com", "v2"),
                paid("pay_1", day(0), 2000, visitor("v1")).into(),
                said("cks_1", "denied"),
                bought("pay_2", 1, "cks_1", json!({})),
                bought("pay_3", 1, "cks_1", json!({ "customer": customer("bob") })),
                bought(
                    "pay_4",
                    1,
                    "cks_1",
                    json!({ "customer": { "customer_id": "cus_eve", "metadata": named()["metadata"] } }),
                ),
            ],
            |r| no_attribution(r, &["charge:pay_2", "charge:pay_3", "charge:pay_4"]),
        ),
        row(
            34,
            "denied purchase gives no attribution to later purchases",
            vec![
                said("cks_1", "denied"),
                bought("pay_1", 0, "cks_1", named()),
                paid("pay_2", day(1), 2000, json!({})).into(),
            ],
            |r| {
                assert_eq!(r.visitor("charge:pay_2"), None);
                assert_eq!(r.get("charge:pay_2").consent, Consent::NotAsked);
            },
        ),
        row(
            34,
            "a no to one of two subscriptions is one to a charge of both",
            ["granted", "denied"]
                .into_iter()
                .flat_map(|first| {
                    let second = if first == "denied" { "granted" } else { "denied" };
                    let session = |n: &str| format!("cks_{first}_{n}");
                    let sub = |n: &str| format!("sub_{first}_{n}");
                    let charge = |n: &str| {
                        let extra = json!({ "checkout_session_id": session(n) });
                        charged(&format!("pay_{first}_{n}"), &sub(n), day(0), 2000, extra)
                            .with(visitor("v1"))
                    };
                    let both = json!({ "subscription_ids": [sub("a"), sub("b")] });
                    [
                        said(&session("a"), first),
                        said(&session("b"), second),
                        charge("a").into(),
                        charge("b").into(),
                        paid(&format!("pay_{first}"), day(31), 4000, both).into(),
                    ]
                })
                .collect(),
            |r| no_attribution(r, &["charge:pay_granted", "charge:pay_denied"]),
        ),
        row(
            34,
            "granted consent holds for renewals and refunds, and wins over not asked",
            vec![
                said("cks_1", "granted"),
                charged("pay_1", "sub_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" }))
                    .into(),
                charged("pay_2", "sub_2", day(0), 2000, visitor("v1")).into(),
                paid("pay_3", day(31), 9, json!({ "subscription_ids": ["sub_1", "sub_2"] })).into(),
                paid("pay_4", day(62), 9, json!({ "subscription_ids": ["sub_2", "sub_1"] })).into(),
                refunded("ref_1", "pay_1", day(63), json!(500), json!({ "is_partial": true }))
                    .into(),
            ],
            |r| {
                for id in ["charge:pay_1", "charge:pay_3", "charge:pay_4", "refund:ref_1"] {
                    assert_eq!(r.get(id).consent, Consent::Granted, "{id}");
                }
                assert_eq!(r.get("charge:pay_2").consent, Consent::NotAsked);
            },
        ),
        row(
            34,
            "a later checkout of the same subscription asks anew",
            vec![
                said("cks_1", "denied"),
                charged("pay_1", "sub_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" }))
                    .into(),
                bind("cks_2", json!({ "consent": "granted", "visitor": "v2" })),
                charged("pay_2", "sub_1", day(31), 2000, json!({ "checkout_session_id": "cks_2" }))
                    .into(),
                charged("pay_3", "sub_1", day(62), 2000, json!({})).into(),
            ],
            |r| {
                no_attribution(r, &["charge:pay_1"]);
                assert_eq!(
                    r.visitor("charge:pay_2"),
                    Some(("v2", AttributionStep::CheckoutContext))
                );
                assert_eq!(
                    r.visitor("charge:pay_3"),
                    Some(("v2", AttributionStep::SubscriptionRecord))
                );
                assert_eq!(r.get("charge:pay_3").consent, Consent::Granted);
            },
        ),
    ]
}

crate::on_every_store! {
    denied_consent_of_abandoned_checkout_applies_to_recovery,
    denied_consent_survives_erasure,
}

/// Erasure keeps the denial: later payments of the subscription, and recoveries of abandoned
/// checkouts, are not sent.
async fn denied_consent_survives_erasure(store: &TestStore) {
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    let eve = || json!({ "customer": customer("eve") });
    let abandoned = json!({ "checkout_session_id": "cks_2", "customer": customer("eve") });
    let before = world
        .play(&[
            bind("cks_1", json!({ "consent": "denied", "landing_path": "/landed" })),
            charged("pay_1", "sub_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" }))
                .with(named())
                .into(),
            bind("cks_2", json!({ "consent": "denied" })),
            payment("payment.failed", "pay_3", day(0), 2000, abandoned).with(named()).into(),
            bind("cks_3", json!({ "consent": "granted", "visitor": "v3" })),
            bought("pay_5", 0, "cks_3", json!({ "customer": customer("tim") })),
        ])
        .await;
    no_attribution(&before, &["charge:pay_1"]);
    for customer in ["cus_ann", "cus_eve", "cus_tim"] {
        ledger.erase_customer(customer).await.unwrap();
        assert!(
            !ledger.erase_customer(customer).await.unwrap().found,
            "no data of {customer} is left"
        );
    }
    let records = world
        .play(&[
            charged("pay_2", "sub_1", day(31), 2000, named()).into(),
            refunded("ref_1", "pay_1", day(1), json!(500), json!({ "is_partial": true }))
                .with(named())
                .into(),
            refunded("ref_2", "pay_2", day(32), json!(500), json!({ "is_partial": true }))
                .with(named())
                .into(),
            recovered("pay_3", "pay_4", day(1)).into(),
            paid("pay_4", day(1), 2000, eve()).with(named()).into(),
        ])
        .await;
    let all = ["charge:pay_1", "charge:pay_2", "refund:ref_1", "refund:ref_2", "charge:pay_4"];
    no_attribution(&records, &all);
    assert_eq!(records.get("charge:pay_5").consent, Consent::Granted, "the consent stays");
    assert_eq!(records.visitor("charge:pay_5"), None);
}

/// Not a row: a context that is stored after the recovery is not read again.
async fn denied_consent_of_abandoned_checkout_applies_to_recovery(store: &TestStore) {
    let mut world = World::Stored(store.ledger().await);
    let abandoned = |id: &str, session: &str, extra: Value| -> Act {
        let session = json!({ "checkout_session_id": session });
        payment("payment.failed", id, day(0), 2000, session).with(extra).into()
    };
    let refund_of = |id: &str, payment: &str| -> Act {
        refunded(id, payment, day(2), json!(500), json!({ "is_partial": true })).into()
    };
    let none = || json!({});
    let (bob, eve) = (json!({ "customer": customer("bob") }), customer("eve"));
    let story = [
        said("cks_no", "denied"),
        bind(
            "cks_yes",
            json!({ "consent": "granted", "visitor": "v2", "campaign": { "source": "news" } }),
        ),
        said("cks_later", "granted"),
        abandoned("pay_1", "cks_no", named()),
        abandoned("pay_2", "cks_yes", none()),
        abandoned("pay_5", "cks_yes", visitor("v5")),
        recovered("pay_5", "pay_15", day(1)).into(),
        paid("pay_15", day(1), 2000, json!({ "customer": customer("tim") })).into(),
        abandoned("pay_3", "cks_no", named()),
        abandoned("pay_4", "cks_no", named()),
        recovered("pay_1", "pay_11", day(1)).into(),
        recovered("pay_2", "pay_12", day(1)).into(),
        recovered("pay_3", "pay_13", day(1)).into(),
        recovered("pay_4", "pay_14", day(62)).into(),
        paid("pay_11", day(1), 2000, none()).into(),
        refund_of("ref_1", "pay_11"),
        paid("pay_12", day(1), 2000, bob).into(),
        // Granted later, but not for the abandoned visit.
        bought("pay_13", 1, "cks_later", json!({ "customer": eve })),
        // A renewal that made up for an abandoned one, after a yes to its subscription.
        bind("cks_sub", json!({ "consent": "granted", "visitor": "v3" })),
        charged("pay_sub", "sub_1", day(31), 2000, json!({ "checkout_session_id": "cks_sub" }))
            .with(json!({ "customer": eve }))
            .into(),
        charged("pay_14", "sub_1", day(62), 2000, json!({ "customer": eve })).into(),
    ];
    let records = world.play(&story).await;
    no_attribution(&records, &["charge:pay_11", "refund:ref_1", "charge:pay_14"]);
    assert_eq!(records.visitor("charge:pay_12"), Some(("v2", AttributionStep::RecoveredFrom)));
    assert_eq!(records.get("charge:pay_12").visitor.as_ref().unwrap().from, "pay_2");
    assert_eq!(records.get("charge:pay_12").consent, Consent::Granted);
    assert_eq!(records.visitor("charge:pay_15"), Some(("v5", AttributionStep::RecoveredFrom)));
    for id in ["charge:pay_12", "charge:pay_15"] {
        let campaign = records.get(id).campaign.as_ref().unwrap();
        assert_eq!(campaign.value.source.as_deref(), Some("news"), "{id}");
        assert_eq!(campaign.step, AttributionStep::RecoveredFrom, "{id}");
    }
    assert_eq!(records.get("charge:pay_13").consent, Consent::Granted);
    assert_eq!(records.visitor("charge:pay_13"), None);
}
