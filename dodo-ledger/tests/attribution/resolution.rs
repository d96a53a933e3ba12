//! Records, states and steps that follow from the facts.

use dodo_core::attribution::DisputePolicy;
use dodo_ledger::attribution::{Fact, FactKind, RecordState, Void, diff, subscriptions};
use dodo_ledger::attribution::{Rules, StepAnswer, StepReason as R};
use serde_json::json;

use crate::{
    memory::{MemoryLedger, fact},
    payloads::{
        charged, day, dispute, paid, payment, recovered, refund, refunded, subscription, visitor,
    },
    world::{Act, asked, bind},
};

/// Other rules change every record that they touch, not only those that a later event touches.
#[test]
fn changed_dispute_policy_withdraws_the_loss() {
    let mut ledger = MemoryLedger::play(
        &Rules::default().disputes(DisputePolicy::OnOpen),
        &story![
            paid("pay_1", day(0), 2000, json!({ "tax": 300 })),
            dispute("opened", "dp_1", "pay_1", day(1), json!("400"), json!({})),
        ],
    );
    assert_eq!(ledger.records().money("dispute:dp_1:loss"), Some((-400, -340)));
    ledger.change_rules(&Rules::default());
    let loss = ledger.record("dispute:dp_1:loss");
    assert_eq!((loss.state, loss.record.money.unwrap().gross), (RecordState::Withdrawn, 0));
    ledger.act(&dispute("lost", "dp_1", "pay_1", day(9), json!("500"), json!({})).into());
    let loss = ledger.record("dispute:dp_1:loss");
    assert_eq!((loss.state, loss.record.money.unwrap().gross), (RecordState::Valid, -500));
    assert_eq!(loss.record.occurred_at, day(9));
}

/// The API showed the refund before it failed. The webhook, which takes precedence, succeeded later.
#[test]
fn reversal_that_no_longer_follows_is_withdrawn() {
    let at = |days| refunded("ref_1", "pay_1", day(days), json!(500), json!({}));
    let mut ledger = MemoryLedger::play(
        &Rules::default(),
        &story![
            paid("pay_1", day(0), 2000, json!({})),
            asked(at(0), day(1)),
            refund("refund.failed", "ref_1", "pay_1", day(2), json!(500), json!({})),
        ],
    );
    assert_eq!(ledger.records().money("refund:ref_1:reversal"), Some((500, 500)));
    ledger.act(&at(3).into());
    let reversal = ledger.record("refund:ref_1:reversal");
    assert_eq!(reversal.state, RecordState::Withdrawn);
    assert_eq!(reversal.record.money.map(|money| money.gross), Some(0));
    assert_eq!(ledger.records().net(), 1500);
}

#[test]
fn void_record_stays_with_zero_money() {
    let mut ledger = MemoryLedger::play(
        &Rules::default(),
        &story![
            paid("pay_1", day(0), 2000, visitor("v1")),
            refunded("ref_1", "pay_1", day(1), json!(500), json!({ "is_partial": true })),
        ],
    );
    let void = |record_id: &str| {
        let kind = FactKind::Void(Void {
            record_id: record_id.to_owned(),
            payment_id: "pay_1".to_owned(),
            reason: "test order".to_owned(),
        });
        let template = bind("cks", json!({}));
        let template = fact(&template, &Rules::default()).unwrap();
        Fact { id: format!("void:{record_id}"), kind, person: None, ..template }
    };
    ledger.book([void("refund:ref_1")]);
    let records = ledger.records();
    assert_eq!(records.money("refund:ref_1"), Some((0, 0)));
    assert_eq!(records.money("charge:pay_1"), Some((2000, 2000)));
    assert_eq!(ledger.record("refund:ref_1").state, RecordState::Void);
    // The void refund takes nothing from the payment, and a void payment leaves nothing to refund.
    ledger.act(&refunded("ref_2", "pay_1", day(2), json!(2000), json!({})).into());
    assert_eq!(ledger.records().money("refund:ref_2"), Some((-2000, -2000)));
    ledger.book([void("charge:pay_1")]);
    let records = ledger.records();
    assert_eq!(records.money("charge:pay_1"), Some((0, 0)));
    assert_eq!(records.net(), 0);
    assert_eq!(records.visitor("charge:pay_1").map(|found| found.0), Some("v1"));
}

#[test]
fn later_checkout_has_its_own_visit_context() {
    let session = |id: &str| json!({ "checkout_session_id": id });
    let ledger = MemoryLedger::play(
        &Rules::default(),
        &story![
            bind("cks_1", json!({ "landing_path": "/one" })),
            bind("cks_2", json!({ "landing_path": "/two" })),
            charged("pay_1", "sub_1", day(0), 2000, session("cks_1")),
            charged("pay_2", "sub_1", day(31), 2000, json!({})),
            charged("pay_3", "sub_1", day(62), 2000, session("cks_2")),
            charged("pay_4", "sub_1", day(93), 2000, json!({})),
        ],
    );
    let stored = ledger.stored().into_values();
    let paths: Vec<_> = stored.map(|record| record.visit_context.unwrap().landing_path).collect();
    assert_eq!(paths.iter().flatten().collect::<Vec<_>>(), ["/one", "/one", "/two", "/two"]);
}

