//! A sink that is away for a while: nothing is lost and nothing counts twice.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use dodo_core::webhook::{Inbox, VerifiedEvent};
use dodo_ledger::{RetryPolicy, sink::Segment};
use serde_json::json;

use crate::{
    server::{Mood, Server},
    support::{TestStore, eventually, hooks, work},
};

fn paid(n: u32) -> VerifiedEvent {
    let body = json!({
        "type": "payment.succeeded", "business_id": "bus_1", "timestamp": "2026-11-20T10:00:00Z",
        "data": {
            "payment_id": format!("pay_{n}"), "created_at": "2026-11-20T10:00:00Z",
            "total_amount": 2000, "tax": 300, "currency": "USD",
            "customer": { "customer_id": format!("cus_{n}") }, "metadata": { "visitor": "v1" },
        },
    });
    VerifiedEvent::from_trusted_parts(
        &format!("msg_{n}"),
        Bytes::from(body.to_string()),
        jiff::Timestamp::now(),
        true,
    )
}

crate::on_every_store! { outage_loses_and_doubles_no_record }

/// Ten minutes at six hundred times the speed: a second in which Segment fails in every way while
/// payments keep coming.
async fn outage_loses_and_doubles_no_record(store: &TestStore) {
    const PAYMENTS: u32 = 300;
    let server = Server::start().await;
    let sink = Segment::at(&server.url, "writekey").unwrap().without_identify();
    let ledger = store
        .builder()
        .await
        .sink(sink)
        .sink_retry(RetryPolicy::new(Duration::from_millis(5), Duration::from_millis(50), 10_000))
        .build()
        .unwrap();
    ledger.migrate().await.unwrap();
    let workers = work(&ledger, hooks());

    let moods = [
        Mood::Well,
        Mood::Status(500, None),
        Mood::Cut,
        Mood::TakeAndCut,
        Mood::Status(429, Some(1)),
        Mood::Status(503, None),
    ];
    for n in 0..PAYMENTS {
        let phase = usize::try_from(n).unwrap() * moods.len() / usize::try_from(PAYMENTS).unwrap();
        server.set(moods[phase]);
        ledger.accept(&paid(n)).await.unwrap();
        if n.is_multiple_of(10) {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
    server.set(Mood::Well);
    eventually("all records are sent", async || {
        let stats = ledger.sink_stats("segment").await.unwrap();
        let inbox = ledger.stats().await.unwrap();
        inbox.unbooked == 0 && stats.pending == 0
    })
    .await;
    workers.shutdown(Duration::from_secs(5)).await;
    assert_eq!(ledger.sink_stats("segment").await.unwrap().dead, 0);

    let log = server.log();
    let failed = log.iter().filter(|received| !received.was_taken()).count();
    assert!(failed > 0, "there was an outage");
    // By message id: how often it arrived, and in how many requests whose end the sink did not see.
    let mut arrived: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for received in log.iter().filter(|received| received.was_taken()) {
        for event in received.json()["batch"].as_array().unwrap() {
            let id = event["messageId"].as_str().unwrap().to_owned();
            let counts = arrived.entry(id).or_default();
            counts.0 += 1;
            counts.1 += u32::from(received.mood == Mood::TakeAndCut);
        }
    }
    let expected: Vec<String> = (0..PAYMENTS).map(|n| format!("charge:pay_{n}")).collect();
    for id in &expected {
        let (times, uncertain) = arrived.remove(id).unwrap_or_else(|| panic!("{id} was lost"));
        assert!(
            times <= uncertain + 1,
            "{id} was sent {times} times, {uncertain} of them with unknown outcome"
        );
    }
    assert!(arrived.is_empty(), "told and never booked: {arrived:?}");

    // After `Retry-After: 1` the sink is paused for a second.
    for pair in log.windows(2) {
        if let [before, after] = pair
            && before.mood == Mood::Status(429, Some(1))
        {
            let quiet = after.at.duration_since(before.at);
            assert!(quiet >= Duration::from_millis(990), "asked again after {quiet:?}");
        }
    }
}
