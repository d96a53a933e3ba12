//! Stories that happen to a ledger, and the pages over it.

use std::time::Duration;

use bytes::Bytes;
use dodo_core::{
    BoxError, Environment, RequestHead, WebhookKey, Webhooks,
    capture::{CheckoutContext, CheckoutContextStore},
    endpoint::Endpoint,
    testing::EventBuilder,
    webhook::Inbox,
};
use dodo_dashboard::{Dashboard, Permission};
use dodo_ledger::{Ledger, Store, Workers};
use dodo_tests::postgres;
use http::Request;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::{Map, Value, json};

/// A ledger and its dashboard.
pub(crate) struct World {
    pub(crate) ledger: Ledger,
    dashboard: Dashboard,
    workers: Workers,
}

impl World {
    async fn over(store: &str, zone: &str) -> Self {
        let store = Store::open(store).await.unwrap();
        let ledger = Ledger::builder(store).books_in(zone).open().await.unwrap();
        let key = WebhookKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Environment::Live);
        let (_, workers) = ledger.attach(Webhooks::builder(key.unwrap())).unwrap();
        let all = Permission::view().with_people().with_operations();
        let dashboard = Dashboard::builder(&ledger)
            .allow(move |_: RequestHead| async move { Ok::<_, BoxError>(all) })
            .build()
            .unwrap();
        Self { ledger, dashboard, workers }
    }

    pub(crate) async fn sqlite(zone: &str) -> Self {
        Self::over("sqlite::memory:", zone).await
    }

    pub(crate) async fn end(self) {
        self.workers.shutdown(Duration::from_secs(10)).await;
    }

    pub(crate) async fn happen(&self, acts: &[Act]) {
        for act in acts {
            match act {
                Act::Event(event) => drop(self.ledger.accept(&event.to_verified()).await.unwrap()),
                Act::Bind(session, context) => {
                    let context: CheckoutContext = serde_json::from_value(context.clone()).unwrap();
                    self.ledger.store(session, &context).await.unwrap();
                }
            }
        }
        self.ledger.settled().await.unwrap();
    }

    /// The answer to a query string, which is 200.
    pub(crate) async fn get(&self, query: &str) -> String {
        let request = Request::get(format!("/admin{query}")).body(Bytes::new()).unwrap();
        let answer = self.dashboard.handle(request).await;
        let body = String::from_utf8(answer.body().to_vec()).unwrap();
        assert_eq!(answer.status(), 200, "{query}: {body}");
        body
    }

    /// The tables of a page.
    pub(crate) async fn tables(&self, query: &str) -> Tables {
        let join = if query.contains('?') { '&' } else { '?' };
        let answer = self.get(&format!("{query}{join}format=json")).await;
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        Tables(answer["tables"].take())
    }
}

/// The JSON tables of a page.
#[derive(Debug)]
pub(crate) struct Tables(pub(crate) Value);

impl Tables {
    /// A cell, by the first cell of its row, or by `#` and the number of the row.
    #[track_caller]
    pub(crate) fn cell(&self, table: &str, row: &str, column: &str) -> Value {
        let table = &self.0[table];
        let rows =
            table["rows"].as_array().unwrap_or_else(|| panic!("no such table: {row} {column}"));
        let columns = table["columns"].as_array().unwrap();
        let at = columns.iter().position(|known| known["name"] == column).unwrap();
        if row == "total" {
            return table["total"][at].clone();
        }
        let found = match row.strip_prefix('#') {
            Some(nth) => rows.get(nth.parse::<usize>().unwrap()),
            None => rows.iter().find(|cells| cells[0] == row),
        };
        found.unwrap_or_else(|| panic!("no row {row}: {table}"))[at].clone()
    }
}

/// Runs a test on SQLite, and on PostgreSQL if there is a server.
pub(crate) async fn each_store(test: &str, zone: &str, run: impl AsyncFn(&World)) {
    let limit = Duration::from_secs(10);
    let world = World::sqlite(zone).await;
    run(&world).await;
    world.workers.shutdown(limit).await;
    let Some(server) = postgres::server(test) else { return };
    let schema = postgres::Schema::create(server, test).await;
    let world = World::over(&schema.url(), zone).await;
    run(&world).await;
    world.workers.shutdown(limit).await;
    drop((world.ledger, world.dashboard));
    schema.drop().await;
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Event(Box<EventBuilder>),
    /// A checkout session was opened, with this visit.
    Bind(String, Value),
}

fn event(kind: &str, at: Timestamp, data: Value, extra: &Value) -> Act {
    let mut fields = data.as_object().unwrap().clone();
    fields.extend(extra.as_object().cloned().unwrap_or_default());
    let builder = EventBuilder::new(kind.into()).timestamp(at).live(true);
    let all = clean(&builder);
    let builder = all.into_iter().fold(builder, |builder, key| builder.set_json(&key, Value::Null));
    let set = |builder: EventBuilder, (key, value): (String, Value)| builder.set_json(&key, value);
    Act::Event(Box::new(fields.into_iter().fold(builder, set)))
}