#[test]
fn clamped_excess_is_stored_beside_the_record() {
    let ledger = MemoryLedger::play(
        &Rules::default(),
        &story![
            paid("pay_1", day(0), 2000, json!({})),
            refunded("ref_1", "pay_1", day(1), json!(1500), json!({})),
            refunded("ref_2", "pay_1", day(2), json!(700), json!({})),
        ],
    );
    let excess: Vec<_> = ledger.stored().into_values().map(|record| record.excess).collect();
    assert_eq!(excess, [None, None, Some(200)]);
}

/// The first `bind` of a session wins: the order of arrival cannot decide, so a checkout has one context.
#[test]
fn second_context_of_a_session_is_ignored() {
    let ledger = MemoryLedger::play(
        &Rules::default(),
        &story![
            bind("cks_1", json!({ "visitor": "v1" })),
            bind("cks_1", json!({ "visitor": "v2" })),
            paid("pay_1", day(0), 2000, json!({ "checkout_session_id": "cks_1" })),
        ],
    );
    assert_eq!(ledger.records().visitor("charge:pay_1").map(|found| found.0), Some("v1"));
}

#[test]
fn test_mode_and_live_mode_do_not_meet() {
    let first = charged("pay_1", "sub_1", day(0), 2000, visitor("v_test"));
    let story: Vec<Act> =
        story![first.test_mode(), charged("pay_2", "sub_1", day(31), 2000, json!({})),];
    let ledger = MemoryLedger::play(&Rules::default(), &story);
    assert_eq!(ledger.timelines().count(), 2);
    assert_eq!(ledger.records().visitor("charge:pay_2"), None);
    assert_eq!(ledger.records().kinds(), ["subscription_new", "subscription_new"]);
}

#[test]
fn each_step_names_its_reason() {
    let refund = |n: u8| {
        let (id, payment) = (format!("ref_{n}"), format!("pay_{n}"));
        refunded(&id, &payment, day(40), json!(500), json!({ "is_partial": true }))
    };
    let no_email = json!({ "customer": { "customer_id": "cus_x" } });
    let ledger = MemoryLedger::play(
        &Rules::default(),
        &story![
            paid("pay_1", day(0), 2000, no_email.clone()),
            refund(1).with(no_email),
            charged("pay_2", "sub_1", day(0), 2000, json!({ "checkout_session_id": "cks_none" })),
            charged("pay_3", "sub_1", day(31), 2000, json!({ "customer": null })),
            bind("cks_no", json!({ "consent": "denied" })),
            paid("pay_4", day(0), 2000, json!({ "checkout_session_id": "cks_no" })),
        ],
    );
    let none = R::NoEarlierPurchase { days: 90 };
    let explained = ledger.explained();
    for (id, expected) in [
        (
            "charge:pay_1",
            [
                R::NotInMetadata,
                R::NotAReversal,
                R::NoSession,
                R::NoSubscription,
                R::NotARecovery,
                none,
                R::NoEmail,
            ],
        ),
        (
            "refund:ref_1",
            [
                R::NotInMetadata,
                R::PaymentUnattributed,
                R::SeeThePayment,
                R::SeeThePayment,
                R::NotARecovery,
                R::SeeThePayment,
                R::NoEmail,
            ],
        ),
        (
            "charge:pay_2",
            [
                R::NotInMetadata,
                R::NotAReversal,
                R::NoContext,
                R::NoEarlierCharge,
                R::NotARecovery,
                none,
                R::NotIdentified,
            ],
        ),
        (
            "charge:pay_3",
            [
                R::NotInMetadata,
                R::NotAReversal,
                R::NoSession,
                R::EarlierChargesUnattributed,
                R::NotARecovery,
                R::NoCustomer,
                R::NoEmail,
            ],
        ),
        ("charge:pay_4", [R::ConsentDenied; 7]),
    ] {
        let (_, reports) = &explained[id];
        let found: Vec<_> =
            reports.iter().map(|r| (r.visitor.clone(), r.campaign.clone())).collect();
        let nothing = |reason| (StepAnswer::Nothing(reason), StepAnswer::Nothing(reason));
        assert_eq!(found, expected.map(nothing), "{id}");
    }
}

