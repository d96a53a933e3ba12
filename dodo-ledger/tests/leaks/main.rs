//! Secrets and personal data in every place where a ledger can hold them: that they come out nowhere,
//! in no log at any level, no answer, no `Debug`, no error and nothing that the operator's program
//! prints unless it was asked for.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod canary;
mod database;
mod dodo;
mod log;
mod program;
#[expect(dead_code, reason = "shared with the tests of sinks, which use more of it")]
#[path = "../sinks/server.rs"]
mod server;
mod shop;
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../support/mod.rs"]
mod support;
mod urls;

use std::time::Duration;

use dodo_core::{Client, Environment, capture::CheckoutContextStore as _};
use dodo_ledger::Identity;
use serde_json::{Value, json};

use crate::{
    canary::{API_KEY, EMAIL, VISITOR, assert_none, event, payment},
    dodo::Refunds,
    log::Log,
    server::Mood,
    shop::{Shop, said},
    support::{TestStore, eventually},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_out_on_sqlite() {
    let store = TestStore::sqlite().await.unwrap();
    nothing_comes_out(&store).await;
    store.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_out_on_postgres() {
    let Some(store) = TestStore::postgres("nothing_comes_out_on_postgres").await else { return };
    nothing_comes_out(&store).await;
    store.remove().await;
}

async fn nothing_comes_out(store: &TestStore) {
    let log = Log::of_this_process();
    let shop = Shop::open(store).await;
    everything_a_webhook_brings(&shop).await;
    check_checkout_and_sign_in(&shop).await;
    every_way_a_sink_fails(&shop).await;
    what_no_webhook_brought(&shop).await;
    program::every_command(store, &shop).await;
    refused_rows_are_not_quoted(store, &shop).await;
    rows_that_cannot_be_read(store, &shop).await;
    erased(&shop).await;
    assert_none("Debug", shop.shown());
    shop.close().await;

    let lines = log.lines();
    assert_none("the log", &lines);
    // It would have been seen: these speak of the work above.
    for speaker in [
        "DEBUG sqlx::query:",
        "DEBUG dodo::webhook:",
        "ERROR dodo::ledger:",
        "WARN dodo::sink:",
        "DEBUG dodo::client:",
        "TRACE hyper_util::client",
    ] {
        assert!(lines.iter().any(|line| line.contains(speaker)), "{speaker} is silent");
    }
}

/// Good and bad deliveries over HTTP: answered, booked, parked, dead and repeated.
async fn everything_a_webhook_brings(shop: &Shop) {
    let with = |id: &str, more: Value| {
        let mut data = payment(id);
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        data
    };
    let refund = json!({
        "refund_id": "ref_1", "payment_id": "pay_1", "amount": 500, "currency": "USD",
        "customer": payment("x")["customer"], "reason": "canary reason", "metadata": {},
    });
    let bodies = [
        ("msg_paid", event("payment.succeeded", payment("pay_1")), 200),
        ("msg_paid", event("payment.succeeded", payment("pay_1")), 200),
        ("msg_refund", event("refund.succeeded", refund), 200),
        ("msg_failing", event("payment.failed", payment("pay_2")), 200),
        ("msg_panic", event("payment.cancelled", payment("pay_3")), 200),
        ("msg_unknown", event("canary.thing", payment("pay_4")), 200),
        ("msg_wrong", event("payment.succeeded", with("pay_5", json!({ "tax": "canary" }))), 200),
        (
            "msg_parked",
            event("payment.succeeded", with("pay_6", json!({ "total_amount": "canary" }))),
            200,
        ),
        (
            "msg_nul",
            event("payment.succeeded", with("pay_7", json!({ "brand_id": "canary\0" }))),
            200,
        ),
        (
            "msg_person",
            event("payment.succeeded", with("pay_8", json!({ "customer": "canary" }))),
            200,
        ),
        ("msg_text", b"\"canary\"".to_vec(), 200),
        ("msg_bytes", b"\xff\xfecanary".to_vec(), 200),
    ];
    for (id, body, status) in bodies {
        let answer = shop.deliver(id, &body).await;
        assert_eq!(answer.status, status, "{id}: {answer:?}");
        assert_none(id, [format!("{answer:?}")]);
    }
    let answer = shop.forge(&event("payment.succeeded", payment("pay_9"))).await;
    assert_eq!(answer.status, 401);
    assert_none("a forgery", [format!("{answer:?}")]);
    eventually("all is done, dead or parked", async || {
        shop.ledger.stats().await.unwrap().pending == 0
    })
    .await;
    let stats = shop.ledger.stats().await.unwrap();
    assert!(stats.dead >= 2 && stats.parked >= 3, "{stats:?}");
    let failed = shop.ledger.failed_events(100).await.unwrap();
    assert_none("failed events", failed.iter().map(|event| format!("{event:?}")));
    let id = &failed[0].id;
    assert!(shop.ledger.redrive(id).await.unwrap());
    assert!(shop.ledger.replay("msg_paid").await.unwrap());
}

async fn check_checkout_and_sign_in(shop: &Shop) {
    shop.ledger.store("cks_pay_late", &shop::context()).await.unwrap();
    let identity = Identity::new(EMAIL).visitor(VISITOR).user_id("canary-user");
    assert_none("an identity", [format!("{identity:?}")]);
    shop.ledger.identify(identity).await.unwrap();
    assert_eq!(
        shop.deliver("msg_late", &event("payment.succeeded", payment("pay_late"))).await.status,
        200
    );
}

/// The path of each sink.
const PATHS: [&str; 6] =
    ["/v1/batch", "/hooks/", "/api/v1/payments", "/track/sale", "/batch", "/mp/collect"];

/// Sinks that answer well, badly and not at all.
async fn every_way_a_sink_fails(shop: &Shop) {
    let moods = [
        Mood::Well,
        Mood::Status(400, None),
        Mood::Status(401, None),
        Mood::Status(500, None),
        Mood::Status(429, Some(0)),
        Mood::Cut,
        Mood::TakeAndCut,
    ];
    for (n, mood) in moods.into_iter().enumerate() {
        let told = shop.sinks.log().len();
        shop.sinks.set(mood);
        let body = event("payment.succeeded", payment(&format!("pay_mood_{n}")));
        assert_eq!(shop.deliver(&format!("msg_mood_{n}"), &body).await.status, 200);
        eventually("every sink got a request", async || {
            let log = shop.sinks.log();
            let told_to =
                |path: &&str| log.iter().skip(told).any(|sent| sent.path.starts_with(*path));
            PATHS.iter().all(told_to)
        })
        .await;
    }
    shop.sinks.set(Mood::Well);
    eventually("all records are sent or dead", async || {
        let mut pending = 0;
        for sink in ["segment", "forwarder", "datafast", "dub", "posthog", "ga4"] {
            pending += shop.ledger.sink_stats(sink).await.unwrap().pending;
        }
        pending == 0
    })
    .await;
    let taken = shop.sinks.log();
    for (path, data) in [
        ("/v1/batch", EMAIL),
        ("/hooks/", EMAIL),
        ("/api/v1/payments", "canary-datafast"),
        ("/track/sale", "canary-external"),
        ("/batch", "canary-posthog"),
        ("/mp/collect", "canary.1"),
    ] {
        let mut sent = taken.iter().filter(|request| request.path.starts_with(path));
        let arrived = sent.any(|request| String::from_utf8_lossy(&request.body).contains(data));
        assert!(arrived, "{data} went to {path}, where it shall go");
    }
    for sink in ["segment", "forwarder", "datafast", "dub", "posthog", "ga4"] {
        let letters = shop.ledger.dead_letters(sink, 10).await.unwrap();
        assert!(!letters.is_empty(), "{sink} gave nothing up");
        assert_none("dead letters", letters.iter().map(|letter| format!("{letter:?}")));
    }
}

async fn what_no_webhook_brought(shop: &Shop) {
    let (from, until) =
        ("2026-11-01T00:00:00Z".parse().unwrap(), "2026-11-30T00:00:00Z".parse().unwrap());
    for refunds in [
        Refunds::None,
        Refunds::Error(401),
        Refunds::Error(422),
        Refunds::Error(503),
        Refunds::Garbage,
    ] {
        let client = Client::builder(API_KEY, Environment::Live)
            .base_url(&dodo::serve(refunds).await)
            .max_retries(1)
            .timeout(Duration::from_secs(2))
            .build()
            .unwrap();
        let found = shop.ledger.reconcile(&client, from, until, |_| {}).await;
        assert_eq!(found.is_ok(), matches!(refunds, Refunds::None));
        if let Err(error) = found {
            assert_none("a reconciliation", said(&error));
        }
    }
    assert!(shop.ledger.record("charge:pay_asked").await.unwrap().is_some());
}

/// The database quotes the refused row.
async fn refused_rows_are_not_quoted(store: &TestStore, shop: &Shop) {
    database::refuse(store, "dodo_inbox", "id = 'msg_refused'").await;
    let answer = shop.deliver("msg_refused", &event("payment.succeeded", payment("pay_r1"))).await;
    assert_eq!(answer.status, 503);
    assert_none("a refused delivery", [format!("{answer:?}")]);

    database::refuse(store, "dodo_record", "payment_id = 'pay_refused'").await;
    let body = event("payment.succeeded", payment("pay_refused"));
    assert_eq!(shop.deliver("msg_unbookable", &body).await.status, 200);
    eventually("the unbookable event is dead", async || {
        let event = shop.ledger.event("msg_unbookable").await.unwrap().unwrap();
        event.state == "dead"
    })
    .await;
    database::refuse(store, "dodo_fact", "id LIKE '%cks_refused%'").await;
    let refused = shop.ledger.store("cks_refused", &shop::context()).await.unwrap_err();
    assert_none("a refused context", said(&*refused));
}

/// Rows of another program: reading them fails, and the error must not quote them.
async fn rows_that_cannot_be_read(store: &TestStore, shop: &Shop) {
    let corrupt = format!("\"{EMAIL}\"");
    for column in ["record", "visit_context"] {
        let id = format!("pay_corrupt_{column}");
        shop.sinks.set(Mood::Status(500, None));
        let body = event("payment.succeeded", payment(&id));
        assert_eq!(shop.deliver(&format!("msg_{id}"), &body).await.status, 200);
        eventually("it is booked", async || {
            shop.ledger.record(&format!("charge:{id}")).await.unwrap().is_some()
        })
        .await;
        let spoil =
            format!("UPDATE dodo_record SET {column} = '{corrupt}' WHERE id = 'charge:{id}'");
        database::run(store, &spoil).await;
        // As after a booking of another process: this one reads the group again.
        database::run(store, "UPDATE dodo_group SET version = version + 1").await;
        let refused = shop.ledger.record(&format!("charge:{id}")).await.unwrap_err();
        assert_none("an unreadable row", said(&refused));
        let refund = json!({
            "refund_id": format!("ref_{id}"), "payment_id": id, "amount": 500, "currency": "USD",
        });
        let refund = event("refund.succeeded", refund);
        assert_eq!(shop.deliver(&format!("msg_ref_{id}"), &refund).await.status, 200);
        // The booking computes the record again, and logs its error.
        eventually("the refund is booked", async || {
            shop.ledger.record(&format!("refund:ref_{id}")).await.unwrap().is_some()
        })
        .await;
        assert!(shop.ledger.record(&format!("charge:{id}")).await.unwrap().is_some());
    }
    database::run(store, &format!("UPDATE dodo_fact SET body = '{corrupt}'")).await;
    let refused = shop.ledger.explain("pay_r1").await.err();
    let refused = refused.or(shop.ledger.explain("pay_corrupt_record").await.err()).unwrap();
    assert_none("an unreadable fact", said(&refused));
    let spoil = format!("UPDATE dodo_address SET identity = '{corrupt}'");
    database::run(store, &spoil).await;
    let refused = shop.ledger.identify(Identity::new(EMAIL).visitor("v2")).await.unwrap_err();
    assert_none("an unreadable identity", said(&refused));
}

async fn erased(shop: &Shop) {
    shop.ledger.erase_customer("cus_1").await.ok();
    shop.ledger.prune_bodies(Duration::ZERO).await.unwrap();
}