/// The keys of the sample, which a story does not know.
fn clean(builder: &EventBuilder) -> Vec<String> {
    let body: Value = serde_json::from_slice(&builder.body()).unwrap();
    let data: Map<String, Value> = body["data"].as_object().unwrap().clone();
    data.into_iter().map(|(key, _)| key).filter(|key| key != "status").collect()
}

/// The customer of a payment, with an address of their own.
pub(crate) fn customer(name: &str) -> Value {
    json!({ "customer_id": format!("cus_{name}"), "email": format!("{name}@example.com"), "name": name })
}

/// A charge with tax in `total`.
pub(crate) fn paid(id: &str, at: Timestamp, (total, tax): (i64, i64), extra: Value) -> Act {
    let data = json!({
        "payload_type": "Payment", "payment_id": id, "created_at": at.to_string(),
        "total_amount": total, "tax": tax, "currency": "USD", "customer": customer(id),
        "metadata": {}, "subscription_ids": [], "retry_attempt": 0,
    });
    event("payment.succeeded", at, data, &extra)
}

/// A payment that failed.
pub(crate) fn failed(id: &str, at: Timestamp, total: i64, extra: Value) -> Act {
    let data = json!({
        "payload_type": "Payment", "payment_id": id, "created_at": at.to_string(),
        "total_amount": total, "currency": "USD", "customer": customer(id),
        "metadata": {}, "subscription_ids": [], "retry_attempt": 0,
    });
    event("payment.failed", at, data, &extra)
}

/// The first charge, or a later one, of a subscription.
pub(crate) fn charged(
    id: &str,
    subscription: &str,
    at: Timestamp,
    amounts: (i64, i64),
    extra: &Value,
) -> Act {
    let mut fields = json!({ "subscription_id": subscription, "subscription_ids": [subscription] });
    let all = fields.as_object_mut().unwrap();
    all.extend(extra.as_object().cloned().unwrap_or_default());
    paid(id, at, amounts, fields)
}

/// An event of a subscription of 19.00 a month.
pub(crate) fn subscription(kind: &str, id: &str, at: Timestamp, extra: &Value) -> Act {
    let status = if matches!(kind, "updated" | "unpaused") { "active" } else { kind };
    let data = json!({
        "payload_type": "Subscription", "subscription_id": id, "created_at": at.to_string(),
        "customer": customer(id), "metadata": {}, "product_id": "pdt_plan", "currency": "USD",
        "recurring_pre_tax_amount": 1900, "trial_period_days": 0, "payment_frequency_count": 1,
        "payment_frequency_interval": "Month", "on_demand": false, "status": status,
    });
    event(&format!("subscription.{kind}"), at, data, extra)
}

/// A refund. `Value::Null`: without an amount.
pub(crate) fn refunded(id: &str, payment: &str, at: Timestamp, amount: Value) -> Act {
    let data = json!({
        "payload_type": "Refund", "refund_id": id, "payment_id": payment, "amount": amount,
        "is_partial": true, "created_at": at.to_string(),
    });
    event("refund.succeeded", at, data, &json!({}))
}

/// One step of a dispute over an amount in major units.
pub(crate) fn disputed(step: &str, id: &str, payment: &str, at: Timestamp, amount: &str) -> Act {
    let data = json!({
        "payload_type": "Dispute", "dispute_id": id, "payment_id": payment, "amount": amount,
        "currency": "USD", "dispute_status": format!("dispute_{step}"), "dispute_stage": "dispute",
        "created_at": at.to_string(),
    });
    event(&format!("dispute.{step}"), at, data, &json!({}))
}

/// A checkout session that was opened, and the visit that it captured.
pub(crate) fn opened(session: &str, at: Timestamp, visit: &Value) -> Act {
    let mut all = json!({ "captured_at": at.to_string() });
    let fields = all.as_object_mut().unwrap();
    fields.extend(visit.as_object().cloned().unwrap_or_default());
    Act::Bind(session.to_owned(), all)
}

/// Some hours before now, at a whole second.
pub(crate) fn ago(hours: i64) -> Timestamp {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    now.checked_sub(hours.hours()).unwrap()
}

/// Noon of a day of the last full month.
pub(crate) fn last_month(day: i64) -> Timestamp {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    let first = now.first_of_month().unwrap().start_of_day().unwrap();
    let first = first.checked_sub(1.month()).unwrap();
    first.checked_add((day - 1).days().hours(12)).unwrap().timestamp()
}
