//! How webhooks travel: signed, retried, filtered, and disturbed when asked.

use std::time::Duration;

use dodo_sandbox::{DeliveryState, FlushOrder, NetworkConditions, Product, Sandbox, cards};
use serde_json::json;

use crate::support::{Arrival, Receiver, api, session};

async fn sandbox() -> Sandbox {
    Sandbox::builder()
        .clock_rate(0.0)
        .product(Product::one_time("pdt_book", "Book", "USD", 2000))
        .product(Product::monthly("pdt_pro", "Pro", "USD", 2000))
        .start()
        .await
        .unwrap()
}

async fn buy(sandbox: &Sandbox, product: &str) -> String {
    let body = json!({ "product_cart": [{ "product_id": product, "quantity": 1 }] });
    sandbox.pay_session(&session(sandbox, body).await, cards::OK).unwrap().payment_id
}

fn id(arrival: &Arrival) -> &str {
    arrival.headers["webhook-id"].to_str().unwrap()
}

fn verify(secret: &str, arrival: &Arrival) -> bool {
    let verifier = standardwebhooks::Webhook::new(secret).unwrap();
    verifier.verify(arrival.raw.as_bytes(), &arrival.headers).is_ok()
}

#[tokio::test]
async fn failures_are_retried_eight_times_by_the_ladder() {
    let sandbox = sandbox().await;
    let receiver = Receiver::of(&sandbox).await;
    receiver.answer(500);
    buy(&sandbox, "pdt_book").await;
    sandbox.wait_until_idle().await;
    assert_eq!(receiver.arrivals().len(), 2, "the first retry follows at once");
    let hour = 60 * 60;
    let waits = [5, 5 * 60, 30 * 60, 2 * hour, 5 * hour, 10 * hour, 10 * hour];
    for (place, wait) in waits.into_iter().enumerate() {
        sandbox.advance(Duration::from_secs(wait - 1)).unwrap();
        sandbox.wait_until_idle().await;
        assert_eq!(receiver.arrivals().len(), place + 2, "not before {wait} s");
        sandbox.advance(Duration::from_secs(1)).unwrap();
        sandbox.wait_until_idle().await;
        assert_eq!(receiver.arrivals().len(), place + 3, "after {wait} s");
    }
    let [delivery] = <[_; 1]>::try_from(sandbox.deliveries()).unwrap();
    assert_eq!((delivery.state, delivery.attempts.len()), (DeliveryState::Failed, 9));
    sandbox.advance(Duration::from_secs(30 * 24 * hour)).unwrap();
    sandbox.wait_until_idle().await;
    let arrivals = receiver.arrivals();
    assert_eq!(arrivals.len(), 9);
    assert!(arrivals.iter().all(|arrival| id(arrival) == id(&arrivals[0])));
    assert!(arrivals.iter().all(|arrival| verify(sandbox.webhook_secret(), arrival)));
}

#[tokio::test]
async fn retry_sends_the_current_state_with_the_same_id_and_date() {
    let sandbox = sandbox().await;
    let receiver = Receiver::of(&sandbox).await;
    receiver.answer(503);
    let payment_id = buy(&sandbox, "pdt_book").await;
    sandbox.wait_until_idle().await;
    sandbox.refund_payment(&payment_id, None).unwrap();
    receiver.answer(204);
    sandbox.advance(Duration::from_secs(5)).unwrap();
    sandbox.wait_until_idle().await;
    let arrivals = receiver.arrivals();
    let of_payment: Vec<_> =
        arrivals.iter().filter(|a| a.body["type"] == "payment.succeeded").collect();
    let [first, .., last] = of_payment.as_slice() else { panic!("{arrivals:?}") };
    assert_eq!(first.body["data"]["refund_status"], json!(null));
    assert_eq!(last.body["data"]["refund_status"], "full");
    assert_eq!(first.body["timestamp"], last.body["timestamp"]);
    assert_eq!(id(first), id(last));
}

#[tokio::test]
async fn rotated_secret_signs_beside_new_one_for_one_day() {
    let sandbox = sandbox().await;
    let receiver = Receiver::of(&sandbox).await;
    let old = sandbox.webhook_secret().to_owned();
    let new = sandbox.rotate_secret(&receiver.url).unwrap();
    buy(&sandbox, "pdt_book").await;
    sandbox.wait_until_idle().await;
    sandbox.advance(Duration::from_secs(24 * 60 * 60)).unwrap();
    buy(&sandbox, "pdt_book").await;
    sandbox.wait_until_idle().await;
    let arrivals = receiver.arrivals();
    let [during, after] = arrivals.as_slice() else { panic!("{arrivals:?}") };
    assert!(verify(&old, during) && verify(&new, during));
    assert!(!verify(&old, after) && verify(&new, after));
}

