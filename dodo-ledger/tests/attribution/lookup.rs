//! What Dodo Payments is asked about charges whose subscription began before the ledger.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dodo_core::{
    BoxError, Client, Environment,
    attribution::{AttributionSink, ClassificationBasis, RecordKind},
    endpoint::Endpoint,
    internals::records_for_event,
    webhook::Inbox,
};
use dodo_ledger::Ledger;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    payloads::{Delivery, charged, day, hour, paid, subscription},
    seams::post,
    support::{TestStore, eventually, hooks, work},
    world::World,
};

crate::on_every_store! {
    an_earlier_charge_makes_a_renewal, without_an_earlier_charge_it_is_the_first,
    what_is_known_already_is_not_asked, an_api_that_fails_holds_up_nothing,
    an_answer_stays_and_history_wins_over_it, every_way_in_asks,
    what_comes_while_others_are_asked_about_is_asked_about_too,
    a_charge_is_not_its_own_earlier_one,
}

/// How Dodo's API behaves.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Well,
    Failing,
    Talking,
    Cutting,
    Silent,
    Panicking,
}

type Hold = (oneshot::Sender<()>, oneshot::Receiver<()>);

/// Dodo's API with these payments, and a log of what it was asked.
#[derive(Clone)]
struct Api {
    payments: Arc<Mutex<Vec<Value>>>,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Told when the next call arrives, and what that waits for.
    hold: Arc<Mutex<Option<Hold>>>,
}

