//! The traits of Segment's `identify`: from all payments of the customer, not from the last one.

use bytes::Bytes;
use dodo_core::webhook::{Inbox, VerifiedEvent};
use dodo_ledger::sink::Segment;
use serde_json::{Value, json};

use crate::{
    server::Server,
    support::{TestStore, eventually, hooks, work},
};

/// One delivery about money.
struct Delivery {
    kind: &'static str,
    data: Value,
    live: bool,
}

fn paid(id: &str, customer: &str, day: u8, amount: i64, currency: &str) -> Delivery {
    let data = json!({
        "payment_id": id, "created_at": at(day), "total_amount": amount, "tax": 100,
        "currency": currency, "payment_method": "card",
        "customer": { "customer_id": customer, "email": "ann@example.com", "name": "Ann" },
    });
    Delivery { kind: "payment.succeeded", data, live: true }
}

fn refunded(id: &str, payment: &str, day: u8, amount: i64) -> Delivery {
    let data = json!({
        "refund_id": id, "payment_id": payment, "created_at": at(day), "amount": amount,
        "currency": "USD", "is_partial": true, "customer": { "customer_id": "cus_ann" },
    });
    Delivery { kind: "refund.succeeded", data, live: true }
}

fn at(day: u8) -> String {
    format!("2026-11-{day:02}T10:00:00Z")
}

impl Delivery {
    fn event(&self) -> VerifiedEvent {
        let object = self.data.get("refund_id").unwrap_or(&self.data["payment_id"]);
        let body = json!({
            "type": self.kind, "business_id": "bus_1", "timestamp": self.data["created_at"],
            "data": self.data,
        });
        let id = format!("msg_{}", object.as_str().unwrap());
        VerifiedEvent::from_trusted_parts(
            &id,
            Bytes::from(body.to_string()),
            jiff::Timestamp::now(),
            self.live,
        )
    }
}

crate::on_every_store! { identify_sums_all_payments_of_the_customer }

async fn identify_sums_all_payments_of_the_customer(store: &TestStore) {
    let traits = |spent: Value, since: u8, last: u8| {
        json!({
            "email": "ann@example.com", "name": "Ann", "payment_method": "card",
            "total_spent": spent, "customer_since": at(since), "last_payment_date": at(last),
        })
    };
    // The sink receives each record before the next event arrives.
    let story = [
        (paid("pay_1", "cus_ann", 10, 2000, "USD"), Some(traits(json!(20.0), 10, 10))),
        (paid("pay_2", "cus_ann", 12, 3050, "USD"), Some(traits(json!(50.5), 10, 12))),
        (paid("pay_3", "cus_ann", 14, 1000, "USD"), Some(traits(json!(60.5), 10, 14))),
        // A reversal counts, but not as a payment.
        (refunded("ref_1", "pay_1", 15, 500), None),
        // An older payment that arrives late.
        (paid("pay_4", "cus_ann", 5, 100, "USD"), Some(traits(json!(56.5), 5, 14))),
        // Currencies are not added up, and yen have no decimals.
        (paid("pay_5", "cus_ann", 16, 700, "JPY"), Some(traits(json!(700), 16, 16))),
        // Money of other customers and of test mode does not count.
        (paid("pay_6", "cus_bob", 17, 9900, "USD"), Some(traits(json!(99.0), 17, 17))),
        (
            Delivery { live: false, ..paid("pay_7", "cus_ann", 18, 4200, "USD") },
            Some(traits(json!(42.0), 18, 18)),
        ),
        (paid("pay_8", "cus_ann", 19, 150, "USD"), Some(traits(json!(58.0), 5, 19))),
    ];

    let server = Server::start().await;
    let sink = Segment::at(&server.url, "writekey").unwrap().include_test_mode();
    let ledger = store.builder().await.sink(sink).build().unwrap();
    ledger.migrate().await.unwrap();
    let workers = work(&ledger, hooks());
    for (n, (delivery, expected)) in story.into_iter().enumerate() {
        ledger.accept(&delivery.event()).await.unwrap();
        eventually("the sink received it", async || server.log().len() == n + 1).await;
        let told = server.log()[n].json();
        let mut identified =
            told["batch"].as_array().unwrap().iter().filter(|event| event["type"] == "identify");
        let traits = identified.next().map(|event| event["traits"].clone());
        assert_eq!(traits, expected, "{}", delivery.data);
    }
    workers.shutdown(std::time::Duration::from_secs(5)).await;
}
