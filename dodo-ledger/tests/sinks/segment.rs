//! The bodies that Segment is sent, against its documented format.

use std::sync::{Arc, Mutex};

use dodo_core::{
    attribution::{Attributed, AttributionRecord, AttributionStep, RecordKind, SubscriptionTerms},
    capture::{Campaign, consent::Consent},
    money::{Currency, Money},
};
use dodo_ledger::{
    SendOutcome, Sink,
    sink::{EventNames, RefundSign, Segment},
};
use serde_json::{Value, json};

use crate::{
    charge, refund,
    server::{Mood, Server},
    tell,
};

/// The e-commerce vocabulary, without `identify`.
fn segment(server: &Server) -> Segment {
    let sink = Segment::at(&server.url, "writekey").unwrap().without_identify();
    sink.event_names(EventNames::Ecommerce)
}

/// The events of the only request.
fn events(server: &Server) -> Vec<Value> {
    let log = server.log();
    assert_eq!(log.len(), 1);
    log[0].json()["batch"].as_array().unwrap().clone()
}

#[tokio::test]
async fn order_uses_the_e_commerce_vocabulary() {
    let server = Server::start().await;
    let mut order = charge("pay_1");
    order.kind = RecordKind::SubscriptionRenewal;
    order.subscription_ids = vec!["sub_1".to_owned()];
    order.product_ids = vec!["pdt_1".to_owned()];
    let mut campaign = Campaign::default();
    (campaign.link_id, campaign.campaign_id) = (Some("lnk".to_owned()), Some("launch".to_owned()));
    (campaign.source, campaign.medium) = (Some("news".to_owned()), Some("email".to_owned()));
    order.campaign = Some(Attributed {
        value: campaign,
        step: AttributionStep::CheckoutContext,
        from: "cks_1".into(),
    });

    let told =
        tell(&segment(&server).without_personal_data(), vec![order, refund("ref_1", "pay_1")])
            .await;
    assert_eq!(told, [SendOutcome::Accepted, SendOutcome::Accepted]);
    let request = &server.log()[0];
    assert_eq!(request.path, "/v1/batch");
    assert_eq!(request.headers["authorization"], "Basic d3JpdGVrZXk6", "the colon is required");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(
        events(&server),
        [
            json!({
                "type": "track", "messageId": "charge:pay_1", "userId": "cus_1", "anonymousId": "v1",
                "event": "Order Completed", "timestamp": "2026-11-20T10:00:00Z",
                "properties": {
                    "order_id": "pay_1", "total": 20.0, "revenue": 17.0, "tax": 3.0, "currency": "USD",
                    "products": [{ "product_id": "pdt_1" }], "subscription_id": "sub_1",
                    "billing_reason": "renewal", "visitor": "v1", "link_id": "lnk",
                },
                "context": { "campaign": { "name": "launch", "source": "news", "medium": "email" } },
            }),
            json!({
                "type": "track", "messageId": "refund:ref_1", "userId": "cus_1", "anonymousId": "v1",
                "event": "Order Refunded", "timestamp": "2026-11-20T10:00:00Z",
                "properties": {
                    "order_id": "pay_1", "total": 5.0, "currency": "USD", "refund_id": "ref_1",
                    "visitor": "v1",
                },
            }),
        ]
    );
}

#[tokio::test]
async fn payment_uses_dodos_vocabulary() {
    let server = Server::start().await;
    let mut started = subscription(RecordKind::SubscriptionStarted);
    let mut terms = SubscriptionTerms::default();
    terms.next_billing_date = Some("2026-12-20T10:00:00Z".parse().unwrap());
    (terms.recurring_pre_tax_amount, terms.currency) = (Some(2900), Some(Currency::EUR));
    terms.payment_frequency_interval = Some("Month".to_owned());
    started.subscription = Some(terms);

    let sink = Segment::at(&server.url, "writekey").unwrap();
    tell(&sink, vec![charge("pay_1"), started, refund("ref_1", "pay_1")]).await;
    let events = events(&server);
    assert_eq!(
        events[0]["properties"],
        json!({
            "amount": 20.0, "currency": "USD", "payment_method": "unknown", "payment_id": "pay_1",
            "billing_reason": "one_time",
            "customer_email": "ann@example.com", "customer_name": "Ann", "visitor": "v1",
        })
    );
    assert_eq!(events[1]["type"], "identify");
    assert_eq!(events[1]["messageId"], "identify:pay_1");
    assert_eq!(events[1]["traits"], json!({ "email": "ann@example.com", "name": "Ann" }));
    assert_eq!(events[2]["event"], "Subscription Started");
    assert_eq!(
        events[2]["properties"],
        json!({
            "subscription_id": "sub_1", "product_id": "pdt_1", "amount": 29.0, "currency": "EUR", "frequency": "Month",
            "next_billing": "2026-12-20T10:00:00Z", "customer_email": "ann@example.com",
            "visitor": "v1",
        })
    );
    assert_eq!(events[3]["event"], "Payment Refunded");
    assert_eq!(events[3]["properties"]["amount"], 5.0);
}

