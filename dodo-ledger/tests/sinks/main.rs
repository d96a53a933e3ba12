//! What sinks send, checked by a server on this machine.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod customer;
mod outage;
mod segment;
mod server;
mod simple;
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../support/mod.rs"]
mod support;
mod tools;

use dodo_core::{
    attribution::{AttributionRecord, RecordKind},
    money::{Currency, Money},
};
use dodo_ledger::{OutboxRecord, SendOutcome, Sink};

/// A charge of 20.00 USD with 3.00 tax.
fn charge(id: &str) -> AttributionRecord {
    let at = "2026-11-20T10:00:00Z".parse().unwrap();
    let mut record = AttributionRecord::new(format!("charge:{id}"), RecordKind::OneTime, at);
    record.live = true;
    record.payment_id = id.to_owned();
    record.customer_id = Some("cus_1".to_owned());
    record.money = Some(Money::new(2000, Some(300), Currency::USD));
    record.visitor = Some(dodo_core::attribution::Attributed {
        value: "v1".to_owned(),
        step: dodo_core::attribution::AttributionStep::EventMetadata,
        from: id.to_owned(),
    });
    let mut contact = dodo_core::attribution::Contact::default();
    contact.email = Some("ann@example.com".to_owned());
    contact.name = Some("Ann".to_owned());
    record.contact = Some(contact);
    record
}

fn refund(id: &str, payment: &str) -> AttributionRecord {
    let mut record = charge(payment);
    record.id = format!("refund:{id}");
    record.kind = RecordKind::Refund { partial: true };
    record.refund_id = Some(id.to_owned());
    record.money = Some(Money::new(500, Some(75), Currency::USD).negated());
    record
}

async fn tell(sink: &impl Sink, records: Vec<AttributionRecord>) -> Vec<SendOutcome> {
    let records: Vec<OutboxRecord> = records.into_iter().map(OutboxRecord::new).collect();
    sink.send(&records).await
}