#[tokio::test]
async fn endpoints_get_what_they_asked_for() {
    let sandbox = sandbox().await;
    let (some, none) = (Receiver::start().await, Receiver::start().await);
    let create = json!({
        "url": some.url,
        "filter_types": ["subscription.active"],
        "headers": { "x-tenant": "t1", "Authorization": "Bearer abc" },
    });
    let (status, endpoint) = api(&sandbox, "POST", "/webhooks", Some(create)).await;
    assert_eq!(status, 200, "{endpoint}");
    let disabled = json!({ "url": none.url, "disabled": true });
    api(&sandbox, "POST", "/webhooks", Some(disabled)).await;
    buy(&sandbox, "pdt_pro").await;
    sandbox.wait_until_idle().await;
    let arrivals = some.arrivals();
    let [arrival] = arrivals.as_slice() else { panic!("{arrivals:?}") };
    assert_eq!(arrival.headers["x-tenant"], "t1");
    assert_eq!(arrival.headers["authorization"], "Bearer abc");
    let path = format!("/webhooks/{}", endpoint["id"].as_str().unwrap());
    let (_, secret) = api(&sandbox, "GET", &format!("{path}/secret"), None).await;
    assert!(verify(secret["secret"].as_str().unwrap(), arrival));
    assert!(none.arrivals().is_empty());
    let (_, headers) = api(&sandbox, "GET", &format!("{path}/headers"), None).await;
    assert_eq!(headers, json!({ "headers": { "x-tenant": "t1" }, "sensitive": ["Authorization"] }));
    let (status, _) = api(&sandbox, "DELETE", &path, None).await;
    assert_eq!(status, 200);
    buy(&sandbox, "pdt_pro").await;
    sandbox.wait_until_idle().await;
    assert_eq!(some.arrivals().len(), 1);
}

#[tokio::test]
async fn network_conditions_change_the_deliveries() {
    let sandbox = sandbox().await;
    let receiver = Receiver::of(&sandbox).await;

    sandbox.simulate_network(NetworkConditions { duplicates: 2, ..NetworkConditions::default() });
    buy(&sandbox, "pdt_book").await;
    sandbox.wait_until_idle().await;
    let arrivals = receiver.arrivals();
    assert_eq!(arrivals.len(), 3);
    assert!(arrivals.iter().all(|arrival| id(arrival) == id(&arrivals[0])));
    receiver.take_names();

    sandbox.simulate_network(NetworkConditions { drop_next: 1, ..NetworkConditions::default() });
    buy(&sandbox, "pdt_book").await;
    buy(&sandbox, "pdt_book").await;
    sandbox.wait_until_idle().await;
    assert_eq!(receiver.take_names().len(), 1);
    let dropped = sandbox.deliveries();
    let dropped = dropped.iter().find(|d| d.state == DeliveryState::Dropped).unwrap();
    sandbox.resend_delivery(dropped.id()).unwrap();
    sandbox.wait_until_idle().await;
    assert_eq!(id(&receiver.arrivals()[0]), dropped.webhook_id, "a lost event can be sent again");
    receiver.take_names();

    sandbox.simulate_network(NetworkConditions {
        delay: Duration::from_secs(60),
        ..NetworkConditions::default()
    });
    buy(&sandbox, "pdt_book").await;
    sandbox.wait_until_idle().await;
    assert!(receiver.arrivals().is_empty());
    sandbox.advance(Duration::from_secs(60)).unwrap();
    sandbox.wait_until_idle().await;
    assert_eq!(receiver.take_names().len(), 1);

    sandbox.simulate_network(NetworkConditions { hold: true, ..NetworkConditions::default() });
    buy(&sandbox, "pdt_pro").await;
    sandbox.wait_until_idle().await;
    assert!(receiver.arrivals().is_empty());
    assert_eq!(sandbox.flush_held(FlushOrder::Reversed), 4);
    for _ in 0..4 {
        sandbox.wait_until_idle().await;
        sandbox.advance(Duration::from_secs(1)).unwrap();
    }
    sandbox.wait_until_idle().await;
    let order: Vec<_> = receiver.arrivals().iter().map(|a| a.body["type"].clone()).collect();
    assert_eq!(
        order,
        [
            "subscription.updated",
            "subscription.renewed",
            "payment.succeeded",
            "subscription.active"
        ]
    );
}

