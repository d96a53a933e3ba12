//! The ledger does not depend on the order in which deliveries come.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::time::Duration;

use dodo_core::{Inbox, SignedEvent};
use dodo_ledger::sqlx::{self, Connection, SqliteConnection};
use support::{TestStore, delivery, eventually, hooks};

fn subscription(n: usize, kind: &str, hour: u8, status: &str, product: &str) -> SignedEvent {
    let body = serde_json::json!({
        "type": kind,
        "business_id": "bus_1",
        "timestamp": format!("2026-11-20T{hour:02}:00:00Z"),
        "data": {
            "payload_type": "Subscription",
            "subscription_id": "sub_1",
            "created_at": "2026-11-20T09:00:00Z",
            "status": status,
            "product_id": product,
            "recurring_pre_tax_amount": 1000,
            "currency": "USD",
            "trial_period_days": 0,
            "payment_frequency_count": 1,
            "payment_frequency_interval": "Month",
            "customer": { "customer_id": "cus_1", "email": "ada@example.com", "name": "Ada" },
            "metadata": { "visitor": format!("v{n}") }
        }
    });
    delivery(&format!("msg_{n}"), body.to_string())
}

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

/// Everything but what says when something was written.
async fn state(url: &str) -> Vec<String> {
    let mut connection = SqliteConnection::connect(url).await.unwrap();
    let all = "SELECT id || record || derived FROM dodo_entry UNION ALL
               SELECT id || body FROM dodo_fact ORDER BY 1";
    let rows: Vec<String> = sqlx::query_scalar(all).fetch_all(&mut connection).await.unwrap();
    let received = |row: String| {
        let (before, rest) = row.split_once("\"received_at\":\"").unwrap_or((&row, ""));
        format!("{before}{}", rest.split_once('"').map_or("", |(_, rest)| rest))
    };
    rows.into_iter().map(received).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_events_of_a_subscription_in_any_order_end_in_the_same_state() {
    let events = [
        subscription(1, "subscription.active", 10, "active", "pdt_small"),
        subscription(2, "subscription.renewed", 11, "active", "pdt_small"),
        subscription(3, "subscription.plan_changed", 12, "active", "pdt_large"),
        subscription(4, "subscription.on_hold", 13, "on_hold", "pdt_large"),
        subscription(5, "subscription.cancelled", 14, "cancelled", "pdt_large"),
    ];
    let mut orders = Vec::new();
    permutations(&mut (0..events.len()).collect(), events.len(), &mut orders);
    assert_eq!(orders.len(), 120);
    let mut first = None;
    for order in orders {
        let store = TestStore::sqlite().await.unwrap();
        let ledger = store.ledger().await;
        let workers = ledger.spawn(hooks().build().dispatcher());
        for n in &order {
            let event = events.get(*n).unwrap();
            ledger.accept(event).await.unwrap();
            eventually("it is booked", async || ledger.stats().await.unwrap().unbooked == 0).await;
        }
        workers.shutdown(Duration::from_secs(5)).await;
        let state = state(&store.url).await;
        assert!(state.len() > 2, "{state:?}");
        assert_eq!(*first.get_or_insert_with(|| state.clone()), state, "in the order {order:?}");
        store.remove().await;
    }
}