#[tokio::test]
async fn map_event_changes_and_drops_events() {
    let server = Server::start().await;
    let sink = Segment::at(&server.url, "writekey").unwrap().map_event(|record, mut event| {
        if event.name == "Payment Refunded" {
            return None;
        }
        event.name = "Sale".to_owned();
        event.properties.insert("id".to_owned(), record.id.clone().into());
        Some(event)
    });
    let told = tell(&sink, vec![charge("pay_1"), refund("ref_1", "pay_1")]).await;
    assert_eq!(told, [SendOutcome::Accepted, SendOutcome::Accepted]);
    let events = events(&server);
    assert_eq!(events.len(), 2, "the charge and its `identify`: {events:?}");
    assert_eq!((&events[0]["event"], &events[1]["type"]), (&json!("Sale"), &json!("identify")));
    assert_eq!(events[0]["properties"]["id"], "charge:pay_1");
}

/// The start or the end of a subscription.
fn subscription(kind: RecordKind) -> AttributionRecord {
    let mut record = charge("pay_1");
    record.id = format!("subscription:sub_1:{}", kind.as_str());
    record.kind = kind;
    record.money = None;
    record.subscription_ids = vec!["sub_1".to_owned()];
    record.product_ids = vec!["pdt_1".to_owned()];
    record
}

#[tokio::test]
async fn subscription_end_is_sent_with_its_terms() {
    let server = Server::start().await;
    let mut cancelled = subscription(RecordKind::SubscriptionCancelled);
    let mut terms = SubscriptionTerms::default();
    terms.cancelled_at = Some("2026-11-21T10:00:00Z".parse().unwrap());
    terms.cancel_at_next_billing_date = true;
    cancelled.subscription = Some(terms);
    let sink = Segment::at(&server.url, "writekey").unwrap().event_names(EventNames::Dodo);
    tell(&sink, vec![cancelled.clone()]).await;
    assert_eq!(
        events(&server),
        [json!({
            "type": "track", "messageId": "subscription:sub_1:subscription_cancelled",
            "userId": "cus_1", "anonymousId": "v1",
            "event": "Subscription Cancelled", "timestamp": "2026-11-20T10:00:00Z",
            "properties": {
                "subscription_id": "sub_1", "product_id": "pdt_1", "visitor": "v1",
                "cancelled_at": "2026-11-21T10:00:00Z", "cancel_at_next_billing": true,
                "customer_email": "ann@example.com",
            },
        })]
    );
    tell(&sink.without_personal_data(), vec![cancelled.clone()]).await;
    let sent = server.log()[1].json();
    assert!(sent["batch"][0]["properties"].get("customer_email").is_none(), "{sent}");
    let ecommerce = segment(&server);
    assert!(!ecommerce.accepts(&cancelled), "it has no word for it");
}

#[tokio::test]
async fn what_took_a_refund_back_and_who_paid_in_both_profiles() {
    for (profile, name, of, amount) in [
        (EventNames::Ecommerce, "Order Refund Reversed", "order_id", "total"),
        (EventNames::Dodo, "Payment Refund Reversed", "payment_id", "amount"),
    ] {
        let server = Server::start().await;
        let mut refunded = refund("ref_1", "pay_1");
        refunded.id = "refund_reversal:ref_1".to_owned();
        refunded.kind = RecordKind::RefundReversal;
        let mut won = refund("ref_1", "pay_1");
        won.id = "dispute_reversal:dsp_1".to_owned();
        won.kind = RecordKind::DisputeReversal;
        (won.refund_id, won.dispute_id) = (None, Some("dsp_1".to_owned()));
        for record in [&mut refunded, &mut won] {
            record.money = Some(Money::new(500, Some(75), Currency::USD));
        }
        let sink = Segment::at(&server.url, "writekey").unwrap().event_names(profile);
        tell(&sink, vec![refunded, won, charge("pay_2")]).await;
        let events = events(&server);
        for (event, from) in events.iter().zip([("refund_id", "ref_1"), ("dispute_id", "dsp_1")]) {
            assert_eq!(event["event"], name);
            let properties = json!({
                of: "pay_1", amount: 5.0, "currency": "USD", from.0: from.1, "visitor": "v1",
            });
            assert_eq!(event["properties"], properties);
        }
        let who = json!({ "email": "ann@example.com", "name": "Ann" });
        assert_eq!((&events[3]["type"], &events[3]["traits"]), (&json!("identify"), &who));
    }
}