impl Api {
    fn with(payments: &[Delivery]) -> Self {
        let payments = payments.iter().map(|delivery| delivery.body["data"].clone()).collect();
        Self {
            payments: Arc::new(Mutex::new(payments)),
            mood: Arc::new(Mutex::new(Mood::Well)),
            asked: Arc::default(),
            hold: Arc::default(),
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn client(&self) -> Client {
        let api = self.clone();
        let transport = move |request: Request<Bytes>| {
            let path = request.uri().to_string().split_once("/payments").unwrap().1.to_owned();
            api.asked.lock().unwrap().push(path.clone());
            let mood = *api.mood.lock().unwrap();
            let answer = api.answer(&path);
            let hold = api.hold.lock().unwrap().take();
            async move {
                if let Some((arrived, go)) = hold {
                    arrived.send(()).unwrap();
                    go.await.unwrap();
                }
                let (status, body) = match mood {
                    Mood::Well => (200, answer),
                    Mood::Failing => (500, "{}".to_owned()),
                    Mood::Talking => (200, "<html>busy</html>".to_owned()),
                    Mood::Cutting => (200, answer.split_at(answer.len() / 2).0.to_owned()),
                    Mood::Silent => std::future::pending().await,
                    Mood::Panicking => panic!("a transport of somebody's"),
                };
                let mut response = Response::new(Bytes::from(body));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                Ok::<_, BoxError>(response)
            }
        };
        let client = Client::builder("sk_test", Environment::Live).with_transport(transport);
        client.max_retries(0).build().unwrap()
    }

    /// One payment, or a page of one with what lists show.
    fn answer(&self, path: &str) -> String {
        let payments = self.payments.lock().unwrap();
        if let Some(id) = path.strip_prefix('/') {
            return payments.iter().find(|p| p["payment_id"] == id).unwrap().to_string();
        }
        let query = |name: &str| {
            let pair = path.split(['?', '&']).find_map(|pair| pair.strip_prefix(name));
            pair.unwrap_or_else(|| panic!("{name} is not asked for: {path}"))
        };
        assert_eq!(query("status="), "succeeded");
        let until: jiff::Timestamp = query("created_at_lte=").replace("%3A", ":").parse().unwrap();
        let fits = |payment: &&Value| {
            let made: jiff::Timestamp = payment["created_at"].as_str().unwrap().parse().unwrap();
            payment["subscription_id"] == query("subscription_id=") && made <= until
        };
        let page: usize = query("page_number=").parse().unwrap();
        let listed = payments.iter().filter(fits).nth(page).map(|payment| {
            let mut listed = payment.clone();
            for left_out in ["is_update_payment_method", "tax"] {
                listed.as_object_mut().unwrap().remove(left_out);
            }
            listed
        });
        json!({ "items": listed.into_iter().collect::<Vec<_>>() }).to_string()
    }
}

async fn ledger(store: &TestStore, api: &Api) -> Ledger {
    let ledger = store.builder().await.look_up_earlier_charges(api.client()).build().unwrap();
    ledger.migrate().await.unwrap();
    ledger
}

/// The kind and basis of a charge after these deliveries.
async fn booked(
    ledger: &Ledger,
    deliveries: &[&Delivery],
    id: &str,
) -> (RecordKind, ClassificationBasis) {
    let acts: Vec<_> = deliveries.iter().map(|delivery| (*delivery).clone().into()).collect();
    let records = World::Stored(ledger.clone()).play(&acts).await;
    let record = records.get(&format!("charge:{id}"));
    (record.kind.clone(), record.basis)
}

use RecordKind::{SubscriptionNew as New, SubscriptionRenewal as Renewal};

fn charge(id: &str, at: i64) -> Delivery {
    charged(id, "sub_1", day(at), 2000, json!({}))
}

fn card_update(id: &str, at: i64) -> Delivery {
    charge(id, at).with(json!({ "is_update_payment_method": true }))
}

async fn an_earlier_charge_makes_a_renewal(store: &TestStore) {
    let now = charge("pay_now", 90);
    let api = Api::with(&[now.clone(), card_update("pay_card", 70), charge("pay_old", 60)]);
    let ledger = ledger(store, &api).await;
    assert_eq!(
        booked(&ledger, &[&now], "pay_now").await,
        (Renewal, ClassificationBasis::ApiLookup)
    );
    let asked = api.asked();
    assert!(asked.iter().any(|path| path == "/pay_card"), "the list does not tell: {asked:?}");
    let why = ledger.explain("pay_now").await.unwrap().unwrap().to_string();
    assert!(why.contains("was asked, and knows an earlier paid charge"), "{why}");
}

async fn without_an_earlier_charge_it_is_the_first(store: &TestStore) {
    let now = charge("pay_now", 90);
    let api = Api::with(&[
        now.clone(),
        card_update("pay_card", 70),
        charge("pay_later", 91),
        charge("pay_free", 60).with(json!({ "total_amount": 0 })),
        charged("pay_other", "sub_2", day(60), 2000, json!({})),
    ]);
    let ledger = ledger(store, &api).await;
    assert_eq!(booked(&ledger, &[&now], "pay_now").await, (New, ClassificationBasis::ApiLookup));
    let why = ledger.explain("pay_now").await.unwrap().unwrap().to_string();
    assert!(why.contains("was asked, and knows no earlier paid charge"), "{why}");
}

async fn what_is_known_already_is_not_asked(store: &TestStore) {
    let first = charge("pay_1", 0).with(json!({ "charge_type": "new" }));
    let api = Api::with(&[charge("pay_0", -30)]);
    let ledger = ledger(store, &api).await;
    booked(&ledger, &[&first], "pay_1").await;
    let created = json!({ "created_at": day(-60).to_string() });
    let old = subscription("subscription.renewed", "sub_3", day(0), created);
    booked(&ledger, &[&old, &first.again_as("msg_again")], "pay_1").await;
    let of = |id: &str, fields: Value| charged(id, id, day(100), 2000, fields);
    let rows = [
        (charge("pay_2", 30), ClassificationBasis::History),
        (of("pay_3", json!({ "charge_type": "renewal" })), ClassificationBasis::ChargeType),
        (of("pay_4", json!({ "retry_attempt": 1 })), ClassificationBasis::RetryAttempt),
        (of("pay_5", json!({ "is_multi_subscription": true })), ClassificationBasis::MultiFlag),
        (
            charged("pay_6", "sub_3", day(100), 2000, json!({})),
            ClassificationBasis::SubscriptionAge,
        ),
        (of("pay_7", json!({ "total_amount": 0 })), ClassificationBasis::Event),
        (paid("pay_8", day(100), 2000, json!({})), ClassificationBasis::Event),
        (of("pay_9", json!({})).test_mode(), ClassificationBasis::Assumed),
    ];
    for (delivery, basis) in rows {
        let id = delivery.body["data"]["payment_id"].as_str().unwrap();
        assert_eq!(booked(&ledger, &[&delivery], id).await.1, basis, "{id}");
    }
    assert_eq!(api.asked(), Vec::<String>::new());
}

async fn an_api_that_fails_holds_up_nothing(store: &TestStore) {
    let api = Api::with(&[charge("pay_old", 0)]);
    let ledger = ledger(store, &api).await;
    let hooks = hooks().inbox(ledger.clone()).build().unwrap();
    let moods =
        [Mood::Failing, Mood::Talking, Mood::Cutting, Mood::Panicking, Mood::Well, Mood::Silent];
    for (at, mood) in (30..).zip(moods) {
        *api.mood.lock().unwrap() = mood;
        let id = format!("pay_{at}");
        // A subscription of its own: what was booked before says nothing about it.
        let delivery = charged(&id, &format!("sub_{at}"), day(at), 2000, json!({}));
        let answer = hooks.handle(post(&format!("msg_{at}"), &delivery.body, "")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{mood:?}");
        let before = api.asked().len();
        let basis = if matches!(mood, Mood::Well) {
            ClassificationBasis::ApiLookup
        } else {
            ClassificationBasis::Assumed
        };
        assert_eq!(booked(&ledger, &[], &id).await, (New, basis), "{mood:?}");
        assert!(api.asked().len() > before, "{mood:?}: nobody was asked");
    }
    // Where nobody answered, nobody is asked for a while: each batch would wait again.
    let before = api.asked();
    let delivery = charged("pay_next", "sub_next", day(40), 2000, json!({}));
    assert_eq!(
        booked(&ledger, &[&delivery], "pay_next").await,
        (New, ClassificationBasis::Assumed)
    );
    assert_eq!(api.asked(), before);
}

/// Its own delivery has no time, so that the one in the list, which has, seems to come before it.
async fn a_charge_is_not_its_own_earlier_one(store: &TestStore) {
    let mut first = charge("pay_first", 30);
    let api = Api::with(&[first.clone()]);
    let ledger = ledger(store, &api).await;
    first.body["timestamp"] = json!(day(31).to_string());
    first.body["data"]["created_at"] = Value::Null;
    assert_eq!(
        booked(&ledger, &[&first], "pay_first").await,
        (New, ClassificationBasis::ApiLookup)
    );
}

async fn an_answer_stays_and_history_wins_over_it(store: &TestStore) {
    let now = charge("pay_now", 90);
    let api = Api::with(&[]);
    let ledger = ledger(store, &api).await;
    assert_eq!(booked(&ledger, &[&now], "pay_now").await, (New, ClassificationBasis::ApiLookup));
    let asked = api.asked();

    // Another delivery about it that happened first takes its place, and the answer with it.
    api.payments.lock().unwrap().push(charge("pay_old", 60).body["data"].clone());
    let mut earlier = now.again_as("msg_earlier");
    earlier.body["timestamp"] = json!(hour(90 * 24).to_string());
    assert_eq!(
        booked(&ledger, &[&earlier], "pay_now").await,
        (New, ClassificationBasis::ApiLookup)
    );
    let record = ledger.record("charge:pay_now").await.unwrap().unwrap();
    assert_eq!(record.webhook_id, "msg_earlier");
    assert_eq!(api.asked(), asked, "it was answered already");

    let first = charge("pay_first", 30).with(json!({ "charge_type": "new" }));
    assert_eq!(
        booked(&ledger, &[&first], "pay_now").await,
        (Renewal, ClassificationBasis::History)
    );
}

async fn every_way_in_asks(store: &TestStore) {
    let api = Api::with(&[charge("pay_old", 0), charge("pay_told", 60), charge("pay_missed", 90)]);
    let ledger = ledger(store, &api).await;
    // In the request, without an inbox.
    let told = charged("pay_told", "sub_1", day(60), 2000, json!({})).event();
    for record in records_for_event(&told, &Default::default()).unwrap() {
        ledger.emit(&record).await.unwrap();
    }
    assert_eq!(booked(&ledger, &[], "pay_told").await, (Renewal, ClassificationBasis::ApiLookup));

    // By reconciling, which finds the list of another subscription.
    let other = |id: &str, at| charged(id, "sub_2", day(at), 2000, json!({})).body["data"].clone();
    *api.payments.lock().unwrap() = vec![other("pay_before", 30), other("pay_asked", 60)];
    let (client, log) = crate::reconcile::api(vec![other("pay_asked", 60)], Vec::new());
    ledger.reconcile(&client, day(59), day(61), |_| {}).await.unwrap();
    assert!(!log.lock().unwrap().is_empty());
    assert_eq!(booked(&ledger, &[], "pay_asked").await, (Renewal, ClassificationBasis::ApiLookup));
}

async fn what_comes_while_others_are_asked_about_is_asked_about_too(store: &TestStore) {
    let other = |id: &str, at| charged(id, "sub_2", day(at), 2000, json!({}));
    let api = Api::with(&[other("pay_before", 30)]);
    let ledger = ledger(store, &api).await;
    let ((arrived, called), (go, gate)) = (oneshot::channel(), oneshot::channel());
    *api.hold.lock().unwrap() = Some((arrived, gate));
    ledger.accept(&charge("pay_1", 60).event()).await.unwrap();
    let workers = work(&ledger, hooks());
    called.await.unwrap();
    ledger.accept(&other("pay_2", 60).event()).await.unwrap();
    go.send(()).unwrap();
    eventually("both are booked", async || ledger.stats().await.unwrap().unbooked == 0).await;
    let second = ledger.record("charge:pay_2").await.unwrap().unwrap();
    assert_eq!((second.kind, second.basis), (Renewal, ClassificationBasis::ApiLookup));
    workers.shutdown(std::time::Duration::from_secs(5)).await;
}
