//! Contexts that arrive after their payment.

use dodo_core::{attribution::AttributionStep, capture::consent::Consent};
use serde_json::json;

use crate::{
    payloads::{Delivery, charged, customer, day, paid, payment, recovered, refunded, visitor},
    rows::{Row, row},
    support::{Log, TestStore},
    world::{Act, Records, World, bind},
};

crate::on_every_store! {
    first_charge_after_its_renewal_reclassifies_it,
    late_context_applies_to_its_recovery,
    late_context_applies_to_all_recoveries,
}

/// Two payments of one session come to nothing, and another one makes up for the second.
fn recovery() -> Vec<Act> {
    let in_session = || json!({ "checkout_session_id": "cks_1" });
    vec![
        payment("payment.failed", "pay_1", day(0), 2000, in_session()).into(),
        payment("payment.failed", "pay_2", day(0), 2000, in_session()).into(),
        recovered("pay_2", "pay_3", day(1)).into(),
        paid("pay_3", day(1), 2000, json!({})).into(),
        refunded("ref_1", "pay_3", day(2), json!(2000), json!({})).into(),
    ]
}

fn context() -> Act {
    bind("cks_1", json!({ "visitor": "v1", "consent": "granted" }))
}

fn is_found(records: &Records) {
    assert_eq!(records.visitor("charge:pay_3"), Some(("v1", AttributionStep::RecoveredFrom)));
    assert_eq!(records.visitor("refund:ref_1"), Some(("v1", AttributionStep::PaymentRecord)));
    assert_eq!(records.get("charge:pay_3").consent, Consent::Granted);
}

pub(crate) fn rows() -> Vec<Row> {
    let story = recovery().into_iter().chain([context()]).collect();
    vec![
        row(0, "a context that comes after its abandoned checkout was recovered", story, is_found),
        row(
            0,
            "an abandoned payment that is learned of after two payments made up for it",
            twice().into_iter().chain([attempt("pay_1").with(visitor("v1")).into()]).collect(),
            |r| {
                for id in ["charge:pay_2", "charge:pay_3"] {
                    assert_eq!(r.visitor(id), Some(("v1", AttributionStep::RecoveredFrom)), "{id}");
                }
            },
        ),
    ]
}

fn attempt(id: &str) -> Delivery {
    let session = json!({ "checkout_session_id": "cks_1" });
    payment("payment.failed", id, day(0), 2000, session)
}

/// Two payments make up for one that came to nothing.
fn twice() -> Vec<Act> {
    vec![
        recovered("pay_1", "pay_2", day(1)).into(),
        recovered("pay_1", "pay_3", day(1)).again_as("msg_the_other").into(),
        paid("pay_2", day(1), 2000, json!({ "customer": customer("bob") })).into(),
        paid("pay_3", day(1), 2000, json!({ "customer": customer("eve") })).into(),
    ]
}

/// A late context applies to both, and so does its erasure.
async fn late_context_applies_to_all_recoveries(store: &TestStore) {
    let ledger = store.ledger().await;
    let mut world = World::Stored(ledger.clone());
    world.play(&twice()).await;
    let records = world.play(&[attempt("pay_1").into()]).await;
    assert_eq!(records.visitor("charge:pay_2"), None);
    let records = world.play(&[context()]).await;
    for id in ["charge:pay_2", "charge:pay_3"] {
        assert_eq!(records.visitor(id), Some(("v1", AttributionStep::RecoveredFrom)), "{id}");
        assert_eq!(records.get(id).consent, Consent::Granted, "{id}");
    }
    ledger.erase_customer("cus_ann").await.unwrap();
    let records = world.records().await;
    for id in ["charge:pay_2", "charge:pay_3"] {
        assert_eq!(records.visitor(id), None, "{id}");
    }
}

/// The context comes when all of it is booked, as no story in one go has it.
async fn late_context_applies_to_its_recovery(store: &TestStore) {
    let mut world = World::Stored(store.ledger().await);
    let records = world.play(&recovery()).await;
    assert_eq!(records.visitor("charge:pay_3"), None);
    is_found(&world.play(&[context()]).await);
}

/// A sink can have received the renewal as a first charge.
async fn first_charge_after_its_renewal_reclassifies_it(store: &TestStore) {
    let mut world = World::Stored(store.ledger().await);
    world.play(&[charged("pay_2", "sub_1", day(31), 2000, json!({})).into()]).await;
    let records = world.play(&[charged("pay_1", "sub_1", day(0), 2000, json!({})).into()]).await;
    assert_eq!(records.kinds(), ["subscription_new", "subscription_renewal"]);
    assert!(records.get("charge:pay_2").flags.reclassified);
    assert!(!records.get("charge:pay_1").flags.reclassified);
}

/// The first context of a session stays. The error tells that the application bound it twice.
#[tokio::test]
async fn second_context_of_a_session_is_an_error_in_the_log() {
    let (log, _keeping) = Log::of_this_thread(tracing::Level::ERROR);
    let store = TestStore::memory().await.unwrap();
    let mut world = World::Stored(store.ledger().await);
    world.act(&context()).await;
    world.act(&context()).await;
    assert_eq!(log.text(), "", "the same context again");
    world.act(&bind("cks_1", json!({ "visitor": "v2" }))).await;
    assert!(log.text().contains("checkout context ignored"), "{}", log.text());
    assert!(!log.text().contains("v2"), "{}", log.text());
    let session = json!({ "checkout_session_id": "cks_1" });
    let records = world.play(&[paid("pay_1", day(0), 2000, session).into()]).await;
    assert_eq!(records.visitor("charge:pay_1"), Some(("v1", AttributionStep::CheckoutContext)));
}