#[tokio::test]
async fn made_up_events_are_sent_once() {
    let sandbox = sandbox().await;
    let receiver = Receiver::of(&sandbox).await;
    receiver.answer(500);
    let data = json!({ "payload_type": "Payout", "payout_id": "pyt_1" });
    sandbox.send_event("payout.success", data.clone()).unwrap();
    sandbox.wait_until_idle().await;
    sandbox.advance(Duration::from_secs(24 * 60 * 60)).unwrap();
    sandbox.wait_until_idle().await;
    let arrivals = receiver.arrivals();
    let [arrival] = arrivals.as_slice() else { panic!("{arrivals:?}") };
    assert_eq!(arrival.body["data"], data);
    assert!(sandbox.send_event("payout.succeeded", json!({})).is_err(), "there is no such event");
}

#[tokio::test]
async fn missing_endpoint_is_recorded() {
    let sandbox = sandbox().await;
    sandbox.register_webhook("http://127.0.0.1:1/hook").unwrap();
    buy(&sandbox, "pdt_book").await;
    sandbox.wait_until_idle().await;
    let deliveries = sandbox.deliveries();
    assert_eq!(deliveries[0].state, DeliveryState::Scheduled);
    assert_eq!(deliveries[0].attempts[0].error.as_deref(), Some("connection refused"));
    assert_eq!(deliveries[0].attempts[0].status, None);
}

#[tokio::test]
async fn hanging_endpoint_does_not_delay_others_or_shutdown() {
    let sandbox = sandbox().await;
    let hanging = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    sandbox.register_webhook(&format!("http://{}/", hanging.local_addr().unwrap())).unwrap();
    let receiver = Receiver::of(&sandbox).await;
    for _ in 0..20 {
        buy(&sandbox, "pdt_book").await;
    }
    while receiver.arrivals().len() < 20 {
        tokio::task::yield_now().await;
    }
    let deliveries = sandbox.deliveries();
    let stuck = deliveries.iter().filter(|d| d.endpoint_id == deliveries[0].endpoint_id);
    assert!(stuck.map(|d| d.state).eq([DeliveryState::Sending; 20]));
    let stopped = tokio::time::timeout(Duration::from_secs(14), sandbox.shutdown()).await;
    assert!(stopped.is_ok(), "shutting down does not wait for the 15 seconds of a delivery");
}

/// Answers TLS handshakes with a certificate that no machine trusts.
fn untrusted_tls() -> String {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let certificate = CertificateDer::from_pem_slice(include_bytes!("self-signed.cert.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("self-signed.key.pem")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(std::sync::Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![certificate.unwrap()], key)
    .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/hook", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let config = std::sync::Arc::new(config.clone());
            let mut connection = rustls::ServerConnection::new(config).unwrap();
            while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
        }
    });
    url
}

#[tokio::test]
async fn failed_delivery_names_the_true_cause() {
    let plain = Receiver::start().await.url.replace("http:", "https:");
    for (url, expected) in [
        (untrusted_tls(), "certificate not trusted"),
        (plain, "no TLS at this address"),
        ("http://127.0.0.1:1/hook".to_owned(), "connection refused"),
        ("http://nowhere.invalid/hook".to_owned(), "host name not found"),
    ] {
        let sandbox = Sandbox::builder().clock_rate(0.0).webhook_url(&url).start().await.unwrap();
        sandbox.trigger("payout.success", &[]).await.unwrap();
        sandbox.wait_until_idle().await;
        let deliveries = sandbox.deliveries();
        let error = deliveries[0].attempts[0].error.as_deref().unwrap_or_default();
        assert!(error.starts_with(expected), "{url}: {error}");
    }
}

#[tokio::test]
async fn standing_clock_gives_each_event_its_own_time() {
    let sandbox = sandbox().await;
    let receiver = Receiver::of(&sandbox).await;
    buy(&sandbox, "pdt_pro").await;
    sandbox.wait_until_idle().await;
    let times: Vec<_> =
        receiver.arrivals().iter().map(|a| a.body["timestamp"].to_string()).collect();
    let different: std::collections::BTreeSet<_> = times.iter().collect();
    assert_eq!(different.len(), times.len(), "{times:?}");
    assert!(times.len() > 1);
}
