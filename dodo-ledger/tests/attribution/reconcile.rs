//! What no webhook brought, on every store.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dodo_core::{BoxError, Client, Environment, attribution::AttributionStep};
use http::{Request, Response};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::{
    payloads::{Delivery, day, paid, refunded, visitor},
    support::TestStore,
    world::{Act, World},
};

crate::on_every_store! {
    missed_objects_are_booked_once,
    reconciled_refund_can_fail,
    bad_object_does_not_stop_the_run,
}

/// The time of the fact counts, not its source: a fetched object has its own time.
async fn reconciled_refund_can_fail(store: &TestStore) {
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    let payment = paid("pay_1", day(0), 2000, json!({ "tax": 300 }));
    let refund =
        |id: &str| refunded(id, "pay_1", day(1), json!(500), json!({ "is_partial": true }));
    let event = |id: &str, kind: &str, at: Timestamp| -> Act {
        let mut event = refund(id).of_kind(kind).again_as(&format!("msg_{kind}_{id}_{at}"));
        event.body["timestamp"] = json!(at.to_string());
        event.into()
    };
    let hours = |hours: i64| Timestamp::now().checked_add(hours.hours()).unwrap();
    let (before, after) = (hours(-24), hours(24));
    world.play(&[payment.into(), event("ref_2", "refund.failed", before)]).await;
    let asked = [object(&refund("ref_1")), object(&refund("ref_2"))];
    let (client, _) = api(Vec::new(), asked.to_vec());
    let found = ledger.reconcile(&client, day(0), day(30), |_| {}).await.unwrap();
    assert_eq!(found.refunds_booked, 2);
    let records = world.records().await;
    assert_eq!(records.net(), 1700 - 425 - 425);
    assert!(!records.get("refund:ref_2").flags.reversed, "it stood after it had failed");

    let records = world.play(&[event("ref_1", "refund.failed", after)]).await;
    assert_eq!(records.money("refund:ref_1:reversal"), Some((500, 425)));
    assert!(records.get("refund:ref_1").flags.reversed);
    assert_eq!(records.net(), 1700 - 425);
    // The webhook about the success arrives after all, and changes nothing.
    let records = world.play(&[event("ref_1", "refund.succeeded", before)]).await;
    assert_eq!(records.net(), 1700 - 425);

    // Unless the clocks differ, and it says that it succeeded after it had failed.
    let later = hours(48);
    let records = world.play(&[event("ref_2", "refund.failed", after)]).await;
    assert_eq!(records.net(), 1700);
    let records = world.play(&[event("ref_2", "refund.succeeded", later)]).await;
    assert!(!records.get("refund:ref_2").flags.reversed);
    assert_eq!(records.money("refund:ref_2:reversal"), Some((0, 0)));
    assert_eq!(records.net(), 1700 - 425);
}

/// Dodo's API with these objects, and a log of its requests.
pub(crate) fn api(payments: Vec<Value>, refunds: Vec<Value>) -> (Client, Arc<Mutex<Vec<String>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let asked = log.clone();
    let transport = move |request: Request<Bytes>| {
        let path = request.uri().path().to_owned();
        asked.lock().unwrap().push(request.uri().to_string());
        let (list, key) = if path.starts_with("/payments") {
            (&payments, "payment_id")
        } else {
            (&refunds, "refund_id")
        };
        let answer = match path.rsplit('/').next().unwrap() {
            "payments" | "refunds" => {
                // One on each page, with what lists show.
                let query = request.uri().query().unwrap();
                let page: usize = query
                    .split("page_number=")
                    .nth(1)
                    .unwrap()
                    .split('&')
                    .next()
                    .unwrap()
                    .parse()
                    .unwrap();
                let item = list.get(page).map(|object| json!({ key: object[key] }));
                json!({ "items": item.into_iter().collect::<Vec<_>>() })
            }
            id => list.iter().find(|object| object[key] == id).unwrap().clone(),
        };
        async move { Ok::<_, BoxError>(Response::new(Bytes::from(answer.to_string()))) }
    };
    let client = Client::builder("sk_test", Environment::Live).with_transport(transport);
    (client.build().unwrap(), log)
}

fn object(delivery: &Delivery) -> Value {
    delivery.body["data"].clone()
}

