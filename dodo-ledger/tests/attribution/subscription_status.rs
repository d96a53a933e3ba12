//! The state of a subscription, on every store.

use dodo_core::event::SubscriptionStatus;
use dodo_ledger::query::SubscriptionStatusView;
use jiff::Timestamp;
use serde_json::json;

use crate::{
    payloads::{Delivery, day, subscription},
    support::TestStore,
    world::{Act, World},
};

crate::on_every_store! {
    latest_event_wins_in_every_order,
    absent_field_keeps_its_value,
    events_of_one_instant_follow_the_life_cycle,
    status_is_dated_by_its_first_event,
}

async fn status_is_dated_by_its_first_event(store: &TestStore) {
    let ledger = store.ledger().await;
    let event = |kind: &str, at| -> Act { subscription(kind, "sub_1", at, json!({})).into() };
    let story = [
        event("subscription.renewed", day(62)),
        event("subscription.active", day(0)),
        event("subscription.on_hold", day(31)),
        event("subscription.renewed", day(93)),
        event("subscription.active", day(33)),
    ];
    World::Stored(ledger.clone()).play(&story).await;
    let now = ledger.subscription("sub_1").await.unwrap().unwrap();
    assert_eq!((now.status, now.since), (Some(SubscriptionStatus::Active), Some(day(33))));
}

/// The life of a subscription. The bodies are newer than the events, as after a retry, but for the plan.
fn life(id: &str) -> [Delivery; 5] {
    let body = |product: &str| json!({ "status": "cancelled", "product_id": product });
    [
        subscription("subscription.active", id, day(0), body("pdt_small")),
        subscription("subscription.on_hold", id, day(1), body("pdt_small")),
        subscription("subscription.renewed", id, day(2), body("pdt_small")),
        subscription("subscription.plan_changed", id, day(3), body("pdt_large")),
        subscription("subscription.paused", id, day(4), body("pdt_large")),
    ]
}

fn orders(of: usize) -> Vec<Vec<usize>> {
    let Some(last) = of.checked_sub(1) else { return vec![Vec::new()] };
    let with_last = |order: Vec<usize>| {
        (0..=last).map(move |at| {
            let mut order = order.clone();
            order.insert(at, last);
            order
        })
    };
    orders(last).into_iter().flat_map(with_last).collect()
}

async fn latest_event_wins_in_every_order(store: &TestStore) {
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    let (orders, stands) = (orders(5), async |id: &str| {
        let SubscriptionStatusView { status, since, product_id, .. } =
            ledger.subscription(id).await.unwrap().unwrap();
        (status.unwrap(), since, product_id)
    });
    assert_eq!(orders.len(), 120);
    let mut acts: Vec<Act> = Vec::new();
    for (n, order) in orders.iter().enumerate() {
        let life = life(&format!("sub_{n}"));
        acts.extend(order.iter().map(|event| life[*event].clone().into()));
    }
    world.play(&acts).await;
    let paused = (SubscriptionStatus::Paused, Some(day(4)), Some("pdt_large".to_owned()));
    for (n, order) in orders.iter().enumerate() {
        assert_eq!(stands(&format!("sub_{n}")).await, paused, "{order:?}");
    }
    assert_eq!(ledger.subscription("sub_none").await.unwrap(), None);
}

/// As with a frozen clock: neither arrival nor the id decides.
async fn events_of_one_instant_follow_the_life_cycle(store: &TestStore) {
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    let rows = [
        (["active", "renewed"], None, SubscriptionStatus::Active),
        (["cancelled", "active"], None, SubscriptionStatus::Cancelled),
        (["on_hold", "renewed"], None, SubscriptionStatus::OnHold),
        (["expired", "paused"], None, SubscriptionStatus::Expired),
        (["past_due", "failed"], None, SubscriptionStatus::PastDue),
        // The later next charge comes before the progress.
        (["renewed", "past_due"], Some("renewed"), SubscriptionStatus::Active),
    ];
    for (n, (kinds, later, expected)) in rows.iter().enumerate() {
        for reversed in [false, true] {
            let id = format!("sub_{n}_{reversed}");
            let event = |kind: &&str| {
                let due = if Some(*kind) == *later { day(60) } else { day(30) };
                let body = json!({ "status": null, "next_billing_date": due.to_string() });
                subscription(&format!("subscription.{kind}"), &id, day(0), body)
            };
            let mut acts: Vec<Act> = kinds.iter().map(|kind| event(kind).into()).collect();
            if reversed {
                acts.reverse();
            }
            world.play(&acts).await;
            let state = ledger.subscription(&id).await.unwrap().unwrap();
            assert_eq!(state.status.as_ref(), Some(expected), "{kinds:?} {reversed}");
        }
    }
}

async fn absent_field_keeps_its_value(store: &TestStore) {
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    let due = "2026-12-01T00:00:00Z";
    let stands = async || ledger.subscription("sub_1").await.unwrap().unwrap();
    let active = json!({
        "status": "active", "product_id": "pdt_1", "next_billing_date": due,
        "cancel_at_next_billing_date": true,
    });
    world.play(&[subscription("subscription.active", "sub_1", day(0), active).into()]).await;
    assert_eq!(stands().await.status, Some(SubscriptionStatus::Active));
    // An update names no status by its type, and this one none in its body.
    let updated = json!({ "status": null, "product_id": null, "next_billing_date": null });
    world.play(&[subscription("subscription.updated", "sub_1", day(1), updated).into()]).await;
    let now = stands().await;
    assert_eq!((now.status.clone(), now.since), (Some(SubscriptionStatus::Active), Some(day(0))));
    assert_eq!(now.product_id.as_deref(), Some("pdt_1"));
    assert_eq!(now.next_billing_date, Some(due.parse::<Timestamp>().unwrap()));
    assert!(!now.cancel_at_next_billing_date, "this one it says: {now:?}");
    // Of the body's own status an update is believed.
    let updated = json!({ "status": "expired" });
    world.play(&[subscription("subscription.updated", "sub_1", day(2), updated).into()]).await;
    let now = stands().await;
    assert_eq!((now.status.clone(), now.since), (Some(SubscriptionStatus::Expired), Some(day(2))));
    assert_ne!(now.status, Some(SubscriptionStatus::Active));
}