/// Segment takes fewer than 100 characters.
#[tokio::test]
async fn message_id_of_long_record_id_is_short_and_stable() {
    let sent = async |payment: &str| -> Vec<String> {
        let server = Server::start().await;
        let sink = Segment::at(&server.url, "writekey").unwrap();
        tell(&sink, vec![charge(payment)]).await;
        let ids = events(&server);
        ids.iter().map(|event| event["messageId"].as_str().unwrap().to_owned()).collect()
    };
    let (shorter, longer) = ("x".repeat(90), "x".repeat(193));
    // `charge:` and `identify:` before it.
    assert_eq!(sent(&shorter).await, [format!("charge:{shorter}"), format!("identify:{shorter}")]);
    for payment in ["x".repeat(92), longer.clone()] {
        let ids = sent(&payment).await;
        assert!(ids.iter().all(|id| id.len() < 100), "{ids:?}");
        assert_ne!(ids[0], ids[1]);
        assert_eq!(sent(&payment).await, ids);
    }
    assert_ne!(sent(&longer).await, sent(&"x".repeat(192)).await);
    // Computed from SHA-256 by another program.
    assert_eq!(
        sent(&longer).await[0],
        "sha256:72c7f04f8da789a80ea90f9626b28ba8207fac80e6551de584b440edef911f28"
    );
}

/// The wrong region loses everything, so what counts is where the request goes.
#[tokio::test]
async fn each_region_has_its_address() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let transport = move |request: http::Request<bytes::Bytes>| {
        let authorization = request.headers()["authorization"].to_str().unwrap().to_owned();
        log.lock().unwrap().push((request.uri().to_string(), authorization));
        async { Ok::<_, dodo_core::BoxError>(http::Response::new(bytes::Bytes::new())) }
    };
    for sink in [Segment::us("writekey").unwrap(), Segment::eu("writekey").unwrap()] {
        let sink = sink.transport(transport.clone());
        assert_eq!(tell(&sink, vec![charge("pay_1")]).await, [SendOutcome::Accepted]);
    }
    let key = "Basic d3JpdGVrZXk6";
    let expected = ["https://api.segment.io/v1/batch", "https://eu1.api.segmentapis.com/v1/batch"];
    assert_eq!(*asked.lock().unwrap(), expected.map(|url| (url.to_owned(), key.to_owned())));
}

#[tokio::test]
async fn without_personal_data_omits_names() {
    for profile in [EventNames::Dodo, EventNames::Ecommerce] {
        let server = Server::start().await;
        let sink = Segment::at(&server.url, "writekey").unwrap().event_names(profile);
        tell(&sink.without_personal_data(), vec![charge("pay_1")]).await;
        let sent = String::from_utf8(server.log()[0].body.clone()).unwrap();
        assert!(sent.contains("identify:pay_1"));
        assert!(!sent.contains("ann@example.com") && !sent.contains("Ann"), "{sent}");
    }
}

#[tokio::test]
async fn amounts_are_numbers_in_the_currencys_decimals() {
    let server = Server::start().await;
    let of = |id: &str, minor, code: &str| {
        let mut record = charge(id);
        record.money = Some(Money::new(minor, None, code.parse().unwrap()));
        record
    };
    let records = vec![of("pay_1", 500, "JPY"), of("pay_2", 1500, "KWD"), of("pay_3", 1999, "EUR")];
    tell(&segment(&server), records).await;
    let totals: Vec<String> =
        events(&server).iter().map(|event| event["properties"]["total"].to_string()).collect();
    assert_eq!(totals, ["500", "1.5", "19.99"]);
}

#[tokio::test]
async fn refunds_below_zero_on_request() {
    let server = Server::start().await;
    tell(&segment(&server).refund_sign(RefundSign::Negative), vec![refund("ref_1", "pay_1")]).await;
    let properties = &events(&server)[0]["properties"];
    assert_eq!((&properties["total"], &properties["revenue"]), (&json!(5.0), &json!(-4.25)));
}