/// Only a record that a sink could have received can be reclassified.
#[test]
fn reclassified_is_set_between_batches_only() {
    let (first, second) = (
        charged("pay_1", "sub_1", day(0), 2000, json!({})),
        charged("pay_2", "sub_1", day(31), 2000, json!({})),
    );
    let acts: Vec<Act> = story![second, first];
    let flag = |ledger: &MemoryLedger| ledger.records().get("charge:pay_2").flags.reclassified;
    assert!(flag(&MemoryLedger::play(&Rules::default(), &acts)));
    assert!(!flag(&MemoryLedger::play_in_batches(&Rules::default(), &acts, 2)));
    let ledger = MemoryLedger::play(&Rules::default(), &acts);
    let stored = ledger.stored();
    let resolved = stored.values().cloned().collect();
    assert_eq!(diff(ledger.timelines().next().unwrap(), &stored, resolved), []);
}

#[test]
fn subscription_state_follows_the_last_event_in_every_order() {
    let body = |product: &str, next: i64| json!({ "product_id": product, "next_billing_date": day(next).to_string() });
    let acts: Vec<Act> = story![
        subscription("subscription.active", "sub_1", day(0), body("pdt_small", 31)),
        subscription("subscription.renewed", "sub_1", day(31), body("pdt_small", 62)),
        subscription("subscription.plan_changed", "sub_1", day(40), body("pdt_large", 62)),
        // One instant: the larger next billing date decides, then the progress.
        subscription("subscription.on_hold", "sub_1", day(62), body("pdt_large", 62)),
        subscription("subscription.updated", "sub_1", day(62), body("pdt_large", 62)),
    ];
    let mut order: Vec<usize> = (0..acts.len()).collect();
    for turn in 0..acts.len() * 2 {
        order.rotate_left(1);
        if turn % 2 == 0 {
            order.swap(0, 1);
        }
        let acts: Vec<Act> = order.iter().map(|n| acts[*n].clone()).collect();
        let ledger = MemoryLedger::play(&Rules::default(), &acts);
        let states: Vec<_> = ledger.timelines().flat_map(subscriptions).collect();
        let [state] = &states[..] else { panic!("{states:?}") };
        assert_eq!(state.status, Some(dodo_core::event::SubscriptionStatus::OnHold), "{order:?}");
        assert_eq!((state.since, state.product_id.as_deref()), (Some(day(62)), Some("pdt_large")));
        assert_eq!(state.terms.next_billing_date, Some(day(62)));
        assert_eq!(state.customer_id.as_deref(), Some("cus_ann"));
    }
}

/// Ids of 200 bytes are kept, longer ones as their beginning and their hash.
#[test]
fn long_ids_fit_in_every_fact() {
    let rules = Rules::default();
    let (fits, long) = ("x".repeat(200), "x".repeat(201));
    let at = day(0);
    let facts = |id: &str| -> Vec<Fact> {
        let named = json!({
            "checkout_session_id": id, "product_cart": [{ "product_id": id, "quantity": 1 }],
            "subscription_ids": [id], "customer": { "customer_id": id },
        });
        let session = json!({ "checkout_session_id": id });
        let sub = json!({ "subscription_id": id, "product_id": id });
        let back = json!(500);
        let acts: Vec<Act> = story![
            charged(id, id, at, 2000, named),
            payment("payment.failed", id, at, 2000, session),
            refunded(id, id, at, back.clone(), json!({})),
            refund("refund.failed", id, id, at, back, json!({})),
            dispute("lost", id, id, at, json!("5.00"), json!({})),
            subscription("subscription.active", id, at, sub),
            recovered(id, id, at),
            bind(id, json!({})),
        ];
        acts.iter().filter_map(|act| fact(act, &rules)).collect()
    };
    let text = |fact: &Fact| {
        let keys = fact.keys();
        format!("{} {:?}", serde_json::to_string(&(fact, &fact.person)).unwrap(), keys)
    };
    for (short, long) in facts(&fits).iter().zip(&facts(&long)) {
        let kind = short.kind.name();
        assert!(text(short).contains(&format!("\"{fits}\"")), "{kind}");
        assert!(!text(long).contains(&fits), "{kind}: {}", text(long));
        assert!(long.keys().iter().all(|key| key.value().len() <= 200), "{kind}");
    }
}

/// A refund that names neither payment nor customer is in a group of its own.
#[test]
fn facts_without_ids_do_not_meet() {
    let unnamed = |id: &str| {
        refunded(id, "pay", day(0), json!(500), json!({ "payment_id": null, "customer": null }))
    };
    let acts: Vec<Act> = story![unnamed("ref_1"), unnamed("ref_2"), unnamed("ref_1").again_as("x")];
    let ledger = MemoryLedger::play(&Rules::default(), &acts);
    assert_eq!(ledger.timelines().count(), 2);
    assert_eq!(ledger.records().ids(), ["refund:ref_1", "refund:ref_2"]);
}
