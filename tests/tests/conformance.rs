//! The conformance binary, as black-box checks use it.

use std::{path::Path, time::Duration};

use dodo_tests::{
    case::Case,
    client,
    delivery::{Delivery, sample},
    process::Server,
    server::Framework,
    stub::{Call, Stub},
};
use serde_json::{Value, json};

async fn get(server: &Server, path: &str) -> Value {
    let reply = client::send(server.address, &Case::get(path, path)).await.unwrap();
    assert_eq!(reply.status, 200, "{path}");
    serde_json::from_slice(&reply.body).unwrap()
}

/// Asks until the list has so many rows.
async fn rows(server: &Server, path: &str, number: usize) -> Vec<Value> {
    let grown = async {
        let mut all = Vec::new();
        loop {
            all.extend(get(server, path).await.as_array().unwrap().iter().cloned());
            if all.len() >= number {
                return all;
            }
            if path == "/__ledger" {
                all.clear(); // answers all records each time
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), grown).await.expect(path)
}

#[tokio::test]
async fn says_what_it_did() {
    let binary = Path::new(env!("CARGO_BIN_EXE_conformance"));
    for framework in Framework::ALL {
        let upstream = Stub::start().await.unwrap();
        let server = Server::start(binary, framework, &upstream.url(), &[]).unwrap();
        let delivery = Delivery::new("msg_1", sample("payment.succeeded"));
        for path in ["/api/webhook", "/api/webhook-bench"] {
            let reply = client::send(server.address, &delivery.to(path)).await.unwrap();
            assert_eq!(reply.status, 200, "{framework} {path}");
        }
        let call =
            |name: &str| json!({"name": name, "type": "payment.succeeded", "webhook_id": "msg_1"});
        let expected = json!([call("onPayload"), call("onPaymentSucceeded")]);
        assert_eq!(get(&server, "/__callbacks").await, expected, "{framework}");
        assert_eq!(get(&server, "/__callbacks").await, json!([]), "{framework}");

        let body =
            r#"{"product_cart":[{"product_id":"pdt_a","quantity":1}],"bantico":{"linkId":"l-1"}}"#;
        let checkout = Case::post("session", "/api/checkout/session", body);
        let checkout = checkout.header("cookie", "visitor=v-1");
        assert_eq!(client::send(server.address, &checkout).await.unwrap().status, 200);
        let sent = json!({
            "product_cart": [{"product_id": "pdt_a", "quantity": 1}],
            "metadata": {"visitor": "v-1", "linkId": "l-1"},
            "return_url": "https://merchant.example/return",
        });
        let calls: Vec<_> = upstream.take_calls();
        assert_eq!(
            calls.iter().map(Call::bare).collect::<Vec<_>>(),
            [Call::post("/checkouts", sent)]
        );
        assert_eq!(calls[0].headers["authorization"], "Bearer sk_test_TOKEN", "{framework}");
    }
}

#[tokio::test]
async fn books_into_a_ledger() {
    let binary = Path::new(env!("CARGO_BIN_EXE_conformance"));
    for framework in Framework::ALL {
        let upstream = Stub::start().await.unwrap();
        let ledger = ["--ledger", "sqlite::memory:"];
        let server = Server::start(binary, framework, &upstream.url(), &ledger).unwrap();
        let delivery = Delivery::new("msg_1", sample("payment.succeeded"));
        for _ in 0..3 {
            let reply = client::send(server.address, &delivery.to("/api/webhook")).await.unwrap();
            assert_eq!(reply.status, 200, "{framework}");
        }
        let callbacks = rows(&server, "/__callbacks", 2).await;
        let names: Vec<_> = callbacks.iter().map(|callback| &callback["name"]).collect();
        assert_eq!(names, ["onPayload", "onPaymentSucceeded"], "{framework}");
        let records = rows(&server, "/__ledger", 1).await;
        let charges = records.iter().filter(|r| r["id"].as_str().unwrap().starts_with("charge:"));
        assert_eq!(charges.count(), 1, "{framework}: {records:?}");
    }
}

/// Visitor, campaign and user of the checkout, whatever the client writes into its metadata.
#[tokio::test]
async fn record_follows_what_the_checkout_captured() {
    let binary = Path::new(env!("CARGO_BIN_EXE_conformance"));
    let forged = json!({
        "visitor": "v_evil", "user_id": "u_evil", "utm_source": "evil", "utm_term": "evil",
    });
    let words = json!({"source": "mobile-app", "medium": "app"});
    let letter = "?utm_source=letter&utm_campaign=autumn";
    let captured = json!({"source": "letter", "campaign_id": "autumn"});
    for framework in Framework::ALL {
        for (query, user, client, passes, campaign) in [
            (letter, Some("u_1"), &forged, false, &captured),
            (letter, None, &forged, false, &captured),
            (letter, Some("u_1"), &words, true, &captured),
            ("", Some("u_1"), &forged, false, &Value::Null),
            ("", Some("u_1"), &words, true, &Value::Null),
        ] {
            let case = format!("{framework}, query {query:?}, user {user:?}, {client}");
            let upstream = Stub::start().await.unwrap();
            let ledger = ["--ledger", "sqlite::memory:"];
            let server = Server::start(binary, framework, &upstream.url(), &ledger).unwrap();

            let cart = json!([{"product_id": "pdt_a", "quantity": 1}]);
            let body = json!({"product_cart": cart, "metadata": client}).to_string();
            let path = format!("/api/captured/session{query}");
            let checkout = Case::post("checkout", &path, body).header("cookie", "visitor=v_1");
            let checkout = user.into_iter().fold(checkout, |c, user| c.header("x-test-user", user));
            assert_eq!(
                client::send(server.address, &checkout).await.unwrap().status,
                200,
                "{case}"
            );
            let metadata = upstream.take_calls().remove(0).body["metadata"].clone();
            for (key, value) in client.as_object().unwrap() {
                assert_eq!(metadata.get(key) == Some(value), passes, "{case}: {metadata}");
            }

            let mut payment: Value = serde_json::from_slice(&sample("payment.succeeded")).unwrap();
            payment["data"]["checkout_session_id"] = "cks_1".into();
            payment["data"]["metadata"] = metadata;
            let delivery = Delivery::new("msg_1", payment.to_string());
            let reply = client::send(server.address, &delivery.to("/api/webhook")).await.unwrap();
            assert_eq!(reply.status, 200, "{case}");
            let record = rows(&server, "/__ledger", 1).await.remove(0);
            assert_eq!(record["visitor"]["value"], "v_1", "{case}: {record}");
            assert_eq!(record["user_id"], json!(user), "{case}: {record}");
            let found = &record["campaign"]["value"];
            for field in ["source", "campaign_id", "medium", "term"] {
                assert_eq!(found[field], campaign[field], "{case}: {record}");
            }
        }
    }
}

#[test]
fn refuses_what_it_cannot_use() {
    for (arguments, said) in [
        (&["--framework", "rocket", "--listen", "127.0.0.1:0"][..], "no framework"),
        (&["--framework", "axum"], "usage"),
        (&["--framework", "axum", "--listen", "127.0.0.1:0"], "DODO_PAYMENTS_WEBHOOK_KEY"),
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_conformance"));
        command.args(arguments).env_remove("DODO_PAYMENTS_WEBHOOK_KEY");
        let output = command.env_remove("DODO_PAYMENTS_WEBHOOK_SECRET").output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(said), "{arguments:?}: {error}");
    }
}