#[tokio::test]
async fn one_bad_event_does_not_take_the_others_with_it() {
    let server = Server::start().await;
    let mut huge = charge("pay_2");
    huge.visitor.as_mut().unwrap().value = "x".repeat(40_000);
    let told = tell(&segment(&server), vec![charge("pay_1"), huge, charge("pay_3")]).await;
    assert_eq!(told[0], SendOutcome::Accepted);
    assert!(matches!(told[1], SendOutcome::Rejected { .. }));
    assert_eq!(events(&server).len(), 2);

    server.set(Mood::Status(400, None));
    let told = tell(&segment(&server), vec![charge("pay_1"), charge("pay_3")]).await;
    assert!(told.iter().all(|told| matches!(told, SendOutcome::Rejected { .. })));
    assert_eq!(server.log().len(), 1 + 1 + 2, "after the refused batch each record went alone");
}

#[tokio::test]
async fn batches_hold_the_limits() {
    let server = Server::start().await;
    let told = tell(&segment(&server), many()).await;
    assert!(told.iter().all(|told| *told == SendOutcome::Accepted));
    let log = server.log();
    assert!(log.len() > 1);
    let mut ids = Vec::new();
    for request in &log {
        assert!(request.body.len() <= 500 * 1024);
        for event in request.json()["batch"].as_array().unwrap() {
            assert!(event.to_string().len() <= 32 * 1024);
            ids.push(event["messageId"].as_str().unwrap().to_owned());
        }
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100);
}

/// Three requests full of records.
fn many() -> Vec<AttributionRecord> {
    let large = |n: usize| {
        let mut record = charge(&format!("pay_{n}"));
        record.visitor.as_mut().unwrap().value = "x".repeat(12_000);
        record
    };
    (0..100).map(large).collect()
}

#[tokio::test]
async fn failed_sink_gets_no_other_batch() {
    for (mood, seconds) in [
        (Mood::Status(429, Some(7)), Some(7)),
        (Mood::Status(503, None), None),
        (Mood::TakeAndCut, None),
    ] {
        let server = Server::start().await;
        server.set(mood);
        let told = tell(&segment(&server), many()).await;
        assert_eq!((server.log().len(), told.len()), (1, 100), "{mood:?}");
        let uncertain =
            told.iter().filter(|told| matches!(told, SendOutcome::Unknown { .. })).count();
        assert_eq!(uncertain > 0, mood == Mood::TakeAndCut, "those that were sent");
        let wait = seconds.map(std::time::Duration::from_secs);
        for told in told {
            match told {
                SendOutcome::Retry { after, .. } => assert_eq!(after, wait, "{mood:?}"),
                SendOutcome::Unknown { .. } => {}
                other => panic!("{mood:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn sink_accepts_records_by_consent_mode_and_kind() {
    let sink = Segment::us("writekey").unwrap();
    let with = |change: fn(&mut AttributionRecord)| {
        let mut record = charge("pay_1");
        change(&mut record);
        record
    };
    assert!(sink.accepts(&charge("pay_1")));
    assert!(!sink.accepts(&with(|r| r.consent = Consent::Denied)));
    assert!(!sink.accepts(&with(|r| r.live = false)));
    assert!(sink.clone().include_test_mode().accepts(&with(|r| r.live = false)));
    assert!(!sink.clone().require_granted_consent().accepts(&charge("pay_1")));
    assert!(
        sink.clone().require_granted_consent().accepts(&with(|r| r.consent = Consent::Granted))
    );
    let setup = |r: &mut AttributionRecord| {
        r.kind = RecordKind::NonRevenue { reason: dodo_core::attribution::NonRevenueReason::Setup };
    };
    assert!(!sink.accepts(&with(setup)));
    let clamped = |r: &mut AttributionRecord| r.money = Some(Money::new(0, None, Currency::USD));
    assert!(!sink.accepts(&with(clamped)), "a charge clamped to zero is not sent");
}

#[test]
fn keys_and_places_are_checked_and_not_shown() {
    for bad in ["", "two words", "with:colon"] {
        assert!(Segment::us(bad).is_err(), "{bad:?}");
    }
    assert!(Segment::at("http://api.segment.io", "key").is_err(), "not in the clear");
    let shown = format!("{:?}", Segment::eu("canary").unwrap());
    assert!(!shown.contains("canary") && !shown.contains("Y2FuYXJ5"), "{shown}");
}