async fn missed_objects_are_booked_once(store: &TestStore) {
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    let arrived =
        paid("pay_1", day(0), 2000, json!({ "tax": 300, "metadata": { "visitor": "v1" } }));
    let missed = paid("pay_2", day(1), 3000, visitor("v2"));
    let refund = refunded("ref_1", "pay_2", day(2), json!(1000), json!({ "is_partial": true }));
    world.play(&[arrived.clone().into()]).await;
    let (client, log) = api(vec![object(&arrived), object(&missed)], vec![object(&refund)]);

    let mut seen = Vec::new();
    let found = ledger
        .reconcile(&client, day(0), day(30), |so_far| {
            seen.push(so_far.payments_seen + so_far.refunds_seen)
        })
        .await
        .unwrap();
    assert_eq!((found.payments_seen, found.payments_booked), (2, 1));
    assert_eq!((found.refunds_seen, found.refunds_booked), (1, 1));
    assert_eq!(seen, [1, 2, 3], "progress is shown");
    let first = log.lock().unwrap()[0].clone();
    for part in ["page_number=0", "status=succeeded", "created_at_gte=2026-03-01T12%3A00%3A00Z"] {
        assert!(first.contains(part), "{part} is missing in {first}");
    }

    let records = world.records().await;
    assert_eq!(records.visitor("charge:pay_2"), Some(("v2", AttributionStep::EventMetadata)));
    assert_eq!(records.visitor("refund:ref_1"), Some(("v2", AttributionStep::PaymentRecord)));
    assert!(records.get("charge:pay_2").live);
    let net = records.net();
    assert_eq!(net, 1700 + 3000 - 1000);

    let again = ledger.reconcile(&client, day(0), day(30), |_| {}).await.unwrap();
    assert_eq!((again.payments_booked, again.refunds_booked), (0, 0));
    // The webhooks arrive later: they replace the fetched objects, and nothing counts twice.
    let records = world.play(&[missed.clone().into(), refund.into()]).await;
    assert_eq!(records.net(), net);
    assert_eq!(records.get("charge:pay_2").webhook_id, missed.id);
}

/// Dodo's API with one page of payments, each answered by a status and a body.
fn answering(ids: &[&str], answer: impl Fn(&str) -> (u16, String)) -> Client {
    let objects: Vec<(String, (u16, String))> =
        ids.iter().map(|id| ((*id).to_owned(), answer(id))).collect();
    let items: Vec<Value> = ids.iter().map(|id| json!({ "payment_id": id })).collect();
    let transport = move |request: Request<Bytes>| {
        let first = request.uri().query().is_some_and(|query| query.contains("page_number=0"));
        let page = |items: &[Value]| (200, json!({ "items": items }).to_string());
        let (status, body) = match request.uri().path().rsplit('/').next().unwrap() {
            "payments" if first => page(&items),
            "payments" | "refunds" => page(&[]),
            id => objects.iter().find(|(known, _)| known == id).unwrap().1.clone(),
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        async move { Ok::<_, BoxError>(response) }
    };
    let client = Client::builder("sk_test", Environment::Live).with_transport(transport);
    client.max_retries(0).build().unwrap()
}

async fn bad_object_does_not_stop_the_run(store: &TestStore) {
    let ledger = store.ledger().await;
    let ids = ["pay_good_1", "pay_currency", "pay_text", "pay_gone", "pay_cut", "pay_good_2"];
    let payment = |id: &str| {
        let mut object = object(&paid(id, day(0), 2000, visitor("v1")));
        object["status"] = json!("succeeded");
        object
    };
    let client = answering(&ids, |id| match id {
        "pay_gone" => (404, "{}".to_owned()),
        "pay_text" => (200, "<html>busy</html>".to_owned()),
        "pay_cut" => (200, payment(id).to_string().split_at(40).0.to_owned()),
        "pay_currency" => {
            let mut object = payment(id);
            object["currency"] = json!("EURO");
            (200, object.to_string())
        }
        _ => (200, payment(id).to_string()),
    });
    for booked in [2, 0] {
        let found = ledger.reconcile(&client, day(0), day(30), |_| {}).await.unwrap();
        assert_eq!((found.payments_seen, found.payments_booked), (6, booked));
        assert_eq!(found.skipped, 4, "{found:?}");
    }
    for id in ["pay_good_1", "pay_good_2"] {
        assert!(ledger.record(&format!("charge:{id}")).await.unwrap().is_some(), "{id}");
    }

    // When nothing at all can be fetched, it is not the objects.
    let ids = ["pay_1", "pay_2", "pay_3", "pay_4", "pay_5", "pay_6"];
    let away = answering(&ids, |_| (500, "{}".to_owned()));
    assert!(ledger.reconcile(&away, day(0), day(30), |_| {}).await.is_err());
}
