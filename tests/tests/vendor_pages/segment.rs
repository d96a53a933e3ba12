//! Segment: the default profile sends the events and traits of Dodo Payments' Segment guide, with `userId`
//! = customer and the time of the event.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State, http::HeaderMap, routing::post};
use dodo_core::capture::VisitorCapture;
use dodo_ledger::sink::Segment;
use serde_json::{Value, json};

use crate::app::App;

type Received = Arc<Mutex<Vec<Value>>>;

async fn take(
    State(received): State<Received>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Json<Value> {
    assert_eq!(headers["authorization"], "Basic d3JpdGVrZXk6");
    received.lock().unwrap().extend(body["batch"].as_array().unwrap().clone());
    Json(json!({ "success": true }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segment_page_holds() {
    let received = Received::default();
    let router = Router::new().route("/v1/batch", post(take)).with_state(received.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    let _installed = rustls::crypto::ring::default_provider().install_default();
    let sink = Segment::at(&url, "writekey").unwrap().include_test_mode();
    let capture = VisitorCapture::visitors_now();
    let app = App::start(capture, |ledger| ledger.sink(sink)).await;
    let payment = app.buy("pdt_club", "visitor=v1", "ann@example.com", json!({})).await;
    let charge = app.record(&format!("charge:{payment}")).await;
    let subscription = charge.subscription_ids[0].clone();
    app.sandbox.cancel_subscription(&subscription).unwrap();
    app.settle().await;
    let sent = async {
        while app.ledger.sink_stats("segment").await.unwrap().pending > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), sent).await.expect("all are sent");

    let events = received.lock().unwrap().clone();
    let event = |name: &str| {
        let is = |event: &&Value| event["event"] == name || event["type"] == name;
        let mut found = events.iter().filter(is);
        let event = found.next().unwrap_or_else(|| panic!("no {name} in {events:?}"));
        assert!(found.next().is_none(), "one {name}");
        assert_eq!(event["userId"], charge.customer_id.clone().unwrap(), "{name}");
        assert!(event["timestamp"].is_string() && event.get("sentAt").is_none(), "{name}");
        event.clone()
    };
    let amount = charge.money.unwrap().gross_major().parse::<f64>().unwrap();
    let completed = event("Payment Completed");
    assert_eq!(completed["messageId"], format!("charge:{payment}"));
    assert_eq!(completed["timestamp"], charge.occurred_at.to_string());
    let properties = &completed["properties"];
    for (name, expected) in [
        ("amount", json!(amount)),
        ("currency", json!("USD")),
        ("payment_id", json!(payment)),
        ("customer_email", json!("ann@example.com")),
        ("customer_name", json!("Ann")),
        ("billing_reason", json!("new")),
    ] {
        assert_eq!(properties[name], expected, "{name} of {properties}");
    }
    assert!(properties["payment_method"].is_string(), "{properties}");

    let started = event("Subscription Started");
    let properties = &started["properties"];
    for (name, expected) in [
        ("subscription_id", json!(subscription)),
        ("product_id", json!("pdt_club")),
        ("amount", json!(12.0)),
        ("frequency", json!("Month")),
        ("customer_email", json!("ann@example.com")),
    ] {
        assert_eq!(properties[name], expected, "{name} of {properties}");
    }
    assert!(properties["next_billing"].is_string(), "{properties}");

    let cancelled = event("Subscription Cancelled");
    let properties = &cancelled["properties"];
    assert_eq!(properties["subscription_id"], json!(subscription));
    assert_eq!(properties["product_id"], json!("pdt_club"));
    assert!(properties["cancel_at_next_billing"].is_boolean(), "{properties}");

    let traits = &event("identify")["traits"];
    assert_eq!((&traits["email"], &traits["name"]), (&json!("ann@example.com"), &json!("Ann")));
    assert_eq!(traits["total_spent"], json!(amount));
    for name in ["payment_method", "last_payment_date", "customer_since"] {
        assert!(traits[name].is_string(), "{name} of {traits}");
    }
    app.stop().await;
}
