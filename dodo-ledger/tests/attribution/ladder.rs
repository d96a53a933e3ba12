//! The order of the steps, and why each of them does not know.

use dodo_core::attribution::AttributionStep;
use dodo_ledger::attribution::{Answer, Reason as R, Rules, explain};
use serde_json::json;

use crate::{
    payloads::{charged, customer, day, paid, payment, recovered, refunded, subscription, visitor},
    rows::{Row, row},
    world::{World, bind, identified},
};

pub(crate) fn rows() -> Vec<Row> {
    vec![ladder(), ids()]
}

/// Who a charge is attributed to when each step knows somebody else, and the first so many know nobody.
fn ladder() -> Row {
    let steps = |n: usize| {
        let own = if n == 0 { visitor("v0") } else { json!({}) };
        let id = |kind: &str| format!("{kind}_{n}");
        let name = format!("person{n}");
        let meta = if n <= 4 { json!({ "visitor": "v4" }) } else { json!({}) };
        let mut who = customer(&name);
        who["metadata"] = meta;
        let charge = charged(&id("pay"), &id("sub"), day(31), 2000, own)
            .with(json!({ "customer": who, "checkout_session_id": id("cks") }));
        let mut acts = story![identified(&format!("{name}@example.com"), "v5"), charge];
        if n <= 1 {
            acts.insert(0, bind(&id("cks"), json!({ "visitor": "v1" })));
        }
        if n <= 2 {
            let first = charged(&id("pay_first"), &id("sub"), day(0), 2000, visitor("v2"));
            acts.push(first.with(json!({ "customer": customer("other") })).into());
        }
        if n <= 3 {
            let failed = payment("payment.failed", &id("pay_lost"), day(30), 2000, visitor("v3"));
            acts.push(failed.with(json!({ "customer": customer("other") })).into());
            acts.push(recovered(&id("pay_lost"), &id("pay"), day(31)).into());
        }
        acts
    };
    row(0, "each step goes before the next", (0..6).flat_map(steps).collect(), |r| {
        let steps = [
            AttributionStep::EventMetadata,
            AttributionStep::CheckoutContext,
            AttributionStep::SubscriptionRecord,
            AttributionStep::RecoveredFrom,
            AttributionStep::CustomerRecord,
            AttributionStep::EmailMatch,
        ];
        for (n, step) in steps.into_iter().enumerate() {
            let id = format!("charge:pay_{n}");
            let found = r.visitor(&id);
            assert_eq!(found, Some((format!("v{n}").as_str(), step)), "{id}");
        }
    })
}

/// The same for ids of tools and the application's user.
fn ids() -> Row {
    let named =
        |n: usize| json!({ "datafast_visitor_id": format!("df-{n}"), "user_id": format!("u{n}") });
    let steps = move |n: usize| {
        let id = |kind: &str| format!("{kind}_{n}");
        let charge = charged(&id("pay"), &id("sub"), day(31), 2000, json!({})).with(json!({
            "metadata": if n == 0 { named(0) } else { json!({}) },
            "checkout_session_id": id("cks"),
        }));
        let start = subscription("subscription.active", &id("sub"), day(0), json!({}))
            .with(json!({ "metadata": named(3) }));
        let mut acts = story![charge, start];
        if n <= 1 {
            let tools = json!({ "datafast_visitor_id": "df-1" });
            acts.insert(0, bind(&id("cks"), json!({ "tool_ids": tools, "user_id": "u1" })));
        }
        if n <= 2 {
            let first = charged(&id("pay_first"), &id("sub"), day(0), 2000, json!({}));
            acts.push(first.with(json!({ "metadata": named(2) })).into());
        }
        acts
    };
    row(
        0,
        "ids: its own, its checkout's, its subscription's",
        (0..4).flat_map(steps).collect(),
        |r| {
            for n in 0..4 {
                let record = r.get(&format!("charge:pay_{n}"));
                let tool = record.tool_ids.get("datafast_visitor_id");
                assert_eq!(tool.map(String::as_str), Some(format!("df-{n}").as_str()));
                // The user that the app bound to the checkout wins over metadata.
                let user = format!("u{}", n.max(1));
                assert_eq!(record.user_id.as_deref(), Some(user.as_str()));
            }
        },
    )
}

/// Why the steps of a charge, and of its refund, did not know.
#[tokio::test]
async fn each_step_says_why_it_does_not_know() {
    let rules = Rules::default();
    let mut world = World::in_memory(&rules);
    let refund = |n: u8| {
        let (id, payment) = (format!("ref_{n}"), format!("pay_{n}"));
        refunded(&id, &payment, day(40), json!(500), json!({ "is_partial": true }))
    };
    let no_email = json!({ "customer": { "customer_id": "cus_x" } });
    world
        .play(&story![
            paid("pay_1", day(0), 2000, no_email.clone()),
            refund(1).with(no_email),
            charged("pay_2", "sub_1", day(0), 2000, json!({ "checkout_session_id": "cks_none" })),
            charged("pay_3", "sub_1", day(31), 2000, json!({ "customer": null })),
            bind("cks_no", json!({ "consent": "denied" })),
            paid("pay_4", day(0), 2000, json!({ "checkout_session_id": "cks_no" })),
        ])
        .await;
    let World::Memory { mut history, .. } = world else { panic!("only in memory") };
    let none = R::NoEarlierPurchase { days: 90 };
    let reasons = [
        (
            "charge:pay_1",
            [
                R::NotInMetadata,
                R::NotAReversal,
                R::NoSession,
                R::NoSubscription,
                R::NotARecovery,
                none,
                R::NoEmail,
            ],
        ),
        (
            "refund:ref_1",
            [
                R::NotInMetadata,
                R::PaymentUnattributed,
                R::SeeThePayment,
                R::SeeThePayment,
                R::NotARecovery,
                R::SeeThePayment,
                R::NoEmail,
            ],
        ),
        (
            "charge:pay_2",
            [
                R::NotInMetadata,
                R::NotAReversal,
                R::NoContext,
                R::NoEarlierCharge,
                R::NotARecovery,
                none,
                R::NotIdentified,
            ],
        ),
        (
            "charge:pay_3",
            [
                R::NotInMetadata,
                R::NotAReversal,
                R::NoSession,
                R::EarlierChargesUnattributed,
                R::NotARecovery,
                R::NoCustomer,
                R::NoEmail,
            ],
        ),
        ("charge:pay_4", [R::ConsentDenied; 7]),
    ];
    for (id, expected) in reasons {
        let payment = format!("pay_{}", id.rsplit('_').next().unwrap());
        let explained = explain(&rules, &mut *history, &payment).await.unwrap();
        let (_, steps) = explained.into_iter().find(|(entry, _)| entry.id == id).unwrap();
        let found: Vec<_> = steps.into_iter().map(|step| (step.visitor, step.campaign)).collect();
        let told = |reason| (Answer::Nothing(reason), Answer::Nothing(reason));
        assert_eq!(found, expected.map(told), "{id}");
    }
}
