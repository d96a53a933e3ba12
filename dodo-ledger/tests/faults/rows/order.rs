//! The ledger does not depend on the order in which deliveries come.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::json;

use super::Trial;
use crate::{
    delivery::Parcel,
    report::{Report, Symptom},
    wait::{Step, until},
    world::World,
};

/// Heap's algorithm.
fn permutations(items: &mut Vec<usize>, size: usize, all: &mut Vec<Vec<usize>>) {
    if size <= 1 {
        all.push(items.clone());
        return;
    }
    for n in 0..size {
        permutations(items, size - 1, all);
        items.swap(if size.is_multiple_of(2) { n } else { 0 }, size - 1);
    }
}

/// The events of a subscription: type, hour, status and product. The payment inherits the visitor of the
/// first event.
const EVENTS: [(&str, u8, &str, &str); 5] = [
    ("subscription.active", 10, "active", "pdt_small"),
    ("subscription.renewed", 11, "active", "pdt_small"),
    ("subscription.plan_changed", 12, "active", "pdt_large"),
    (PAYMENT, 13, "succeeded", "pdt_large"),
    ("subscription.cancelled", 14, "cancelled", "pdt_large"),
];

const PAYMENT: &str = "payment.succeeded";

/// The name of one subscription. It is part of every id, and nothing else looks like it.
fn token(number: usize) -> String {
    format!("no{number:03}no")
}

fn event(token: &str, number: usize) -> Parcel {
    let (kind, hour, status, product) = EVENTS[number];
    let at = format!("2026-11-20T{hour:02}:00:00Z");
    let body = match kind {
        PAYMENT => json!({
            "type": kind,
            "business_id": "bus_1",
            "timestamp": at,
            "data": {
                "payload_type": "Payment",
                "payment_id": format!("pay_{token}"),
                "subscription_id": format!("sub_{token}"),
                "created_at": at,
                "total_amount": 1000,
                "currency": "USD",
                "customer": { "customer_id": format!("cus_{token}") }
            }
        }),
        _ => json!({
        "type": kind,
        "business_id": "bus_1",
        "timestamp": at,
        "data": {
            "payload_type": "Subscription",
            "subscription_id": format!("sub_{token}"),
            "created_at": "2026-11-20T09:00:00Z",
            "status": status,
            "product_id": product,
            "recurring_pre_tax_amount": 1000,
            "currency": "USD",
            "trial_period_days": 0,
            "payment_frequency_count": 1,
            "payment_frequency_interval": "Month",
            "customer": { "customer_id": format!("cus_{token}") },
            "metadata": { "visitor": format!("v{number}") }
        }
        }),
    };
    Parcel { id: format!("msg_{token}_{number}"), body: body.to_string() }
}

pub(super) async fn sqlite(trial: Trial) -> Step<Report> {
    all_orders(World::sqlite(trial).await?).await
}

pub(super) async fn postgres(trial: Trial) -> Step<Report> {
    all_orders(World::postgres(trial, 2).await?).await
}

/// One subscription for each order. The first event of each is sent and booked, then the second of
/// each, and so on.
async fn all_orders(mut world: World) -> Step<Report> {
    let mut orders = Vec::new();
    permutations(&mut (0..EVENTS.len()).collect(), EVENTS.len(), &mut orders);
    let sender = world.start()?;
    for step in 0..EVENTS.len() {
        let events = orders.iter().enumerate().map(|(n, order)| event(&token(n), order[step]));
        sender.deliver(events.collect(), 16).await?;
        until("everything is booked", Duration::from_secs(60), async || {
            let unbooked = "SELECT COUNT(*) FROM dodo_inbox WHERE booked_at IS NULL";
            world.database.try_number(unbooked).await.is_ok_and(|unbooked| unbooked == 0)
        })
        .await?;
    }
    let mut report = Report::default();
    let states = states(&world, orders.len()).await;
    let distinct: BTreeSet<&Vec<String>> = states.values().collect();
    let pieces = distinct.first().map_or(0, |state| state.len());
    report.count(Symptom::OrderMatters, distinct.len().saturating_sub(1));
    // Unwritten states cannot differ.
    report.flag(Symptom::Unexercised, states.len() != 120 || pieces < 2);
    report.note(format!(
        "orders {} distinct states {} of {pieces} pieces",
        states.len(),
        distinct.len()
    ));
    Ok(report)
}

/// The facts of each subscription, without its id and without times of arrival.
async fn states(world: &World, subscriptions: usize) -> BTreeMap<usize, Vec<String>> {
    let query = "SELECT id || record FROM dodo_record ORDER BY id";
    let rows = world.database.texts(query).await;
    let received = |row: String| {
        let (before, rest) = row.split_once("\"received_at\":\"").unwrap_or((&row, ""));
        format!("{before}{}", rest.split_once('"').map_or("", |(_, rest)| rest))
    };
    (0..subscriptions)
        .map(|number| {
            let token = token(number);
            let own = rows.iter().filter(|row| row.contains(&token));
            (number, own.map(|row| received(row.replace(&token, "no"))).collect())
        })
        .collect()
}
