//! The order of the steps, and why each of them does not know.

use dodo_core::attribution::AttributionStep;
use serde_json::json;

use crate::{
    payloads::{charged, customer, day, payment, recovered, subscription, visitor},
    rows::{Row, row},
    world::{bind, identified},
};

pub(crate) fn rows() -> Vec<Row> {
    vec![ladder(), ids()]
}

/// The attribution of a charge if each step has another visitor, and the first steps have none.
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
